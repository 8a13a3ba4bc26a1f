//! A body in chunks (RFC 9112, section 7.1), joined as they arrive.
//!
//! It keeps its place, so nothing is parsed twice. Extensions and trailer fields are checked and thrown away.

use httparse::EMPTY_HEADER;
use mainspring::codec::Buffer;

use super::lines::{self, NoLine};
use super::{Status, limits};

/// A body whose last chunk has not arrived.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The data so far, at most `limit`.
    pub(super) body: Vec<u8>,
    /// How long it may become, in bytes; what arrives for it may be twice as long.
    limit: usize,
    /// Where in the buffer the next part begins.
    position: usize,
    /// Where in the buffer the first chunk began.
    start: usize,
    /// What the next part is.
    part: Part,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// The line with the size.
    Size,
    /// So many bytes of data, at least 1.
    Data(usize),
    /// The CR LF behind the data.
    DataEnd,
    /// The fields behind the last chunk, and the empty line.
    Trailer,
}

impl Chunks {
    /// For chunks that begin at `start` in the buffer, of a body of at most `limit` bytes.
    pub(super) const fn new(start: usize, limit: usize) -> Self {
        Self { body: Vec::new(), limit, position: start, start, part: Part::Size }
    }

    /// Goes on; answers where the body ends in the buffer once it has arrived.
    pub(super) fn advance(&mut self, buffer: &mut Buffer) -> Result<Option<usize>, Status> {
        loop {
            let (end, part) = match self.part {
                Part::Size => {
                    let line_end = lines::line_end(buffer, self.position, limits::CHUNK_LINE);
                    let Some(end) = line_end.map_err(|_| Status::BadRequest)? else { return Ok(None) };
                    let size = size(buffer.as_slice().get(self.position..end).unwrap_or_default())?;
                    (end, self.next_chunk(end, size)?)
                }
                Part::Data(left) => {
                    let arrived = buffer.as_slice().get(self.position..).unwrap_or_default();
                    let data = arrived.get(..left).unwrap_or(arrived);
                    self.body.extend_from_slice(data);
                    let end = self.position.saturating_add(data.len());
                    match left.saturating_sub(data.len()) {
                        0 => (end, Part::DataEnd),
                        left => {
                            (self.position, self.part) = (end, Part::Data(left));
                            return Ok(None);
                        }
                    }
                }
                Part::DataEnd => match buffer.as_slice().get(self.position..) {
                    Some([b'\r', b'\n', ..]) => (self.position.saturating_add(2), Part::Size),
                    None | Some([] | [b'\r']) => return Ok(None),
                    Some(_) => return Err(Status::BadRequest),
                },
                Part::Trailer => return self.trailer(buffer),
            };
            (self.position, self.part) = (end, part);
        }
    }

    /// What follows the line that ended at `end` and gave this size.
    fn next_chunk(&self, end: usize, size: u64) -> Result<Part, Status> {
        let room = self.limit.saturating_sub(self.body.len());
        let size = usize::try_from(size).ok().filter(|&size| size <= room).ok_or(Status::ContentTooLarge)?;
        // With what this chunk adds, so that it is refused before it arrives.
        let (part, added) = if size == 0 { (Part::Trailer, 0) } else { (Part::Data(size), size.saturating_add(2)) };
        let framed = end.saturating_sub(self.start).saturating_add(added);
        if framed > self.limit.saturating_mul(2) { Err(Status::ContentTooLarge) } else { Ok(part) }
    }

    fn trailer(&self, buffer: &mut Buffer) -> Result<Option<usize>, Status> {
        let section_end = lines::section_end(buffer, self.position, limits::HEAD);
        let Some(end) = section_end.map_err(|reason| match reason {
            NoLine::BareLineFeed => Status::BadRequest,
            NoLine::TooLong => Status::HeaderFieldsTooLarge,
        })?
        else {
            return Ok(None);
        };
        let section = buffer.as_slice().get(self.position..end).unwrap_or_default();
        match httparse::parse_headers(section, &mut [EMPTY_HEADER; limits::FIELDS]) {
            Ok(httparse::Status::Complete(_)) => Ok(Some(end)),
            Err(httparse::Error::TooManyHeaders) => Err(Status::HeaderFieldsTooLarge),
            Ok(httparse::Status::Partial) | Err(_) => Err(Status::BadRequest),
        }
    }
}

/// The size that a line says: hexadecimal digits, and perhaps extensions behind a semicolon.
fn size(line: &[u8]) -> Result<u64, Status> {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    let (digits, extensions) = match line.iter().position(|&byte| byte == b';') {
        Some(semicolon) => line.split_at_checked(semicolon).ok_or(Status::BadRequest)?,
        None => (line, &[] as &[u8]),
    };
    let is_text = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
    if digits.is_empty() || !extensions.iter().all(is_text) {
        return Err(Status::BadRequest);
    }
    digits
        .iter()
        .try_fold(0_u64, |size, &digit| size.checked_mul(16)?.checked_add(u64::from(char::from(digit).to_digit(16)?)))
        .ok_or(Status::BadRequest)
}
