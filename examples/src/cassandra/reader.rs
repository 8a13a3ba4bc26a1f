//! The notations of bodies (native protocol v4, section 3). `None` is "there is no such thing here".

/// Bytes that are taken from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// `[short]`
    pub(super) fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// `[int]`
    pub(super) fn int(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// `[string]`
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.short()?;
        std::str::from_utf8(self.take(length.into())?).ok()
    }

    /// `[short bytes]`
    pub(super) fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(length.into())
    }

    /// `[bytes]`, of which a negative length is null.
    pub(super) fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.int()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Some(None),
        }
    }

    /// `[inet]`, an address and a port.
    pub(super) fn address(&mut self) -> Option<std::net::SocketAddr> {
        let ip: std::net::IpAddr = match self.array::<1>()? {
            [4] => self.array::<4>()?.into(),
            [16] => self.array::<16>()?.into(),
            _ => return None,
        };
        let port = u16::try_from(self.int()?).ok()?;
        Some((ip, port).into())
    }
}
