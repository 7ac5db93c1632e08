//! One question to a Redis server, and its answer: what starting one and an operator's commands take.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_MAX: usize = 1 << 20;

/// Sends a command to the server on this port. Its answer is a text or a number, never a list.
pub(crate) fn ask(port: u16, words: &[&str]) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut sent = format!("*{}\r\n", words.len());
    for word in words {
        sent.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(sent.as_bytes())?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", text)) => Ok(text.to_owned()),
        Some(("$", len)) => {
            let len: usize = len.parse().context("an answer without a text")?;
            let mut text = vec![0; len.min(ANSWER_MAX)];
            answer.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        _ => bail!("{:?} was answered {line:?}", words.join(" ")),
    }
}
