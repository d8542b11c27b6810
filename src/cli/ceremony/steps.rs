//! What each step does.

use std::fs;

use anyhow::{Context, bail, ensure};
use x509_cert::der::pem::{LineEnding, encode_string};

use super::PlanFile;
use super::desk::Desk;
use crate::cli::officer::write_sections;
use crate::cli::verify::certificates;
use crate::custody::ceremony::line::visible;
use crate::custody::ceremony::{FileName, Line, PlannedKey, Step};
use crate::custody::import::{Csca, Expected, KnownKids, check};
use crate::custody::trust_list::DSC;
use crate::domain::officers::{Label, Roster, Words};
use crate::domain::{Clock, Digest, PublicKey, SignatureCheck, SystemClock};
use crate::encode::csr;
use crate::token::probe::{KeyFlag, TokenFacts};

/// What came of a step: lines for the transcript, and the files to write.
#[derive(Default)]
pub(super) struct Work {
    pub(super) lines: Vec<Line>,
    pub(super) outputs: Vec<(FileName, Vec<u8>)>,
}

impl Work {
    fn fact(&mut self, name: &'static str, value: &str) {
        self.lines.push(Line::Fact { name, value: visible(value) });
    }

    fn public_key(&mut self, key: &PublicKey) {
        self.fact("public key", &format!("{key:?}, sha256 {}", hex::encode(csr::key_digest(key).as_bytes())));
    }

    /// Reads a file, and says which one it was.
    fn read(&mut self, file: &PlanFile, name: &FileName) -> anyhow::Result<Vec<u8>> {
        let bytes = fs::read(file.at(name.as_str())).with_context(|| format!("cannot read {name}"))?;
        self.lines.push(Line::In { digest: Digest::of(&bytes).into(), file: name.clone() });
        Ok(bytes)
    }
}

/// Does the steps of one plan.
pub(super) struct Hands<'p> {
    pub(super) file: &'p PlanFile,
    pub(super) desk: Desk,
    /// The serial number of the token that the first step was done on.
    pub(super) serial: Option<Words<1000>>,
}

impl Hands<'_> {
    /// What keeps a step from being begun: what it would make is there already. After that, what is found was made by the step.
    pub(super) fn look_before(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Initialise {} => {
                if let Some(facts) = self.desk.look()? {
                    bail!("a token of that label is there already, with the serial {}: it is not initialised anew", facts.serial);
                }
            }
            Step::Generate { key } => {
                let kind = self.key(key)?.kind;
                ensure!(
                    self.desk.find(kind, key)?.is_none(),
                    "a key of that label is on the token already: keys are never replaced"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Does a step. `is_again`: it was begun before, and broken off.
    pub(super) fn take(&mut self, step: &Step, is_again: bool) -> anyhow::Result<Work> {
        match step {
            Step::Initialise {} => self.initialise(is_again),
            Step::Generate { key } => self.generate(key, is_again),
            Step::Request { key, out } => self.request(key, out),
            Step::Import { key, certificate, cscas, known, out } => self.import(key, certificate, cscas, known, out),
            Step::Attest { key } => self.attest(key),
            Step::Roster { approvals, valid_hours, out } => {
                let roster = self.file.plan.roster(*approvals, *valid_hours)?;
                Ok(Work { outputs: vec![(out.clone(), roster_section(&roster)?)], ..Work::default() })
            }
        }
    }

    fn key(&self, label: &Label) -> anyhow::Result<&PlannedKey> {
        self.file.plan.key(label).with_context(|| format!("no [[key]] has the label {label}"))
    }

    /// Says which token it is, and sees to it that it stays the same one.
    fn note_token(&mut self, work: &mut Work) -> anyhow::Result<()> {
        let TokenFacts { label, serial, model, hardware_version, firmware_version, .. } =
            self.desk.look()?.context("the token is not there any more")?;
        let serial = visible(&serial);
        let first = self.serial.get_or_insert_with(|| serial.clone());
        ensure!(*first == serial, "the token has the serial {serial}; the steps before were done on the one with {first}");
        work.fact("serial", serial.as_str());
        work.fact("token", &format!("{label}, {model}, hardware {hardware_version}, firmware {firmware_version}"));
        Ok(())
    }

    /// The key that a step before, or another ceremony, has made.
    fn made(&mut self, label: &Label, work: &mut Work) -> anyhow::Result<PublicKey> {
        let kind = self.key(label)?.kind;
        let found = self.desk.find(kind, label)?;
        self.note_token(work)?;
        let public_key = found.with_context(|| format!("the token has no key with the label {label}"))?;
        work.public_key(&public_key);
        Ok(public_key)
    }

    fn initialise(&mut self, is_again: bool) -> anyhow::Result<Work> {
        let mut work = Work::default();
        if is_again && self.desk.look()?.is_some() {
            work.fact("note", "the token was initialised before the interruption, and is taken as it is");
        } else {
            self.desk.initialise()?;
        }
        self.note_token(&mut work)?;
        Ok(work)
    }

    fn generate(&mut self, label: &Label, is_again: bool) -> anyhow::Result<Work> {
        let mut work = Work::default();
        let kind = self.key(label)?.kind;
        if is_again && self.desk.find(kind, label)?.is_some() {
            work.fact("note", "the key was made before the interruption, and is taken as it is");
        } else {
            self.desk.admin()?.generate(kind, label.as_str())?;
        }
        work.fact("key", kind.name());
        self.made(label, &mut work)?;
        Ok(work)
    }

    fn request(&mut self, label: &Label, out: &FileName) -> anyhow::Result<Work> {
        let mut work = Work::default();
        let public_key = self.made(label, &mut work)?;
        let planned = self.key(label)?;
        let (subject, types) = (csr_subject(planned), planned.types);
        work.fact("subject", &subject_text(planned));
        work.fact("types", &types.to_string());
        let draft = csr::to_be_signed(&public_key, &subject, types)?;
        let signature = self.desk.admin()?.sign(&public_key, &draft.digest())?;
        let request = draft.finish(&signature)?;
        work.outputs.push((out.clone(), request.to_pem()?.into_bytes()));
        Ok(work)
    }

    fn import(
        &mut self,
        label: &Label,
        certificate: &FileName,
        cscas: &[FileName],
        known: &[FileName],
        out: &FileName,
    ) -> anyhow::Result<Work> {
        let mut work = Work::default();
        let public_key = self.made(label, &mut work)?;
        let mut ders = self.certificates(certificate, &mut work)?;
        ensure!(ders.len() == 1, "{certificate} has {} certificates; one is right", ders.len());
        let mut anchors = Vec::new();
        for name in cscas {
            for der in self.certificates(name, &mut work)? {
                anchors.push(Csca::from_der(&der).with_context(|| format!("the CSCA {name}"))?);
            }
        }
        let taken = self.taken_kids(known, &mut work)?;
        let planned = self.key(label)?;
        let expected = Expected {
            public_key: &public_key,
            country: planned.subject.country,
            types: planned.types,
            cscas: &anchors,
            known: &taken,
            now: SystemClock.now(),
        };
        let der = ders.pop().unwrap_or_default();
        let certified = check(&der, &expected).with_context(|| format!("{certificate} is not taken"))?;
        let dsc = certified.dsc();
        work.fact("kid", &dsc.kid().to_string());
        work.fact("subject", dsc.subject());
        work.fact("types", &dsc.types().to_string());
        work.fact("valid", &format!("{} to {}", dsc.not_before(), dsc.not_after()));
        anchors.iter().for_each(|csca| work.fact("CSCA", csca.subject()));
        certified.warnings().iter().for_each(|warning| work.fact("note", &warning.to_string()));
        work.outputs.push((out.clone(), pem(&der)?));
        Ok(work)
    }

    /// The certificates of a file, every one of which has to be readable.
    fn certificates(&self, name: &FileName, work: &mut Work) -> anyhow::Result<Vec<Vec<u8>>> {
        let found = certificates(&work.read(self.file, name)?, DSC).with_context(|| name.to_string())?;
        found.into_iter().map(|(number, der)| der.with_context(|| format!("{name}, certificate {number}"))).collect()
    }

    /// Other states' entries may be faulty: that is said, and is no reason to stop.
    fn taken_kids(&self, known: &[FileName], work: &mut Work) -> anyhow::Result<KnownKids> {
        let mut taken = KnownKids::new();
        for name in known {
            let found = certificates(&work.read(self.file, name)?, DSC).with_context(|| name.to_string())?;
            for (number, der) in found {
                match der {
                    Ok(der) => taken.add(&der, format!("{name}, certificate {number}")),
                    Err(error) => work.fact("note", &format!("{name}, certificate {number}: left out: {error:#}")),
                }
            }
        }
        work.fact("note", &format!("compared with the kids of {} certificates", taken.len()));
        Ok(taken)
    }

    fn attest(&mut self, label: &Label) -> anyhow::Result<Work> {
        let mut work = Work::default();
        let public_key = self.made(label, &mut work)?;
        let (token, key) = self.desk.facts(label, &public_key)?;
        work.fact("made by", &token.manufacturer);
        work.fact("module", token.library.as_deref().unwrap_or("does not say"));
        work.fact("sessions", &token.max_sessions.map_or_else(|| "no limit named".to_owned(), |most| format!("{most} at most")));
        work.fact("key", &key.kind);
        work.fact("CKA_LABEL", key.label.as_deref().unwrap_or("-"));
        work.fact("CKA_ID", key.id.as_deref().unwrap_or("-"));
        work.fact("attributes", &key.attributes.iter().map(flag_text).collect::<Vec<_>>().join(" "));
        key.key.as_ref().map_err(Clone::clone)?;
        ensure!(key.label.as_deref() == Some(label.as_str()), "the private key has another label than {label}");
        // Means nothing else: no certificate's or request's digest is over a text that begins like this.
        let digest = Digest::of_parts(&[b"sceau ceremony, attest, version 1: ", label.as_str().as_bytes()]);
        let signature = self.desk.admin()?.sign(&public_key, &digest)?;
        let is_its_own = SignatureCheck::new(&public_key)?.accepts(&digest, signature.as_bytes());
        ensure!(is_its_own, "the key {label} gives signatures that do not verify with its public half");
        work.fact("proof", "it signs, and the signature verifies");
        Ok(work)
    }
}

fn flag_text(flag: &KeyFlag) -> String {
    format!("{}={}", flag.attribute.to_string().to_uppercase(), if flag.found { "yes" } else { "no" })
}

fn csr_subject(key: &PlannedKey) -> csr::Subject {
    csr::Subject {
        country: key.subject.country,
        organization: key.subject.organization.as_ref().map(ToString::to_string),
        unit: None,
        common_name: key.subject.common_name.to_string(),
        serial_number: None,
    }
}

/// As it is asked for.
pub(super) fn subject_text(key: &PlannedKey) -> String {
    let subject = &key.subject;
    let organization = subject.organization.as_ref().map(|name| format!("O={name}, ")).unwrap_or_default();
    format!("C={}, {organization}CN={}", subject.country, subject.common_name)
}

/// The section `[custody]` of the configuration.
fn roster_section(roster: &Roster) -> anyhow::Result<Vec<u8>> {
    use std::io::Write;
    let mut text = Vec::new();
    let (approvals, hours) = (roster.quorum(), roster.limit_seconds() / 3_600);
    writeln!(
        text,
        "# The officers that custody begins with, as a ceremony has written them; for the configuration of the service."
    )?;
    writeln!(text, "[custody]\napprovals = {approvals}\nvalid_hours = {hours}")?;
    write_sections(&mut text, roster.officers())?;
    Ok(text)
}

fn pem(der: &[u8]) -> anyhow::Result<Vec<u8>> {
    let text = encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|error| anyhow::anyhow!("no PEM: {error}"))?;
    Ok(text.into_bytes())
}
