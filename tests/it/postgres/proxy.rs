//! Stands between a ledger and its server, and is a bad network when it is told to be.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sceau::ledger::store::postgres::PostgresUrl;

use super::server::Database;

/// What becomes of what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It passes.
    Open,
    /// Connections are closed, and new ones at once.
    Cut,
    /// Nothing passes, and nobody hears that it does not.
    Silent,
    /// Questions pass; the first answer closes its connection, and then the line is open.
    Deaf,
}

/// One line to a database.
pub(crate) struct Proxy {
    port: u16,
    database: String,
    state: Arc<State>,
}

struct State {
    line: AtomicU8,
    open: Mutex<Vec<(TcpStream, UnixStream)>>,
}

impl Proxy {
    pub(crate) fn before(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { line: AtomicU8::new(Line::Open as u8), open: Mutex::default() });
        let (at_work, socket) = (Arc::clone(&state), database.socket());
        thread::spawn(move || at_work.accept(&listener, &socket));
        Self { port, database: database.name.clone(), state }
    }

    pub(crate) fn url(&self) -> PostgresUrl {
        self.url_text().parse().unwrap()
    }

    /// As a configuration has it.
    pub(crate) fn url_text(&self) -> String {
        format!("postgres://sceau@127.0.0.1:{}/{}", self.port, self.database)
    }

    pub(crate) fn set(&self, line: Line) {
        self.state.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Cut {
            for (client, server) in self.state.open.lock().unwrap().drain(..) {
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            }
        }
    }

    /// Whether a deaf line has swallowed an answer.
    pub(crate) fn is_open(&self) -> bool {
        self.state.is(Line::Open)
    }
}

impl State {
    fn is(&self, line: Line) -> bool {
        self.line.load(Ordering::SeqCst) == line as u8
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener, socket: &PathBuf) {
        for client in listener.incoming().map_while(Result::ok) {
            // A server that is down closes the connection, too.
            let Ok(server) = UnixStream::connect(socket) else { continue };
            if self.is(Line::Cut) {
                continue;
            }
            client.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push((client.try_clone().unwrap(), server.try_clone().unwrap()));
            let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (asking, answering) = (Arc::clone(self), Arc::clone(self));
            let (end_of_client, end_of_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                asking.pass(client, to_server, false);
                let _ = end_of_server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                answering.pass(server, to_client, true);
                let _ = end_of_client.shutdown(Shutdown::Both);
            });
        }
    }

    /// Until either end closes.
    fn pass(&self, mut from: impl Read, mut to: impl Write, is_answer: bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            while self.is(Line::Silent) {
                thread::sleep(Duration::from_millis(10));
            }
            let deaf_to_open =
                || self.line.compare_exchange(Line::Deaf as u8, Line::Open as u8, Ordering::SeqCst, Ordering::SeqCst);
            if is_answer && deaf_to_open().is_ok() {
                return;
            }
            if to.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    }
}
