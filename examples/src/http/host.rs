//! The value of `Host`: a name or address, and perhaps a port (RFC 9110, section 7.2, and RFC 3986, section 3.2.2).

/// Whether `value` is one host. Empty is allowed: the target has no authority then.
///
/// Why it is checked although no route depends on it: a proxy before this server may choose by it.
#[inline]
pub(super) fn is_valid(value: &[u8]) -> bool {
    match name_end(value).and_then(|end| value.get(end..)) {
        Some([]) => true,
        Some([b':', port @ ..]) => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Where the name at the front ends. Inside brackets stands an IPv6 address, whose colons are its own.
fn name_end(value: &[u8]) -> Option<usize> {
    let Some(literal) = value.strip_prefix(b"[") else {
        let end = value.iter().position(|&byte| !is_of_a_name(byte));
        return Some(end.unwrap_or(value.len()));
    };
    let is_address = |byte: u8| byte.is_ascii_alphanumeric() || b":.".contains(&byte);
    let length = literal.iter().position(|&byte| !is_address(byte)).filter(|length| *length > 0)?;
    (literal.get(length) == Some(&b']')).then(|| length.saturating_add(2))
}

/// Whether names have such a byte. Why as a pattern: it is two looks at a mask of bits then, and no search in a list.
#[rustfmt::skip]
const fn is_of_a_name(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')'
            | b'*' | b'+' | b',' | b';' | b'='
    )
}
