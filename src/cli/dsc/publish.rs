//! `sceau dsc publish`: the upload to the gateway, and since when verifiers have it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::ndjson;
use crate::cli::page::line;
use crate::cli::two_officers::{
    Desk, KeyArgs, Next, Proposed, ProposingArgs, When, Wish, propose, refuse_existing, tell_proposed, write_new,
};
use crate::domain::Kid;
use crate::domain::officers::Change;

/// Make the upload that lists a DSC at the gateway; and propose since when it is listed.
///
/// With --out the upload is written: the certificate, signed by the upload key (CMS, in base64), which is the body of POST
/// /signerCertificate, and of POST /signerCertificate/delete to withdraw it. That changes nothing here, and takes no officer's key.
/// With --at it is proposed that the certificate counts as on the trust list from an instant on: no key signs before that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc publish --config sceau.toml --label dsc-2024-03 --out dsc-2024-03.upload.cms.b64
  sceau dsc publish --config sceau.toml --label dsc-2024-03 --at now --officer ada --officer-key /media/ada/ada.key
  sceau dsc publish --config sceau.toml --kid 870aaa4460b56d17 --at +48h --dry-run

Exit codes: 0 done, 1 you said no, 64 it cannot be, 69 no token signs with the upload key.")]
pub(super) struct PublishArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Since when it is on the trust list: an instant, now, or +48h
    #[arg(long, value_name = "TIME", required_unless_present = "out")]
    at: Option<When>,
    /// The file for the upload; one that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &PublishArgs) -> anyhow::Result<ExitCode> {
    args.out.as_deref().map_or(Ok(()), refuse_existing)?;
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let (_, dsc) = desk.scene.certified(&args.key)?;
    let kid = dsc.kid();
    let upload = match &args.out {
        Some(out) if !args.proposing.signing.dry_run => Some((out, desk.sign_upload(kid.as_bytes())?)),
        _ => None,
    };
    let change = args.at.map(|at| Change::Publish { kid, at: at.instant(desk.scene.now) });
    let proposed = change.map(|change| propose(&args.proposing, &mut desk, Wish::of(change))).transpose()?;
    if let Some((out, cms)) = &upload {
        write_new(out, STANDARD.encode(cms).as_bytes())?;
    }
    let told = Told { args, kid, upload: upload.map(|(out, _)| out.as_path()) };
    ndjson::on_stdout(|out| {
        told.write(&desk, proposed.as_ref(), out)?;
        Ok(ExitCode::SUCCESS)
    })
}

struct Told<'a> {
    args: &'a PublishArgs,
    kid: Kid,
    upload: Option<&'a Path>,
}

impl Told<'_> {
    fn write(&self, desk: &Desk, proposed: Option<&Proposed>, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let signing = &self.args.proposing.signing;
        if signing.json {
            let file = self.upload.map(|file| file.display().to_string());
            let mut document = proposed.map_or_else(|| json!({}), crate::cli::two_officers::proposed_json);
            if let Value::Object(members) = &mut document {
                members.insert("kid".to_owned(), json!(self.kid.to_string()));
                members.insert("upload".to_owned(), json!(file));
            }
            return writeln!(out, "{document:#}");
        }
        if let Some(file) = self.upload {
            line(out, &format!("wrote {}, the upload of the DSC {}", file.display(), self.kid))?;
            line(
                out,
                "  POST /signerCertificate with it (Content-Type: application/cms); /signerCertificate/delete withdraws it",
            )?;
        } else if let Some(file) = &self.args.out {
            line(out, &format!("would write {}, the upload of the DSC {}", file.display(), self.kid))?;
        }
        match proposed {
            Some(proposed) => tell_proposed(&self.args.proposing, desk, proposed, out),
            None if desk.scene.is_compromised(self.kid) => {
                line(out, "It is compromised, and listed here no more; its deletion at the gateway is what is left.")
            }
            None => {
                let label = desk.scene.label_of(self.kid).unwrap_or_default().to_owned();
                let rest = format!("--label {label} --at now --officer NAME --officer-key FILE");
                let next = Next::of("once the gateway lists it, say since when", &signing.place, &["dsc", "publish"], &rest);
                Next::write(&[next], out)
            }
        }
    }
}
