//! When and how a connection ended, in virtual time.
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::time::Duration;

use mainspring::proto::pipeline::ServeError;
use mainspring::time::{Instant, timeout};

/// Longer than any deadline that is on.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// How late a few waits one behind the other may be, each by a tick of the wheel (33 µs) at most.
pub(crate) const LATE: Duration = Duration::from_millis(1);

/// How the connection ended, `None` if it lasted for a day, and when.
#[derive(Debug)]
pub(crate) struct End<E> {
    result: Option<Result<(), E>>,
    after: Duration,
}

impl<E: Debug> End<E> {
    pub(crate) async fn of(connection: impl Future<Output = Result<(), E>>) -> Self {
        let start = Instant::now();
        let result = timeout(DAY, connection).await.ok();
        Self { result, after: start.elapsed() }
    }

    #[track_caller]
    fn assert_at(&self, due: Duration) {
        assert!((due..=due + LATE).contains(&self.after), "due after {due:?}: {self:?}");
    }

    /// It closed in good order.
    #[track_caller]
    pub(crate) fn assert_closed_at(&self, due: Duration) {
        assert!(matches!(self.result, Some(Ok(()))), "{self:?}");
        self.assert_at(due);
    }

    #[track_caller]
    pub(crate) fn assert_open(&self) {
        assert!(self.result.is_none(), "{self:?}");
    }
}

impl End<ServeError<io::Error, io::Error>> {
    /// It failed because a deadline had passed.
    #[track_caller]
    pub(crate) fn assert_timed_out_at(&self, due: Duration) {
        let Some(Err(ServeError::Transport(error))) = &self.result else { panic!("{self:?}") };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        self.assert_at(due);
    }
}

impl End<io::Error> {
    /// It failed because a deadline had passed.
    #[track_caller]
    pub(crate) fn assert_timed_out_at(&self, due: Duration) {
        let Some(Err(error)) = &self.result else { panic!("{self:?}") };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        self.assert_at(due);
    }
}
