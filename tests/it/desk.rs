//! The commands that officers type, against a service with custody: each is really run, on officers' key files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::custody::import::KnownKids;
use sceau::custody::office::{Hands, HandsFuture, NotDone, Office, OfficeParts, OfficeTask};
use sceau::custody::revocation::Revoker;
use sceau::domain::officers::{Change, GeneratedKey, Label, Officer, OfficerKey, OfficerPublicKey, Proposal, Roster};
use sceau::domain::time::FixedClock;
use sceau::domain::{CertificateType, Digest, Dsc, PublicKey, Signature};
use sceau::encode::csr;
use sceau::encode::specimen::Specimen;
use sceau::ledger::index::Records;
use sceau::ledger::store::sqlite::SqliteStore;
use sceau::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use sceau::ledger::{Ledger, LedgerKeys, RecordedLedger};
use sceau::service::access::CallerSettings;
use sceau::service::admin::AdminSocket;
use sceau::service::custody::Custodian;
use sceau::service::{Administration, Limits, Live, LiveSettings};
use sceau::token::{Managed, Management, Task};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{LocalServer, Ran, TestDsc, dev_folder, profile, run, sceau, settings, signer_over, signing_time};

const OFFICERS: [&str; 3] = ["ada", "grace", "hedy"];

/// A token that makes keys, and does what officers agreed on.
#[derive(Debug, Default)]
struct Tokens {
    keys: Mutex<BTreeMap<Label, EcdsaKeyPair>>,
    is_down: AtomicBool,
}

fn public(key: &EcdsaKeyPair) -> PublicKey {
    PublicKey::P256 { point: key.public_key().as_ref().try_into().unwrap() }
}

fn sign(key: &EcdsaKeyPair, digest: &Digest) -> Signature {
    let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
    Signature::new(key.sign_digest(&digest).unwrap().as_ref().to_vec())
}

impl Tokens {
    fn answer(&self, order: &Management) -> Managed {
        let proposal = Proposal::read(order.consent.proposal.clone()).unwrap();
        let mut keys = self.keys.lock().unwrap();
        match (&order.task, proposal.change()) {
            (task @ (Task::Execute | Task::Request), Change::Generate(generation)) => {
                let make = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let key = keys.entry(generation.label.clone()).or_insert_with(make);
                let subject = csr::Subject {
                    country: generation.subject.country,
                    organization: Some("Ministry".to_owned()),
                    unit: None,
                    common_name: generation.subject.common_name.to_string(),
                    serial_number: None,
                };
                let draft = csr::to_be_signed(&public(key), &subject, generation.types).unwrap();
                let signature = sign(key, &draft.digest());
                let request = draft.finish(&signature).unwrap().to_der().unwrap();
                if matches!(task, Task::Request) {
                    return Managed::Requested { request };
                }
                Managed::Generated { key: GeneratedKey::of(&public(key)).unwrap(), request }
            }
            (Task::Specimen { iat }, Change::Certify(certified)) => {
                let digest = Specimen::of(&Dsc::from_der(&certified.certificate).unwrap(), *iat).digest();
                Managed::Specimen { signature: sign(&keys[&certified.label], &digest) }
            }
            (_, Change::Destroy(_)) => Managed::Destroyed,
            (_, Change::ChangePin { .. }) => Managed::PinChanged,
            (_, other) => panic!("{other:?} is no token's"),
        }
    }
}

impl Hands for Tokens {
    fn has(&self, token: &Label) -> bool {
        token.as_str() == "hsm-a"
    }

    fn manage(&self, _token: &Label, order: Management) -> HandsFuture {
        let is_down = self.is_down.load(Ordering::SeqCst);
        let answer =
            if is_down { Err(NotDone { reason: "it does not answer".into(), may_retry: true }) } else { Ok(self.answer(&order)) };
        Box::pin(std::future::ready(answer))
    }
}

/// A service with custody on a machine, and its officers.
struct Desk {
    home: TempDir,
    officers: Vec<(&'static str, OfficerPublicKey)>,
    tokens: Arc<Tokens>,
    csca: DevelopmentCsca<rcgen::KeyPair>,
    endpoint: String,
    _served: (LocalServer, Arc<Office>, OfficeTask, WriterTask),
    _runtime: Runtime,
}

impl Desk {
    fn open() -> Self {
        let home = dev_folder();
        let keys: Vec<(&'static str, OfficerKey)> = OFFICERS.map(|name| (name, OfficerKey::generate())).into();
        for (name, key) in &keys {
            let file = home.path().join(format!("{name}.key"));
            fs::write(&file, key.to_pem()).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let officer = |(name, key): &(&str, OfficerKey)| Officer { name: name.parse().unwrap(), key: key.public() };
        let roster = Roster::new(keys.iter().map(officer).collect(), 1, 86_400).unwrap();
        let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), signing_time()).unwrap();
        fs::write(home.path().join("csca.der"), csca.der()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tokens = Arc::new(Tokens::default());
        let served = runtime.block_on(serve(&home, roster, Arc::clone(&tokens) as _));
        let endpoint = served.0.endpoint.clone();
        let officers = keys.iter().map(|(name, key)| (*name, key.public())).collect();
        Self { home, officers, tokens, csca, endpoint, _served: served, _runtime: runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command at the folder, on the service of this machine.
    fn command(&self, words: &str) -> Command {
        let mut command = sceau();
        command.current_dir(self.home.path()).args(words.split(' ')).args(["--config", "sceau.toml"]);
        command
    }

    fn run(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }

    /// One that an officer signs.
    fn sign(&self, officer: &str, words: &str) -> Ran {
        let mut command = self.command(words);
        run(command.args(["--yes", "--officer", officer]).arg("--officer-key").arg(self.path(&format!("{officer}.key"))))
    }

    #[track_caller]
    fn well(ran: Ran) -> Ran {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        ran
    }

    #[track_caller]
    fn refused(&self, officer: &str, words: &str, reason: &str) {
        let ran = self.sign(officer, words);
        assert_eq!(ran.code, Some(64), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }

    /// ada proposes; the proposal.
    #[track_caller]
    fn propose(&self, words: &str) -> String {
        let ran = Self::well(self.sign("ada", words));
        let id = ran.stdout.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
        assert_eq!(id.len(), 64, "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("sceau approve {id} --config sceau.toml --officer NAME")), "{}", ran.stdout);
        id
    }

    /// ada proposes, grace approves; what grace is told.
    #[track_caller]
    fn agree(&self, words: &str, how: &str) -> String {
        let id = self.propose(words);
        let ran = Self::well(self.sign("grace", &format!("approve {}{how}", &id[..12])));
        assert!(ran.stdout.starts_with("executed: "), "{}", ran.stdout);
        ran.stdout
    }

    /// What the CSCA makes of a key.
    fn certify(&self, label: &str, types: &[CertificateType]) -> Dsc {
        let key = public(&self.tokens.keys.lock().unwrap()[&label.parse::<Label>().unwrap()]);
        let day = |days: i64| signing_time().plus_seconds(days * 86_400);
        let request =
            DscRequest { common_name: format!("DSC {label}"), types: types.to_vec(), not_before: day(-1), not_after: day(730) };
        let der = self.csca.issue(&key, &request).unwrap();
        fs::write(self.path(&format!("{label}.pem")), &der).unwrap();
        Dsc::from_der(&der).unwrap()
    }

    fn state(&self, label: &str, at: &str) -> String {
        let ran = Self::well(self.run(&format!("dsc list --all --json --at {at}")));
        let list: Value = serde_json::from_str(&ran.stdout).unwrap();
        let keys = list["keys"].as_array().unwrap();
        keys.iter().find(|key| key["label"] == label).unwrap()["state"].as_str().unwrap().to_owned()
    }

    fn approvals(&self) -> Vec<Value> {
        let ran = Self::well(self.run("approvals --all --json"));
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["proposals"].as_array().unwrap().clone()
    }
}

async fn serve(
    home: &TempDir,
    first_roster: Roster,
    hands: Arc<dyn Hands>,
) -> (LocalServer, Arc<Office>, OfficeTask, WriterTask) {
    let store = Arc::new(SqliteStore::open(&home.path().join("desk.db")).await.unwrap());
    let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
    let clock = Arc::new(FixedClock(signing_time()));
    let settings_of =
        WriterSettings { instance: "north".into(), patience: Duration::from_secs(10), keys: keys.ids(), audit: None };
    let (writer, task) = ChainWriter::start(Arc::clone(&store) as _, Arc::clone(&clock) as _, settings_of).await.unwrap();
    let ledger = RecordedLedger::resume(&*store, writer.clone(), keys.clone(), Arc::clone(&clock) as _, None).await.unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let records = Records::new(Arc::clone(&store) as _, Arc::clone(&store) as _);
    let revoker = Arc::new(Revoker::new(records.clone(), writer.clone(), None, Arc::clone(&clock) as _));
    let custodian = Custodian::new(Arc::clone(&revoker), records, keys, writer.instance());
    let parts = OfficeParts {
        store,
        clock: Arc::clone(&clock) as _,
        first_roster,
        lead: Duration::from_secs(60),
        hands,
        revoker: Some(revoker),
        audit: None,
        known: KnownKids::new(),
    };
    let (office, office_task) = Office::start(parts).await;
    let custodian = custodian.with_office(Arc::clone(&office));
    let (signer, _) = signer_over(&[TestDsc::default()], settings());
    let callers = vec![CallerSettings::loopback()];
    let live = Live::new(
        LiveSettings { callers, person: None, profiles: vec![profile("dcc")], limits: Limits::default() },
        Arc::clone(&clock) as _,
    );
    let socket = AdminSocket::bind(&home.path().join("state/admin.sock")).unwrap();
    let admin = Administration { socket: Some(socket), custodian: Some(Arc::new(custodian)), ..Administration::default() };
    let server = LocalServer::start_under(signer.with_ledger(ledger), live, None, admin).await;
    (server, office, office_task, task)
}

const GENERATE: &str = "dsc generate --token hsm-a --label dsc-1 --country FR --organization Ministry --common-name DSC-1";

#[test]
fn a_key_goes_from_its_making_to_its_end_by_what_two_officers_type() {
    let desk = Desk::open();
    let told = desk.agree(GENERATE, "");
    assert!(told.contains("sceau dsc csr --config sceau.toml --label dsc-1 --out dsc-1.csr"), "{told}");
    let told = Desk::well(desk.run("dsc csr --label dsc-1 --out dsc-1.csr")).stdout;
    assert!(told.contains("CN=DSC-1, O=Ministry, C=FR") && told.contains("sceau dsc import"), "{told}");
    let request = fs::read_to_string(desk.path("dsc-1.csr")).unwrap();
    assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"), "{request}");
    let openssl = Command::new("openssl").args(["req", "-verify", "-noout", "-in"]).arg(desk.path("dsc-1.csr")).output().unwrap();
    assert!(openssl.status.success(), "{openssl:?}");
    assert_eq!(desk.run("dsc csr --label dsc-1 --out dsc-1.csr").code, Some(64), "it is not overwritten");

    let kid = desk.certify("dsc-1", &[]).kid().to_string();
    desk.refused("ada", "dsc import --label dsc-1 --dsc dsc-1.pem", "--csca FILE");
    let told = desk.agree("dsc import --label dsc-1 --dsc dsc-1.pem --csca csca.der", " --csca csca.der");
    assert!(told.contains("sceau dsc publish --config sceau.toml --label dsc-1 --out dsc-1.upload.cms.b64"), "{told}");
    assert_eq!(desk.run("dsc publish --label dsc-1 --out up.b64").code, Some(64), "there is no upload key");
    assert!(!desk.path("up.b64").exists());
    desk.agree("dsc publish --label dsc-1 --at now", "");
    desk.refused("ada", "dsc activate --label dsc-1 --at now", "is too soon");
    let told = desk.agree("dsc activate --label dsc-1 --at +2h --until +4h --weight 3", "");
    assert!(told.contains("sceau dsc canary --config sceau.toml --at 2021-10-20T14:00:00Z"), "{told}");
    for (at, state) in [("+1h", "published"), ("+2h", "active"), ("+3h", "active"), ("+4h", "retired")] {
        assert_eq!(desk.state("dsc-1", at), state, "{at}");
    }

    let custody: String =
        desk.officers.iter().map(|(name, key)| format!("\n[[custody.officer]]\nname = \"{name}\"\nkey = \"{key}\"\n")).collect();
    let file = fs::read_to_string(desk.path("sceau.toml")).unwrap();
    fs::write(desk.path("sceau.toml"), format!("{file}\n[custody]\n{custody}")).unwrap();
    let plan = desk.run("dsc plan --today 2021-10-20").stdout;
    assert!(plan.contains("dsc-1"), "{plan}");
    assert!(!desk.run("dsc plan --today 2021-10-20 --offline").stdout.contains("dsc-1"));

    let now = desk.run("dsc canary");
    assert!(now.code == Some(2) && now.stdout.contains("NO KEY of the register is to sign: v,t,r"), "{}", now.stdout);
    let then = Desk::well(desk.run("dsc canary --at +3h")).stdout;
    assert!(then.contains("signs") && then.contains(&kid), "{then}");
    assert!(Desk::well(desk.run("dsc canary --at +3h --dry-run")).stdout.contains("dsc-1 on the token hsm-a"));
    Desk::well(desk.run("dsc trust-list --out trust.json"));
    let list: Value = serde_json::from_slice(&fs::read(desk.path("trust.json")).unwrap()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["country"], "FR");

    desk.agree("dsc retire --label dsc-1 --at +3h", "");
    assert_eq!(desk.state("dsc-1", "+3h"), "retired");
    let stopped = Desk::well(desk.sign("hedy", &format!("dsc compromise --kid {kid} --reason drill")));
    for part in ["0 certificates", "by one officer alone", "dsc publish", "delete.cms.b64", "ledger find", "--why 'its key"] {
        assert!(stopped.stdout.contains(part), "{part}: {}", stopped.stdout);
    }
    assert!(stopped.stderr.contains("STOP the key dsc-1 NOW"), "{}", stopped.stderr);
    assert_eq!(desk.state("dsc-1", "now"), "compromised");
    assert_eq!(Desk::well(desk.run("dsc trust-list")).stdout, "[]\n");
    desk.agree("dsc destroy --label dsc-1", "");
    let shown = Desk::well(desk.run("dsc show --label dsc-1")).stdout;
    assert!(shown.contains("destroyed") && shown.contains(&kid), "{shown}");
    assert!(Desk::well(desk.run("dsc show --label dsc-1 --pem")).stdout.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn what_is_signed_is_shown_first_and_nothing_is_signed_unasked() {
    let desk = Desk::open();
    let mut unasked = desk.command(GENERATE);
    let unasked = run(unasked.args(["--officer", "ada", "--officer-key", "ada.key"]));
    assert_eq!(unasked.code, Some(64), "{}", unasked.stderr);
    for part in ["ada signs", "make the key dsc-1 on the token hsm-a", "CN=DSC-1, O=Ministry, C=FR", "--yes agrees"] {
        assert!(unasked.stderr.contains(part), "{part}: {}", unasked.stderr);
    }
    assert!(unasked.stderr.contains("1 of grace, hedy, who approve it before 2021-10-21T12:00:00Z"), "{}", unasked.stderr);
    let dry = Desk::well(desk.run(&format!("{GENERATE} --dry-run")));
    assert!(dry.stdout.contains("What would happen: the token hsm-a makes a p256 key pair"), "{}", dry.stdout);
    assert!(desk.approvals().is_empty());

    let id = desk.propose(GENERATE);
    let dry = Desk::well(desk.run(&format!("approve {id} --dry-run")));
    assert!(dry.stderr.contains("ada proposed") && dry.stdout.contains("Nothing was signed"), "{}{}", dry.stdout, dry.stderr);
    let listed = Desk::well(desk.run("approvals")).stdout;
    assert!(listed.contains("0 of 1") && listed.contains(&format!("sceau approve {} --config", &id[..12])), "{listed}");
    let waiting = Desk::well(desk.run("dsc list")).stdout;
    assert!(waiting.contains("sceau approvals --config sceau.toml"), "{waiting}");
}

#[test]
fn the_rules_of_two_people_are_told_before_anything_is_signed() {
    let desk = Desk::open();
    let id = desk.propose(GENERATE);
    desk.refused("ada", &format!("approve {id}"), "ada proposed it; another officer approves it");
    desk.refused("grace", "approve deadbeef", "there is no proposal deadbeef");
    desk.refused("grace", "approve 12", "8 or more");
    let other_key = desk.command(&format!("approve {id} --yes --officer grace --officer-key hedy.key")).output().unwrap();
    assert!(String::from_utf8_lossy(&other_key.stderr).contains("is not grace's"), "{other_key:?}");
    let stranger = desk.command(&format!("approve {id} --yes --officer joan --officer-key hedy.key")).output().unwrap();
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("there are ada, grace, hedy"), "{stranger:?}");
    let nobody = desk.run(&format!("approve {id} --yes"));
    assert!(nobody.code == Some(64) && nobody.stderr.contains("SCEAU_OFFICER"), "{}", nobody.stderr);
    fs::set_permissions(desk.path("grace.key"), fs::Permissions::from_mode(0o640)).unwrap();
    desk.refused("grace", &format!("approve {id}"), "make it 0600");
    fs::set_permissions(desk.path("grace.key"), fs::Permissions::from_mode(0o600)).unwrap();

    let rejected = Desk::well(desk.sign("hedy", &format!("reject {id}")));
    assert!(rejected.stdout.starts_with("rejected: make the key dsc-1"), "{}", rejected.stdout);
    desk.refused("grace", &format!("approve {id}"), "is rejected, hedy rejected it");
    assert_eq!(desk.approvals()[0]["state"], "rejected");
    let mut by_environment = desk.command(&format!("{GENERATE} --yes"));
    let ran = run(by_environment.env("SCEAU_OFFICER", "hedy").env("SCEAU_OFFICER_KEY", "hedy.key"));
    assert!(Desk::well(ran).stdout.contains("proposed, until"));
}

#[test]
fn what_was_approved_and_not_done_waits_and_is_executed_or_rejected() {
    let desk = Desk::open();
    let approved = |label: &str| {
        let id = desk.propose(&GENERATE.replace("dsc-1", label));
        let ran = desk.sign("grace", &format!("approve {id}"));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(
            ran.stdout.contains("it does not answer") && ran.stdout.contains(&format!("sceau execute {id}")),
            "{}",
            ran.stdout
        );
        id
    };
    desk.tokens.is_down.store(true, Ordering::SeqCst);
    let (one, other) = (approved("dsc-1"), approved("dsc-2"));
    assert_eq!(desk.run(&format!("execute {one}")).code, Some(2));
    assert!(Desk::well(desk.sign("hedy", &format!("reject {other}"))).stdout.starts_with("rejected: "));
    desk.tokens.is_down.store(false, Ordering::SeqCst);
    let done = Desk::well(desk.run(&format!("execute {one}"))).stdout;
    assert!(done.starts_with("executed: make the key dsc-1") && done.contains("sceau dsc csr"), "{done}");
    assert_eq!(desk.run(&format!("execute {other}")).code, Some(64));
    assert_eq!(desk.state("dsc-1", "now"), "generated");
}

#[test]
fn a_certificate_that_is_not_right_is_refused_here_with_every_fault() {
    let desk = Desk::open();
    desk.agree(&format!("{GENERATE} --types t"), "");
    desk.certify("dsc-1", &[CertificateType::Vaccination]);
    let other = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), signing_time()).unwrap();
    fs::write(desk.path("other.der"), other.der()).unwrap();
    desk.refused("ada", "dsc import --label dsc-1 --dsc dsc-1.pem --csca csca.der", "the certificate is not taken");
    let dsc = desk.certify("dsc-1", &[CertificateType::Test]);
    desk.refused("ada", "dsc import --label dsc-1 --dsc dsc-1.pem --csca other.der", "the certificate is not taken");
    let listing = sceau::custody::trust_list::Listing { dsc: &dsc, since: signing_time(), upload: None };
    fs::write(desk.path("list.json"), sceau::custody::trust_list::write(&[listing]).unwrap()).unwrap();
    desk.refused("ada", "dsc import --label dsc-1 --dsc dsc-1.pem --csca csca.der --trust-list list.json", "the trust list");
    desk.refused("ada", "dsc import --label dsc-9 --dsc dsc-1.pem --csca csca.der", "there is no key dsc-9; there are dsc-1");
    let id = desk.propose("dsc import --label dsc-1 --dsc dsc-1.pem --csca csca.der");
    desk.refused("grace", &format!("approve {id} --csca other.der"), "the certificate is not taken");
    let shown = Desk::well(desk.run(&format!("approve {id} --dry-run"))).stderr;
    assert!(shown.contains("NOT CHECKED against a CSCA") && shown.contains(&dsc.kid().to_string()), "{shown}");
}

#[test]
fn officers_change_each_other_a_pin_and_what_is_valid() {
    let desk = Desk::open();
    let joan = OfficerKey::generate().public();
    fs::write(desk.path("joan.pub.pem"), joan.to_pem()).unwrap();
    desk.refused("ada", "roster change --remove joan", "there is no officer joan to remove");
    desk.refused("ada", "roster change --approvals 3", "too few for a quorum of 3");
    let open = desk.propose("token change-pin --token hsm-a");
    let told = desk.agree("roster change --remove hedy --add joan=joan.pub.pem", "");
    assert!(told.contains("sceau roster show --config sceau.toml"), "{told}");
    let shown = Desk::well(desk.run("roster show")).stdout;
    assert!(shown.contains("number 1") && shown.contains(&joan.to_string()) && !shown.contains("hedy"), "{shown}");
    desk.refused("grace", &format!("approve {open}"), "is void: the officers have changed since");
    assert!(desk.agree("token change-pin --token hsm-a", "").contains("sceau token status"));
    desk.refused("ada", "token initialise --token hsm-z", "hsm-z");

    let (input, out) = (crate::softhsm::samples(desk.home.path(), 12), desk.path("signed.ndjson"));
    let ran = run(sceau().args(["sign", "--endpoint", &desk.endpoint, "--in"]).arg(input).arg("--out").arg(out));
    assert_eq!(lines_of(&desk.path("signed.ndjson")), 12, "{}", ran.stderr);
    let everything = "revoke --everything --why drill";
    desk.refused("ada", &format!("{everything} --out lists"), "--fetch");
    desk.refused("ada", &format!("{everything} --expect 11"), "12");
    let told = desk.agree(everything, "");
    let fetch = told.lines().find(|line| line.contains("--fetch")).unwrap().trim().replace("--config sceau.toml ", "");
    let fetched = Desk::well(desk.run(fetch.strip_prefix("sceau ").unwrap())).stdout;
    assert!(fetched.contains("12 certificates revoked, in 1 list"), "{fetched}");
    assert_eq!(fs::read_dir(desk.path("lists")).unwrap().count(), 1);
}

fn lines_of(file: &std::path::Path) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

#[test]
fn every_answer_is_one_json_document_where_it_is_asked_for() {
    let desk = Desk::open();
    let document = |ran: Ran| serde_json::from_str::<Value>(&Desk::well(ran).stdout).unwrap();
    let proposed = document(desk.sign("ada", &format!("{GENERATE} --json")));
    let id = proposed["proposal"].as_str().unwrap();
    assert_eq!(proposed["text"]["change"]["generate"]["label"], "dsc-1");
    assert!(proposed["next"][0].as_str().unwrap().starts_with("sceau approve "));
    assert_eq!(document(desk.run(&format!("{GENERATE}x --dry-run --json")))["dry_run"], true);
    assert_eq!(document(desk.run(&format!("execute {id} --dry-run --json")))["proposal"]["state"], "open");
    let executed = document(desk.sign("grace", &format!("approve {id} --json")));
    assert_eq!(executed["executed"]["label"], "dsc-1");
    assert_eq!(document(desk.run("dsc csr --label dsc-1 --out a.csr --json"))["file"], "a.csr");
    desk.certify("dsc-1", &[]);
    let imported = document(desk.sign("ada", "dsc import --label dsc-1 --dsc dsc-1.pem --csca csca.der --json"));
    let id = imported["proposal"].as_str().unwrap();
    Desk::well(desk.sign("grace", &format!("approve {id} --csca csca.der")));
    assert_eq!(document(desk.sign("ada", "dsc publish --label dsc-1 --at now --json"))["upload"], Value::Null);
    assert_eq!(document(desk.sign("ada", "dsc compromise --label dsc-1 --reason drill --json"))["signed"]["certificates"], 0);
    assert_eq!(document(desk.run("dsc show --label dsc-1 --json"))["state"], "compromised");
    assert_eq!(document(desk.run("roster show --json"))["officers"].as_array().unwrap().len(), 3);
    let canary = desk.run("dsc canary --json");
    assert_eq!(serde_json::from_str::<Value>(&canary.stdout).unwrap()["uncovered_types"].as_array().unwrap().len(), 3);
}
