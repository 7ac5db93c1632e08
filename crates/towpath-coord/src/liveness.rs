//! Whether the process that wrote something still lives.
//!
//! A process is known by the start of its machine, its number and its own start: numbers are given again, all three
//! together are not. What is found beyond doubt to be dead may be taken over at once; where it cannot be told
//! (another machine, another namespace of processes), only time helps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use towpath_core::Clock;

/// A process, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The name of its machine.
    pub host: String,
    /// Which start of the machine: [`Clock::boot`].
    pub boot: String,
    /// The namespace of processes in which `pid` counts.
    pub namespace: u64,
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's ticks since the start of the machine.
    pub started: u64,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is there.
    Alive,
    /// It is not, and never will be again.
    Dead,
    /// It cannot be seen from here.
    Unknown,
}

/// Tells of processes. Handed in, so that tests can have theirs die.
pub trait Processes: fmt::Debug + Send + Sync + 'static {
    /// Who we are.
    fn me(&self) -> Identity;

    /// What is known of that process.
    fn life(&self, of: &Identity) -> Life;

    /// Sleeps so long, or until that process has ended where it can be watched.
    fn sleep_while(&self, _lives: &Identity, at_most: Duration) {
        std::thread::sleep(at_most);
    }
}

/// The processes of this machine.
#[derive(Debug, Clone)]
pub struct System {
    me: Identity,
}

impl System {
    /// Looks up who we are. A program that forks without starting another one has to do so again.
    pub fn new(clock: &dyn Clock) -> Self {
        let pid = std::process::id();
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            me: Identity {
                host,
                boot: clock.boot().to_string(),
                namespace: namespace().unwrap_or(0),
                pid,
                started: started(pid).unwrap_or(0),
            },
        }
    }
}

impl System {
    /// Another process of this machine, as it may be written down; `None` when there is none of that number.
    pub fn of(&self, pid: u32) -> Option<Identity> {
        Some(Identity {
            pid,
            started: started(pid)?,
            ..self.me.clone()
        })
    }
}

impl Processes for System {
    fn me(&self) -> Identity {
        self.me.clone()
    }

    fn life(&self, of: &Identity) -> Life {
        let me = &self.me;
        if (&of.host, &of.boot) != (&me.host, &me.boot) {
            // The same machine, started since: nothing outlives that. Two machines may share a name, but not a disk of one
            // of them; for where they do, see `AmongMachines`.
            return match of.host == me.host {
                true => Life::Dead,
                false => Life::Unknown,
            };
        }
        if of.namespace != me.namespace || of.namespace == 0 || of.started == 0 {
            return Life::Unknown;
        }
        match started(of.pid) {
            Some(started) if started == of.started => Life::Alive,
            Some(_) => Life::Dead,
            None if is_readable() => Life::Dead,
            None => Life::Unknown,
        }
    }

    fn sleep_while(&self, lives: &Identity, at_most: Duration) {
        let pid = i32::try_from(lives.pid).ok().and_then(Pid::from_raw);
        let handle = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        // Looked at behind the handle: a number that was given again by then is seen by its start.
        match (handle, self.life(lives)) {
            (_, Life::Dead) => {}
            (Some(handle), Life::Alive) => {
                let at_most = Timespec::try_from(at_most).ok();
                let _ended_or_not =
                    poll(&mut [PollFd::new(&handle, PollFlags::IN)], at_most.as_ref());
            }
            _ => std::thread::sleep(at_most),
        }
    }
}

/// The same where several machines write: of another start nothing is known, for machines may share a name.
#[derive(Debug)]
pub(crate) struct AmongMachines(pub(crate) Arc<dyn Processes>);

impl Processes for AmongMachines {
    fn me(&self) -> Identity {
        self.0.me()
    }

    fn life(&self, of: &Identity) -> Life {
        match of.boot == self.me().boot {
            true => self.0.life(of),
            false => Life::Unknown,
        }
    }

    fn sleep_while(&self, lives: &Identity, at_most: Duration) {
        self.0.sleep_while(lives, at_most);
    }
}

/// When a process started: the 22nd field of its `stat` (proc(5)). `None` when there is no such process, or it
/// has ended and only waits to be noticed by its parent.
fn started(pid: u32) -> Option<u64> {
    let told = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let mut fields = told.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(started)
}

/// Whether processes can be looked up at all.
fn is_readable() -> bool {
    started(std::process::id()).is_some()
}

/// The number of our namespace of processes.
fn namespace() -> Option<u64> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let told = link.to_str()?;
    told.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use towpath_core::SystemClock;

    use super::*;

    #[test]
    fn among_machines_only_those_of_this_start_are_known_to_be_dead() {
        let alone = Arc::new(System::new(&SystemClock::new()));
        let among = AmongMachines(alone.clone());
        let check = |of: &Identity, here: Life, there: Life| {
            assert_eq!((alone.life(of), among.life(of)), (here, there), "{of:?}");
        };
        let me = alone.me();
        check(&me, Life::Alive, Life::Alive);
        let recycled = Identity {
            started: me.started + 1,
            ..me.clone()
        };
        check(&recycled, Life::Dead, Life::Dead);
        let before = Identity {
            boot: "another start".to_owned(),
            ..me
        };
        check(&before, Life::Dead, Life::Unknown);
    }
}
