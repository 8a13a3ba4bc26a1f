//! Names, seeds and limits: the small questions to the system.

use std::io::ErrorKind;
use std::net::SocketAddr;

use mainspring_sys::{descriptor_limit, entropy, processors, resolve, set_thread_processors, thread_processors};

#[test]
fn an_address_in_text_is_its_own_answer() {
    let v4: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let v6: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
    assert_eq!(resolve("192.0.2.1", 80).unwrap(), [v4]);
    assert_eq!(resolve("2001:db8::1", 80).unwrap(), [v6]);
}

#[test]
fn localhost_is_on_loopback() {
    let addresses = resolve("localhost", 443).unwrap();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 443));
}

#[test]
fn a_name_that_is_too_long_is_refused_by_its_value() {
    let name = "x".repeat(254);
    let error = resolve(&name, 80).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("254 bytes") && error.to_string().contains("xxx"), "{error}");
    assert!(error.to_string().len() < 400);
}

#[test]
fn a_name_that_is_none_is_an_error() {
    assert!(resolve("", 80).is_err());
    assert!(resolve("a\0b", 80).is_err());
}

#[test]
fn entropy_differs_each_time() {
    let mut seeds: Vec<_> = (0..1000).map(|_| entropy()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 1000);
}

#[test]
fn there_is_a_processor_and_a_descriptor() {
    assert!(processors() >= 1);
    // The harness has at least its standard streams open.
    assert!(descriptor_limit().unwrap() > 3);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_thread_stays_on_the_processor_that_it_was_put_on_and_so_do_the_threads_that_it_starts() {
    let before = thread_processors().unwrap();
    std::thread::spawn(move || {
        let last = *before.last().unwrap();
        set_thread_processors(&[last, 8191, usize::MAX]).unwrap();
        assert_eq!((thread_processors().unwrap(), processors()), (vec![last], 1));
        std::thread::spawn(move || assert_eq!(thread_processors().unwrap(), [last])).join().unwrap();
        set_thread_processors(&before).unwrap();
        assert_eq!(thread_processors().unwrap(), before);

        for none in [&[][..], &[8191], &[usize::MAX]] {
            let error = set_thread_processors(none).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("{none:?}")), "{error}");
        }
        assert_eq!(thread_processors().unwrap(), before, "an error changes nothing");
    })
    .join()
    .unwrap();
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[test]
fn where_threads_cannot_be_kept_on_a_processor_both_calls_say_so() {
    assert_eq!(thread_processors().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(set_thread_processors(&[0]).unwrap_err().kind(), ErrorKind::Unsupported);
}
