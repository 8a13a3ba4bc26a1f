//! The table of states on `Readiness`, walked row by row: read out of its documentation, so that no other exists.
//!
//! Each row has the function of its name below, which brings a descriptor into that state. Only then is it registered:
//! for each combination of interests, in each mode, with the cells of the row as what has to be reported. What is
//! reported of a descriptor that is watched while its state changes stands in `edges.rs`.
#![cfg(not(loom))]

mod util;

use std::net::{Shutdown, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Connect, Event, Events, Interest, Mode, OsSelector, Readiness, Selector, Socket, Token};
use util::{KQUEUE, URGENT, Watch, await_bytes, await_end, fill, fill_pipe, listener, pipe, send_urgent, tcp_pair};

/// A descriptor in one of the states.
struct State {
    /// What is registered.
    watched: OwnedFd,
    /// What has to stay open for the state to last.
    kept: Vec<OwnedFd>,
    /// What happens between registration and select.
    then: Then,
}

enum Then {
    Nothing,
    /// Closed.
    Close,
    /// Closed, and its number taken by this one in the same moment: another thread of this process cannot take it.
    Replace(OwnedFd),
}

impl State {
    fn of<const N: usize>(watched: impl Into<OwnedFd>, kept: [OwnedFd; N]) -> Self {
        Self { watched: watched.into(), kept: kept.into(), then: Then::Nothing }
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// Brings a descriptor into a state.
type Make = fn() -> State;

/// Every row of the table, in its order.
const STATES: &[(&str, Make)] = &[
    ("stream socket before connect", || State::of(Socket::tcp(&util::any_port()).unwrap(), [])),
    ("connecting", connecting),
    ("connected, nothing received", || connected(|_, _| ())),
    ("connect refused", refused),
    ("send buffer full", full),
    ("data received", || connected(data)),
    ("urgent data received", || connected(urgent_data)),
    ("data and the end received", || {
        connected(|ours, theirs| {
            data(ours, theirs);
            end(ours, theirs);
        })
    }),
    ("the peer has shut its writing side", || connected(end)),
    ("own reading side shut", || connected(|ours, _| ours.shutdown(Shutdown::Read).unwrap())),
    ("own writing side shut", || connected(|ours, theirs| end(theirs, ours))),
    ("both own sides shut", || {
        connected(|ours, theirs| {
            ours.shutdown(Shutdown::Read).unwrap();
            end(theirs, ours);
        })
    }),
    ("each end has shut its writing side", || {
        connected(|ours, theirs| {
            end(ours, theirs);
            end(theirs, ours);
        })
    }),
    ("reset by the peer", reset),
    ("reading end of a pipe, empty", || reading_end(|_| (), true)),
    ("reading end of a pipe, data", || reading_end(fill_pipe, true)),
    ("reading end of a pipe, writer gone", || reading_end(|_| (), false)),
    ("reading end of a pipe, data, writer gone", || reading_end(fill_pipe, false)),
    ("writing end of a pipe, room", || writing_end(|_| (), true)),
    ("writing end of a pipe, full", || writing_end(fill_pipe, true)),
    ("writing end of a pipe, reader gone", || writing_end(|_| (), false)),
    ("writing end of a pipe, full, reader gone", || writing_end(fill_pipe, false)),
    ("datagram socket, nothing received", || datagram(|_, _| ())),
    ("datagram received", || {
        datagram(|ours, theirs| {
            theirs.send_to(b"x", ours.local_addr().unwrap()).unwrap();
            Watch::new(ours, Interest::READABLE, Mode::Level).next();
        })
    }),
    ("packet refused (ICMP)", packet_refused),
    ("listener, nobody waits", || State::of(listener(), [])),
    ("listener, a connection waits", connection_waits),
    ("data received, then closed", || connected(data).then(Then::Close)),
    ("data received, then closed, a duplicate open", || {
        let mut state = connected(data).then(Then::Close);
        state.kept.push(state.watched.try_clone().unwrap());
        state
    }),
    ("data received, then closed, its number in use again", || {
        let (State { watched: other, kept, .. }, mut state) = (connected(data), connected(data));
        state.kept.extend(kept);
        state.then(Then::Replace(other))
    }),
];

fn connecting() -> State {
    // A listener whose queue has room for one does not answer a second.
    let listener = Socket::listen(util::any_port(), 0, false).unwrap();
    let address = listener.local_addr().unwrap();
    let (first, second) = (Socket::tcp(&address).unwrap(), Socket::tcp(&address).unwrap());
    first.connect(&address).unwrap();
    Watch::new(&listener, Interest::READABLE, Mode::Level).next();
    assert_eq!(second.connect(&address).unwrap(), Connect::InProgress);
    State::of(second, [first.into(), listener.into()])
}

fn connected(become_so: impl FnOnce(&Socket, &Socket)) -> State {
    let (ours, theirs) = tcp_pair();
    become_so(&ours, &theirs);
    State::of(ours, [theirs.into()])
}

fn data(ours: &Socket, theirs: &Socket) {
    theirs.send(b"abc").unwrap();
    await_bytes(ours, 3);
}

fn urgent_data(ours: &Socket, theirs: &Socket) {
    send_urgent(theirs);
    if URGENT {
        Watch::new(ours, Interest::PRIORITY, Mode::Level).next();
    }
}

fn end(ours: &Socket, theirs: &Socket) {
    theirs.shutdown(Shutdown::Write).unwrap();
    await_end(ours);
    util::await_acknowledged(theirs);
}

fn refused() -> State {
    let address = listener().local_addr().unwrap();
    let socket = Socket::tcp(&address).unwrap();
    assert_eq!(socket.connect(&address).unwrap(), Connect::InProgress);
    Watch::new(&socket, Interest::WRITABLE, Mode::Level).next();
    State::of(socket, [])
}

fn full() -> State {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = Socket::from_fd(ours.into()).unwrap();
    fill(&ours);
    State::of(ours, [theirs.into()])
}

fn reset() -> State {
    let (ours, theirs) = tcp_pair();
    theirs.set_linger(Some(Duration::ZERO)).unwrap();
    drop(theirs);
    await_end(&ours);
    State::of(ours, [])
}

fn reading_end(become_so: impl FnOnce(&OwnedFd), keep: bool) -> State {
    let (reader, writer) = pipe();
    become_so(&writer);
    let state = State::of(reader, []);
    if keep { State { kept: vec![writer], ..state } } else { state }
}

fn writing_end(become_so: impl FnOnce(&OwnedFd), keep: bool) -> State {
    let (reader, writer) = pipe();
    become_so(&writer);
    let state = State::of(writer, []);
    if keep { State { kept: vec![reader], ..state } } else { state }
}

fn datagram(become_so: impl FnOnce(&UdpSocket, &UdpSocket)) -> State {
    let (ours, theirs) = (util::udp(), util::udp());
    become_so(&ours, &theirs);
    State::of(ours, [theirs.into()])
}

fn packet_refused() -> State {
    let (socket, gone) = (util::udp(), util::udp().local_addr().unwrap());
    socket.connect(gone).unwrap();
    socket.send(b"anyone?").unwrap();
    Watch::new(&socket, Interest::READABLE, Mode::Level).next();
    State::of(socket, [])
}

fn connection_waits() -> State {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::tcp(&address).unwrap();
    client.connect(&address).unwrap();
    Watch::new(&listener, Interest::READABLE, Mode::Level).next();
    State::of(listener, [client.into()])
}

/// One row of the table: its name, and what a registration for reading, for writing and for urgent data gets.
/// `None` is what is better not asked for.
struct Row {
    name: &'static str,
    cells: [Option<Readiness>; 3],
}

fn table() -> Vec<Row> {
    let source = include_str!("../src/readiness.rs");
    let lines = source.lines().map(|line| line.trim_start_matches("///").trim());
    let rows = lines.skip_while(|line| !line.starts_with("| state |")).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{row}");
        let column = if KQUEUE { 4 } else { 1 };
        Row { name: cells[0], cells: [cells[column], cells[column + 1], cells[column + 2]].map(cell) }
    })
    .collect()
}

fn cell(letters: &str) -> Option<Readiness> {
    let bit = |letter| match letter {
        'R' => Readiness::READABLE,
        'W' => Readiness::WRITABLE,
        'r' => Readiness::READ_CLOSED,
        'w' => Readiness::WRITE_CLOSED,
        'E' => Readiness::ERROR,
        'P' => Readiness::PRIORITY,
        'H' => Readiness::HANGUP,
        _ => panic!("{letter:?} stands for no bit"),
    };
    (letters != "-").then(|| letters.chars().map(bit).fold(Readiness::EMPTY, Readiness::union))
}

impl Row {
    /// What a registration for `interest` in `mode` gets first, or `None` if it is not to be asked for.
    fn expected(&self, interest: Interest, mode: Mode) -> Option<Readiness> {
        let asked = [interest.is_readable(), interest.is_writable(), interest.is_priority() && URGENT];
        let mut all = Readiness::EMPTY;
        for (cell, _) in self.cells.into_iter().zip(asked).filter(|(_, asked)| *asked) {
            all |= cell?;
        }
        if !KQUEUE && mode == Mode::Exclusive && !all.contains(Readiness::HANGUP) {
            all = all.difference(Readiness::READ_CLOSED);
        }
        Some(all)
    }
}

/// All interests that can be asked for in `mode`.
fn interests(mode: Mode) -> Vec<Interest> {
    let (reading, writing, urgent) = (Interest::READABLE, Interest::WRITABLE, Interest::PRIORITY);
    let mut all = vec![reading, writing, reading | writing];
    if mode != Mode::Exclusive || KQUEUE {
        all.extend([reading | urgent, writing | urgent, reading | writing | urgent]);
        // Alone it is refused where there is no filter for it.
        all.extend(URGENT.then_some(urgent));
    }
    all
}

/// What one look reports under `token`; nothing may be reported under another.
fn look(selector: &OsSelector, token: Token) -> Readiness {
    let mut events = Events::with_capacity(8);
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    let mut all = Readiness::EMPTY;
    for event in events.iter() {
        assert_eq!(event.token(), token);
        assert_getters_agree(&event);
        all |= event.readiness();
    }
    all
}

/// What whoever asks one question of an event relies on.
fn assert_getters_agree(event: &Event) {
    let is = |bit| event.readiness().contains(bit);
    let closed_or_urgent = event.is_read_closed() || event.is_priority();
    assert!(event.is_readable() || !(closed_or_urgent || event.is_error() || is(Readiness::HANGUP)), "{event:?}");
    assert!(
        event.is_writable() || !(event.is_write_closed() || event.is_error() || is(Readiness::HANGUP)),
        "{event:?}"
    );
    assert_eq!(event.is_readable(), is(Readiness::READABLE));
    assert_eq!(event.is_writable(), is(Readiness::WRITABLE));
    assert_eq!(event.is_read_closed(), is(Readiness::READ_CLOSED));
    assert_eq!(event.is_write_closed(), is(Readiness::WRITE_CLOSED));
    assert_eq!(event.is_error(), is(Readiness::ERROR));
    assert_eq!(event.is_priority(), is(Readiness::PRIORITY));
}

/// Registers the state and gives back what is reported at first, at a second look, after `reregister`, and at the look
/// after that. The last two only if the descriptor is still open.
fn observe(state: State, interest: Interest, mode: Mode) -> Vec<Readiness> {
    const TOKEN: Token = Token(42);
    let State { watched, kept, then } = state;
    let selector = OsSelector::new().unwrap();
    selector.register(watched.as_fd(), TOKEN, interest, mode).unwrap();
    let watched = match then {
        Then::Nothing => Some(watched),
        Then::Close => {
            drop(watched);
            None
        }
        Then::Replace(other) => {
            // SAFETY: both descriptors are owned here, and the second keeps its owner.
            let number = unsafe { libc::dup2(other.as_raw_fd(), watched.as_raw_fd()) };
            assert_eq!(number, watched.as_raw_fd());
            // The new owner of the number is told apart by its token.
            let before = look(&selector, TOKEN);
            selector.register(watched.as_fd(), Token(43), interest, mode).unwrap();
            assert_eq!(look(&selector, Token(43)), first_of("data received", interest, mode));
            selector.deregister(watched.as_fd()).unwrap();
            return vec![before, look(&selector, TOKEN)];
        }
    };
    let mut seen = vec![look(&selector, TOKEN), look(&selector, TOKEN)];
    // epoll refuses to change an exclusive registration.
    if let Some(watched) = watched.filter(|_| mode != Mode::Exclusive || KQUEUE) {
        selector.reregister(watched.as_fd(), TOKEN, interest, mode).unwrap();
        seen.extend([look(&selector, TOKEN), look(&selector, TOKEN)]);
    }
    drop(kept);
    seen
}

fn first_of(name: &str, interest: Interest, mode: Mode) -> Readiness {
    table().iter().find(|row| row.name == name).unwrap().expected(interest, mode).unwrap()
}

fn walk(mode: Mode) {
    let mut wrong = Vec::new();
    let mut walked = 0;
    for (row, (_, state)) in table().iter().zip(STATES) {
        for interest in interests(mode) {
            let Some(first) = row.expected(interest, mode) else { continue };
            let second = if mode == Mode::Level { first } else { Readiness::EMPTY };
            let seen = observe(state(), interest, mode);
            let expected = [first, second, first, second];
            if seen[..] != expected[..seen.len()] {
                wrong.push(format!("{}, {interest:?}: {seen:?}, not {:?}", row.name, &expected[..seen.len()]));
            }
            walked += 1;
        }
    }
    assert!(wrong.is_empty(), "{mode:?}\n{}", wrong.join("\n"));
    // No row is passed over in silence: the fewest that are asked for is each row's one direction, twice.
    assert!(walked >= 2 * STATES.len(), "{walked}");
}

#[test]
fn each_row_of_the_table_has_its_state_and_each_state_its_row() {
    let rows: Vec<_> = table().iter().map(|row| row.name).collect();
    let states: Vec<_> = STATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, states);
}

#[test]
fn each_row_is_reported_once_as_an_edge() {
    walk(Mode::Edge);
}

#[test]
fn each_row_is_reported_for_as_long_as_it_lasts_as_a_level() {
    walk(Mode::Level);
}

#[test]
fn each_row_is_reported_once_as_a_oneshot() {
    walk(Mode::Oneshot);
}

#[test]
fn each_row_is_reported_once_and_without_half_closes_if_exclusive() {
    walk(Mode::Exclusive);
}
