//! What is revoked, from the files that the caller names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::trust;
use crate::custody::trust_list::UPLOAD;
use crate::encode::cms::UploadCertificate;
use crate::encode::revocation::RevocationList;

/// Reads lists: JSON as it is, signed messages under the upload certificates.
///
/// One upload certificate that cannot be used is a line of `warnings`, and left out: what it signed is then not believed.
///
/// # Errors
/// A file cannot be read, or is not a list that can be believed. None is left out: what it revokes would pass as valid.
pub(super) fn load(
    lists: &[PathBuf],
    upload_certificates: &[PathBuf],
    warnings: &mut Vec<String>,
) -> anyhow::Result<RevocationList> {
    let mut trusted = Vec::new();
    for file in upload_certificates {
        trusted.extend(certificates(file, &read(file)?, warnings));
    }
    let mut revocations = RevocationList::default();
    for file in lists {
        add(&mut revocations, &read(file)?, &trusted).with_context(|| file.display().to_string())?;
    }
    Ok(revocations)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The upload certificates of a file of PEM, DER, or the gateway's trust list.
fn certificates(file: &Path, bytes: &[u8], warnings: &mut Vec<String>) -> Vec<UploadCertificate> {
    let mut usable = Vec::new();
    match trust::certificates(bytes, UPLOAD) {
        Ok(found) => {
            for (number, der) in found {
                match der.and_then(|der| Ok(UploadCertificate::from_der(&der)?)) {
                    Ok(certificate) => usable.push(certificate),
                    Err(error) => warnings.push(format!("{}, certificate {number}: left out: {error:#}", file.display())),
                }
            }
        }
        Err(error) => warnings.push(format!("{}: left out: {error:#}", file.display())),
    }
    usable
}

fn add(revocations: &mut RevocationList, bytes: &[u8], trusted: &[UploadCertificate]) -> anyhow::Result<()> {
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"[") || text.starts_with(b"{") {
        return Ok(revocations.add_json(bytes)?);
    }
    ensure!(
        !trusted.is_empty(),
        "a signed list, or no list at all; --upload-certificate names the certificates that may sign one"
    );
    Ok(revocations.add_signed(bytes, trusted)?)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::super::tests::Issuer;
    use super::*;

    #[test]
    fn of_the_gateways_trust_list_the_upload_certificates_are_taken_and_a_faulty_one_is_left_out() {
        let one = Issuer::new().dsc;
        let entry = |kind: &str, der: &[u8]| {
            let kid = STANDARD.encode(crate::domain::Kid::of_der(der).as_bytes());
            json!({ "kid": kid, "certificateType": kind, "rawData": STANDARD.encode(der) })
        };
        let list = json!([entry("UPLOAD", b"none"), entry("UPLOAD", one.der()), entry("DSC", Issuer::new().dsc.der())]);
        let mut warnings = Vec::new();
        let found = certificates(Path::new("file"), list.to_string().as_bytes(), &mut warnings);
        assert_eq!(found.iter().map(UploadCertificate::der).collect::<Vec<_>>(), [one.der()]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("file, certificate 1: left out: no X.509 certificate"), "{warnings:?}");
    }
}
