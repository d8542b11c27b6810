//! What officers have a token's workers do, on SoftHSM: keys made, taken, stopped and destroyed, and PINs changed.

mod initialise;

use std::fs;
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sceau::config::Config;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::officers::{
    Activation, Certification, ChainHead, Change, Consent, Decision, GeneratedKey, Generation, KeyKind, KeyName, Label,
    OfficerKey, Proposal, ProposalText, RosterHistory, Subject, VerdictText,
};
use sceau::domain::{
    CertificateTypes, Clock, Digest, Dsc, Kid, Lane, NumericDate, Octets, PublicKey, Signature, SignatureCheck, SystemClock,
};
use sceau::encode::SignedHcert;
use sceau::encode::specimen::Specimen;
use sceau::token::{
    Admission, Disposition, Managed, Management, Opened, Order, Purpose, Readiness, Stop, SupervisedToken, Task, Token,
    TokenError, TokenKey, TokenSpec, WorkerCommand,
};
use tempfile::TempDir;

use crate::shared::processes::{send, wait_until};
use crate::support::{dev_folder, run};
use crate::testdata::read;

/// A folder with a token that no certificate names a key of, and its officers.
struct House {
    home: TempDir,
    ada: OfficerKey,
    grace: OfficerKey,
    csca: DevelopmentCsca<rcgen::KeyPair>,
}

fn now() -> NumericDate {
    SystemClock.now()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn write_secret(file: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl House {
    fn new() -> Self {
        let (home, ada, grace) = (dev_folder(), OfficerKey::generate(), OfficerKey::generate());
        let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "NC".parse().unwrap(), now()).unwrap();
        let house = Self { home, ada, grace, csca };
        let mut config: toml::Table = read(&house.file("sceau.toml")).parse().unwrap();
        for section in ["ledger", "revocation", "dsc"] {
            config.remove(section);
        }
        let token = config["token"][0].as_table_mut().unwrap();
        token.insert("new_pin_file".to_owned(), "new.pin".into());
        token.insert("workers".to_owned(), 2.into());
        token.insert("sessions".to_owned(), 1.into());
        let officers = [("ada", &house.ada), ("grace", &house.grace)];
        let officers =
            officers.map(|(name, key)| format!("[[custody.officer]]\nname = \"{name}\"\nkey = \"{}\"\n", key.public()));
        let text = format!("{config}\n[custody]\napprovals = 1\n{}", officers.concat());
        fs::write(house.file("sceau.toml"), text).unwrap();
        house
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn spec(&self) -> TokenSpec {
        Config::load(&self.file("sceau.toml")).unwrap().token("softhsm").unwrap().clone()
    }

    fn try_start(&self) -> Opened {
        let config = self.file("sceau.toml");
        let command = WorkerCommand {
            program: env!("CARGO_BIN_EXE_sceau").into(),
            arguments: ["token-worker", "--token", "softhsm", "--config", config.to_str().unwrap()].map(str::to_owned).to_vec(),
        };
        SupervisedToken::start(&self.spec(), command, &[]).unwrap()
    }

    /// The token with both its workers.
    fn start(&self) -> SupervisedToken {
        let Opened { token, keys, outcome } = self.try_start();
        outcome.unwrap();
        assert!(keys.is_empty());
        wait_until("both workers live", || token.status().workers.len() == 2);
        token
    }

    fn proposed(&self, change: Change) -> Proposal {
        let (made_at, nonce) = (now(), OfficerKey::generate().public().to_string());
        let text = ProposalText {
            v: ProposalText::VERSION,
            change,
            officer: label("ada"),
            made_at,
            valid_until: made_at.plus_seconds(3_600),
            roster: 0,
            head: ChainHead::EMPTY,
            nonce: Octets::head_of(Digest::of(nonce.as_bytes()).as_bytes()).unwrap(),
        };
        self.ada.propose(&text).unwrap()
    }

    fn agreed(&self, change: Change) -> Consent {
        let proposal = self.proposed(change);
        let text = VerdictText {
            v: VerdictText::VERSION,
            decision: Decision::Approve,
            proposal: proposal.id(),
            officer: label("grace"),
            made_at: proposal.text().made_at,
            head: ChainHead { seq: 1, link: Octets([1; 32]) },
        };
        let approval = self.grace.judge(&text).unwrap();
        Consent { proposal: proposal.signed().clone(), approvals: vec![approval.signed().clone()] }
    }

    /// A key that officers have made, certified and activated, and what carries it.
    fn bring(&self, token: &SupervisedToken, name: &str, kind: KeyKind) -> Brought {
        let generation = self.agreed(generate(name, kind));
        let (key, _) = generated(execute(token, &generation).unwrap());
        let year = DscRequest {
            common_name: name.to_owned(),
            types: Vec::new(),
            not_before: now().plus_seconds(-60),
            not_after: now().plus_seconds(31_536_000),
        };
        let dsc = Dsc::from_der(&self.csca.issue(&key, &year).unwrap()).unwrap();
        let certification = self.agreed(Change::Certify(Certification { label: label(name), certificate: dsc.der().to_vec() }));
        let activation = Activation { kid: dsc.kid(), from: now(), to: None, types: CertificateTypes::ANY, weight: 1 };
        let activation = self.agreed(Change::Activate(activation));
        Brought { dsc, admission: Admission { history: RosterHistory::default(), generation, certification, activation } }
    }

    fn stop(&self, kid: Kid) -> Stop {
        let compromise = Change::Compromise { kid, reason: "a backup is missing".parse().unwrap() };
        Stop { history: RosterHistory::default(), emergency: self.proposed(compromise).signed().clone() }
    }
}

struct Brought {
    dsc: Dsc,
    admission: Admission,
}

fn generate(name: &str, key: KeyKind) -> Change {
    let subject = Subject {
        country: "NC".parse().unwrap(),
        organization: Some("Direction des affaires sanitaires".parse().unwrap()),
        common_name: name.parse().unwrap(),
    };
    Change::Generate(Generation { label: label(name), token: label("softhsm"), key, subject, types: CertificateTypes::ANY })
}

fn managing(consent: &Consent, task: Task) -> Management {
    Management { history: RosterHistory::default(), consent: consent.clone(), task }
}

fn execute(token: &SupervisedToken, consent: &Consent) -> Result<Managed, TokenError> {
    wait(token.manage(managing(consent, Task::Execute)))
}

fn generated(managed: Managed) -> (PublicKey, Vec<u8>) {
    match managed {
        Managed::Generated { key, request } => (key.public_key().unwrap(), request),
        other => panic!("{other:?}"),
    }
}

fn sign(token: &SupervisedToken, key: TokenKey, count: u32) -> Vec<Result<Signature, TokenError>> {
    let digests = (0..count).map(digest).collect();
    let order = Order { key, purpose: Purpose::Certificate, lane: Lane::Bulk };
    wait(token.sign(order, digests)).into_iter().map(|result| result.map(|signed| signed.signature)).collect()
}

fn digest(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

/// Every signature is the key's.
fn assert_signs(token: &SupervisedToken, key: TokenKey, dsc: &Dsc, count: u32) {
    let check = SignatureCheck::new(dsc.public_key()).unwrap();
    for (number, signature) in (0..).zip(sign(token, key, count)) {
        assert!(check.accepts(&digest(number), signature.unwrap().as_bytes()), "{number}");
    }
}

fn assert_refused(outcome: Result<Managed, TokenError>, reason: &str) {
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(error.disposition(), Disposition::StopKey, "{error}");
}

fn pids(token: &SupervisedToken) -> Vec<u32> {
    token.status().workers.into_iter().map(|worker| worker.pid).collect()
}

/// Kills every worker, and waits for others.
fn replace_workers(token: &SupervisedToken) {
    let before = pids(token);
    before.iter().for_each(|pid| send("-KILL", *pid));
    wait_until("others took their place", || {
        let now = pids(token);
        now.len() == 2 && !now.iter().any(|pid| before.contains(pid))
    });
}

#[test]
fn a_key_of_each_kind_is_made_and_openssl_reads_its_request() {
    let house = House::new();
    let token = house.start();
    for kind in [KeyKind::P256, KeyKind::Rsa2048, KeyKind::Rsa3072] {
        let name = format!("DSC-{kind}");
        let consent = house.agreed(generate(&name, kind));
        let (key, request) = generated(execute(&token, &consent).unwrap());
        assert_eq!(KeyKind::of(&key), Some(kind));
        let file = house.file("request.der");
        fs::write(&file, &request).unwrap();
        let ran = run(Command::new("openssl").args(["req", "-verify", "-noout", "-text", "-inform", "DER", "-in"]).arg(&file));
        assert!(ran.code == Some(0) && ran.stderr.contains("verify OK"), "{}", ran.stderr);
        let bits = match kind {
            KeyKind::P256 => "256 bit",
            KeyKind::Rsa2048 => "2048 bit",
            KeyKind::Rsa3072 => "3072 bit",
        };
        assert!(ran.stdout.contains(&name) && ran.stdout.contains(bits), "{}", ran.stdout);
        // Whoever has lost the answer asks again.
        let (again, _) = generated(execute(&token, &consent).unwrap());
        assert_eq!(again, key);
        let requested = wait(token.manage(managing(&consent, Task::Request))).unwrap();
        assert!(matches!(requested, Managed::Requested { request } if !request.is_empty()));
        assert_refused(execute(&token, &house.agreed(generate(&name, kind))), "a key with the label");
    }
}

#[test]
fn nothing_is_done_that_two_officers_did_not_agree_on() {
    let house = House::new();
    let token = house.start();
    let alone = Consent { approvals: Vec::new(), ..house.agreed(generate("DSC-1", KeyKind::P256)) };
    assert_refused(execute(&token, &alone), "it has 0 of 1 approvals");
    let mut touched = house.agreed(generate("DSC-1", KeyKind::P256));
    touched.proposal.text = touched.proposal.text.replace("DSC-1", "DSC-2");
    assert_refused(execute(&token, &touched), "the signature is not ada's over this text");
    let stranger = House::new();
    let stop = stranger.stop("870aaa4460b56d17".parse().unwrap());
    assert_eq!(wait(token.stop(stop)).unwrap_err().disposition(), Disposition::StopKey);
    assert!(execute(&token, &house.agreed(generate("DSC-2", KeyKind::P256))).is_ok(), "nothing was made before");
}

#[test]
fn a_key_is_taken_while_another_signs_and_every_later_worker_has_it() {
    let house = House::new();
    let token = Arc::new(house.start());
    let first = house.bring(&token, "DSC-1", KeyKind::P256);
    let key = wait(token.admit(first.admission.clone())).unwrap();
    assert_signs(&token, key, &first.dsc, 64);
    assert_eq!(wait(token.admit(first.admission.clone())).unwrap(), key, "asked again, it is the same");
    let (ends, signed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = {
        let (token, ends, signed, dsc) = (Arc::clone(&token), Arc::clone(&ends), Arc::clone(&signed), first.dsc.clone());
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                assert_signs(&token, key, &dsc, 64);
                signed.fetch_add(64, Ordering::Relaxed);
            }
        })
    };
    let second = house.bring(&token, "DSC-2", KeyKind::Rsa2048);
    let other = wait(token.admit(second.admission.clone())).unwrap();
    assert_ne!(key, other);
    // Whichever worker takes it.
    assert_signs(&token, other, &second.dsc, 64);
    let before = signed.load(Ordering::Relaxed);
    wait_until("the first key signs on", || signed.load(Ordering::Relaxed) > before);
    ends.store(true, Ordering::Relaxed);
    load.join().unwrap();
    replace_workers(&token);
    assert_signs(&token, key, &first.dsc, 64);
    assert_signs(&token, other, &second.dsc, 64);
}

#[test]
fn a_key_that_is_not_whole_is_not_taken() {
    let house = House::new();
    let token = house.start();
    let Brought { dsc, admission } = house.bring(&token, "DSC-1", KeyKind::P256);
    let refusal = |admission: Admission| wait(token.admit(admission)).unwrap_err().to_string();
    let alone = Consent { approvals: Vec::new(), ..admission.activation.clone() };
    assert!(refusal(Admission { activation: alone, ..admission.clone() }).contains("0 of 1 approvals"));
    // A key that the officers certified under the label, and that is not on the token.
    let stranger = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&stranger).unwrap().der().to_vec();
    let kid = Kid::of_der(&certificate);
    let certification = house.agreed(Change::Certify(Certification { label: label("DSC-1"), certificate }));
    let activation = Activation { kid, from: now(), to: None, types: CertificateTypes::ANY, weight: 1 };
    let activation = house.agreed(Change::Activate(activation));
    let foreign = refusal(Admission { certification, activation, ..admission.clone() });
    assert!(foreign.contains("the token has no key of that label with the certificate's public key"), "{foreign}");
    let key = wait(token.admit(admission)).unwrap();
    assert_signs(&token, key, &dsc, 4);
    replace_workers(&token);
    assert_signs(&token, key, &dsc, 4);
}

#[test]
fn a_stopped_key_signs_nothing_more_and_others_go_on_and_no_restart_brings_it_back() {
    let house = House::new();
    let token = house.start();
    let [bad, good] = ["DSC-1", "DSC-2"].map(|name| house.bring(&token, name, KeyKind::P256));
    let [stopped, other] = [&bad, &good].map(|brought| wait(token.admit(brought.admission.clone())).unwrap());
    assert_signs(&token, stopped, &bad.dsc, 64);
    wait(token.stop(house.stop(bad.dsc.kid()))).unwrap();
    let assert_stopped = |token: &SupervisedToken, key| {
        for result in sign(token, key, 64) {
            let error = result.unwrap_err();
            assert!(error.to_string().contains("was stopped by an officer"), "{error}");
        }
        for _ in 0..2 {
            assert!(matches!(token.readiness(key), Readiness::Down(_)));
        }
    };
    assert_stopped(&token, stopped);
    assert_signs(&token, other, &good.dsc, 64);
    assert_eq!(token.stopped_keys(), 0, "it is not asked to prove itself");
    let again = wait(token.admit(bad.admission.clone())).unwrap_err().to_string();
    assert!(again.contains("was stopped by an officer"), "{again}");
    replace_workers(&token);
    for result in sign(&token, stopped, 64) {
        assert!(result.is_err());
    }
    assert_signs(&token, other, &good.dsc, 64);
    drop(token);
    let token = house.start();
    let refused = wait(token.admit(bad.admission.clone())).unwrap_err().to_string();
    assert!(refused.contains("was stopped by an officer"), "{refused}");
    assert_signs(&token, wait(token.admit(good.admission)).unwrap(), &good.dsc, 4);
    let specimen = managing(&bad.admission.certification, Task::Specimen { iat: now() });
    assert_refused(wait(token.manage(specimen)), "was stopped by an officer");
}

#[test]
fn a_worker_that_does_not_hear_of_a_stop_is_killed() {
    let house = House::new();
    let token = house.start();
    let bad = house.bring(&token, "DSC-1", KeyKind::P256);
    let key = wait(token.admit(bad.admission)).unwrap();
    let deaf = pids(&token)[0];
    send("-STOP", deaf);
    wait(token.stop(house.stop(bad.dsc.kid()))).unwrap();
    wait_until("it is replaced", || !pids(&token).contains(&deaf) && token.status().workers.len() == 2);
    assert!(sign(&token, key, 64).iter().all(Result::is_err));
}

#[test]
fn a_specimen_is_signed_before_a_key_is_in_use() {
    let house = House::new();
    let token = house.start();
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let brought = house.bring(&token, &format!("DSC-{kind}"), kind);
        let iat = now().plus_seconds(86_400);
        let asked = managing(&brought.admission.certification, Task::Specimen { iat });
        let Managed::Specimen { signature } = wait(token.manage(asked)).unwrap() else { panic!("it is one") };
        let cose = Specimen::of(&brought.dsc, iat).assemble(signature);
        let read = SignedHcert::from_cose(cose.as_bytes()).unwrap();
        assert_eq!((read.kid(), read.issued_at(), read.issuer()), (brought.dsc.kid(), iat, Some("NC")));
        assert_eq!(read.expires_at(), iat.plus_seconds(1));
        let check = SignatureCheck::new(brought.dsc.public_key()).unwrap();
        assert!(check.accepts(&Digest::of(&read.sig_structure()), read.signature()));
    }
}

#[test]
fn a_destroyed_key_is_gone_and_its_label_is_not_used_again() {
    let house = House::new();
    let token = house.start();
    let [brought, other] = ["DSC-1", "DSC-2"].map(|name| house.bring(&token, name, KeyKind::P256));
    let [key, kept] = [&brought, &other].map(|brought| wait(token.admit(brought.admission.clone())).unwrap());
    assert_signs(&token, key, &brought.dsc, 64);
    let by_kid = house.agreed(Change::Destroy(KeyName::Kid(brought.dsc.kid())));
    assert_refused(execute(&token, &by_kid), "the consent that certified it is needed");
    let task = || Task::ExecuteOn { certification: brought.admission.certification.clone() };
    assert_eq!(wait(token.manage(managing(&by_kid, task()))).unwrap(), Managed::Destroyed);
    assert_eq!(wait(token.manage(managing(&by_kid, task()))).unwrap(), Managed::Destroyed, "asked again");
    // Both workers had a handle of it, and neither gives a session up over it.
    assert!(sign(&token, key, 64).iter().all(Result::is_err));
    assert_signs(&token, kept, &other.dsc, 64);
    assert!(matches!(token.readiness(key), Readiness::Down(_)));
    assert_refused(execute(&token, &house.agreed(generate("DSC-1", KeyKind::P256))), "a label is not used again");
    let again = wait(token.admit(brought.admission.clone())).unwrap_err().to_string();
    assert!(again.contains("the key DSC-1 was destroyed"), "{again}");
    replace_workers(&token);
    assert_signs(&token, kept, &other.dsc, 64);
    let by_label = house.agreed(Change::Destroy(KeyName::Label(label("DSC-2"))));
    assert_eq!(execute(&token, &by_label).unwrap(), Managed::Destroyed);
    let gone = house.agreed(Change::Destroy(KeyName::Label(label("DSC-3"))));
    assert_refused(execute(&token, &gone), "the token has no key of that label");
}

#[test]
fn a_worker_that_is_killed_over_a_key_leaves_an_answer() {
    let house = House::new();
    let token = house.start();
    for attempt in 0..4 {
        let consent = house.agreed(generate(&format!("DSC-{attempt}"), KeyKind::Rsa3072));
        let making = token.manage(managing(&consent, Task::Execute));
        std::thread::sleep(std::time::Duration::from_millis(attempt * 40));
        pids(&token).into_iter().for_each(|pid| send("-KILL", pid));
        if let Err(error) = wait(making) {
            assert_ne!(error.disposition(), Disposition::StopKey, "{error}");
        }
        wait_until("others took their place", || token.status().workers.len() == 2);
        // Either it was made, or it is not made any more, or it was never begun, and is made now.
        match execute(&token, &consent) {
            Ok(managed) => drop(generated(managed)),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.contains("nothing came of it: propose it anew") || text.contains("no private key of that label"),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_pin_is_changed_and_every_later_worker_logs_in_with_it() {
    let house = House::new();
    let token = house.start();
    let (pin, new) = (house.file("user.pin"), house.file("new.pin"));
    let change = || house.agreed(Change::ChangePin { token: label("softhsm") });
    assert_refused_or_latched(execute(&token, &change()), "new.pin");
    write_secret(&new, &read(&pin));
    assert_refused(execute(&token, &change()), "it holds the PIN that is in force already");
    write_secret(&new, "8642 9753\n");
    let consent = change();
    assert_eq!(execute(&token, &consent).unwrap(), Managed::PinChanged);
    assert_eq!(read(&pin), "8642 9753\n");
    assert!(!new.exists() && !house.file("user.pin.next").exists());
    assert_eq!(execute(&token, &consent).unwrap(), Managed::PinChanged, "asked again");
    replace_workers(&token);
    assert!(!token.status().is_latched);
    write_secret(&new, "1\n");
    let short = execute(&token, &change()).unwrap_err().to_string();
    assert!(short.contains("PinLenRange"), "{short}");
    assert!(!house.file("user.pin.next").exists());
    replace_workers(&token);
    assert!(!token.status().is_latched);
}

fn assert_refused_or_latched(outcome: Result<Managed, TokenError>, reason: &str) {
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_change_of_the_pin_that_was_cut_off_snaps_no_latch() {
    let house = House::new();
    let (pin, next) = (house.file("user.pin"), house.file("user.pin.next"));
    let old = read(&pin);
    // Cut off before the token heard of it.
    write_secret(&next, "8642 9753\n");
    let token = house.start();
    assert!(!next.exists() && read(&pin) == old && !token.status().is_latched);
    write_secret(&house.file("new.pin"), "8642 9753\n");
    assert_eq!(execute(&token, &house.agreed(Change::ChangePin { token: label("softhsm") })).unwrap(), Managed::PinChanged);
    drop(token);
    // Cut off after it.
    fs::rename(&pin, &next).unwrap();
    write_secret(&pin, &old);
    let token = house.start();
    assert!(!next.exists() && read(&pin) == "8642 9753\n" && !token.status().is_latched);
}

/// What a worker leaves that died between the note that an act begins and the note that it is done.
fn note_as_begun(house: &House) {
    let memory = house.file("state/softhsm.custody-memory");
    fs::write(&memory, read(&memory).replace("\"done\":true", "\"done\":false")).unwrap();
}

#[test]
fn what_was_cut_off_is_ended_when_it_is_asked_for_again() {
    let house = House::new();
    let (token, pin, next) = (house.start(), house.file("user.pin"), house.file("user.pin.next"));
    let old = read(&pin);
    write_secret(&house.file("new.pin"), "8642 9753\n");
    let change = house.agreed(Change::ChangePin { token: label("softhsm") });
    assert_eq!(execute(&token, &change).unwrap(), Managed::PinChanged);
    // The token has the new PIN, and the file not yet.
    note_as_begun(&house);
    fs::rename(&pin, &next).unwrap();
    write_secret(&pin, &old);
    assert_eq!(execute(&token, &change).unwrap(), Managed::PinChanged);
    assert!(!next.exists() && read(&pin) == "8642 9753\n");
    // The token has not heard of the next one yet.
    write_secret(&house.file("new.pin"), "1234 5678\n");
    let change = house.agreed(Change::ChangePin { token: label("softhsm") });
    let generation = house.agreed(generate("DSC-1", KeyKind::P256));
    let (key, _) = generated(execute(&token, &generation).unwrap());
    assert_eq!(execute(&token, &change).unwrap(), Managed::PinChanged);
    note_as_begun(&house);
    assert_eq!(generated(execute(&token, &generation).unwrap()).0, key);
    replace_workers(&token);
    let destruction = house.agreed(Change::Destroy(KeyName::Label(label("DSC-1"))));
    assert_eq!(execute(&token, &destruction).unwrap(), Managed::Destroyed);
    note_as_begun(&house);
    assert_eq!(execute(&token, &destruction).unwrap(), Managed::Destroyed);
    assert_refused(execute(&token, &generation), "nothing came of it: propose it anew");
}

#[test]
fn a_worker_whose_memory_cannot_be_read_does_not_sign() {
    let house = House::new();
    let token = house.start();
    let brought = house.bring(&token, "DSC-1", KeyKind::P256);
    wait(token.stop(house.stop(brought.dsc.kid()))).unwrap();
    drop(token);
    let memory = house.file("state/softhsm.custody-memory");
    let kept = read(&memory);
    assert!(kept.contains(&brought.dsc.kid().to_string()), "{kept}");
    fs::write(&memory, &kept[..kept.len() / 2]).unwrap();
    let error = house.try_start().outcome.unwrap_err().to_string();
    assert!(error.contains("cannot use the custody memory"), "{error}");
    fs::write(&memory, kept).unwrap();
    drop(house.start());
}

#[test]
fn the_public_half_is_what_the_chain_holds() {
    let house = House::new();
    let token = house.start();
    let Managed::Generated { key, .. } = execute(&token, &house.agreed(generate("DSC-1", KeyKind::P256))).unwrap() else {
        panic!("it is made")
    };
    assert!(matches!(&key, GeneratedKey::P256(point) if point.0[0] == 4));
}
