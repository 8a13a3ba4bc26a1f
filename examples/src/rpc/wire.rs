//! Values as bytes: numbers with the highest byte first, what has a length behind four bytes of it.

/// What can be sent.
pub trait Wire: Sized {
    /// Appends it.
    fn put(&self, output: &mut Vec<u8>);

    /// Takes one off the front; none if these are not its bytes. Nothing is allocated for a length that is not there.
    fn take(input: &mut &[u8]) -> Option<Self>;

    /// It alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut output = Vec::new();
        self.put(&mut output);
        output
    }

    /// It, if these are its bytes and no more.
    fn from_bytes(mut input: &[u8]) -> Option<Self> {
        Self::take(&mut input).filter(|_| input.is_empty())
    }
}

impl Wire for () {
    fn put(&self, _output: &mut Vec<u8>) {}

    fn take(_input: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Wire for u8 {
    fn put(&self, output: &mut Vec<u8>) {
        output.push(*self);
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        Some(byte)
    }
}

impl Wire for u32 {
    fn put(&self, output: &mut Vec<u8>) {
        output.extend(self.to_be_bytes());
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = input.split_first_chunk()?;
        *input = rest;
        Some(Self::from_be_bytes(*bytes))
    }
}

impl Wire for u64 {
    fn put(&self, output: &mut Vec<u8>) {
        output.extend(self.to_be_bytes());
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = input.split_first_chunk()?;
        *input = rest;
        Some(Self::from_be_bytes(*bytes))
    }
}

impl Wire for String {
    fn put(&self, output: &mut Vec<u8>) {
        // Longer than any frame is as good as the longest.
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(output);
        output.extend(self.as_bytes());
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let length = u32::take(input)?;
        let (text, rest) = input.split_at_checked(length as usize)?;
        *input = rest;
        Self::from_utf8(text.to_vec()).ok()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, output: &mut Vec<u8>) {
        self.0.put(output);
        self.1.put(output);
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        Some((A::take(input)?, B::take(input)?))
    }
}
