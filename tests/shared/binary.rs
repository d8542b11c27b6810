//! The binary under test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Guards against hanging; nothing here is about speed.
const START_BOUND: Duration = Duration::from_secs(60);

/// The binary under test, with no log noise.
pub(crate) fn sceau() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sceau"));
    command.env("SCEAU_LOG", "warn").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Waits for the line that names the address; shows the log where there is none.
pub(crate) fn read_endpoint(child: &mut Child) -> String {
    let stdout = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(START_BOUND).unwrap_or_default();
    if let Some(endpoint) = line.trim().strip_prefix("listening on ") {
        return endpoint.to_owned();
    }
    let _ = child.kill();
    let mut log = String::new();
    match child.stderr.take() {
        Some(mut stderr) => drop(stderr.read_to_string(&mut log)),
        None => log.push_str("its log is above"),
    }
    panic!("the server did not start:\n{log}");
}

/// Replaces text in a file, which must hold it.
pub(crate) fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} holds {from:?}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}
