//! A file of samples, signed in the background.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::UNIX_EPOCH;

use super::binary::{run, sceau};
use super::processes::wait_until;

/// Samples, signed in the background; the first certificates are there when this returns.
pub(crate) struct Job {
    child: Child,
    input: PathBuf,
    pub(crate) out: PathBuf,
}

impl Job {
    pub(crate) fn start(endpoint: &str, dir: &Path, count: u32) -> Self {
        let (input, out) = (dir.join("in.ndjson"), dir.join("out.ndjson"));
        // Ids that no other run has had: a ledger may outlive the service that signed on it.
        let began = UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let mut sample = sceau();
        sample.args(["sample", "--count", &count.to_string(), "--id-prefix", &format!("{began}-"), "--out"]).arg(&input);
        assert_eq!(run(&mut sample).code, Some(0));
        let mut command = sceau();
        command.args(["sign", "--batch", "100", "--endpoint", endpoint, "--in"]).arg(&input).arg("--out").arg(&out);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_until("first certificates", || fs::metadata(&out).is_ok_and(|file| file.len() > 0));
        Self { child, input, out }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: every item once, in order, and every certificate valid.
    pub(crate) fn finish(mut self, trust: &Path) {
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let ids = |path: &Path| -> Vec<String> {
            let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
            fs::read_to_string(path).unwrap().lines().map(id).collect()
        };
        assert_eq!(ids(&self.out), ids(&self.input));
        let ran = run(sceau().args(["verify", "--strict", "--trust"]).arg(trust).arg("--in").arg(&self.out));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}
