//! What `defer` and `with-cleanup` say to each other: over a socket in a directory of the user alone, one line of JSON
//! there and one back.
//!
//! Whoever can connect may have commands run as the user; that is he himself, and root. What comes in is bounded all the
//! same: a program that runs wild should not take `with-cleanup` along.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use towpath_coord::deferred::{Registrar, RemovePath, RunCommand};
use towpath_core::{Error, Kind};

/// The variable that leads to the socket.
pub(super) const VARIABLE: &str = "TOWPATH_CLEANUP";
/// The longest line, in bytes.
const LINE_MAX: u64 = 1 << 20;
/// How many may talk at once; others wait.
const TALKS_MAX: usize = 64;
/// How long one may take to say what he wants.
const LISTEN: Duration = Duration::from_secs(10);
/// How long an answer is waited for: writing to a disk that is busy may take a while.
const ANSWER: Duration = Duration::from_secs(60);

/// What is to be done in the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wish {
    RunCommand(RunCommand),
    RemovePath(RemovePath),
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// Why it was not written down; `null` when it was.
    error: Option<String>,
}

impl Wish {
    fn register(&self, registrar: &Registrar) -> towpath_core::Result<()> {
        match self {
            Self::RunCommand(args) => registrar.defer("run_command", args),
            Self::RemovePath(args) => registrar.defer("remove_path", args),
        }
    }
}

/// Where wishes are taken.
pub(super) struct Door {
    directory: PathBuf,
}

impl Door {
    /// Names a directory of its own, which is not made yet.
    pub(super) fn new() -> Self {
        let name = format!("towpath-{:016x}", fastrand::u64(..));
        // The path of a socket has room for about a hundred bytes.
        let temporary = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 64);
        let parent = temporary.unwrap_or_else(|| PathBuf::from("/tmp"));
        let parent = std::path::absolute(&parent).unwrap_or(parent);
        Self {
            directory: parent.join(name),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("s")
    }

    /// Makes the directory and the socket, and takes wishes until the answer is aborted.
    pub(super) fn open(&self, registrar: Registrar) -> io::Result<tokio::task::JoinHandle<()>> {
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).create(&self.directory)?;
        let listener = UnixListener::bind(self.socket())?;
        Ok(tokio::spawn(listen(listener, registrar)))
    }
}

async fn listen(listener: UnixListener, registrar: Registrar) {
    let talks = Arc::new(Semaphore::new(TALKS_MAX));
    loop {
        let Ok(talk) = talks.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let registrar = registrar.clone();
                tokio::spawn(async move {
                    // Who went away without an answer was told that it is not known.
                    let _gone = answer(stream, &registrar).await;
                    drop(talk);
                });
            }
            // Too many open files, for one: it passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn answer(mut stream: UnixStream, registrar: &Registrar) -> io::Result<()> {
    let heard = tokio::time::timeout(LISTEN, line(&mut stream)).await;
    let error = match heard {
        Err(_) => Some("no line came in time".to_owned()),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(line)) => match serde_json::from_slice::<Wish>(&line) {
            Err(error) => Some(format!("it was not understood: {error}")),
            Ok(wish) => {
                let registrar = registrar.clone();
                let done = tokio::task::spawn_blocking(move || wish.register(&registrar)).await;
                match done {
                    Ok(done) => done.err().map(|error| error.to_string()),
                    Err(error) => Some(error.to_string()),
                }
            }
        },
    };
    let mut bytes = serde_json::to_vec(&Answer { error })?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await
}

/// One line, without its end.
async fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LINE_MAX));
    reader.read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        _ => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "no whole line",
        )),
    }
}

/// Has a wish written down; answers when it is.
pub(super) async fn ask(socket: &Path, wish: &Wish) -> towpath_core::Result<()> {
    let mut bytes = serde_json::to_vec(wish).map_err(|error| {
        let text = format!("it cannot be written as JSON: {error}");
        Error::invalid(text)
    })?;
    if bytes.len() as u64 >= LINE_MAX {
        let text = format!(
            "the command has {} bytes, the limit is {LINE_MAX}; put it into a file",
            bytes.len()
        );
        return Err(Error::invalid(text));
    }
    bytes.push(b'\n');
    let mut is_sent = false;
    let talk = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&bytes).await?;
        is_sent = true;
        line(&mut stream).await
    };
    let answer = tokio::time::timeout(ANSWER, talk).await;
    let unheard = |why: String| {
        let promised = match is_sent {
            true => "it is not known whether that was promised",
            false => "nothing was promised",
        };
        let text =
            format!("the with-cleanup that this belongs to does not answer, and {promised}: {why}");
        Error::new(Kind::Unavailable, text)
    };
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unheard(error.to_string())),
        Err(_) => return Err(unheard(format!("not within {ANSWER:?}"))),
    };
    match serde_json::from_slice(&answer) {
        Ok(Answer { error: None }) => Ok(()),
        Ok(Answer { error: Some(error) }) => Err(Error::new(Kind::Failed, error)),
        Err(error) => Err(unheard(error.to_string())),
    }
}
