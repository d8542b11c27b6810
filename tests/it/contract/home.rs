//! Installations to hold the contract against: a folder with a token, its keys and DSCs, and the configuration.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use sceau::config::Config;
use sceau::domain::{Dsc, pem};
use sceau::token::{Purpose, TokenSpec, WantedKey};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::modules::{FAULTY_TOKEN, KRYOPTIC, faulty_token_environment, reached, stats};
use crate::support::{Ran, read_endpoint, run, sceau};
use crate::testdata::{environment, read};

/// Whose token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    SoftHsm,
    Kryoptic,
}

/// The name that every configuration here gives its token.
pub(super) const TOKEN: &str = "hsm";

/// A folder with an installation on a token of its own; removed with this value.
pub(super) struct Home {
    pub(super) dir: PathBuf,
    _folder: Option<TempDir>,
}

/// The variable by which a test that is started again finds its folder.
const HOME: &str = "SCEAU_CONTRACT_HOME";

impl Home {
    /// As `sceau dev` makes it: it initialises the token that the module shows, whoever made it.
    pub(super) fn new(maker: Maker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { dir: folder.path().canonicalize().unwrap(), _folder: Some(folder) };
        let mut install = sceau();
        install.args(["dev", "--init-only", "--dir"]).arg(&home.dir);
        if maker == Maker::Kryoptic {
            install.arg("--module").arg(&*KRYOPTIC).env("KRYOPTIC_CONF", home.write_kryoptic_conf());
        }
        let ran = run(&mut install);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        home.configure(|config| {
            for dsc in config["dsc"].as_array_mut().unwrap() {
                dsc["token"] = TOKEN.into();
            }
        });
        home.configure_token(|token| {
            token["name"] = TOKEN.into();
            if maker == Maker::Kryoptic {
                token["environment"] = table([("KRYOPTIC_CONF", home.kryoptic_conf())]);
            }
        });
        home
    }

    fn kryoptic_conf(&self) -> PathBuf {
        self.dir.join("kryoptic.conf")
    }

    fn write_kryoptic_conf(&self) -> PathBuf {
        let database = self.dir.join("kryoptic.sql");
        let text = format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = {database:?}\n");
        fs::write(self.kryoptic_conf(), text).unwrap();
        self.kryoptic_conf()
    }

    /// The same with the faulty token before the real one: it counts what reaches it.
    pub(super) fn counted(maker: Maker) -> Self {
        let home = Self::new(maker);
        home.configure_token(|token| {
            let real = token["module"].as_str().unwrap().to_owned();
            let counting = faulty_token_environment(Path::new(&real), &home.dir);
            let Value::Table(counting) = table(counting) else { unreachable!("a table is made of pairs") };
            token["environment"].as_table_mut().unwrap().extend(counting);
            token["module"] = FAULTY_TOKEN.to_str().unwrap().into();
        });
        home
    }

    fn configure(&self, change: impl FnOnce(&mut Table)) {
        let mut config: Table = read(&self.config()).parse().unwrap();
        // The token of a contract has the keys of DSCs alone.
        config.remove("ledger");
        config.remove("revocation");
        change(&mut config);
        fs::write(self.config(), config.to_string()).unwrap();
    }

    fn configure_token(&self, change: impl FnOnce(&mut Table)) {
        self.configure(|config| change(config["token"][0].as_table_mut().unwrap()));
    }

    /// So many worker processes, and so many sessions in each.
    pub(super) fn set_sizes(&self, workers: u32, sessions: u32) {
        self.configure_token(|token| {
            token.insert("workers".to_owned(), workers.into());
            token.insert("sessions".to_owned(), sessions.into());
        });
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("sceau.toml")
    }

    /// How the service reaches the token.
    pub(super) fn spec(&self) -> TokenSpec {
        Config::load(&self.config()).unwrap().token(TOKEN).unwrap().clone()
    }

    /// The keys of the DSCs, in the order of the configuration: ES256, PS256.
    pub(super) fn wanted(&self) -> Vec<WantedKey> {
        let dscs = Config::load(&self.config()).unwrap().dscs.into_iter().map(|file| read_dsc(&file.certificate));
        dscs.map(|dsc| WantedKey {
            name: dsc.kid().to_string(),
            public_key: dsc.public_key().clone(),
            purpose: Purpose::Certificate,
        })
        .collect()
    }

    /// Puts a PIN in its place, and gives the one that was there.
    pub(super) fn put_pin(&self, pin: &str) -> String {
        let file = self.dir.join("user.pin");
        let before = read(&file);
        fs::write(&file, pin).unwrap();
        before
    }

    /// Logins that reached a [`Self::counted`] token, good and bad.
    pub(super) fn logins(&self) -> u64 {
        reached(&stats(&self.dir), "C_Login")
    }

    /// Sessions that are open on a [`Self::counted`] token in some processes.
    pub(super) fn open_sessions(&self, pids: &[u32]) -> u64 {
        let counted = stats(&self.dir).into_iter().filter(|stats| pids.iter().any(|pid| stats["pid"] == *pid));
        counted.filter_map(|stats| stats["sessions"].as_u64()).sum()
    }

    pub(super) fn samples(&self, count: u32) -> PathBuf {
        self.samples_named("nc", count)
    }

    /// Samples whose ids begin with a name.
    pub(super) fn samples_named(&self, name: &str, count: u32) -> PathBuf {
        let path = self.dir.join(format!("{name}.ndjson"));
        let prefix = format!("{name}-");
        let ran = run(sceau().args(["sample", "--count", &count.to_string(), "--id-prefix", &prefix, "--out"]).arg(&path));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        path
    }

    pub(super) fn serve(&self) -> Server {
        let mut child = self.serve_command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        Server { child, endpoint }
    }

    /// To its end, for a service that must not start: one that does is killed.
    pub(super) fn serve_in_vain(&self) -> Ran {
        let mut child = self.serve_command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        if !first_line.is_empty() {
            child.kill().unwrap();
        }
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        Ran { code: status.code(), stdout: first_line, stderr: String::from_utf8(stderr).unwrap() }
    }

    fn serve_command(&self) -> Command {
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(self.config()).env("SCEAU_LOG", "off");
        command
    }

    /// One worker as a supervisor starts it, with nothing to sign. Its output is frames.
    pub(super) fn work_in_vain(&self) -> Ran {
        let mut command = sceau();
        command.args(["token-worker", "--token", TOKEN, "--config"]).arg(self.config()).envs(self.spec().environment);
        run(command.stdout(Stdio::null()))
    }

    pub(super) fn unlatch(&self) {
        let ran = run(sceau().args(["token", "unlatch", "--token", TOKEN, "--config"]).arg(self.config()));
        assert!(ran.code == Some(0) && ran.stdout.contains("unlatched"), "{}{}", ran.stdout, ran.stderr);
    }

    /// Verifies strictly, with another implementation than the token's.
    pub(super) fn verify(&self, signed: &Path) {
        let mut command = sceau();
        command.args(["verify", "--strict", "--quiet", "--trust"]).arg(self.dir.join("trust.pem")).arg("--in").arg(signed);
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    }
}

/// `sceau serve` on a [`Home`]; killed with this value.
pub(super) struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn sign(&self, profile: &str, input: &Path, out: &Path) -> Ran {
        let mut command = sceau();
        command.args(["sign", "--batch", "60", "--endpoint", &self.endpoint, "--profile", profile, "--in"]).arg(input);
        run(command.arg("--out").arg(out))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a case in a process of its own, whose environment is its token's: modules are configured by the environment, and a
/// process has one. The process is this program, started again for one test, which is named by its path.
pub(super) fn alone(test: &str, make: fn(Maker) -> Home, maker: Maker, case: impl FnOnce(&Home)) {
    if let Some(dir) = environment(HOME) {
        case(&Home { dir: dir.into(), _folder: None });
        sceau::token::finalize_modules();
        return;
    }
    let home = make(maker);
    let (_, name) = test.split_once("::").expect("a path begins with the crate, which the test's name leaves out");
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([name, "--exact", "--test-threads=1", "--nocapture"]).env(HOME, &home.dir).stdin(Stdio::null());
    let ran = run(again.envs(home.spec().environment));
    assert!(ran.code == Some(0) && ran.stdout.contains("1 passed"), "{:?}\n{}{}", ran.code, ran.stdout, ran.stderr);
}

fn read_dsc(file: &Path) -> Dsc {
    Dsc::from_der(&pem::certificates(&read(file)).next().unwrap().unwrap()).unwrap()
}

fn table<const N: usize>(pairs: [(&str, PathBuf); N]) -> Value {
    let pairs = pairs.map(|(name, path)| (name.to_owned(), Value::from(path.to_str().unwrap())));
    Value::Table(pairs.into_iter().collect())
}
