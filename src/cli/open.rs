//! From a configuration to a keyring: DSCs read, tokens opened, each key bound to its certificate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{Config, DscFile};
use crate::domain::{Clock, Dsc, pem};
use crate::service::admin::AdminToken;
use crate::sign::{Keyring, SigningKey, Station};
use crate::token::{
    Disposition, Opened, Purpose, SupervisedToken, Token, TokenError, TokenKey, TokenSpec, WantedKey, WorkerCommand,
};

/// Opens every token that holds a DSC's key. One that does not open is left out until it does, as long as another opens; a key
/// or an attribute that is wrong ends the start, for no time mends it.
pub(crate) fn open_keyring(config: &Config, file: &Path, clock: &dyn Clock) -> anyhow::Result<(Keyring, Vec<AdminToken>)> {
    let dscs: Vec<(&DscFile, Dsc)> = config.dscs.iter().map(|file| Ok((file, read_dsc(file)?))).collect::<anyhow::Result<_>>()?;
    dscs.iter().for_each(|(_, dsc)| warn_of_validity(dsc, clock));
    let mut stations = HashMap::new();
    let mut tokens = Vec::new();
    let mut failures: Vec<(String, TokenError)> = Vec::new();
    for spec in config.tokens.iter().filter(|spec| dscs.iter().any(|(file, _)| file.tokens.contains(&spec.name))) {
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
    if failures.len() == stations.len()
        && let Some((token, error)) = failures.into_iter().next()
    {
        return Err(refused(&token, error));
    }
    Ok((bind(&dscs, &stations)?, tokens))
}

fn refused(token: &str, error: TokenError) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("token {token:?}"))
}

fn open_token(config: &Config, spec: &TokenSpec, file: &Path) -> anyhow::Result<Opened> {
    let wanted = wanted(&read_dscs(&config.dscs_of(&spec.name))?);
    let opened = SupervisedToken::start(spec, worker_command(spec, file)?, &wanted);
    opened.with_context(|| format!("token {:?}", spec.name))
}

/// Each DSC with the places of its key: a token numbers its keys in the order of the configuration.
fn bind(dscs: &[(&DscFile, Dsc)], stations: &HashMap<String, (Arc<Station>, Vec<TokenKey>)>) -> anyhow::Result<Keyring> {
    let mut next: HashMap<&str, usize> = HashMap::new();
    let mut keys = Vec::with_capacity(dscs.len());
    for (file, dsc) in dscs {
        let mut places = Vec::new();
        for token in &file.tokens {
            let number = next.entry(token).or_default();
            let (station, handles) = stations.get(token).with_context(|| format!("the token {token:?} was not opened"))?;
            places.push((Arc::clone(station), handles[*number]));
            *number += 1;
        }
        let (kid, subject, types, not_after) = (dsc.kid(), dsc.subject(), dsc.types(), dsc.not_after());
        tracing::info!(%kid, subject, ?types, %not_after, tokens = file.tokens.join(", "), "DSC in force");
        keys.push(Arc::new(SigningKey::new(dsc.clone(), places)?));
    }
    Ok(Keyring::new(keys)?)
}

/// This program again, as `sceau token-worker` on the same configuration.
fn worker_command(spec: &TokenSpec, file: &Path) -> anyhow::Result<WorkerCommand> {
    let file = file.canonicalize().with_context(|| format!("cannot reach {}", file.display()))?;
    let file = file.to_str().context("the path of the configuration is not UTF-8")?.to_owned();
    let program = std::env::current_exe().context("cannot find this program to start workers")?;
    let arguments = vec!["token-worker".to_owned(), "--config".to_owned(), file, "--token".to_owned(), spec.name.clone()];
    Ok(WorkerCommand { program, arguments })
}

/// Reads certificates.
pub(crate) fn read_dscs(files: &[DscFile]) -> anyhow::Result<Vec<Dsc>> {
    files.iter().map(read_dsc).collect()
}

/// The keys of DSCs, by their kids. They are for certificates, and for nothing else.
pub(crate) fn wanted(dscs: &[Dsc]) -> Vec<WantedKey> {
    let wanted = |dsc: &Dsc| WantedKey {
        name: dsc.kid().to_string(),
        public_key: dsc.public_key().clone(),
        purpose: Purpose::Certificate,
    };
    dscs.iter().map(wanted).collect()
}

/// Reads one.
pub(crate) fn read_dsc(file: &DscFile) -> anyhow::Result<Dsc> {
    let path = file.certificate.display();
    let bytes = std::fs::read(&file.certificate).with_context(|| format!("cannot read the DSC {path}"))?;
    let first_pem = std::str::from_utf8(&bytes).ok().and_then(|text| pem::certificates(text).next());
    let der = first_pem.unwrap_or(Ok(bytes)).with_context(|| format!("the DSC {path}"))?;
    Dsc::from_der(&der).with_context(|| format!("the DSC {path}"))
}

/// A DSC outside its validity is kept (it may begin tomorrow) and signs nothing; the operator hears of it.
fn warn_of_validity(dsc: &Dsc, clock: &dyn Clock) {
    let (kid, now) = (dsc.kid(), clock.now());
    if now > dsc.not_after() {
        tracing::warn!(%kid, not_after = %dsc.not_after(), "the DSC has expired; it signs nothing");
    } else if now < dsc.not_before() {
        tracing::warn!(%kid, not_before = %dsc.not_before(), "the DSC is not valid yet; it signs nothing until then");
    }
}
