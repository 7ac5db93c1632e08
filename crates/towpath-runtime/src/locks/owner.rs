//! Who holds a lock.

use std::sync::OnceLock;

use towpath_core::name::LockOwner;

use crate::identity::{host_name, worker_name};

/// Who a lock is for: whoever asks again under the same name is told that he holds it already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Owner {
    /// This host: every program that runs here, one after the other or at once.
    Host,
    /// This process alone. A later process of the same number is another owner.
    #[default]
    Process,
    /// This thread alone: the one that asks.
    Thread,
    /// A name of your own.
    Named(LockOwner),
}

impl Owner {
    /// The name under which the store knows the owner: such as `web-1`, `web-1:4242:8f3a9c01d2e4b567` or
    /// the same with `:ThreadId(3)`.
    ///
    /// ```
    /// use towpath_runtime::Owner;
    /// let process = Owner::Process.name();
    /// assert!(process.as_str().starts_with(Owner::Host.name().as_str()));
    /// assert_ne!(process, Owner::Thread.name());
    /// ```
    pub fn name(&self) -> LockOwner {
        let text = match self {
            Owner::Named(name) => return name.clone(),
            Owner::Host => host_name(),
            Owner::Process => process_name().to_owned(),
            Owner::Thread => format!("{}:{:?}", process_name(), std::thread::current().id()),
        };
        LockOwner::new(text).expect("a host's name is cut to 200 printable characters")
    }
}

/// Host, process, and a random number: a host gives its process numbers again and again, and in a
/// container they are always the same.
fn process_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| format!("{}:{:016x}", worker_name(), fastrand::u64(..)))
}
