//! Bytes that are handed over to be written, instead of being copied.
//!
//! What a sender wraps a large item in that it does not need any more. The framings of this module take one wherever
//! they take bytes; a header that they put before it goes out in the same write.
//!
//! A type of its own, since the codecs take whatever is seen as bytes, and of that they can only make a copy.
use std::borrow::Cow;

/// Bytes for the codecs of this module that are not copied, if they are 4 KiB or more.
///
/// # Examples
///
/// ```
/// use mainspring::codec::{Framed, LengthDelimited, Payload};
/// use std::io::Cursor;
///
/// let mut framed = Framed::new(Cursor::new(Vec::new()), LengthDelimited::new());
/// assert_eq!(framed.try_send(Payload::from(vec![1; 10_000]))?, Ok(()));
/// assert_eq!(framed.try_flush()?, Some(()));
/// assert_eq!(framed.io().get_ref().len(), 10_004);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(pub Cow<'static, [u8]>);

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}
