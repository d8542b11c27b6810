//! One token of SoftHSM, officers, and replicas of the service that know no key but theirs.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::shared::binary::{read_endpoint, run, sceau};
use crate::shared::officers::Officers;

/// A token, and who may change its keys.
pub(crate) struct House {
    home: TempDir,
    pub(crate) officers: Officers,
    /// How long a change takes to reach every replica, in seconds.
    pub(crate) lead: u32,
}

/// `sceau serve`; killed with this value, and its log is shown where the test has failed.
pub(crate) struct Replica {
    pub(crate) endpoint: String,
    pub(crate) folder: PathBuf,
    child: Option<Child>,
}

impl House {
    /// The token of `sceau dev`, without its DSCs.
    pub(crate) fn new(lead: u32) -> Self {
        let house = Self { home: tempfile::tempdir().unwrap(), officers: Officers::new(), lead };
        let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(house.path("dev")));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let mut keys = OpenOptions::new().create_new(true).write(true).mode(0o600).open(house.path("ledger.keys")).unwrap();
        keys.write_all("1".repeat(64).as_bytes()).unwrap();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A replica of a name, which writes into a ledger. It takes the token's keys one after another with those before it.
    pub(crate) fn start(&self, name: &str, ledger: &str) -> Replica {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("sceau.toml"), self.config(name, ledger)).unwrap();
        let mut replica = Replica { endpoint: String::new(), folder, child: None };
        replica.start();
        replica
    }

    fn config(&self, name: &str, ledger: &str) -> String {
        let dev = self.path("dev");
        let made = fs::read_to_string(dev.join("sceau.toml")).unwrap();
        let made: toml::Table = made.parse().unwrap();
        let module = &made["token"][0]["module"];
        let custody = self.officers.section().replace("[custody]\n", &format!("[custody]\nlead_seconds = {}\n", self.lead));
        format!(
            r#"[server]
state_dir = "state"
plain_text_on_loopback = true

[signing]
uvci_secret_file = {secret:?}

[retries]
max_items = 500000

[ledger]
{ledger}
instance = "{name}"
key_file = {keys:?}

[ledger.audit]
certificate = {audit:?}
token = "softhsm"

{custody}
[[token]]
name = "softhsm"
module = {module}
label = "sceau-dev"
pin_file = {pin:?}
workers = 1
sessions = 1
environment = {{ SOFTHSM2_CONF = {softhsm:?} }}

[[profile]]
name = "dcc"
algorithm = "ES256"
issuer = "FR"
vaccination_days = 365
test_days = 365
recovery_days = 180
"#,
            secret = dev.join("uvci.secret"),
            keys = self.path("ledger.keys"),
            audit = dev.join("audit.pem"),
            pin = dev.join("user.pin"),
            softhsm = dev.join("softhsm2.conf"),
        )
    }

    /// What an auditor says of everything that a replica's ledger holds.
    pub(crate) fn assert_audit_passes(&self, replica: &Replica) -> String {
        let export = replica.folder.join("export.ndjson");
        let exported = run(sceau().args(["ledger", "export", "--config"]).arg(replica.config()).arg("--out").arg(&export));
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let mut audit = sceau();
        audit.args(["audit", "verify"]).arg(&export).arg("--certificate").arg(self.path("dev/audit.pem"));
        let audited = run(&mut audit);
        assert_eq!(audited.code, Some(0), "{}\n{}", audited.stdout, audited.stderr);
        audited.stdout
    }
}

impl Replica {
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(self.config());
        command.env("SCEAU_LOG", "info").stdout(Stdio::piped()).stderr(log);
        self.endpoint = read_endpoint(self.child.insert(command.spawn().unwrap()));
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("sceau.toml")
    }

    /// Where officers ask it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("state/admin.sock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- the log of {}\n{}", self.folder.display(), last_lines(&self.log()));
        }
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
