//! Functions that most programs want: `remove_path`, `kill_process_group`, `run_command`.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use towpath_core::Result;

use super::registry::{Call, Registry};
use crate::World;
use crate::liveness::{Identity, Life, Processes};

/// Arguments of `remove_path`: removes a file, a link, or a directory with all that is in it. What is not there is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePath {
    /// Absolute, without `..`, and not `/`.
    pub path: PathBuf,
}

/// Arguments of `kill_process_group`: kills the group that this process leads, when its leader has ended or its time is up.
///
/// When the leader is gone before, nothing is done: its number may be another's by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillProcessGroup {
    /// The leader.
    pub leader: Identity,
    /// How long the leader has to end after the group was asked to (SIGTERM), in milliseconds; 0 kills at once.
    #[serde(default)]
    pub grace_ms: u64,
}

/// Arguments of `run_command`: runs a program in a process group of its own, and has failed unless it exits with 0.
///
/// It reads nothing, and what it prints goes to the standard error of the process that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCommand {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// The directory to run in; absolute.
    pub directory: PathBuf,
    /// How long it may run, in milliseconds; the deadline of the call counts too.
    pub deadline_ms: u64,
}

impl Registry {
    /// Adds `remove_path`, `kill_process_group` and `run_command`, whose arguments are [`RemovePath`],
    /// [`KillProcessGroup`] and [`RunCommand`].
    ///
    /// # Errors
    ///
    /// [`towpath_core::Kind::TaskNameCollision`] when one of the names is taken.
    pub fn add_builtin(&mut self, world: &World) -> Result<()> {
        self.add("remove_path", |_, args: RemovePath| remove(&args.path))?;
        let processes = world.processes.clone();
        self.add("kill_process_group", move |call, args: KillProcessGroup| {
            kill(call, &args, &*processes)
        })?;
        self.add("run_command", |call, args: RunCommand| command(call, &args))
    }
}

/// The standard library's removal, and not [`Fs`](crate::fs::Fs): it is no step of a protocol, and it follows no link even
/// when one is put in its way.
fn remove(path: &Path) -> std::result::Result<(), String> {
    let mut components = path.components();
    let is_fit = components.next() == Some(Component::RootDir)
        && components.clone().next().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)));
    if !is_fit {
        return Err(format!(
            "the path {path:?} is not absolute, has .., or is /; it is not removed"
        ));
    }
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The longest grace; the deadline of the call counts too.
const GRACE_MAX: Duration = Duration::from_secs(3600);
/// How old a look at a process may be for its number to be its own still: numbers come round again, but not so fast.
const FRESH: Duration = Duration::from_secs(1);

fn kill(
    call: &Call,
    args: &KillProcessGroup,
    processes: &dyn Processes,
) -> std::result::Result<(), String> {
    let leader = &args.leader;
    let pid = i32::try_from(leader.pid).ok().filter(|pid| *pid > 1);
    let Some(pid) = pid.and_then(Pid::from_raw) else {
        return Err(format!("{} is no process to be killed", leader.pid));
    };
    match processes.life(leader) {
        Life::Dead => return Ok(()),
        Life::Unknown => return Err(format!("process {} cannot be seen from here", leader.pid)),
        Life::Alive => {}
    }
    let mut seen = Instant::now();
    let signal = |signal| match rustix::process::kill_process_group(pid, signal) {
        // It leads no group, or has ended since.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(format!("cannot signal group {}: {error}", leader.pid)),
    };
    if args.grace_ms > 0 {
        signal(Signal::TERM)?;
        let until = seen + Duration::from_millis(args.grace_ms).min(GRACE_MAX);
        while !call.is_cancelled() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            let now = Instant::now();
            if processes.life(leader) != Life::Alive {
                break;
            }
            seen = now;
        }
    }
    // Others of the group may be left that did not listen; but a machine may have slept in between.
    match seen.elapsed() < FRESH {
        true => signal(Signal::KILL),
        false => Err(format!("process {} was lost sight of", leader.pid)),
    }
}

fn command(call: &Call, args: &RunCommand) -> std::result::Result<(), String> {
    let Some((program, rest)) = args.argv.split_first() else {
        return Err("there is no program to run".to_owned());
    };
    if !args.directory.is_absolute() {
        return Err(format!(
            "the directory {:?} is not absolute",
            args.directory
        ));
    }
    let mut command = Command::new(program);
    command.args(rest).current_dir(&args.directory);
    command.stdin(Stdio::null()).process_group(0);
    // Whoever reads what this program prints has not asked for what its clean-up says.
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    command.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
    // Where we are killed somebody else runs it again, and it is not to go on beside itself. The signal comes when this
    // thread ends, which waits for the program. What the program has started in its turn is not reached.
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec it makes calls of the system alone, and allocates nothing.
    unsafe {
        let parent = rustix::process::getpid();
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            match rustix::process::getppid() == Some(parent) {
                true => Ok(()),
                false => Err(rustix::io::Errno::SRCH.into()),
            }
        });
    }
    let child = command.spawn();
    let mut child = child.map_err(|error| format!("cannot start {program}: {error}"))?;
    let ended = wait(call, &mut child, Duration::from_millis(args.deadline_ms));
    match ended.map_err(|error| format!("cannot wait for {program}: {error}"))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{program} ended with {status}")),
        None => Err(format!("{program} ran for too long and was killed")),
    }
}

/// Waits for a program; `None` when the time is up and it was killed with its group.
fn wait(
    call: &Call,
    child: &mut Child,
    deadline: Duration,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if call.is_cancelled() || begun.elapsed() >= deadline {
            // Not waited for yet, so the number is still its own.
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                let _it_may_have_ended = rustix::process::kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
