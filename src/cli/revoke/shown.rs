//! What was revoked, as it is printed.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::files::Files;
use crate::domain::NumericDate;
use crate::service::proto::v1;

/// Prints as lists come.
pub(super) struct Shown<'o> {
    out: &'o mut dyn Write,
    json: bool,
    dir: Option<&'o Path>,
    summary: v1::RevocationSummary,
    signed: u64,
}

impl<'o> Shown<'o> {
    pub(super) fn new(out: &'o mut dyn Write, json: bool, dir: Option<&'o Path>) -> Self {
        Self { out, json, dir, summary: v1::RevocationSummary::default(), signed: 0 }
    }

    /// What comes first.
    pub(super) fn begin(&mut self, summary: v1::RevocationSummary) -> io::Result<()> {
        if self.json {
            let line = json!({
                "certificates": summary.certificates,
                "lists": summary.lists,
                "expired_certificates": summary.expired_certificates,
                "repeated_certificates": summary.repeated_certificates,
                "plain_because": summary.plain_because,
                "instance": summary.instance,
                "seq": summary.seq,
                "asked": summary.asked,
            });
            writeln!(self.out, "{line}")?;
        } else if summary.lists > 0 {
            writeln!(self.out, "kid               country  expires               hashes  list")?;
        }
        self.summary = summary;
        Ok(())
    }

    /// A list, and where it was written.
    pub(super) fn list(&mut self, list: &v1::RevocationList, files: Option<&Files>) -> io::Result<()> {
        let (kid, id) = (hex::encode(&list.kid), hex::encode(&list.id));
        let expires = NumericDate::from_seconds(list.expires_at);
        let cms = files.and_then(|files| files.cms.as_deref());
        self.signed += u64::from(cms.is_some());
        if self.json {
            let path = |path: &Path| path.display().to_string();
            let line = json!({
                "id": id,
                "kid": kid,
                "country": list.country,
                "expires": expires.to_string(),
                "hash_type": list.hash_type().as_str_name().trim_start_matches("HASH_TYPE_"),
                "hashes": list.hashes,
                "json": files.map(|files| path(&files.json)),
                "cms": cms.map(path),
            });
            return writeln!(self.out, "{line}");
        }
        let file = cms.or(files.map(|files| files.json.as_path()));
        let name = file.map_or_else(|| format!("{}…", &id[..16.min(id.len())]), |file| file.display().to_string());
        let (country, expires, hashes) = (&list.country, expires.to_string(), list.hashes);
        writeln!(self.out, "{kid}  {country:7}  {expires:20}  {hashes:6}  {name}")
    }

    /// What it came to, and what comes next.
    pub(super) fn end(self) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let v1::RevocationSummary { certificates, lists, expired_certificates, repeated_certificates, .. } = self.summary;
        let verb = if self.summary.seq.is_some() { "revoked" } else { "would be revoked" };
        let out = self.out;
        writeln!(out, "{} {verb}, in {}", counted(certificates, "certificate"), counted(lists, "list"))?;
        if repeated_certificates > 0 {
            writeln!(out, "  {repeated_certificates} share their hash with another, which stands in the lists once")?;
        }
        if expired_certificates > 0 {
            writeln!(out, "  {expired_certificates} more have expired, and are left out")?;
        }
        if let Some(reason) = &self.summary.plain_because {
            writeln!(out, "  {} lists are plain: {reason}", if self.signed == 0 { "the" } else { "some" })?;
        }
        if let (Some(instance), Some(seq), Some(dir)) = (&self.summary.instance, self.summary.seq, self.dir) {
            writeln!(out, "  on record: chain {instance}, record {seq}")?;
            write_next(out, dir, self.signed > 0)?;
        }
        Ok(())
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn write_next(out: &mut dyn Write, dir: &Path, is_signed: bool) -> io::Result<()> {
    let dir = dir.display();
    writeln!(out, "Next:")?;
    if is_signed {
        writeln!(out, "  upload each {dir}/batch-*.cms to the gateway (POST /revocation-list, Content-Type: application/cms)")?;
        writeln!(
            out,
            "  where you verify yourself: sceau verify --revocations {dir}/*.cms --upload-certificate upload.pem --trust …"
        )
    } else {
        writeln!(
            out,
            "  no gateway takes plain lists; where you verify yourself: sceau verify --revocations {dir}/*.json --trust …"
        )
    }
}
