//! What a token gives where nobody does anything but sign: tests/ceiling, a program of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

use crate::service::{NetworkHsms, built, faulty_module, real_module};

/// A token as `sceau dev` makes it, to be measured.
pub(crate) struct BareToken {
    module: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

/// How it is asked: so many processes, each of so many sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) processes: usize,
    pub(crate) sessions: usize,
    /// PS256 in the place of ES256.
    pub(crate) rsa: bool,
}

/// The ceiling of two threads in one process.
pub(crate) const TWO_THREADS: Asked = Asked { processes: 1, sessions: 2, rsa: false };
/// That of two processes of one session each.
pub(crate) const TWO_PROCESSES: Asked = Asked { processes: 2, sessions: 1, rsa: false };
/// One signature after another.
pub(crate) const ONE: Asked = Asked { processes: 1, sessions: 1, rsa: false };

/// What it gave.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Ceiling {
    pub(crate) per_second: f64,
    /// CPU time of a signature, in microseconds.
    pub(crate) cpu_us: f64,
    /// What one takes, in microseconds.
    pub(crate) p50_us: f64,
}

impl BareToken {
    /// SoftHSM's, in a folder of `sceau dev`.
    pub(crate) fn softhsm(folder: &Path) -> Self {
        let environment = vec![("SOFTHSM2_CONF", folder.join("softhsm2.conf"))];
        Self { module: real_module(folder), folder: folder.to_owned(), environment }
    }

    /// One of some network HSMs.
    pub(crate) fn network(hsms: &NetworkHsms, name: &str) -> Self {
        let (module, environment) = (faulty_module().to_owned(), hsms.environment(name).to_vec());
        Self { module, folder: hsms.folder(name), environment }
    }

    /// Has it sign for some time.
    pub(crate) fn measure(&self, asked: Asked, time: Duration) -> Ceiling {
        self.begin(asked, time).ceiling()
    }

    /// The same, to be waited for.
    pub(crate) fn begin(&self, asked: Asked, time: Duration) -> Measuring {
        let mut command = Command::new(program());
        command.arg("--module").arg(&self.module).args(["--label", "sceau-dev"]);
        command.arg("--pin-file").arg(self.folder.join("user.pin"));
        command.args(["--processes", &asked.processes.to_string(), "--sessions", &asked.sessions.to_string()]);
        command.args(["--seconds", &time.as_secs_f64().to_string()]);
        command.args(if asked.rsa {
            ["--mechanism=rsa-pss", "--key-label=dsc-ps256"]
        } else {
            ["--mechanism=ecdsa", "--key-label=dsc-es256"]
        });
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Measuring(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }
}

/// A measurement on its way.
pub(crate) struct Measuring(Child);

impl Measuring {
    pub(crate) fn ceiling(self) -> Ceiling {
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success(), "the ceiling was not measured; its stderr says why");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The program, built once a run.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("ceiling", "ceiling"));
    &PROGRAM
}
