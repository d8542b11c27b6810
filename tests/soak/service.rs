//! `sceau serve` in folders of their own: on SoftHSM, or on the faulty token before SoftHSM.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::shared::binary::{edit, read_endpoint, run, sceau};

/// `sceau serve`; killed with this value.
pub(crate) struct Service {
    pub(crate) endpoint: String,
    child: Child,
}

impl Service {
    /// Starts on a configuration; its warnings are shown.
    pub(crate) fn start(config: &Path) -> Self {
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        Self { endpoint, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `sceau dev` makes: a SoftHSM token with its keys, and DSCs.
pub(crate) fn make_token(dir: &Path) {
    let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(dir));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Such a folder with two workers of one session each.
pub(crate) fn softhsm() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    make_token(home.path());
    edit(&home.path().join("sceau.toml"), "label = ", "workers = 2\nsessions = 1\nlabel = ");
    home
}

/// How many sessions a network HSM has.
pub(crate) const SESSIONS: usize = 32;
/// What a signature of it takes.
pub(crate) const SIGNATURE_MS: f64 = 5.0;

/// Network HSMs, each the faulty token before a SoftHSM of its own: each computes for itself and has a DSC of its own.
///
/// The name of a token is its folder's.
pub(crate) struct NetworkHsms {
    home: TempDir,
}

impl NetworkHsms {
    pub(crate) fn make(names: &[&str]) -> Self {
        let hsms = Self { home: tempfile::tempdir().unwrap() };
        let script = format!("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = {SIGNATURE_MS:?}\n");
        fs::write(hsms.script(), script).unwrap();
        names.iter().for_each(|name| make_token(&hsms.folder(name)));
        hsms
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn script(&self) -> PathBuf {
        self.home.path().join("network.toml")
    }

    /// What a process needs that loads a token's module.
    pub(crate) fn environment(&self, name: &str) -> [(&'static str, PathBuf); 3] {
        [
            ("SOFTHSM2_CONF", self.folder(name).join("softhsm2.conf")),
            ("SCEAU_FAULTY_MODULE", real_module(&self.folder(name))),
            ("SCEAU_FAULTY_SCRIPT", self.script()),
        ]
    }

    /// A configuration of some of them: one worker each, a profile, every check on.
    pub(crate) fn configuration(&self, names: &[&str]) -> PathBuf {
        let first = self.folder(names[0]);
        let mut config = format!(
            "state_dir = {:?}\n\n[server]\nplain_text_on_loopback = true\n\n[signing]\nuvci_secret_file = {:?}\n",
            self.home.path().join(names.join("-and-")),
            first.join("uvci.secret"),
        );
        for name in names {
            let folder = self.folder(name);
            let environment = self.environment(name).map(|(name, value)| format!("{name} = {value:?}")).join(", ");
            let _ = write!(
                config,
                "
[[token]]
name = {name:?}
module = {:?}
label = \"sceau-dev\"
pin_file = {:?}
workers = 1
sessions = {SESSIONS}
environment = {{ {environment} }}

[[dsc]]
certificate = {:?}
token = {name:?}
",
                faulty_module(),
                folder.join("user.pin"),
                folder.join("dsc-es256.pem"),
            );
        }
        config.push_str(
            "
[[profile]]
name = \"dcc\"
algorithm = \"ES256\"
issuer = \"FR\"
vaccination_days = 365
test_days = 365
recovery_days = 180
",
        );
        let path = self.home.path().join(format!("{}.toml", names.join("-and-")));
        fs::write(&path, config).unwrap();
        path
    }
}

/// SoftHSM's module, where `sceau dev` has found it.
fn real_module(folder: &Path) -> PathBuf {
    let config = fs::read_to_string(folder.join("sceau.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("module")).unwrap();
    PathBuf::from(line.split('"').nth(1).unwrap())
}

/// The faulty token's module, built once a run.
pub(crate) fn faulty_module() -> &'static Path {
    static MODULE: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = root.join("target/faulty-token");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
        build.arg(root.join("tests/faulty-token/Cargo.toml")).arg("--target-dir").arg(&target);
        let built = run(&mut build);
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        target.join("release/libsceau_faulty_token.so")
    });
    &MODULE
}
