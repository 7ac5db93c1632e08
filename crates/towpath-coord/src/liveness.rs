//! Whether the process that wrote something still lives.
//!
//! A process is known by the start of its machine, its number and its own start: numbers are given again, all three
//! together are not. What is found beyond doubt to be dead may be taken over at once; where it cannot be told
//! (another machine, another namespace of processes), only time helps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
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

/// What stands for the start of a machine where it cannot be read: of two such nobody knows whether they are the same.
const UNKNOWN_START: &str = "unknown";

impl Identity {
    /// Whether both are of one start of one machine, and so have one boot clock.
    pub(crate) fn is_of_the_start_of(&self, other: &Self) -> bool {
        (&self.host, &self.boot) == (&other.host, &other.boot) && self.boot != UNKNOWN_START
    }
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
        if [&me.boot, &of.boot]
            .into_iter()
            .any(|boot| boot == UNKNOWN_START)
        {
            return Life::Unknown;
        }
        if !of.is_of_the_start_of(me) {
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
        match Seen::of(of.pid) {
            Seen::Running { started } if started == of.started => Life::Alive,
            Seen::Running { .. } | Seen::Ended => Life::Dead,
            Seen::Nothing if is_gone(of.pid) => Life::Dead,
            Seen::Nothing => Life::Unknown,
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

/// What `/proc` shows of a process.
enum Seen {
    Running {
        started: u64,
    },
    /// It only waits to be noticed by its parent.
    Ended,
    /// There is none of that number, or it is hidden from us, or nothing is shown at all.
    Nothing,
}

impl Seen {
    fn of(pid: u32) -> Self {
        let told = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        told.and_then(|told| Self::parse(&told))
            .unwrap_or(Self::Nothing)
    }

    /// Reads a `stat` (proc(5)): the third field is the state, the 20th the number of threads, the 22nd the start.
    fn parse(told: &str) -> Option<Self> {
        // The second field is a name in parentheses, which may hold anything.
        let fields: Vec<_> = told.rsplit_once(") ")?.1.split(' ').collect();
        let (state, threads, started) = (fields.first()?, fields.get(17)?, fields.get(19)?);
        // A process whose first thread has ended looks like one that has ended, but for its other threads.
        let has_threads = threads.parse::<u64>().is_ok_and(|threads| threads > 1);
        match *state {
            "Z" | "X" | "x" if !has_threads => Some(Self::Ended),
            _ => Some(Self::Running {
                started: started.parse().ok()?,
            }),
        }
    }
}

/// When a process started; `None` when it has ended or cannot be seen.
fn started(pid: u32) -> Option<u64> {
    match Seen::of(pid) {
        Seen::Running { started } => Some(started),
        Seen::Ended | Seen::Nothing => None,
    }
}

/// Whether there is no process of that number, whatever `/proc` may hide.
fn is_gone(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
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
