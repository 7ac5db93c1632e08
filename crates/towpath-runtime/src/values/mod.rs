//! Values that programs share beside their messages: by key, in sorted sets, and published.

mod channel;
mod kv;
mod sorted_set;

pub use channel::{Channel, Lagged, Subscriber};
pub use kv::Kv;
pub use sorted_set::SortedSet;
