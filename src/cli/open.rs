//! From a configuration to a keyring: DSCs read, tokens opened, each key bound to its certificate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{Config, KeyFile};
use crate::domain::{Clock, Dsc, pem};
use crate::service::admin::AdminToken;
use crate::sign::{AuditKey, Keyring, SigningKey, Station, UploadKey};
use crate::token::{
    Disposition, Opened, Purpose, SupervisedToken, Token, TokenError, TokenKey, TokenSpec, WantedKey, WorkerCommand,
};

/// The keys of a configuration, with their tokens.
pub(crate) struct OpenKeys {
    pub(crate) keyring: Keyring,
    pub(crate) audit: Option<AuditKey>,
    pub(crate) upload: Option<UploadKey>,
    pub(crate) tokens: Vec<AdminToken>,
}

/// Opens every token that holds a key, or may get one. One that does not open is left out until it does, as long as another opens, or
/// officers can initialise one; a key or an attribute that is wrong ends the start, for no time mends it.
pub(crate) fn open_keys(config: &Config, file: &Path, clock: &dyn Clock) -> anyhow::Result<OpenKeys> {
    let keys: Vec<(&KeyFile, Dsc)> =
        config.keys().map(|file| Ok((file, read_certificate(file)?))).collect::<anyhow::Result<_>>()?;
    keys.iter().for_each(|(file, dsc)| warn_of_validity(file, dsc, clock));
    let mut stations = HashMap::new();
    let mut tokens = Vec::new();
    let mut failures: Vec<(String, TokenError)> = Vec::new();
    // Where there are officers, a token without a key may get one.
    let is_used = |spec: &&TokenSpec| config.custody.is_some() || config.keys().any(|key| key.is_on(&spec.name));
    for spec in config.tokens.iter().filter(is_used) {
        let Opened { token, keys, outcome } = open_token(config, spec, file)?;
        let token = Arc::new(token);
        let station = Station::new(Arc::clone(&token) as Arc<dyn Token>);
        tokens.push(AdminToken { token, station: Arc::clone(&station) });
        stations.insert(spec.name.clone(), (station, keys));
        match outcome {
            Err(error) if error.disposition() == Disposition::StopKey => return Err(refused(&spec.name, error)),
            Err(error) => failures.push((spec.name.clone(), error)),
            Ok(()) => {}
        }
    }
    let is_new = |(name, _): &&(String, TokenError)| may_be_new(config, name);
    let new = failures.iter().filter(|(_, error)| error.disposition() == Disposition::TokenGone).find(is_new);
    if let Some((token, error)) = new {
        tracing::warn!(token, %error, "the token does not open; where it is new, two officers have it initialised: sceau token initialise");
    } else if failures.len() == stations.len()
        && let Some((token, error)) = failures.into_iter().next()
    {
        return Err(refused(&token, error));
    }
    let BoundKeys { keyring, audit, upload } = bind(&keys, &stations)?;
    Ok(OpenKeys { keyring, audit, upload, tokens })
}

/// Whether a token that is not there may be one that officers are yet to have initialised: its configuration says where its SO PIN
/// is for that, and names no key on it.
fn may_be_new(config: &Config, token: &str) -> bool {
    config.custody.is_some()
        && config.token(token).is_ok_and(|spec| spec.so_pin_file.is_some())
        && config.keys_of(token).is_empty()
}

fn refused(token: &str, error: TokenError) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("token {token:?}"))
}

fn open_token(config: &Config, spec: &TokenSpec, file: &Path) -> anyhow::Result<Opened> {
    let wanted = wanted(&config.keys_of(&spec.name))?;
    let opened = SupervisedToken::start(spec, worker_command(spec, file)?, &wanted);
    opened.with_context(|| format!("token {:?}", spec.name))
}

/// Keys with their places.
struct BoundKeys {
    keyring: Keyring,
    audit: Option<AuditKey>,
    upload: Option<UploadKey>,
}

type Stations = HashMap<String, (Arc<Station>, Vec<TokenKey>)>;

/// Each certificate with the places of its key: a token numbers its keys in the order of the configuration.
fn bind(keys: &[(&KeyFile, Dsc)], stations: &Stations) -> anyhow::Result<BoundKeys> {
    let mut next: HashMap<&str, usize> = HashMap::new();
    let (mut signing, mut audit, mut upload) = (Vec::with_capacity(keys.len()), None, None);
    for (file, dsc) in keys {
        let mut places = Vec::new();
        for token in &file.tokens {
            let number = next.entry(token).or_default();
            let (station, handles) = stations.get(token).with_context(|| format!("the token {token:?} was not opened"))?;
            places.push((Arc::clone(station), handles[*number]));
            *number += 1;
        }
        match file.purpose {
            Purpose::Audit => audit = Some(AuditKey::new(dsc.clone(), places)?),
            Purpose::Upload => {
                let context = || format!("the upload certificate {}", file.certificate.display());
                upload = Some(UploadKey::new(dsc, places).with_context(context)?);
            }
            Purpose::Certificate | Purpose::Proof => {
                let (kid, subject, types, not_after) = (dsc.kid(), dsc.subject(), dsc.types(), dsc.not_after());
                tracing::info!(%kid, subject, ?types, %not_after, tokens = file.tokens.join(", "), "DSC in force");
                signing.push(Arc::new(SigningKey::new(dsc.clone(), places)?));
            }
        }
    }
    Ok(BoundKeys { keyring: Keyring::new(signing)?, audit, upload })
}

/// This program again, as `sceau token-worker` on the same configuration.
fn worker_command(spec: &TokenSpec, file: &Path) -> anyhow::Result<WorkerCommand> {
    let file = file.canonicalize().with_context(|| format!("cannot reach {}", file.display()))?;
    let file = file.to_str().context("the path of the configuration is not UTF-8")?.to_owned();
    let program = std::env::current_exe().context("cannot find this program to start workers")?;
    let arguments = vec!["token-worker".to_owned(), "--config".to_owned(), file, "--token".to_owned(), spec.name.clone()];
    Ok(WorkerCommand { program, arguments })
}

/// The keys of certificates, by their kids, each for its one purpose.
pub(crate) fn wanted(files: &[KeyFile]) -> anyhow::Result<Vec<WantedKey>> {
    let wanted = |file: &KeyFile| {
        let certificate = read_certificate(file)?;
        let (name, public_key) = (certificate.kid().to_string(), certificate.public_key().clone());
        Ok(WantedKey { name, public_key, purpose: file.purpose })
    };
    files.iter().map(wanted).collect()
}

/// Reads a certificate.
pub(crate) fn read_certificate(file: &KeyFile) -> anyhow::Result<Dsc> {
    let (what, path) = (what(file), file.certificate.display());
    let bytes = std::fs::read(&file.certificate).with_context(|| format!("cannot read the {what} {path}"))?;
    let first_pem = std::str::from_utf8(&bytes).ok().and_then(|text| pem::certificates(text).next());
    let der = first_pem.unwrap_or(Ok(bytes)).with_context(|| format!("the {what} {path}"))?;
    Dsc::from_der(&der).with_context(|| format!("the {what} {path}"))
}

fn what(file: &KeyFile) -> &'static str {
    match file.purpose {
        Purpose::Audit => "audit certificate",
        Purpose::Upload => "upload certificate",
        Purpose::Certificate | Purpose::Proof => "DSC",
    }
}

/// A DSC outside its validity is kept (it may begin tomorrow) and signs nothing; the operator hears of it.
fn warn_of_validity(file: &KeyFile, dsc: &Dsc, clock: &dyn Clock) {
    if file.purpose != Purpose::Certificate {
        return;
    }
    let (kid, now) = (dsc.kid(), clock.now());
    if now > dsc.not_after() {
        tracing::warn!(%kid, not_after = %dsc.not_after(), "the DSC has expired; it signs nothing");
    } else if now < dsc.not_before() {
        tracing::warn!(%kid, not_before = %dsc.not_before(), "the DSC is not valid yet; it signs nothing until then");
    }
}
