//! Small byte strings, many to an allocation.
//!
//! A payload is made on one thread, dropped on another, and mostly of a hundred bytes. An allocation for
//! each has the threads wait for each other in the allocator: that was a third of a worker's time. So
//! each thread writes into a chunk of its own, and what was written shares it. A short string that is kept
//! for long keeps its chunk: 8 KiB at most.

use std::cell::RefCell;

use bytes::buf::Writer;
use bytes::{BufMut as _, Bytes, BytesMut};

/// What is allocated at once, in bytes.
const CHUNK: usize = 8 * 1024;
/// A longer string has an allocation of its own.
const SMALL: usize = 1024;

thread_local! {
    static CHUNK_OF_THREAD: RefCell<BytesMut> = RefCell::default();
}

/// A copy of `bytes`.
pub fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > SMALL {
        return Bytes::copy_from_slice(bytes);
    }
    let packed = write(|writer| {
        writer.get_mut().extend_from_slice(bytes);
        Ok::<_, std::convert::Infallible>(())
    });
    match packed {
        Ok(packed) => packed,
        Err(never) => match never {},
    }
}

/// What `fill` writes.
///
/// # Errors
///
/// Those of `fill`; what it had written is dropped.
pub fn write<E>(
    fill: impl FnOnce(&mut Writer<&mut BytesMut>) -> Result<(), E>,
) -> Result<Bytes, E> {
    CHUNK_OF_THREAD.with(|chunk| match chunk.try_borrow_mut() {
        Ok(mut chunk) => fill_chunk(&mut chunk, fill),
        // Called from within `fill`, by a value that encodes another on the way.
        Err(_) => fill_chunk(&mut BytesMut::new(), fill),
    })
}

fn fill_chunk<E>(
    chunk: &mut BytesMut,
    fill: impl FnOnce(&mut Writer<&mut BytesMut>) -> Result<(), E>,
) -> Result<Bytes, E> {
    // A panic in an earlier `fill` may have left a beginning behind.
    chunk.clear();
    if chunk.capacity() < SMALL {
        chunk.reserve(CHUNK);
    }
    let mut writer = chunk.writer();
    let filled = fill(&mut writer);
    if let Err(error) = filled {
        *chunk = BytesMut::new();
        return Err(error);
    }
    let packed = chunk.split().freeze();
    if packed.len() > SMALL {
        // The rest of a large allocation would keep all of it alive for the sake of something small.
        *chunk = BytesMut::new();
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_packed_stays_as_it_was() {
        let packed: Vec<Bytes> = (0..5_000u32)
            .map(|n| copy(n.to_string().repeat(n as usize % 500).as_bytes()))
            .collect();
        for (n, bytes) in packed.iter().enumerate() {
            assert_eq!(*bytes, n.to_string().repeat(n % 500).as_bytes());
        }
    }

    #[test]
    fn an_error_leaves_nothing_behind() {
        let failed: Result<Bytes, &str> = write(|writer| {
            let _ = writer.write_all(b"half");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(copy(b"whole"), "whole");
    }

    #[test]
    fn a_value_may_encode_another_on_the_way() {
        let outer = write(|writer| {
            let inner = copy(b"inner");
            writer.write_all(b"outer and ")?;
            writer.write_all(&inner)
        });
        assert_eq!(outer.unwrap(), "outer and inner");
    }

    #[test]
    fn a_large_string_keeps_nothing_small_beside_it() {
        let large = write(|writer| writer.write_all(&[b'x'; 100_000])).unwrap();
        let small = copy(b"small");
        assert_eq!((large.len(), small.len()), (100_000, 5));
        drop(CHUNK_OF_THREAD.take());
        assert!(small.try_into_mut().unwrap().capacity() <= CHUNK);
    }
}
