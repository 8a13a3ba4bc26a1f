//! The value of `Host`: a name or address, and perhaps a port (RFC 9110, section 7.2, and RFC 3986, section 3.2.2).

/// Whether `value` is one host. Empty is allowed: the target has no authority then.
///
/// Why it is checked although no route depends on it: a proxy before this server may choose by it.
pub(super) fn is_valid(value: &[u8]) -> bool {
    let (name, port) = match value.iter().rposition(|&byte| byte == b':') {
        // Inside brackets, colons belong to an IPv6 address.
        Some(colon) if !value.ends_with(b"]") => match value.split_at_checked(colon) {
            Some((name, [_, port @ ..])) => (name, port),
            _ => return false,
        },
        _ => (value, &[] as &[u8]),
    };
    let literal = name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let named = match literal {
        Some(address) => {
            !address.is_empty() && address.iter().all(|&byte| byte.is_ascii_alphanumeric() || b":.".contains(&byte))
        }
        None => name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)),
    };
    named && port.iter().all(u8::is_ascii_digit)
}
