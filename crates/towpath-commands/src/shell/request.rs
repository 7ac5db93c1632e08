//! What the task `shell` is asked to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use towpath_runtime::TaskError;

/// A program to run: the payload of the task `shell`.
///
/// ```
/// use towpath_commands::shell::ShellRequest;
/// let request: ShellRequest = serde_json::from_str(r#"{"argv": ["make", "-j2"], "cwd": "/src"}"#)?;
/// assert_eq!(request.argv, ["make", "-j2"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShellRequest {
    /// The program and its arguments. A program without `/` is looked for in `PATH`.
    pub argv: Vec<String>,
    /// Where it runs; by default where the worker runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment variables on top of the worker's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// What it reads as its standard input; by default nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

impl ShellRequest {
    /// The program.
    pub(super) fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// Refuses what no operating system could run, so that no retry is spent on it.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        if self.program().is_empty() {
            return Err(rejected(
                "argv names no program; it holds the program and its arguments",
            ));
        }
        let parts = (self.argv.iter().map(|text| ("argv", text)))
            .chain(self.cwd.iter().map(|text| ("cwd", text)))
            .chain(
                self.vars
                    .iter()
                    .flat_map(|(name, value)| [("vars", name), ("vars", value)]),
            );
        for (what, text) in parts {
            if text.contains('\0') {
                return Err(rejected(format!(
                    "{what} holds a zero byte: {text:?}; no program can be given one"
                )));
            }
        }
        match self
            .vars
            .keys()
            .find(|name| name.is_empty() || name.contains('='))
        {
            Some(name) => Err(rejected(format!(
                "vars holds the name {name:?}; a name is not empty and has no `=`"
            ))),
            None => Ok(()),
        }
    }
}

/// A failure that no retry can mend.
pub(super) fn rejected(text: impl AsRef<str>) -> TaskError {
    TaskError::new(super::NAME, text).final_()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_rejected_and_says_why() {
        let check = |json: &str, expected: &str| {
            let request: ShellRequest = serde_json::from_str(json).unwrap();
            let error = request.check().unwrap_err();
            assert!(error.is_final(), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(r#"{"argv": []}"#, "argv names no program");
        check(r#"{"argv": ["", "x"]}"#, "argv names no program");
        check(r#"{"argv": ["a", "b\u0000c"]}"#, "argv holds a zero byte");
        check(
            r#"{"argv": ["a"], "cwd": "\u0000"}"#,
            "cwd holds a zero byte",
        );
        check(
            r#"{"argv": ["a"], "vars": {"A": "\u0000"}}"#,
            "vars holds a zero byte",
        );
        check(
            r#"{"argv": ["a"], "vars": {"A=B": ""}}"#,
            "the name \"A=B\"",
        );
        check(r#"{"argv": ["a"], "vars": {"": ""}}"#, "the name \"\"");
    }

    #[test]
    fn an_unknown_field_is_an_error_and_not_ignored() {
        let error = serde_json::from_str::<ShellRequest>(r#"{"argv": ["a"], "env": {}}"#);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("unknown field `env`")
        );
    }
}
