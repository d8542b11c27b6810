//! The PKCS#11 modules that are built for tests, and what the faulty token has counted.
//!
//! Each is a package of its own beside this folder, with a target folder of its own: cargo holds a lock on ours meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::run;

/// Stands before another module and fails as a script says.
pub(crate) static FAULTY_TOKEN: LazyLock<PathBuf> = LazyLock::new(|| built("faulty-token", "libsceau_faulty_token.so"));

/// A software token that has nothing in common with SoftHSM. From empty it builds for minutes.
pub(crate) static KRYOPTIC: LazyLock<PathBuf> = LazyLock::new(|| built("kryoptic", "libsceau_kryoptic.so"));

fn built(package: &str, library: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target").join(package);
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(root.join("tests").join(package).join("Cargo.toml"));
    let built = run(build.arg("--target-dir").arg(&target));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    target.join("debug").join(library)
}

/// The environment of a faulty token that keeps its files in a folder: `now.toml` and `stats-PID.json`.
pub(crate) fn faulty_token_environment(real: &Path, dir: &Path) -> [(&'static str, PathBuf); 4] {
    [
        ("SCEAU_FAULTY_MODULE", real.to_owned()),
        ("SCEAU_FAULTY_SCRIPT", dir.join("now.toml")),
        ("SCEAU_FAULTY_STATS", dir.join("stats-{pid}.json")),
        ("SCEAU_FAULTY_STATE", dir.join("faulty-state")),
    ]
}

/// What was counted in a folder, by every process that ever was. It is written ten times a second.
pub(crate) fn stats(dir: &Path) -> Vec<Value> {
    let files = fs::read_dir(dir).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let stats = files.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("stats-") && name.ends_with(".json")
    });
    stats.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// How many calls of a function reached the real module.
pub(crate) fn reached(stats: &[Value], function: &str) -> u64 {
    stats.iter().filter_map(|stats| stats["functions"][function]["forwarded"].as_u64()).sum()
}
