//! Single datagrams: UDP sockets, and what is sent to and received from an address.
//!
//! `send` and `recv` of a [`Socket`] serve a connected datagram socket as they do a stream: one call, one datagram.
//! Many in one system call are in `datagrams.rs`.
//!
//! A datagram that is longer than the buffer is cut, and what was cut is gone, udp(7). A single receive does not say
//! so: a buffer of 65,527 bytes, or one byte more than is expected, tells; a batch says it of each.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::slice;

use libc::c_int;
use socket2::{Domain, Type};

use crate::Socket;
use crate::address::Address;
use crate::call::Call;
use crate::message::{Incoming, Outgoing};

impl Socket {
    /// An unbound UDP socket of the family of `for_address`.
    ///
    /// ```
    /// use mainspring_sys::Socket;
    ///
    /// let any_port = "127.0.0.1:0".parse().unwrap();
    /// let (sender, receiver) = (Socket::udp(&any_port)?, Socket::udp(&any_port)?);
    /// receiver.bind(&any_port)?;
    /// sender.send_to(b"hello", &receiver.local_addr()?)?;
    ///
    /// let (length, from) = receiver.recv_from(&mut [0; 1500])?;
    /// assert_eq!((length, from.ip()), (5, any_port.ip()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`tcp`](Self::tcp).
    pub fn udp(for_address: &SocketAddr) -> io::Result<Self> {
        Self::open(Domain::for_address(*for_address), Type::DGRAM)
    }

    /// Sends one datagram to an address. All of it is sent, or none.
    ///
    /// # Errors
    ///
    /// send(2): `WouldBlock`; `EMSGSIZE` if it is too long, which for UDP is more than 65,507 bytes, and the socket
    /// goes on; `ConnectionRefused` for an earlier datagram, which the socket tells once; `IsConnected` on the BSDs and
    /// Apple if the socket is connected, where Linux sends to the address given.
    pub fn send_to(&self, buffer: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.send_message_to(buffer, &Address::from(address))
    }

    /// Receives one datagram, and the address of its sender. What does not fit into `buffer` is lost; an empty buffer
    /// takes a datagram and loses all of it. Zero bytes are a datagram too.
    ///
    /// # Errors
    ///
    /// recv(2): `WouldBlock`; `ConnectionRefused` for an earlier datagram that was sent from here, which the socket
    /// tells once.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self.recv_message_from(buffer, 0)?;
        Ok((length, address.internet()?))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// Those of `recv_from`.
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = self.recv_message_from(buffer, libc::MSG_PEEK)?;
        Ok((length, address.internet()?))
    }

    pub(crate) fn send_message_to(&self, buffer: &[u8], address: &Address) -> io::Result<usize> {
        Outgoing::new(&[IoSlice::new(buffer)]).to(address).send(Call::SendTo, self.as_fd())
    }

    pub(crate) fn recv_message_from(&self, buffer: &mut [u8], flags: c_int) -> io::Result<(usize, Address)> {
        let mut address = Address::EMPTY;
        let mut buffer = IoSliceMut::new(buffer);
        let mut message = Incoming::new(slice::from_mut(&mut buffer)).with_address(&mut address);
        let length = message.receive(Call::RecvFrom, self.as_fd(), flags)?;
        let address_length = message.address_length();
        address.set_length(address_length);
        Ok((length, address))
    }
}
