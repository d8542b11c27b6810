//! Which certificates on record are meant.

use std::io;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;

use crate::domain::{Digest, Kid, NumericDate, RevocationHashes, Signature};
use crate::encode::SignedHcert;
use crate::service::proto::v1;

/// All that is given has to hold.
#[derive(Debug, Args)]
pub(crate) struct QuestionArgs {
    /// The certificate's identifier; it is hashed here
    #[arg(long, value_name = "UVCI", help_heading = "Which certificates")]
    uvci: Option<String>,
    /// The certificate's text; it is hashed here
    #[arg(long, value_name = "HC1", help_heading = "Which certificates")]
    hc1: Option<String>,
    /// The caller's reference; the service hashes it under the ledger's keys
    #[arg(long, value_name = "ID", help_heading = "Which certificates")]
    item_id: Option<String>,
    /// The DSC that signed: 16 hexadecimal digits, or base64
    #[arg(long, value_name = "KID", value_parser = parse_kid, help_heading = "Which certificates")]
    kid: Option<Kid>,
    /// The caller's name in the configuration
    #[arg(long, value_name = "NAME", help_heading = "Which certificates")]
    caller: Option<String>,
    /// The pseudonym of the person behind the call
    #[arg(long, value_name = "PSEUDONYM", help_heading = "Which certificates")]
    person: Option<String>,
    /// v (vaccination), t (test) or r (recovery)
    #[arg(long = "type", value_name = "TYPE", value_parser = ["v", "t", "r"], help_heading = "Which certificates")]
    kind: Option<String>,
    /// Put on record at this instant or later, like 2021-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Which certificates")]
    from: Option<NumericDate>,
    /// Put on record before this instant
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Which certificates")]
    to: Option<NumericDate>,
}

fn parse_kid(text: &str) -> Result<Kid, String> {
    use base64::Engine;
    let bytes = hex::decode(text).ok().or_else(|| base64::prelude::BASE64_STANDARD.decode(text).ok());
    let kid: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.try_into().ok());
    kid.map(Kid::from).ok_or_else(|| "8 bytes: 16 hexadecimal digits, or base64".to_owned())
}

fn parse_time(text: &str) -> Result<NumericDate, String> {
    NumericDate::from_rfc3339(text).ok_or_else(|| "an instant like 2021-11-01T00:00:00Z".to_owned())
}

impl QuestionArgs {
    /// What is asked, with a hash where an identifier was given.
    pub(crate) fn question(&self) -> anyhow::Result<v1::Question> {
        let uvci_hash = self.uvci.as_deref().map(given).transpose()?.map(|uvci| Digest::of(uvci.as_bytes()).as_bytes().to_vec());
        Ok(v1::Question {
            uvci_hash: uvci_hash.map(Into::into),
            item_id: self.item_id.as_deref().map(given).transpose()?,
            signature_hash: self.hc1.as_deref().map(given).transpose()?.map(|hc1| signature_hash(&hc1)).transpose()?,
            kid: self.kid.map(|kid| kid.as_bytes().to_vec().into()),
            caller: self.caller.clone(),
            person: self.person.clone(),
            r#type: self.kind.clone(),
            from: self.from.map(NumericDate::seconds),
            to: self.to.map(NumericDate::seconds),
        })
    }
}

/// A value as it was given, or for `-` a line of stdin. A certificate's text may end in a space, so only the line's end goes.
fn given(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("stdin")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// What a certificate is found by: its signature stands on record as a hash.
fn signature_hash(hc1: &str) -> anyhow::Result<Bytes> {
    let read = SignedHcert::decode(hc1).map_err(|error| anyhow::anyhow!("--hc1: {error}"))?;
    let signature = Signature::new(read.signature().to_vec());
    Ok(RevocationHashes::of(read.algorithm(), &signature, "", "").signature.to_vec().into())
}
