//! Where SoftHSM is, and what it needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The variable by which SoftHSM finds its configuration.
pub(super) const CONF_VARIABLE: &str = "SOFTHSM2_CONF";

/// Where systems put the module.
const MODULE_PLACES: [&str; 8] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/lib/libsofthsm2.so",
];

/// The module, as named or in a usual place.
pub(super) fn find_module(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return path.canonicalize().with_context(|| format!("cannot find the module {}", path.display()));
    }
    let found = MODULE_PLACES.iter().map(PathBuf::from).find(|path| path.exists());
    let Some(path) = found else {
        bail!(
            "SoftHSM is not installed; on Debian or Ubuntu: apt-get install softhsm2 (elsewhere the package is softhsm); \
             --module names its libsofthsm2.so where it is in an unusual place"
        );
    };
    Ok(path)
}

/// Writes softhsm2.conf, and makes the folder for tokens.
pub(super) fn write_conf(dir: &Path) -> anyhow::Result<PathBuf> {
    let tokens = dir.join("tokens");
    std::fs::create_dir_all(&tokens).with_context(|| format!("cannot make {}", tokens.display()))?;
    let conf = dir.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
        tokens.display()
    );
    std::fs::write(&conf, text).with_context(|| format!("cannot write {}", conf.display()))?;
    Ok(conf)
}

/// Whether this process was started with the configuration.
#[expect(clippy::disallowed_methods, reason = "SoftHSM takes its configuration from the environment and from nowhere else")]
pub(super) fn is_configured(conf: &Path) -> bool {
    std::env::var_os(CONF_VARIABLE).is_some_and(|value| Path::new(&value) == conf)
}
