//! The record of who holds a directory, in a guard file that is never unlinked.
//!
//! Every transition (take, renew, release, publish) reads and writes the record under an exclusive lock of the guard
//! file, held for microseconds. The number in it, the *fence*, grows with every taking and never falls, so that what
//! somebody does under an old one can be refused.
//!
//! ```text
//!   byte 0                512                1024
//!   ├── slot 0 ───────────┼── slot 1 ────────┤
//!   crc32c (8 hex) space JSON … padded with spaces … newline
//! ```
//!
//! The slots are written in turn; the readable one with the higher turn counts. A write that is torn spoils its own slot alone, and
//! the other still says the fence. Where both are spoilt the next fence is taken from the wall clock in milliseconds,
//! which no counter reaches.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
