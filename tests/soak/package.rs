//! The Debian package on this machine: built, installed, run as its unit says, removed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::shared::binary::{Ran, edit, read_endpoint, run};
use crate::{in_turn, sandbox};

const CONFIG: &str = "/etc/sceau/sceau.toml";
/// Where the test's token is: the user's own folder.
const TOKEN_DIR: &str = "/var/lib/sceau/token";

/// What the service writes is there.
const STATE: &str = "/var/lib/sceau";

/// In the place of systemd's.
const NOTIFY_SOCKET: &str = "/run/sceau-package-test.sock";

/// What is there when the package is installed: path, owner and group, mode.
const INSTALLED: [(&str, &str, &str); 15] = [
    ("/usr/bin/sceau", "root:root", "755"),
    ("/usr/lib/systemd/system/sceau.service", "root:root", "644"),
    ("/etc/sceau", "root:sceau", "750"),
    (CONFIG, "root:root", "644"),
    ("/var/lib/sceau", "sceau:sceau", "700"),
    ("/usr/share/man/man1/sceau.1.gz", "root:root", "644"),
    ("/usr/share/man/man1/sceau-token-probe.1.gz", "root:root", "644"),
    ("/usr/share/bash-completion/completions/sceau", "root:root", "644"),
    ("/usr/share/zsh/vendor-completions/_sceau", "root:root", "644"),
    ("/usr/share/fish/vendor_completions.d/sceau.fish", "root:root", "644"),
    ("/usr/share/doc/sceau/copyright", "root:root", "644"),
    ("/usr/share/doc/sceau/examples/sceau.toml", "root:root", "644"),
    ("/usr/share/doc/sceau/examples/vendors/luna.toml", "root:root", "644"),
    ("/usr/share/doc/sceau/examples/monitoring/alerts.yaml", "root:root", "644"),
    ("/usr/share/doc/sceau/examples/proto/sceau/v1/signer.proto", "root:root", "644"),
];

#[test]
fn the_debian_package_installs_runs_and_uninstalls() {
    let _turn = in_turn();
    if said("id", &["-u"]) != "0" {
        println!("NOT RUN: it installs a package, so it has to be root");
        return;
    }
    assert!(!Path::new("/etc/sceau").exists(), "Sceau is installed here; this test would purge it");
    let home = tempfile::tempdir().unwrap();
    let package = build(&home);
    let installed = Installed::install(&package);
    configure();
    let mut service = Service::start();
    service.is_confined();
    service.signs(&home);
    service.ends_in_order();
    installed.purge();
}

/// Builds the package, and has lintian read it where there is one.
fn build(home: &TempDir) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/ship/deb");
    succeed(Command::new(script).arg("--out").arg(home.path()));
    let files = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
    let package = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb")).unwrap();
    println!("{}: {} KiB", package.file_name().unwrap().display(), fs::metadata(&package).unwrap().len() / 1024);
    if said("lintian", &["--version"]).is_empty() {
        println!("lintian is not installed: the package is NOT LINTED");
    } else {
        let mut lintian = Command::new("lintian");
        println!("{}", succeed(lintian.args(["--allow-root", "--fail-on", "error"]).arg(&package)).stdout);
    }
    package
}

/// The package on this machine; purged with this value.
struct Installed;

impl Installed {
    fn install(package: &Path) -> Self {
        let installed = Self;
        succeed(Command::new("dpkg").arg("--install").arg(package));
        for (path, owner, mode) in INSTALLED {
            assert_eq!(said("stat", &["--format=%U:%G %a", path]), format!("{owner} {mode}"), "{path}");
        }
        assert!(said("sceau", &["--version"]).starts_with("sceau "));
        assert_eq!(said("dpkg", &["--verify", "sceau"]), "");
        installed
    }

    /// Removes it; nothing of it stays but the ledger, which then is root's alone.
    fn purge(self) {
        assert!(Path::new(STATE).join("clock-guard").exists(), "there is something to remove");
        drop(self);
        let left: Vec<&str> = INSTALLED.iter().map(|(path, ..)| *path).filter(|path| Path::new(path).exists()).collect();
        assert_eq!(left, [STATE]);
        let names = fs::read_dir(STATE).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let (ledger, others): (Vec<String>, Vec<String>) =
            names.partition(|name| name.starts_with("ledger.db") || name == "ledger.keys");
        assert!(ledger.iter().any(|name| name == "ledger.db") && ledger.iter().any(|name| name == "ledger.keys"), "{ledger:?}");
        assert_eq!(others, [""; 0]);
        for path in ledger.iter().map(|name| format!("{STATE}/{name}")).chain([STATE.to_owned()]) {
            assert_eq!(said("stat", &["--format=%U:%G", &path]), "root:root", "{path}");
        }
        fs::remove_dir_all(STATE).unwrap();
        assert!(!Path::new("/usr/share/doc/sceau").exists());
        assert_eq!(said("getent", &["passwd", "sceau"]), "");
        assert_eq!(said("getent", &["group", "sceau"]), "");
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = Command::new("dpkg").args(["--purge", "sceau"]).stdout(Stdio::null()).status();
        // systemd's, where systemd is: RuntimeDirectory.
        let _ = fs::remove_dir_all("/run/sceau");
        let _ = fs::remove_file(NOTIFY_SOCKET);
    }
}

/// What an operator does: a token, a secret, and the sections that the packaged file has not.
fn configure() {
    succeed(sandbox::as_user("sceau").args(["/usr/bin/sceau", "dev", "--init-only", "--dir", TOKEN_DIR]));
    let dev = fs::read_to_string(format!("{TOKEN_DIR}/sceau.toml")).unwrap();
    let sections = &dev[dev.find("[[token]]").unwrap()..];
    let sections = sections.replace("\"user.pin\"", &format!("\"{TOKEN_DIR}/user.pin\""));
    let sections = sections.replace("certificate = \"", &format!("certificate = \"{TOKEN_DIR}/"));
    let packaged = fs::read_to_string(CONFIG).unwrap();
    fs::write(CONFIG, packaged + "\n" + &sections).unwrap();
    // A port that is free, on a machine that may run another.
    edit(Path::new(CONFIG), "listen = \"127.0.0.1:7443\"", "listen = \"127.0.0.1:0\"\nplain_text_on_loopback = true");
    let secret = format!("{TOKEN_DIR}/uvci.secret");
    succeed(Command::new("install").args(["-o", "sceau", "-g", "sceau", "-m", "0600", &secret, "/etc/sceau/uvci.secret"]));
}

/// The service by its unit's command line, in as much of the unit's sandbox as there is without systemd.
struct Service {
    child: Child,
    endpoint: String,
    /// In systemd's place.
    manager: UnixDatagram,
}

impl Service {
    fn start() -> Self {
        let unit = sandbox::Unit::read(Path::new("/usr/lib/systemd/system/sceau.service"));
        // systemd's own is in /run too, and open to all.
        let manager = UnixDatagram::bind(NOTIFY_SOCKET).unwrap();
        fs::set_permissions(NOTIFY_SOCKET, Permissions::from_mode(0o666)).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut child =
            unit.command().env("NOTIFY_SOCKET", NOTIFY_SOCKET).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        let service = Self { child, endpoint, manager };
        service.says("READY=1");
        service
    }

    /// Waits for what `Type=notify` wants to hear.
    fn says(&self, wanted: &str) {
        let mut said = String::new();
        while !said.lines().any(|line| line == wanted) {
            let mut message = [0; 4096];
            let length = self.manager.recv(&mut message).unwrap_or_else(|error| panic!("no {wanted} ({error}), but {said}"));
            said.push_str(&String::from_utf8_lossy(&message[..length]));
            said.push('\n');
        }
    }

    /// What the kernel says of it and of its workers.
    fn is_confined(&self) {
        let pid = self.child.id();
        let workers = crate::shared::processes::ready_workers(pid);
        assert!(!workers.is_empty());
        let user = said("id", &["-u", "sceau"]);
        for pid in workers.into_iter().chain([pid]) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            assert!(field("Uid:").split_whitespace().all(|id| id == user), "{status}");
            assert_eq!(field("NoNewPrivs:"), "1");
            for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
                assert_eq!(field(set), "0000000000000000", "{set}");
            }
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
            let options = |at: &str| {
                let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rev();
                fields.find(|fields| fields[4] == at).map(|fields| fields[5].split(',').next().unwrap().to_owned())
            };
            assert_eq!(options("/").as_deref(), Some("ro"), "{mounts}");
            assert_eq!(options("/var/lib/sceau").as_deref(), Some("rw"), "{mounts}");
        }
        let socket = fs::metadata("/run/sceau/admin.sock").unwrap();
        assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    }

    /// One certificate, by a client; and root hears how the token is.
    fn signs(&self, home: &TempDir) {
        let path = |name: &str| home.path().join(name);
        succeed(Command::new("/usr/bin/sceau").args(["sample", "--count", "1", "--out"]).arg(path("one.ndjson")));
        let mut sign = Command::new("/usr/bin/sceau");
        sign.args(["sign", "--endpoint", &self.endpoint, "--in"]).arg(path("one.ndjson")).arg("--out").arg(path("signed.ndjson"));
        succeed(&mut sign);
        let mut verify = Command::new("/usr/bin/sceau");
        verify.args(["verify", "--strict", "--trust", &format!("{TOKEN_DIR}/trust.pem"), "--in"]).arg(path("signed.ndjson"));
        let verified = succeed(&mut verify);
        assert_eq!(verified.stdout.lines().count(), 1, "{}", verified.stdout);
        let status = succeed(Command::new("/usr/bin/sceau").args(["token", "status", "--config", CONFIG]));
        assert!(status.stdout.contains("signs"), "{}", status.stdout);
    }

    fn ends_in_order(&mut self) {
        let workers = crate::shared::processes::children_of(self.child.id());
        crate::shared::processes::send("-TERM", self.child.id());
        self.says("STOPPING=1");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(workers.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "no worker outlives it");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn succeed(command: &mut Command) -> Ran {
    let ran = run(command.stdin(Stdio::null()));
    assert_eq!(ran.code, Some(0), "{command:?}\n{}{}", ran.stdout, ran.stderr);
    ran
}

/// What a program prints, and nothing where it fails or is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
