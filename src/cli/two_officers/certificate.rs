//! A certificate that a CSCA issued, checked on the officer's own machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::scene::types_of;
use super::{Scene, misuse};
use crate::custody::import::{Csca, Expected, KnownKids, check};
use crate::custody::trust_list;
use crate::domain::officers::Certification;
use crate::domain::{Dsc, pem};
use crate::service::proto::v1;

/// What a certificate is checked against.
#[derive(Debug, Args)]
pub(crate) struct AgainstArgs {
    /// A CSCA that may have issued it, PEM or DER; repeated for several
    #[arg(long = "csca", value_name = "FILE", help_heading = "What the certificate is checked against")]
    cscas: Vec<PathBuf>,
    /// The gateway's trust list in JSON: no certificate there may have the same kid
    #[arg(long, value_name = "FILE", requires = "cscas", help_heading = "What the certificate is checked against")]
    trust_list: Option<PathBuf>,
}

/// The files, read.
#[derive(Debug)]
pub(crate) struct Checked {
    ders: Vec<Vec<u8>>,
    cscas: Vec<Csca>,
    list: Option<Vec<u8>>,
}

impl AgainstArgs {
    /// Reads the files; nothing where no CSCA is given.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Checked>> {
        if self.cscas.is_empty() {
            return Ok(None);
        }
        let (mut ders, mut cscas) = (Vec::new(), Vec::new());
        for file in &self.cscas {
            for der in ders_in(file)? {
                let csca = Csca::from_der(&der).map_err(|error| misuse(format!("the CSCA {}: {error}", file.display())))?;
                cscas.push(csca);
                ders.push(der);
            }
        }
        let read = |file: &PathBuf| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        Ok(Some(Checked { ders, cscas, list: self.trust_list.as_ref().map(read).transpose()? }))
    }
}

impl Checked {
    /// For the service, which checks it once more, against the public key that the token gave too.
    pub(crate) fn to_wire(&self) -> v1::ImportCheck {
        v1::ImportCheck {
            cscas: self.ders.iter().map(|der| der.clone().into()).collect(),
            trust_list: self.list.clone().map(Into::into),
        }
    }

    /// Checks it here: chain, country, use, validity and kid. Gives what is unusual.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn check(&self, certification: &Certification, scene: &Scene) -> anyhow::Result<Vec<String>> {
        let label = certification.label.as_str();
        let key = scene.keys.iter().find(|key| key.label == label);
        let key = key.ok_or_else(|| misuse(format!("there is no key {label}")))?;
        let der = &certification.certificate;
        let dsc = Dsc::from_der(der).map_err(|error| misuse(format!("the certificate: {error}")))?;
        let country = key.country.parse().map_err(|_| anyhow!("the service tells no country of the key {label}"))?;
        let expected = Expected {
            public_key: dsc.public_key(),
            country,
            types: types_of(&key.types_asked_for),
            cscas: &self.cscas,
            known: &self.known(scene)?,
            now: scene.now,
        };
        let certified = check(der, &expected).map_err(|refused| misuse(format!("the certificate is not taken: {refused}")))?;
        Ok(certified.warnings().iter().map(ToString::to_string).collect())
    }

    fn known(&self, scene: &Scene) -> anyhow::Result<KnownKids> {
        let mut known = KnownKids::new();
        for key in &scene.keys {
            if let Some(der) = &key.certificate {
                known.add(der, format!("the register, as {}", key.label));
            }
        }
        if let Some(json) = &self.list {
            for entry in trust_list::read(json).map_err(|error| misuse(error.to_string()))? {
                let listed = entry.map_err(|error| misuse(format!("the trust list: {error}")))?;
                known.add(&listed.der, "the trust list");
            }
        }
        Ok(known)
    }

    /// Whether a trust list was given as well.
    pub(crate) const fn has_list(&self) -> bool {
        self.list.is_some()
    }
}

/// The first certificate of a file, PEM or DER.
pub(crate) fn first_der(file: &Path) -> anyhow::Result<Vec<u8>> {
    ders_in(file)?.into_iter().next().ok_or_else(|| misuse(format!("there is no certificate in {}", file.display())))
}

fn ders_in(file: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let in_pem: Result<Vec<_>, _> = std::str::from_utf8(&bytes).map(pem::certificates).into_iter().flatten().collect();
    let ders = in_pem.map_err(|error| misuse(format!("{}: {error}", file.display())))?;
    Ok(if ders.is_empty() { vec![bytes] } else { ders })
}
