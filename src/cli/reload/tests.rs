use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::{Refused, Reload};
use crate::config::Config;
use crate::domain::SystemClock;
use crate::service::Live;

const PLAIN: &str = r#"
[server]
plain_text_on_loopback = true
max_batch_items = 10

[signing]
uvci_secret_file = "uvci.secret"

[[token]]
name = "a"
module = "m.so"
label = "l"
pin_file = "p"

[[dsc]]
certificate = "c.pem"
token = "a"

[[profile]]
name = "p"
algorithm = "ES256"
issuer = "FR"
vaccination_days = 1
test_days = 1
recovery_days = 1
"#;

struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        home.write("sceau.toml", PLAIN);
        home.write("uvci.secret", &"1".repeat(32));
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("sceau.toml")
    }

    fn config(&self) -> Config {
        Config::load(&self.file()).unwrap()
    }

    /// A certificate that is its own CA, for the service and for its callers.
    fn write_tls(&self) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        self.write("server.pem", &certificate.pem());
        self.write("server.key", &key.serialize_pem());
    }
}

#[test]
fn another_secret_of_uvcis_waits_for_a_restart_and_is_told_each_time() {
    let home = Home::new();
    let config = home.config();
    let live = Live::new(config.live(), Arc::new(SystemClock));
    let mut reload = Reload { config, live: &live, tls: None };
    assert_eq!(reload.waits_for_a_restart(&home.config()), Vec::<&str>::new());
    home.write("uvci.secret", &"2".repeat(32));
    for _ in 0..2 {
        assert_eq!(reload.waits_for_a_restart(&home.config()), ["signing.uvci_secret_file"]);
        reload.take_over(&home.file()).unwrap();
    }
}

#[test]
fn a_file_that_brings_tls_is_not_taken_over_by_a_service_in_plain_text() {
    let home = Home::new();
    let config = home.config();
    let live = Live::new(config.live(), Arc::new(SystemClock));
    let mut reload = Reload { config, live: &live, tls: None };
    home.write_tls();
    let tls = "[server]\nmax_batch_items = 5\n[server.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
               client_ca = \"server.pem\"\n[[caller]]\nname = \"c\"\nidentities = [\"dns:c\"]\nroles = [\"issuer\"]\n";
    home.write("sceau.toml", &PLAIN.replace("[server]\nplain_text_on_loopback = true\nmax_batch_items = 10\n", tls));
    assert!(matches!(reload.take_over(&home.file()), Err(Refused::Transport)));
    assert_eq!((reload.config.limits.max_batch_items, reload.config.callers[0].name.as_str()), (10, "loopback"));
    let callers = format!("{:?}", live.access());
    assert!(callers.contains("loopback") && !callers.contains("dns"), "{callers}");
}
