//! What a configuration names is looked at, without logging in anywhere: certificates, PIN files, modules.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::open::read_certificate;
use crate::config::{Config, KeyFile, StoreSettings};
use crate::domain::{Country, Dsc, NumericDate};
use crate::service::tls::TlsFiles;
use crate::sign::{Cause, Keyring, SigningKey, UploadKey};
use crate::token::pin::check_mode;
use crate::token::{PinSource, TokenSpec};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// The DSCs that can be read.
    pub(crate) dscs: Vec<(KeyFile, Dsc)>,
    /// The country whose revocation lists are signed.
    pub(crate) uploads_for: Option<Country>,
    /// With these the service does not start.
    pub(crate) faults: Vec<String>,
    /// With these a token does not open; the service starts where another does, and waits for this one.
    pub(crate) token_faults: Vec<String>,
    /// These keep something from being signed now, and may be meant so.
    pub(crate) warnings: Vec<String>,
}

/// Looks at everything that a configuration names.
pub(crate) fn inspect(config: &Config, now: NumericDate) -> Inspection {
    let mut inspection = Inspection::default();
    for file in &config.dscs {
        match read_certificate(file) {
            Ok(dsc) => inspection.dscs.push((file.clone(), dsc)),
            Err(error) => inspection.faults.push(format!("{error:#}")),
        }
    }
    if let Some(audit) = &config.ledger.audit
        && let Err(error) = read_certificate(&audit.key)
    {
        inspection.faults.push(format!("{error:#}"));
    }
    if let StoreSettings::Postgres(settings) = &config.ledger.store
        && let Some(risk) = settings.url.risk()
    {
        let better = "sslmode=verify-full, with the CA as sslrootcert, does better";
        inspection.warnings.push(format!("ledger.url: {risk}; {better}"));
    }
    inspection.look_at_upload_key(config, now);
    inspection.look_at_purposes(config);
    for spec in &config.tokens {
        inspection.token_faults.extend(module_fault(spec));
        inspection.token_faults.extend(pin_fault(spec));
        inspection.warnings.extend(so_pin_fault(spec));
    }
    inspection.look_at_tls(config, now);
    inspection.look_at_dates(now);
    inspection.look_at_profiles(config, now);
    inspection
}

impl Inspection {
    fn look_at_tls(&mut self, config: &Config, now: NumericDate) {
        match config.tls.as_ref().map(TlsFiles::load) {
            Some(Ok(tls)) => self.warnings.extend(tls.warnings(now)),
            Some(Err(error)) => self.faults.push(format!("[server.tls] {error}")),
            None => {}
        }
    }

    /// An upload key that cannot be used now is looked at again at each revocation.
    fn look_at_upload_key(&mut self, config: &Config, now: NumericDate) {
        let Some(file) = &config.revocation else { return };
        let key = read_certificate(file).and_then(|certificate| Ok(UploadKey::new(&certificate, Vec::new())?));
        match key {
            Ok(key) => {
                self.uploads_for = Some(key.country());
                let plain = |lapse| format!("[revocation] {lapse}; revocation lists are plain, which no gateway takes");
                self.warnings.extend(key.lapse(now).map(plain));
            }
            Err(error) => self.faults.push(format!("[revocation] {error:#}")),
        }
    }

    /// Workers go by the purpose of a key, which is of no use where one key has two.
    fn look_at_purposes(&mut self, config: &Config) {
        // What cannot be read has been told of.
        let readable = |file| read_certificate(file).ok().map(|certificate| (file, certificate));
        let keys: Vec<(&KeyFile, Dsc)> = config.keys().filter_map(readable).collect();
        for (index, (file, certificate)) in keys.iter().enumerate() {
            let is_shared = |(other, of_other): &&(&KeyFile, Dsc)| {
                other.purpose != file.purpose && of_other.public_key() == certificate.public_key()
            };
            if let Some((other, _)) = keys[..index].iter().find(is_shared) {
                let (one, other) = (file.certificate.display(), other.certificate.display());
                self.faults.push(format!(
                    "{one} and {other} have one key; DSCs, the audit key and the upload key are keys of their own"
                ));
            }
        }
    }

    fn look_at_dates(&mut self, now: NumericDate) {
        for (_, dsc) in &self.dscs {
            let kid = dsc.kid();
            if now > dsc.not_after() {
                self.warnings.push(format!("the DSC {kid} has expired at {}; it signs nothing", dsc.not_after()));
            } else if now < dsc.not_before() {
                self.warnings.push(format!("the DSC {kid} begins at {}; it signs nothing until then", dsc.not_before()));
            }
        }
    }

    fn look_at_profiles(&mut self, config: &Config, now: NumericDate) {
        let keys: Result<Vec<_>, _> =
            self.dscs.iter().map(|(_, dsc)| SigningKey::new(dsc.clone(), Vec::new()).map(Arc::new)).collect();
        let keyring = match keys.and_then(Keyring::new) {
            Ok(keyring) => keyring,
            Err(error) => return self.faults.push(error.to_string()),
        };
        for profile in &config.profiles {
            let outlook = keyring.outlook(profile, now);
            // No token was opened.
            if let Some(trouble) = outlook.troubles().find(|trouble| trouble.cause != Cause::Token) {
                self.warnings.push(format!("the profile {:?} would not sign: {trouble}", profile.name));
            }
        }
    }
}

fn module_fault(spec: &TokenSpec) -> Option<String> {
    let fault = |reason: String| format!("token {:?}: module {}: {reason}", spec.name, spec.module.display());
    match std::fs::metadata(&spec.module) {
        Ok(found) if found.is_file() => None,
        Ok(_) => Some(fault("it is no file; it is the vendor's shared library".to_owned())),
        Err(error) => is_visible(&error, spec).then(|| fault(error.to_string())),
    }
}

fn pin_fault(spec: &TokenSpec) -> Option<String> {
    let PinSource::File(path) = &spec.pin else { return None };
    let is_hidden = |path: &Path| std::fs::metadata(path).is_err_and(|error| !is_visible(&error, spec));
    let reason = check_mode(path).err().filter(|_| !is_hidden(path))?;
    Some(format!("token {:?}: pin_file {}: {reason}", spec.name, path.display()))
}

/// It need not be there; where it is, it is its owner's alone.
fn so_pin_fault(spec: &TokenSpec) -> Option<String> {
    let path = spec.so_pin_file.as_ref().filter(|path| path.exists())?;
    let reason = check_mode(path).err()?;
    Some(format!("token {:?}: so_pin_file {}: {reason}", spec.name, path.display()))
}

/// What belongs to a token's own user may be hidden from this one.
fn is_visible(error: &std::io::Error, spec: &TokenSpec) -> bool {
    spec.user.is_none() || error.kind() != ErrorKind::PermissionDenied
}
