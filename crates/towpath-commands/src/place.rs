//! The directory that a command on files works in, and how people are told of processes.

use std::path::Path;

use clap::ValueEnum;
use towpath_coord::fs::{Disk, Fs as _};
use towpath_coord::liveness::{Identity, Life};
use towpath_coord::{Network, Place, World};

use crate::exit::{Failure, Result};

/// What every command on files takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceArgs {
    /// Whether to work in a directory that other machines write to as well, such as one on NFS or SMB
    ///
    /// refuse: it is an error. allow: after a test that locks hold there; whether they do between machines is up
    /// to the file system.
    #[arg(long, value_name = "refuse|allow", value_enum, default_value_t = NetworkArg::Refuse, hide_possible_values = true)]
    network: NetworkArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NetworkArg {
    Refuse,
    Allow,
}

impl PlaceArgs {
    /// Opens a directory, which is there.
    pub(crate) fn open(&self, directory: &Path) -> Result<Place> {
        let network = match self.network {
            NetworkArg::Refuse => Network::Refuse,
            NetworkArg::Allow => Network::Allow,
        };
        if !directory.is_dir() {
            let shown = directory.display();
            return Err(Failure::usage(format!("{shown} is not a directory here")));
        }
        Place::open(World::new(), directory, network).map_err(|error| {
            let over = Disk.network(directory);
            let is_refused = network == Network::Refuse && over.is_ok_and(|over| over.is_some());
            let failure = Failure::from(error);
            match is_refused {
                true => failure.hint("--network allow"),
                false => failure,
            }
        })
    }
}

/// A process for people.
pub(crate) fn process(of: &Identity) -> String {
    format!("process {} on {}", of.pid, of.host)
}

/// What is known of a process, in a word.
pub(crate) fn life(life: Life) -> &'static str {
    match life {
        Life::Alive => "alive",
        Life::Dead => "dead",
        Life::Unknown => "unknown",
    }
}
