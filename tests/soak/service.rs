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
    make(sceau().args(["dev", "--init-only", "--dir"]).arg(dir));
}

fn make(command: &mut Command) {
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Such a folder with two workers of one session each.
pub(crate) fn softhsm() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    make_token(home.path());
    edit(&home.path().join("sceau.toml"), "label = ", "workers = 2\nsessions = 1\nlabel = ");
    home
}

/// Takes the officers out of a configuration of `sceau dev`: their register needs a ledger.
pub(crate) fn without_custody(config: &Path) {
    let text = fs::read_to_string(config).unwrap();
    let (before, after) = (text.split("[custody]").next().unwrap(), text.find("[[profile]]").unwrap());
    fs::write(config, [before, &text[after..]].concat()).unwrap();
}

/// A kind of network HSM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Sessions that it is asked by.
    pub(crate) sessions: usize,
    /// What a signature takes.
    pub(crate) signature_ms: f64,
    /// How many it makes in a second at most, where that is less than its sessions could ask for.
    pub(crate) per_second: Option<f64>,
}

impl Shape {
    /// Signatures a second.
    pub(crate) fn at_most(&self) -> f64 {
        let by_time = self.sessions as f64 * 1000.0 / self.signature_ms;
        self.per_second.map_or(by_time, |rate| rate.min(by_time))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sessions, signature_ms, .. } = self;
        write!(f, "{sessions} sessions, {signature_ms} ms a signature, at most {:.0} a second", self.at_most())
    }
}

/// Network HSMs of one kind, each the faulty token before a SoftHSM of its own, with a DSC of its own.
///
/// The name of a token is its folder's. An HSM in the network computes elsewhere, so the faulty token signs by its own processor,
/// which takes next to nothing of this machine's cores.
pub(crate) struct NetworkHsms {
    home: TempDir,
    pub(crate) shape: Shape,
    /// SoftHSM's module.
    real: PathBuf,
}

impl NetworkHsms {
    pub(crate) fn make(shape: Shape, names: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let softhsm = home.path().join("softhsm");
        make_token(&softhsm);
        let hsms = Self { home, shape, real: real_module(&softhsm) };
        let capacity = shape.per_second.map(|rate| format!("signatures_per_second = {rate:?}\n")).unwrap_or_default();
        let delay = format!("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = {:?}\n", shape.signature_ms);
        fs::write(hsms.script(), format!("{delay}[token]\nown_signatures = true\n{capacity}")).unwrap();
        for name in names {
            let mut command = sceau();
            command.args(["dev", "--init-only", "--module"]).arg(faulty_module()).arg("--dir").arg(hsms.folder(name));
            make(command.envs(hsms.environment(name)));
        }
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
            ("SCEAU_FAULTY_MODULE", self.real.clone()),
            ("SCEAU_FAULTY_SCRIPT", self.script()),
        ]
    }

    /// A configuration of some of them, one worker each, every check and the ledger on: that of the first's folder, with the others
    /// beside it.
    pub(crate) fn configuration(&self, names: &[&str]) -> PathBuf {
        let folder = self.folder(names[0]);
        let config = folder.join("network.toml");
        fs::copy(folder.join("sceau.toml"), &config).unwrap();
        edit(&config, "label = ", &format!("workers = 1\nsessions = {}\nlabel = ", self.shape.sessions));
        let softhsm = format!("{{ SOFTHSM2_CONF = {:?} }}", folder.join("softhsm2.conf"));
        edit(&config, &softhsm, &self.environment_text(names[0]));
        let mut text = fs::read_to_string(&config).unwrap();
        for name in &names[1..] {
            let (folder, sessions) = (self.folder(name), self.shape.sessions);
            let _ = write!(
                text,
                "
[[token]]
name = {name:?}
module = {:?}
label = \"sceau-dev\"
pin_file = {:?}
workers = 1
sessions = {sessions}
environment = {}

[[dsc]]
certificate = {:?}
token = {name:?}
",
                faulty_module(),
                folder.join("user.pin"),
                self.environment_text(name),
                folder.join("dsc-es256.pem"),
            );
        }
        fs::write(&config, text).unwrap();
        config
    }

    fn environment_text(&self, name: &str) -> String {
        format!("{{ {} }}", self.environment(name).map(|(name, value)| format!("{name} = {value:?}")).join(", "))
    }
}

/// SoftHSM's module, where `sceau dev` has found it.
pub(crate) fn real_module(folder: &Path) -> PathBuf {
    let config = fs::read_to_string(folder.join("sceau.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("module")).unwrap();
    PathBuf::from(line.split('"').nth(1).unwrap())
}

/// The faulty token's module, built once a run.
pub(crate) fn faulty_module() -> &'static Path {
    static MODULE: LazyLock<PathBuf> = LazyLock::new(|| built("faulty-token", "libsceau_faulty_token.so"));
    &MODULE
}

/// What a package of its own under tests/ makes, as it is shipped.
pub(crate) fn built(package: &str, file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target").join(package);
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    build.arg(root.join("tests").join(package).join("Cargo.toml")).arg("--target-dir").arg(&target);
    let built = run(&mut build);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    target.join("release").join(file)
}
