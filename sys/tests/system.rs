//! Names, seeds and limits: the small questions to the system.

use std::io::ErrorKind;
use std::net::SocketAddr;

use mainspring_sys::{descriptor_limit, entropy, processors, resolve};

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
