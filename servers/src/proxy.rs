//! A proxy before a server, whose connections can go dead without a word.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// Forwards connections to a server on this machine, until it is told to let them go dead: then what is
/// sent on them arrives nowhere, and neither side is told, as when a cable is pulled.
pub struct Proxy {
    address: SocketAddr,
    /// The connections, each with what its two threads look at.
    connections: Arc<Mutex<Vec<Connection>>>,
    stopped: Arc<AtomicBool>,
}

struct Connection {
    dead: Arc<AtomicBool>,
    sides: [TcpStream; 2],
}

impl Proxy {
    /// A proxy before the server on `port` of this machine.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub fn before(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let connections: Arc<Mutex<Vec<Connection>>> = Arc::default();
        let stopped = Arc::new(AtomicBool::new(false));
        thread::spawn({
            let (connections, stopped) = (connections.clone(), stopped.clone());
            move || {
                for client in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    // A server that is away refuses: so does the proxy, by hanging up.
                    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                        continue;
                    };
                    if let Ok(connection) = join(&client, &server) {
                        lock(&connections).push(connection);
                    }
                }
            }
        });
        Ok(Self {
            address,
            connections,
            stopped,
        })
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lets the connections of now go dead; answers how many those are. Later ones work.
    pub fn let_go_dead(&self) -> usize {
        let connections = lock(&self.connections);
        let alive = |connection: &&Connection| !connection.dead.load(Ordering::SeqCst);
        let alive: Vec<_> = connections.iter().filter(alive).collect();
        for connection in &alive {
            connection.dead.store(true, Ordering::SeqCst);
        }
        alive.len()
    }
}

fn lock(connections: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

fn join(client: &TcpStream, server: &TcpStream) -> std::io::Result<Connection> {
    let dead = Arc::new(AtomicBool::new(false));
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        to.set_nodelay(true)?;
        let dead = dead.clone();
        thread::spawn(move || forward(&mut from, &mut to, &dead));
    }
    Ok(Connection {
        dead,
        sides: [client.try_clone()?, server.try_clone()?],
    })
}

/// Forwards one direction, until its end or for nothing once the connection is dead.
fn forward(from: &mut TcpStream, to: &mut TcpStream, dead: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes) {
        if dead.load(Ordering::SeqCst) {
            if read == 0 {
                return;
            }
            continue;
        }
        if read == 0 || to.write_all(&bytes[..read]).is_err() {
            let _closed_already = to.shutdown(Shutdown::Both);
            return;
        }
    }
    if !dead.load(Ordering::SeqCst) {
        let _closed_already = to.shutdown(Shutdown::Both);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for connection in lock(&self.connections).iter() {
            for side in &connection.sides {
                let _closed_already = side.shutdown(Shutdown::Both);
            }
        }
        // So that the listener looks.
        drop(TcpStream::connect(self.address));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that answers each byte with the next one.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut byte = [0];
                    while client.read(&mut byte).is_ok_and(|read| read == 1) {
                        client.write_all(&[byte[0] + 1]).unwrap();
                    }
                });
            }
        });
        port
    }

    fn ask(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        stream.write_all(&[byte])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    }

    #[test]
    fn a_dead_connection_says_nothing_and_a_later_one_works() {
        let proxy = Proxy::before(echo()).unwrap();
        let connect = || {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
            let patience = Some(Duration::from_millis(200));
            stream.set_read_timeout(patience).unwrap();
            stream
        };
        let mut early = connect();
        assert_eq!(ask(&mut early, 1).unwrap(), 2);
        assert_eq!(proxy.let_go_dead(), 1);
        let error = ask(&mut early, 3).unwrap_err();
        let silent = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
        assert!(silent.contains(&error.kind()), "{error}");
        let mut later = connect();
        later.set_read_timeout(None).unwrap();
        assert_eq!(ask(&mut later, 5).unwrap(), 6);
        assert_eq!(proxy.let_go_dead(), 1);
    }
}
