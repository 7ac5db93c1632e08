//! Counters as Prometheus text over HTTP: `GET /metrics` and nothing else.
//!
//! So little of HTTP that no framework is needed: a request is read up to 8 KiB and 5 s, answered, and
//! the connection closed. At most 16 connections are served at once.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use towpath_core::store::StateCounts;
use towpath_core::{Error, Kind};
use towpath_runtime::App;

use crate::env::Env;
use crate::exit::Result;

/// Longest request that is read.
const REQUEST_BYTES: usize = 8 * 1024;
/// Longest time for a request and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most connections at once.
const CONNECTIONS: usize = 16;

/// Listens on `address`, so that the worker does not start when it is taken.
pub(super) async fn listen(address: SocketAddr, env: &Env) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        env.note(&format!(
            "metrics on {address} are shown to everybody who can reach it; a port alone serves this machine only"
        ));
    }
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Error::new(
            Kind::Storage,
            format!("metrics cannot be served on {address}: {e}"),
        )
    })?;
    if let Ok(address) = listener.local_addr() {
        env.note(&format!("metrics are served on http://{address}/metrics"));
    }
    Ok(listener)
}

/// Serves until it is aborted.
pub(super) async fn serve(listener: TcpListener, app: App) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places
            .clone()
            .acquire_owned()
            .await
            .expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    // Who asks too slowly, or goes away, gets no answer; nobody else is held up.
                    let _ = tokio::time::timeout(TIMEOUT, answer(stream, &app)).await;
                    drop(place);
                });
            }
            // Out of file descriptors, most likely: others are needed more than this.
            Err(error) => {
                tracing::warn!("metrics: no connection was accepted: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, app: &App) -> std::io::Result<()> {
    let request = read_head(&mut stream).await?;
    let response = match request.as_deref().map(route) {
        Some(Ok(())) => response("200 OK", &page(app).await),
        Some(Err(status)) => response(status, ""),
        None => response("431 Request Header Fields Too Large", ""),
    };
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads up to the empty line; `None` when there is none within the limit.
async fn read_head(input: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut input = input.take(REQUEST_BYTES as u64);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if input.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

fn route(head: &str) -> std::result::Result<(), &'static str> {
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(path), Some(version)) if version.starts_with("HTTP/1.") => {
            let path = path.split('?').next().unwrap_or_default();
            if path == "/metrics" {
                Ok(())
            } else {
                Err("404 Not Found")
            }
        }
        (Some(_), Some(_), Some(version)) if version.starts_with("HTTP/1.") => {
            Err("405 Method Not Allowed")
        }
        _ => Err("400 Bad Request"),
    }
}

fn response(status: &str, body: &str) -> String {
    let body = if body.is_empty() {
        format!("{status}\n")
    } else {
        body.to_owned()
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The counters of this process, and the states of the store if it answers.
async fn page(app: &App) -> String {
    let mut text = app.metrics().snapshot().to_prometheus();
    if let Ok(counts) = app.store().counts().await {
        add_counts(&mut text, counts);
    }
    text
}

fn add_counts(text: &mut String, counts: StateCounts) {
    let StateCounts {
        scheduled,
        ready,
        running,
        succeeded,
        failed,
        revoked,
    } = counts;
    let states = [
        ("scheduled", scheduled),
        ("ready", ready),
        ("running", running),
        ("succeeded", succeeded),
        ("failed", failed),
        ("revoked", revoked),
    ];
    text.push_str(
        "# HELP towpath_messages Messages in the store, by state.\n# TYPE towpath_messages gauge\n",
    );
    for (state, count) in states {
        let _ = writeln!(text, "towpath_messages{{state=\"{state}\"}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_metrics_is_answered() {
        let check = |line: &str, expected| assert_eq!(route(line), expected, "{line}");
        check("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Ok(()));
        check("GET /metrics?x=1 HTTP/1.0\r\n\r\n", Ok(()));
        check("GET / HTTP/1.1\r\n\r\n", Err("404 Not Found"));
        check(
            "POST /metrics HTTP/1.1\r\n\r\n",
            Err("405 Method Not Allowed"),
        );
        check("GET /metrics\r\n\r\n", Err("400 Bad Request"));
        check("\x16\x03\x01", Err("400 Bad Request"));
    }

    #[tokio::test]
    async fn a_request_is_read_to_its_limit_and_no_further() {
        let read = async |bytes: &[u8]| read_head(&mut { bytes }).await.unwrap();
        assert!(read(b"GET / HTTP/1.1\r\n\r\nrest").await.is_some());
        assert_eq!(read(b"GET / HTTP/1.1\r\n").await, None);
        assert_eq!(read(&vec![b'x'; 20_000]).await, None);
    }

    #[test]
    fn states_stand_beside_the_counters() {
        let mut text = String::new();
        add_counts(
            &mut text,
            StateCounts {
                ready: 3,
                ..StateCounts::default()
            },
        );
        assert!(
            text.contains("towpath_messages{state=\"ready\"} 3\n"),
            "{text}"
        );
        assert!(response("200 OK", &text).contains("Content-Length: "));
    }
}
