//! The gateway's trust list in JSON: an array with one entry a certificate.
//!
//! ```text
//! {"kid": "base64 of 8 bytes", "timestamp": "2022-01-01T00:00:00Z", "country": "FR", "certificateType": "DSC",
//!  "thumbprint": "SHA-256 in hex", "signature": "base64 of a CMS without content", "rawData": "base64 of the DER"}
//! ```
//! A published list may leave out all but kid, certificateType and rawData. What is read is not believed for its signature's
//! sake: who takes a list from the gateway checks it there.
//!
//! # Source
//! dgc-gateway, TrustListDto and README, "trust list".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::pem::{PemError, from_base64};
use crate::domain::{Digest, Dsc, Kid, NumericDate};
use crate::encode::cms::SignedMessage;

/// The gateway's type of what signs health certificates.
pub const DSC: &str = "DSC";
/// The gateway's type of what signs uploads.
pub const UPLOAD: &str = "UPLOAD";
/// The gateway's type of what signs DSCs.
pub const CSCA: &str = "CSCA";

/// An entry as JSON has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    kid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    certificate_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thumbprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    raw_data: String,
}

/// One certificate of a list. Its kid is that of its DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// AUTHENTICATION, UPLOAD, CSCA or DSC.
    pub certificate_type: String,
    /// The country under which it is listed, where the list says so.
    pub country: Option<String>,
    /// The certificate.
    pub der: Vec<u8>,
}

impl Listed {
    /// SHA-256 of the certificate, its first 8 bytes.
    #[must_use]
    pub fn kid(&self) -> Kid {
        Kid::of_der(&self.der)
    }
}

/// Reads a list: each entry, or what is wrong with it, in the list's order.
///
/// # Errors
/// [`NoTrustList`] where it is no array.
pub fn read(json: &[u8]) -> Result<Vec<Result<Listed, EntryError>>, NoTrustList> {
    let entries: Vec<serde_json::Value> = serde_json::from_slice(json).map_err(NoTrustList)?;
    Ok(entries.into_iter().map(|entry| serde_json::from_value::<Form>(entry)?.listed()).collect())
}

impl Form {
    fn listed(self) -> Result<Listed, EntryError> {
        let der = from_base64(&self.raw_data)?;
        let kid = STANDARD.encode(Kid::of_der(&der).as_bytes());
        if self.kid != kid {
            return Err(EntryError::Kid { found: self.kid, right: kid });
        }
        let thumbprint = thumbprint(&der);
        match self.thumbprint {
            Some(found) if !found.eq_ignore_ascii_case(&thumbprint) => Err(EntryError::Thumbprint { found, right: thumbprint }),
            _ => Ok(Listed { certificate_type: self.certificate_type, country: self.country, der }),
        }
    }
}

fn thumbprint(der: &[u8]) -> String {
    hex::encode(Digest::of(der).as_bytes())
}

/// One DSC to be listed.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The certificate.
    pub dsc: &'a Dsc,
    /// Since when it is listed.
    pub since: NumericDate,
    /// The message by which it was uploaded, whose signature is then listed beside it.
    pub upload: Option<&'a SignedMessage>,
}

/// Writes a list of DSCs as the gateway gives it, in the order given.
///
/// # Errors
/// [`WriteError`] where an upload's signature has no form of its own.
pub fn write(listings: &[Listing<'_>]) -> Result<Vec<u8>, WriteError> {
    let forms: Vec<Form> = listings.iter().map(Listing::form).collect::<Result<_, _>>()?;
    let mut json = serde_json::to_vec_pretty(&forms).map_err(WriteError::Json)?;
    json.push(b'\n');
    Ok(json)
}

impl Listing<'_> {
    fn form(&self) -> Result<Form, WriteError> {
        let der = self.dsc.der();
        let detached = self.upload.map(SignedMessage::detached).transpose().map_err(WriteError::Signature)?;
        Ok(Form {
            kid: STANDARD.encode(self.dsc.kid().as_bytes()),
            timestamp: Some(self.since.to_string()),
            country: self.dsc.country().map(|country| country.to_string()),
            certificate_type: DSC.to_owned(),
            thumbprint: Some(thumbprint(der)),
            signature: detached.map(|message| message.to_base64()),
            raw_data: STANDARD.encode(der),
        })
    }
}

/// A file that is no trust list.
#[derive(Debug, thiserror::Error)]
#[error("not the gateway's trust list, which is a JSON array: {0}")]
pub struct NoTrustList(serde_json::Error);

/// An entry that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A member is missing, or of another kind.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    /// Its certificate is not in base64.
    #[error(transparent)]
    Base64(#[from] PemError),
    /// It stands under another kid.
    #[error("the entry's kid {found:?} is not its certificate's, {right:?}")]
    Kid {
        /// The entry's.
        found: String,
        /// The certificate's.
        right: String,
    },
    /// It stands under another thumbprint.
    #[error("the entry's thumbprint {found:?} is not its certificate's, {right:?}")]
    Thumbprint {
        /// The entry's.
        found: String,
        /// The certificate's.
        right: String,
    },
}

/// A list that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An upload's message cannot be taken apart.
    #[error("the signature of an upload cannot be listed: {0}")]
    Signature(crate::encode::cms::DraftError),
    /// There is no JSON.
    #[error("the list has no form in JSON: {0}")]
    Json(serde_json::Error),
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_735_689_600);

    fn dsc() -> Dsc {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CountryName, "FR");
        Dsc::from_der(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (one, other) = (dsc(), dsc());
        let json = write(&[&one, &other].map(|dsc| Listing { dsc, since: NOW, upload: None })).unwrap();
        let read: Vec<_> = read(&json).unwrap().into_iter().map(Result::unwrap).collect();
        let listed = |dsc: &Dsc| Listed { certificate_type: DSC.into(), country: Some("FR".into()), der: dsc.der().to_vec() };
        assert_eq!(read, [listed(&one), listed(&other)]);
        assert_eq!(read[0].kid(), one.kid());
    }

    #[test]
    fn an_entry_has_the_members_of_the_gateway_in_its_order() {
        let dsc = dsc();
        let json = String::from_utf8(write(&[Listing { dsc: &dsc, since: NOW, upload: None }]).unwrap()).unwrap();
        let members: Vec<_> = json.lines().filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(members, ["kid", "timestamp", "country", "certificateType", "thumbprint", "rawData"]);
        assert!(json.contains(r#""timestamp": "2025-01-01T00:00:00Z""#) && json.ends_with("]\n"), "{json}");
        assert_eq!(write(&[]).unwrap(), b"[]\n");
    }

    #[test]
    fn an_entry_under_another_kid_or_thumbprint_is_refused_and_its_neighbours_are_read() {
        let dsc = dsc();
        let json = String::from_utf8(write(&[Listing { dsc: &dsc, since: NOW, upload: None }; 3]).unwrap()).unwrap();
        let mut entries: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        entries[0]["kid"] = "AAAAAAAAAAA=".into();
        entries[1]["thumbprint"] = "00".into();
        entries.push(serde_json::json!({"kid": "AAAAAAAAAAA="}));
        let read = read(&serde_json::to_vec(&entries).unwrap()).unwrap();
        let [Err(EntryError::Kid { .. }), Err(EntryError::Thumbprint { .. }), Ok(_), Err(EntryError::Form(_))] = read.as_slice()
        else {
            panic!("{read:?}")
        };
    }

    #[test]
    fn what_is_no_array_is_no_list() {
        for json in ["", "{}", "[", "null"] {
            assert!(read(json.as_bytes()).is_err(), "{json}");
        }
    }
}
