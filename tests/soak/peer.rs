//! A plain issuer in Python, tests/peers: what a short script gives on the same token.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::service::{make_token, real_module};
use crate::shared::binary::{run, sceau};

/// Different payloads that take turns, as the client of Sceau has them.
const PAYLOADS: &str = "5000";

/// The issuer on a token of its own.
pub(crate) struct Peer {
    home: TempDir,
    python: PathBuf,
}

/// What it gave.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Issued {
    pub(crate) per_second: f64,
    /// CPU time of a certificate, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Peer {
    /// Makes token and payloads, and has one certificate verified: it is a real one.
    pub(crate) fn make() -> Self {
        let peer = Self { home: tempfile::tempdir().unwrap(), python: python() };
        make_token(peer.home.path());
        let samples = run(sceau().args(["sample", "--count", PAYLOADS, "--out"]).arg(peer.file("samples.ndjson")));
        assert_eq!(samples.code, Some(0), "{}", samples.stderr);
        peer.issue(Duration::from_millis(100));
        let mut verify = sceau();
        verify.args(["verify", "--trust"]).arg(peer.file("trust.pem")).arg("--in").arg(peer.file("issued.txt"));
        let verified = run(&mut verify);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        peer
    }

    /// Has it issue for some time, a process a core.
    pub(crate) fn issue(&self, time: Duration) -> Issued {
        let folder = self.home.path();
        let mut command = Command::new(&self.python);
        command.arg(peers().join("issuer.py")).arg("--module").arg(real_module(folder));
        command.args(["--label", "sceau-dev", "--key-label", "dsc-es256", "--seconds", &time.as_secs_f64().to_string()]);
        for (option, name) in
            [("--pin-file", "user.pin"), ("--certificate", "dsc-es256.pem"), ("--in", "samples.ndjson"), ("--out", "issued.txt")]
        {
            command.arg(option).arg(self.file(name));
        }
        let issued = run(command.env("SOFTHSM2_CONF", self.file("softhsm2.conf")));
        assert_eq!(issued.code, Some(0), "{}", issued.stderr);
        serde_json::from_str(&issued.stdout).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// A Python with what the issuer needs, in target/peers; made where it is not there, or is another.
fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let (python, made_for) = (venv.join("bin/python"), venv.join("requirements.txt"));
    let requirements = fs::read(peers().join("requirements.txt")).unwrap();
    if fs::read(&made_for).ok().as_ref() == Some(&requirements) {
        return python;
    }
    let succeeded = |command: &mut Command| {
        let ran = run(command);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    };
    succeeded(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    succeeded(Command::new(&python).args(install).arg(peers().join("requirements.txt")));
    fs::write(made_for, requirements).unwrap();
    python
}
