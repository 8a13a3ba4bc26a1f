//! Which header fields are passed on, and in what form.

use httparse::Header;

/// Fields that concern one connection only, and those that are written anew: where a body ends, and whom is asked.
const OF_A_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Appends the fields that are passed on, each on its line.
pub(super) fn write(headers: &[Header<'_>], output: &mut Vec<u8>) {
    for header in headers {
        let is_passed_on = !OF_A_CONNECTION.iter().any(|name| header.name.eq_ignore_ascii_case(name))
            && !values(headers, "connection").any(|option| option.eq_ignore_ascii_case(header.name.as_bytes()));
        if is_passed_on {
            write_one(header.name, &[header.value], output);
        }
    }
}

/// Appends a field whose value is these parts.
pub(super) fn write_one(name: &str, parts: &[&[u8]], output: &mut Vec<u8>) {
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b": ");
    parts.iter().for_each(|part| output.extend_from_slice(part));
    output.extend_from_slice(b"\r\n");
}

/// The members of the list that all fields of this name are.
pub(super) fn values<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    fields.flat_map(|header| header.value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}
