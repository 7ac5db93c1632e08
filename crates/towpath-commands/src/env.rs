//! What every command is handed.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use towpath_core::StoreUrl;
use towpath_runtime::{App, AttemptScopes, Broker};

use crate::output::{Out, escape};

/// Opens a state directory for the attempts of a worker.
pub type Scopes = fn(&Path) -> towpath_core::Result<Arc<dyn AttemptScopes>>;

/// What every command is handed: the app on its opened store, and where the output goes.
pub(crate) struct Env {
    /// The app, on the store that was asked for.
    pub(crate) app: App,
    /// The store that was asked for; `None` when it is the one that the app was made with.
    pub(crate) store_url: Option<StoreUrl>,
    /// How to open a state directory; this crate can name none.
    pub(crate) scopes: Scopes,
    /// How this program is called in the commands that it tells the user to paste.
    pub(crate) program: String,
    /// Standard output, as text or as JSON.
    pub(crate) out: Out,
}

impl Env {
    /// The broker of the app.
    pub(crate) fn broker(&self) -> Broker {
        self.app.broker()
    }

    /// Whether output is meant for programs.
    pub(crate) fn json(&self) -> bool {
        self.out.json
    }

    /// Tells of one thing that failed while the command goes on.
    pub(crate) fn complain(&self, text: &str) {
        complain(text);
    }

    /// Tells something that the user may not have expected.
    pub(crate) fn note(&self, text: &str) {
        note(text);
    }

    /// The command line that runs `rest` on the same store, to be pasted.
    pub(crate) fn command(&self, rest: &str) -> String {
        let program = &self.program;
        match &self.store_url {
            Some(url) => {
                let url = url.to_string();
                let url = escape::shell_word(&url);
                format!("{program} --store {url} {rest}")
            }
            None => format!("{program} {rest}"),
        }
    }
}

/// How the program called `name` is to be called again: by its path where it was called by one, as in
/// `target/release/towpath`, else by its name.
pub(crate) fn invocation(name: &str, invoked_as: Option<OsString>) -> String {
    let invoked_as = invoked_as.and_then(|path| path.into_string().ok());
    let path = invoked_as.filter(|path| path.contains(std::path::is_separator));
    let program = path.as_deref().unwrap_or(name);
    escape::shell_word(program).into_owned()
}

/// As [`Env::complain`], where no store was opened.
pub(crate) fn complain(text: &str) {
    to_stderr("error", text);
}

/// As [`Env::note`], where no store was opened.
pub(crate) fn note(text: &str) {
    to_stderr("note", text);
}

fn to_stderr(head: &str, text: &str) {
    // Where standard error is gone, nobody is left to be told.
    let line = format!("{head}: {}\n", escape::line(text));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_called_again_as_it_was_called() {
        let check = |invoked_as: &str, expected: &str| {
            assert_eq!(invocation("towpath", Some(invoked_as.into())), expected);
        };
        check("towpath", "towpath");
        check("target/release/towpath", "target/release/towpath");
        check("/a b/towpath", "'/a b/towpath'");
        assert_eq!(invocation("towpath", None), "towpath");
    }
}
