//! Reading and writing the bytes of what is stored. Whatever comes from a server may be anything, so
//! nothing here trusts a length.

use bytes::Bytes;
use towpath_core::Timestamp;

/// What is wrong with bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged(pub(super) &'static str);

/// Goes through bytes from their beginning.
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, Damaged> {
        if len > self.0.len() {
            return Err(Damaged("ends too early"));
        }
        Ok(self.0.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let taken = self.take(N)?;
        Ok(taken
            .as_ref()
            .try_into()
            .expect("as long as it was asked for"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damaged> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Damaged> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Damaged> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn id(&mut self) -> Result<[u8; 16], Damaged> {
        self.array()
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Damaged> {
        self.i64().map(Timestamp::from_millis)
    }

    /// A time, or −1 for none.
    pub(super) fn maybe_time(&mut self) -> Result<Option<Timestamp>, Damaged> {
        let millis = self.i64()?;
        Ok((millis >= 0).then(|| Timestamp::from_millis(millis)))
    }

    /// A size that was written in eight bytes.
    pub(super) fn size(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.i64()?).map_err(|_| Damaged("has a size below zero"))
    }

    /// Bytes behind their length of one byte.
    pub(super) fn short(&mut self) -> Result<Bytes, Damaged> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// Bytes behind their length of two bytes.
    pub(super) fn medium(&mut self) -> Result<Bytes, Damaged> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// Bytes behind their length of four bytes.
    pub(super) fn long(&mut self) -> Result<Bytes, Damaged> {
        let len = usize::try_from(self.u32()?).map_err(|_| Damaged("is too long"))?;
        self.take(len)
    }

    /// All that is left.
    pub(super) fn rest(self) -> Bytes {
        self.0
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Damaged> {
    std::str::from_utf8(bytes).map_err(|_| Damaged("is not UTF-8"))
}

pub(super) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    // Names have at most 255 bytes.
    let len = bytes.len().min(255);
    out.push(u8::try_from(len).unwrap_or(u8::MAX));
    out.extend_from_slice(&bytes[..len]);
}

pub(super) fn put_medium(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&bytes[..len.into()]);
}

pub(super) fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    // Everything that is stored has a limit far below that.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn put_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
