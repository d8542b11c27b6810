//! Making the folder of `sceau dev`, once.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use x509_cert::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use crate::cli::officer::{read_key, write_key};
use crate::custody::development::{DevelopmentCsca, DscRequest, RemoteKey};
use crate::domain::officers::{KeyKind, OfficerKey};
use crate::domain::{Country, Dsc, NumericDate, PublicKey};
use crate::token::{PinLatch, PinSource, TokenAdmin, TokenSpec};

/// The configuration's name; it is written last, so that where it stands everything does.
pub(super) const CONFIG: &str = "sceau.toml";
const PIN: &str = "user.pin";
const UVCI_SECRET: &str = "uvci.secret";
const TOKEN_LABEL: &str = "sceau-dev";
const COUNTRY: &str = "FR";

/// The two DSCs: the key's label and the certificate's file, what kind of key, its CN.
const DSCS: [(&str, KeyKind, &str); 2] =
    [("dsc-es256", KeyKind::P256, "Sceau development DSC ES256"), ("dsc-ps256", KeyKind::Rsa2048, "Sceau development DSC PS256")];

/// The audit key's label and its certificate's file.
const AUDIT: &str = "audit";

/// The upload key's label and its certificate's file.
const UPLOAD: &str = "upload";

/// Two officers, whose keys lie in the folder: the rule that two agree is kept, by whoever has both.
const OFFICERS: [&str; 2] = ["ada", "grace"];

const DAY: i64 = 86_400;

/// Makes what is not there; leaves everything where the configuration stands.
pub(super) fn install(dir: &Path, module: &Path, now: NumericDate) -> anyhow::Result<()> {
    if dir.join(CONFIG).exists() {
        return Ok(());
    }
    write_secret(&dir.join(PIN), &random_digits()?)?;
    write_secret(&dir.join(UVCI_SECRET), &random_hex()?)?;
    let spec = token_spec(dir, module);
    TokenAdmin::init_token(&spec, &SecretString::from(random_digits()?.as_str())).context("cannot initialise the token")?;
    let admin = TokenAdmin::open(&spec).context("cannot log in to the token")?;
    let trust = issue_certificates(dir, &admin, now)?;
    write(&dir.join("trust.pem"), &trust)?;
    let officers = OFFICERS.map(|name| officer_section(dir, name)).into_iter().collect::<anyhow::Result<String>>()?;
    write(&dir.join(CONFIG), &config_text(dir, module, &officers))?;
    tracing::info!(
        config = %dir.join(CONFIG).display(),
        "made a token, a CSCA, two DSCs, an audit key, an upload key and two officers' keys"
    );
    Ok(())
}

fn token_spec(dir: &Path, module: &Path) -> TokenSpec {
    TokenSpec {
        name: "softhsm".to_owned(),
        module: module.to_owned(),
        label: TOKEN_LABEL.to_owned(),
        serial: None,
        pin: PinSource::File(dir.join(PIN)),
        new_pin_file: None,
        so_pin_file: None,
        latch: PinLatch::at(dir.join("state/softhsm.pin-latch")),
        workers: None,
        sessions: None,
        environment: Vec::new(),
        hang_timeout: Duration::from_secs(10),
        relaxed: Vec::new(),
        max_signatures_per_second: None,
        keep_alive: None,
        user: None,
    }
}

/// Makes the keys in the token and the certificates over them; gives the DSCs as one PEM text.
fn issue_certificates(dir: &Path, admin: &TokenAdmin, now: NumericDate) -> anyhow::Result<String> {
    let country: Country = COUNTRY.parse()?;
    let csca_key = RemoteKey::new(admin, key(admin, KeyKind::P256, "csca")?);
    let csca = DevelopmentCsca::new(csca_key, country, now)?;
    write(&dir.join("csca.pem"), &pem(csca.der())?)?;
    let mut trust = String::new();
    let request = |common_name: &str| DscRequest {
        common_name: common_name.to_owned(),
        types: Vec::new(),
        not_before: now.plus_seconds(-DAY),
        not_after: now.plus_seconds(2 * 365 * DAY),
    };
    for (label, common_name) in [(AUDIT, "Sceau development audit"), (UPLOAD, "Sceau development upload")] {
        let der = csca.issue(&key(admin, KeyKind::P256, label)?, &request(common_name))?;
        write(&dir.join(format!("{label}.pem")), &pem(&der)?)?;
    }
    for (label, kind, common_name) in DSCS {
        let der = csca.issue(&key(admin, kind, label)?, &request(common_name))?;
        let dsc = Dsc::from_der(&der)?;
        tracing::info!(kid = %dsc.kid(), subject = dsc.subject(), "DSC issued");
        write(&dir.join(format!("{label}.pem")), &pem(&der)?)?;
        trust.push_str(&pem(&der)?);
    }
    Ok(trust)
}

/// A key that an interrupted run has made, or a new one.
fn key(admin: &TokenAdmin, kind: KeyKind, label: &str) -> anyhow::Result<PublicKey> {
    match admin.find(kind, label)? {
        Some(public_key) => Ok(public_key),
        None => admin.generate(kind, label).with_context(|| format!("cannot make the key {label}")),
    }
}

/// An officer of the configuration, with the key that an interrupted run has made, or a new one.
fn officer_section(dir: &Path, name: &str) -> anyhow::Result<String> {
    let file = dir.join(format!("{name}.key"));
    let key = if file.exists() { read_key(&file)? } else { OfficerKey::generate() };
    if !file.exists() {
        write_key(&file, &key)?;
    }
    Ok(format!("\n[[custody.officer]]\nname = {name:?}\nkey = \"{}\"\n", key.public()))
}

fn config_text(dir: &Path, module: &Path, officers: &str) -> String {
    let conf = dir.join("softhsm2.conf");
    format!(
        r#"# Made by `sceau dev`; hsm-config/sceau.toml explains every key.
# FOR DEVELOPMENT ONLY.

[server]
listen = "127.0.0.1:7443"
plain_text_on_loopback = true

[signing]
uvci_secret_file = "{UVCI_SECRET}"

[[token]]
name = "softhsm"
module = {module:?}
label = "{TOKEN_LABEL}"
pin_file = "{PIN}"
environment = {{ SOFTHSM2_CONF = {conf:?} }}

[[dsc]]
certificate = "dsc-es256.pem"
token = "softhsm"

[[dsc]]
certificate = "dsc-ps256.pem"
token = "softhsm"

[ledger.audit]
certificate = "{AUDIT}.pem"
token = "softhsm"

[revocation]
certificate = "{UPLOAD}.pem"
token = "softhsm"

# Two officers agree on every change of a key, as elsewhere; here both their keys lie beside this file.
[custody]
approvals = 1
{officers}
[[profile]]
name = "dcc"
algorithm = "ES256"
issuer = "{COUNTRY}"
vaccination_days = 365
test_days = 365
recovery_days = 180

[[profile]]
name = "dcc-ps256"
algorithm = "PS256"
issuer = "{COUNTRY}"
vaccination_days = 365
test_days = 365
recovery_days = 180

[[profile]]
name = "eu-2021"
algorithm = "ES256"
issuer = "{COUNTRY}"
rules = "eu-2021"
vaccination_days = 365
test_days = 365
recovery_days = 180
"#
    )
}

/// 16 decimal digits: a PIN that every token takes.
fn random_digits() -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(random::<16>()?.iter().map(|byte| char::from(b'0' + byte % 10)).collect()))
}

fn random_hex() -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(hex::encode(random::<32>()?)))
}

fn random<const N: usize>() -> anyhow::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| anyhow::anyhow!("the random generator does not work"))?;
    Ok(bytes)
}

/// Writes a file that only its owner may read; one that is there is kept.
fn write_secret(path: &Path, content: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(mut file) => writeln!(file, "{content}").with_context(|| format!("cannot write {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn pem(der: &[u8]) -> anyhow::Result<String> {
    encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|error| anyhow::anyhow!("no PEM: {error}"))
}
