//! Two ends of a TCP connection, on one reactor.
use mainspring::net::{TcpListener, TcpStream};

/// The end that connected, and the end that was accepted.
pub(crate) async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (connected, accepted) = futures::join!(connecting, listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// The same with send buffers as small as the system lets them be, so that a writer meets "not yet" soon. The receive
/// buffers stay: below the size of a segment, the kernel's probes of a closed window take seconds.
pub(crate) async fn narrow_connection() -> (TcpStream, TcpStream) {
    let (connected, accepted) = connection().await;
    for stream in [&connected, &accepted] {
        stream.set_send_buffer_size(1).unwrap();
    }
    (connected, accepted)
}

/// Bytes of which no two windows of eight are equal: what is lost or repeated shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0_u64..).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).take(len).collect()
}
