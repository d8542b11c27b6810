//! The certificates that a verifier believes, by kid.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::custody::trust_list::{self, DSC, Listed};
use crate::domain::pem;
use crate::domain::{Dsc, Kid, SignatureCheck};

/// One certificate, ready to check signatures.
#[derive(Debug)]
pub(super) struct TrustedDsc {
    pub(super) dsc: Dsc,
    pub(super) check: SignatureCheck,
}

/// All of them. Two may share a kid.
#[derive(Debug, Default)]
pub(super) struct TrustList {
    by_kid: HashMap<Kid, Vec<TrustedDsc>>,
}

impl TrustList {
    /// Reads files of PEM, DER, or the gateway's JSON.
    ///
    /// One certificate that cannot be used is a line of `warnings`, and left out.
    ///
    /// # Errors
    /// A file cannot be read, or there is no usable certificate in any.
    pub(super) fn load(files: &[PathBuf], warnings: &mut Vec<String>) -> anyhow::Result<Self> {
        let mut list = Self::default();
        for file in files {
            let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            list.add_file(file, &bytes, warnings);
        }
        ensure!(!list.by_kid.is_empty(), "no certificate to verify with; --trust takes PEM, DER or the gateway's trust list");
        Ok(list)
    }

    /// Of one certificate.
    #[cfg(test)]
    pub(super) fn of(der: &[u8]) -> Self {
        let mut list = Self::default();
        list.add(der).expect("a test's certificate is a DSC");
        list
    }

    /// The certificates that have a kid.
    pub(super) fn with_kid(&self, kid: Kid) -> &[TrustedDsc] {
        self.by_kid.get(&kid).map_or(&[], Vec::as_slice)
    }

    fn add_file(&mut self, file: &Path, bytes: &[u8], warnings: &mut Vec<String>) {
        let mut warn = |place: String, error: anyhow::Error| {
            warnings.push(format!("{}{place}: left out: {error:#}", file.display()));
        };
        match certificates(bytes, DSC) {
            Ok(found) => {
                for (number, der) in found {
                    if let Err(error) = der.and_then(|der| self.add(&der)) {
                        warn(format!(", certificate {number}"), error);
                    }
                }
            }
            Err(error) => warn(String::new(), error),
        }
    }

    fn add(&mut self, der: &[u8]) -> anyhow::Result<()> {
        let dsc = Dsc::from_der(der)?;
        let check = SignatureCheck::new(dsc.public_key())?;
        let same_kid = self.by_kid.entry(dsc.kid()).or_default();
        if same_kid.iter().all(|known| known.dsc.der() != der) {
            same_kid.push(TrustedDsc { dsc, check });
        }
        Ok(())
    }
}

/// The certificates of one file, counted from 1: each in DER, or with its own fault. Of the gateway's list, those of one type.
pub(crate) fn certificates(bytes: &[u8], gateway_type: &str) -> anyhow::Result<Vec<(usize, anyhow::Result<Vec<u8>>)>> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        return from_gateway(bytes, gateway_type);
    }
    let text = String::from_utf8_lossy(bytes);
    let pem: Vec<_> = (1..).zip(pem::certificates(&text).map(|der| Ok(der?))).collect();
    Ok(if pem.is_empty() { vec![(1, Ok(bytes.to_vec()))] } else { pem })
}

fn from_gateway(json: &[u8], gateway_type: &str) -> anyhow::Result<Vec<(usize, anyhow::Result<Vec<u8>>)>> {
    let der = |(number, entry)| match entry {
        Ok(Listed { certificate_type, der, .. }) => (certificate_type == gateway_type).then_some((number, Ok(der))),
        Err(error) => Some((number, Err(anyhow::Error::from(error)))),
    };
    Ok((1..).zip(trust_list::read(json)?).filter_map(der).collect())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::tests::Issuer;
    use super::*;
    use crate::domain::pem::{BEGIN, END};

    fn pem(der: &[u8]) -> String {
        format!("text before\n{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))
    }

    fn entry(kid: &[u8], kind: &str, der: &[u8]) -> String {
        let (kid, raw) = (STANDARD.encode(kid), STANDARD.encode(der));
        format!(r#"{{"kid":"{kid}","certificateType":"{kind}","rawData":"{raw}","country":"FR"}}"#)
    }

    fn loaded(bytes: &[u8]) -> (TrustList, Vec<String>) {
        let (mut list, mut warnings) = (TrustList::default(), Vec::new());
        list.add_file(Path::new("file"), bytes, &mut warnings);
        (list, warnings)
    }

    #[test]
    fn pem_der_and_the_gateways_list_give_the_same_certificate() {
        let Issuer { dsc, .. } = Issuer::new();
        let list = format!(" [{}]", entry(dsc.kid().as_bytes(), "DSC", dsc.der()));
        for bytes in [pem(dsc.der()).as_bytes(), dsc.der(), list.as_bytes()] {
            let (list, warnings) = loaded(bytes);
            assert_eq!(warnings, [""; 0]);
            assert_eq!(list.with_kid(dsc.kid())[0].dsc.der(), dsc.der());
        }
    }

    #[test]
    fn a_file_may_hold_many_and_a_certificate_stand_twice() {
        let (one, other) = (Issuer::new().dsc, Issuer::new().dsc);
        let (list, _) = loaded([pem(one.der()), pem(other.der()), pem(one.der())].concat().as_bytes());
        assert_eq!((list.with_kid(one.kid()).len(), list.with_kid(other.kid()).len()), (1, 1));
    }

    #[test]
    fn what_cannot_be_used_is_left_out_with_a_warning() {
        let dsc = Issuer::new().dsc;
        let (list, warnings) = loaded(format!("{}{}{BEGIN}\nAAAA", pem(b"no certificate"), pem(dsc.der())).as_bytes());
        assert_eq!(list.with_kid(dsc.kid()).len(), 1);
        assert!(warnings[0].starts_with("file, certificate 1: left out: no X.509 certificate"), "{warnings:?}");
        assert_eq!(warnings[1], "file, certificate 3: left out: the PEM text has no end");
    }

    #[test]
    fn an_entry_under_another_kid_is_refused() {
        let dsc = Issuer::new().dsc;
        let (list, warnings) = loaded(format!("[{}]", entry(&[0; 8], "DSC", dsc.der())).as_bytes());
        assert!(list.by_kid.is_empty());
        assert!(warnings[0].contains("the entry's kid \"AAAAAAAAAAA=\" is not its certificate's"), "{warnings:?}");
    }

    #[test]
    fn entries_that_are_no_dsc_are_passed_over() {
        let dsc = Issuer::new().dsc;
        let (list, warnings) = loaded(format!("[{},{{}}]", entry(dsc.kid().as_bytes(), "CSCA", dsc.der())).as_bytes());
        assert!(list.by_kid.is_empty());
        assert!(warnings[0].contains("certificate 2: left out: missing field"), "{warnings:?}");
    }

    #[test]
    fn no_usable_certificate_at_all_is_an_error() {
        let error = TrustList::load(&[], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no certificate to verify with"));
    }
}
