//! What an installation consists of: the systemd unit, the package's configuration, the container's build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sceau::config::Config;

use crate::support::{dev_folder, run, sceau};
use crate::testdata::read;

/// systemd's measure of what a unit leaves open: 0 is nothing, 10 everything. It is given in tenths here.
const MOST_EXPOSURE: &str = "20";

#[test]
fn the_unit_is_understood_by_systemd() {
    let home = tempfile::tempdir().unwrap();
    // systemd wants the program to be there.
    let unit = read(&ship("sceau.service")).replace("/usr/bin/sceau ", &format!("{} ", env!("CARGO_BIN_EXE_sceau")));
    let file = home.path().join("sceau.service");
    fs::write(&file, unit).unwrap();
    let Some(output) = systemd_analyze(&["verify", "--man=no"], &file) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("sceau.service"), "{said}");
}

#[test]
fn the_unit_leaves_little_open() {
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let Some(output) = systemd_analyze(&arguments, &ship("sceau.service")) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// systemd-analyze on a unit; nothing where it is not installed.
fn systemd_analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("the unit is NOT CHECKED: systemd-analyze (Debian: systemd): {error}");
            None
        }
    }
}

/// The places that unit, package and container name are one another's.
#[test]
fn unit_package_and_container_agree_on_the_places() {
    let (unit, container) = (read(&ship("sceau.service")), read(&ship("Containerfile")));
    let config: toml::Table = read(&ship("debian/sceau.toml")).parse().unwrap();
    assert_eq!(config["server"]["state_dir"].as_str(), Some("/var/lib/sceau"));
    assert_eq!(config["server"]["admin_socket"].as_str(), Some("/run/sceau/admin.sock"));
    for line in ["StateDirectory=sceau", "RuntimeDirectory=sceau", "User=sceau"] {
        assert!(unit.lines().any(|own| own == line), "{line}");
    }
    assert!(unit.contains("ExecStart=/usr/bin/sceau serve --config /etc/sceau/sceau.toml\n"));
    assert!(container.contains(r#"ENTRYPOINT ["/usr/bin/sceau"]"#));
    assert!(container.contains(r#"CMD ["serve", "--config", "/etc/sceau/sceau.toml"]"#));
    assert!(container.contains(r#"VOLUME ["/var/lib/sceau"]"#));
}

/// As it is installed it is refused, as wrong configurations are: systemd does not try it again.
#[test]
fn the_packaged_configuration_does_not_start_before_it_has_a_token() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sceau.toml");
    fs::copy(ship("debian/sceau.toml"), &file).unwrap();
    let ran = run(sceau().args(["serve", "--config"]).arg(&file));
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
}

#[test]
fn the_packaged_configuration_is_whole_with_a_token_a_dsc_and_a_profile() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    let sections = read(&file);
    let sections = &sections[sections.find("[[token]]").unwrap()..];
    let packaged = read(&ship("debian/sceau.toml")).replace("[server]\n", "[server]\nplain_text_on_loopback = true\n");
    fs::write(&file, packaged + sections).unwrap();
    let config = Config::load(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.admin_socket, Path::new("/run/sceau/admin.sock"));
}

/// Cargo.toml lets no compiler in that is older; the image's must not be.
#[test]
fn the_container_is_built_by_a_compiler_that_is_new_enough() {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let oldest = manifest["package"]["rust-version"].as_str().unwrap();
    let container = read(&ship("Containerfile"));
    let image = container.lines().find_map(|line| line.strip_prefix("FROM docker.io/library/rust:")).unwrap();
    assert!(minor(image.split('-').next().unwrap()) >= minor(oldest), "{image} is older than {oldest}");
}

/// The N of Rust 1.N.
fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn ship(file: &str) -> PathBuf {
    root().join("hsm-config/ship").join(file)
}
