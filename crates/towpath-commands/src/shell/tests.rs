//! The task `shell`, with real programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use towpath_core::{MessageId, Token, limits};
use towpath_runtime::TaskError;

use super::ShellRequest;
use super::capture::KEPT_BYTES;
use super::run::{Attempt, ShellResult, run_command};

/// Longer than anything here takes, however slow the machine.
const LONG: Duration = Duration::from_secs(30);

fn sh(script: &str) -> ShellRequest {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    ShellRequest {
        argv,
        ..ShellRequest::default()
    }
}

fn attempt() -> Attempt {
    let token = Token {
        id: MessageId::from_text("a test"),
        claims: 3,
    };
    Attempt { token, retries: 2 }
}

async fn run(request: ShellRequest) -> Result<ShellResult, TaskError> {
    let run = run_command(request, attempt(), None);
    tokio::time::timeout(LONG, run)
        .await
        .expect("the program ends")
}

async fn failure(request: ShellRequest) -> TaskError {
    run(request).await.expect_err("the program fails")
}

/// Told by a program in a group that it runs, and by the last of them that it is gone: every one of
/// them that inherits it has it open for writing.
struct Alive {
    dir: TempDir,
    lines: tokio::io::Lines<BufReader<pipe::Receiver>>,
}

impl Alive {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alive");
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success(), "mkfifo: {made}");
        let receiver = pipe::OpenOptions::new().open_receiver(path).unwrap();
        Self {
            dir,
            lines: BufReader::new(receiver).lines(),
        }
    }

    /// `script`, in a directory where it can write its lines to descriptor 3.
    fn request(&self, script: &str) -> ShellRequest {
        let cwd = Some(self.dir.path().to_str().unwrap().to_owned());
        ShellRequest {
            cwd,
            ..sh(&format!("exec 3> alive; {script}"))
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(LONG, self.lines.next_line()).await;
        line.expect("somebody writes, or all are gone").unwrap()
    }
}

#[tokio::test]
async fn a_program_gives_its_output_and_its_size() {
    let result = run(sh("printf one; printf two >&2")).await.unwrap();
    let expected = ShellResult {
        exit_code: 0,
        stdout: "one".to_owned(),
        stderr: "two".to_owned(),
        truncated: false,
        stdout_bytes: 3,
        stderr_bytes: 3,
    };
    assert_eq!(result, expected);
}

#[tokio::test]
async fn argv_is_run_directly_and_no_shell_reads_it() {
    let argv = ["printf", "%s|", "a b", "$HOME", "*", ";", "ü"]
        .map(str::to_owned)
        .to_vec();
    let result = run(ShellRequest {
        argv,
        ..ShellRequest::default()
    })
    .await
    .unwrap();
    assert_eq!(result.stdout, "a b|$HOME|*|;|ü|");
}

#[tokio::test]
async fn output_without_end_is_bounded() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; printf end; head -c 200000 /dev/zero >&2";
    let result = run(sh(script)).await.unwrap();
    assert!(result.truncated);
    assert_eq!(
        (result.stdout_bytes, result.stderr_bytes),
        (3_000_003, 200_000)
    );
    assert!(
        result.stdout.len() < KEPT_BYTES + 100,
        "{} bytes",
        result.stdout.len()
    );
    assert!(result.stdout.starts_with("xxx") && result.stdout.ends_with("xend"));
    let json = serde_json::to_vec(&result).unwrap();
    assert!(json.len() < limits::RESULT_BYTES, "{} bytes", json.len());
}

#[tokio::test]
async fn an_exit_code_is_a_failure_that_names_it_and_what_was_said_last() {
    let error = failure(sh("echo quiet; echo loud >&2; exit 3")).await;
    assert!(!error.is_final(), "a retry may help");
    assert_eq!(
        error.to_string(),
        "shell: program \"sh\" ended with exit code 3:\nloud"
    );
    let error = failure(sh("echo complaint; exit 1")).await;
    assert_eq!(
        error.to_string(),
        "shell: program \"sh\" ended with exit code 1:\ncomplaint"
    );
    let error = failure(sh("exit 2")).await;
    assert_eq!(
        error.to_string(),
        "shell: program \"sh\" ended with exit code 2"
    );
}

#[tokio::test]
async fn of_a_long_complaint_the_end_is_kept() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i + 1)); done; exit 1";
    let text = failure(sh(script)).await.attempt_error().text.clone();
    assert!(
        text.len() <= limits::ERROR_TEXT_BYTES,
        "{} bytes",
        text.len()
    );
    assert!(
        text.len() > limits::ERROR_TEXT_BYTES / 2,
        "{} bytes",
        text.len()
    );
    assert!(
        text.starts_with("program \"sh\" ended with exit code 1:\nline "),
        "{text}"
    );
    assert!(text.ends_with("line 1999"), "{text}");
}

#[tokio::test]
async fn a_signal_is_a_failure_that_names_it() {
    let error = failure(sh("kill -SEGV $$")).await;
    assert!(error.to_string().contains("signal 11 (SIGSEGV)"), "{error}");
    assert!(!error.is_final());
}

#[tokio::test]
async fn standard_input_is_given_and_is_empty_by_default() {
    let long = "0123456789".repeat(50_000);
    let cat = ShellRequest {
        stdin: Some(long.clone()),
        ..sh("cat | wc -c")
    };
    assert_eq!(
        run(cat).await.unwrap().stdout.trim(),
        long.len().to_string()
    );
    let ignored = ShellRequest {
        stdin: Some(long),
        ..sh("exit 0")
    };
    assert_eq!(run(ignored).await.unwrap().exit_code, 0);
    assert_eq!(run(sh("cat")).await.unwrap().stdout_bytes, 0);
}

#[tokio::test]
async fn a_program_has_the_vars_and_knows_its_attempt() {
    let vars = [("COLOUR", "blue"), ("TOWPATH_RETRIES", "not this")];
    let vars: BTreeMap<_, _> = vars.map(|(name, value)| (name.into(), value.into())).into();
    let script = "echo $COLOUR $TOWPATH_MESSAGE_ID $TOWPATH_TOKEN $TOWPATH_RETRIES";
    let result = run(ShellRequest { vars, ..sh(script) }).await.unwrap();
    let id = attempt().token.id;
    assert_eq!(result.stdout.trim(), format!("blue {id} {id}#3 2"));
}

#[tokio::test]
async fn a_program_runs_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    let at = |path: &Path| ShellRequest {
        cwd: Some(path.display().to_string()),
        ..sh("pwd -P")
    };
    assert_eq!(
        run(at(&real)).await.unwrap().stdout.trim(),
        real.display().to_string()
    );
    let error = failure(at(&real.join("missing"))).await;
    assert!(
        error
            .to_string()
            .contains("missing\" is not a directory here"),
        "{error}"
    );
    assert!(!error.is_final(), "a directory may appear");
}

#[tokio::test]
async fn a_program_that_is_not_found_is_rejected() {
    let of = |program: &str| ShellRequest {
        argv: vec![program.into()],
        ..ShellRequest::default()
    };
    for program in ["towpath-no-such-program", "/no/such/program"] {
        let error = failure(of(program)).await;
        assert!(error.is_final(), "{error}");
        assert!(error.to_string().contains("was not found"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("not executable");
    std::fs::write(&file, "").unwrap();
    let error = failure(of(file.to_str().unwrap())).await;
    assert!(!error.is_final(), "somebody may mend it: {error}");
    assert!(
        error.to_string().contains("could not be started"),
        "{error}"
    );
}

#[tokio::test]
async fn an_attempt_that_is_called_off_ends_the_whole_group_gently() {
    let mut alive = Alive::new();
    let script = "(trap 'echo asked >&3; exit' TERM; echo runs >&3; sleep 1000 & wait) & wait";
    let attempt = tokio::spawn(run_command(alive.request(script), attempt(), None));
    assert_eq!(alive.line().await.as_deref(), Some("runs"));
    attempt.abort();
    assert_eq!(alive.line().await.as_deref(), Some("asked"));
    assert_eq!(alive.line().await, None, "all of the group are gone");
}

#[tokio::test]
async fn a_group_that_ignores_the_request_is_killed() {
    let mut alive = Alive::new();
    let script = "trap '' TERM; (echo runs >&3; sleep 1000; sleep 1000) & wait; wait";
    let attempt = tokio::spawn(run_command(alive.request(script), attempt(), None));
    assert_eq!(alive.line().await.as_deref(), Some("runs"));
    attempt.abort();
    assert_eq!(alive.line().await, None, "all of the group are gone");
}

#[test]
fn the_end_of_the_runtime_kills_the_group() {
    let build = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (observer, worker) = (build(), build());
    let mut alive = observer.block_on(async { Alive::new() });
    let script = "trap '' TERM; (echo runs >&3; sleep 1000) & wait; wait";
    worker.spawn(run_command(alive.request(script), attempt(), None));
    observer.block_on(async {
        assert_eq!(alive.line().await.as_deref(), Some("runs"));
        worker.shutdown_background();
        assert_eq!(alive.line().await, None, "all of the group are gone");
    });
}

#[tokio::test]
async fn nothing_that_a_program_left_running_outlives_the_attempt() {
    let mut alive = Alive::new();
    // It holds none of the output, so nobody waits for it.
    let script = "sleep 1000 > /dev/null 2>&1 & echo runs >&3";
    let result = run(alive.request(script)).await.unwrap();
    assert_eq!(result.exit_code, 0);
    assert_eq!(alive.line().await.as_deref(), Some("runs"));
    assert_eq!(alive.line().await, None, "all of the group are gone");
}

#[tokio::test]
async fn what_a_program_left_running_may_finish_its_output() {
    let result = run(sh("(sleep 0.2; echo late) & echo early"))
        .await
        .unwrap();
    assert_eq!(result.stdout, "early\nlate\n");
    // And if it never does, the attempt ends all the same.
    let result = run(sh("sleep 1000 & echo early")).await.unwrap();
    assert_eq!(result.stdout, "early\n");
}
