//! `sceau revoke` against a service on SoftHSM: what was signed is revoked, by lists that others read, and on record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sceau::domain::NumericDate;
use sceau::encode::revocation::RevocationBatch;
use sceau::service::proto::v1;
use sceau::service::proto::v1::custody_client::CustodyClient;
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use crate::ledger::{Service, find, found};
use crate::revocation::read_lists_independently;
use crate::softhsm::{lines, samples};
use crate::support::{Ran, dev_folder, edit, run, sceau};

/// A development folder with a service on it.
struct Issuer {
    home: TempDir,
    service: Service,
}

impl Issuer {
    fn start() -> Self {
        let home = dev_folder();
        let service = Service::start(home.path());
        Self { home, service }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Signs so many samples under a profile; the file of certificates.
    fn sign(&self, profile: &str, count: u32) -> PathBuf {
        let (input, out) = (samples(self.home.path(), count), self.path(&format!("{profile}-{count}.signed")));
        let mut command = sceau();
        command.args(["sign", "--profile", profile, "--endpoint", &self.service.endpoint, "--in"]).arg(input);
        let ran = run(command.arg("--out").arg(&out));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        out
    }

    /// `sceau revoke` with a reason.
    fn revoke(&self, args: &[&str]) -> Ran {
        self.revoke_because("a test", args, "")
    }

    fn revoke_because(&self, why: &str, args: &[&str], input: &str) -> Ran {
        let stdin = self.path("stdin");
        fs::write(&stdin, input).unwrap();
        let mut command = sceau();
        command.current_dir(self.home.path()).args(["revoke", "--config", "sceau.toml", "--why", why]).args(args);
        run(command.stdin(Stdio::from(fs::File::open(stdin).unwrap())))
    }

    /// Those of a folder's lists that have an ending.
    fn lists(&self, folder: &str, ending: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut lists: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect();
        lists.sort();
        lists
    }

    /// The ids of a file of certificates that `sceau verify` finds revoked; all others are valid.
    fn revoked(&self, signed: &Path, lists: &[PathBuf]) -> BTreeSet<String> {
        let mut command = sceau();
        command.args(["verify", "--trust"]).arg(self.path("trust.pem")).arg("--in").arg(signed);
        command.arg("--upload-certificate").arg(self.path("upload.pem")).arg("--revocations").args(lists);
        let ran = run(&mut command);
        let verdicts = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut revoked = BTreeSet::new();
        for verdict in verdicts.filter(|verdict| verdict["verdict"] != "valid") {
            assert!(verdict["errors"][0].as_str().unwrap().starts_with("revoked: "), "{verdict} {}", ran.stderr);
            revoked.insert(verdict["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(ran.code, Some(if revoked.is_empty() { 0 } else { 2 }), "{}", ran.stderr);
        revoked
    }

    /// The kinds of records that an export has, once it was audited; with what the audit said.
    fn audit(&self) -> String {
        let (export, config) = (self.path("export.ndjson"), self.path("sceau.toml"));
        let _ = fs::remove_file(&export);
        let ran = run(sceau().args(["ledger", "export", "--config"]).arg(config).arg("--out").arg(&export));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let ran = run(sceau().args(["audit", "verify"]).arg(export).arg("--certificate").arg(self.path("audit.pem")));
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// The pages of the ledger, and its write-ahead log.
    fn database(&self) -> Vec<u8> {
        ["ledger.db", "ledger.db-wal"].iter().flat_map(|name| fs::read(self.path("state").join(name)).unwrap()).collect()
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn ids(signed: &[Value]) -> BTreeSet<String> {
    signed.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

fn text<'v>(line: &'v Value, name: &str) -> &'v str {
    line[name].as_str().unwrap()
}

#[test]
fn one_certificate_is_revoked_by_its_uvci_or_its_text_and_no_other() {
    let issuer = Issuer::start();
    let file = issuer.sign("dcc", 30);
    let signed = lines(&file);
    let (uvci, hc1, item) = (text(&signed[3], "uvci"), text(&signed[7], "hc1"), text(&signed[11], "id"));
    let asked = [
        (&["--uvci", "-", "--out", "by-uvci"][..], uvci, 3),
        (&["--hc1", "-", "--expect", "1", "--out", "by-text"], hc1, 7),
        (&["--item-id", "-", "--hash-type", "UCI", "--out", "by-item"], item, 11),
    ];
    for (args, input, number) in asked {
        let ran = issuer.revoke_because("fraud, case 12", args, &format!("{input}\n"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("1 certificate revoked, in 1 list\n") && ran.stdout.contains("Next:"), "{}", ran.stdout);
        let folder = args.last().unwrap();
        let [list] = issuer.lists(folder, "cms").try_into().unwrap();
        assert_eq!(fs::metadata(&list).unwrap().permissions().mode() & 0o777, 0o600);
        let one = BTreeSet::from([text(&signed[number], "id").to_owned()]);
        assert_eq!(issuer.revoked(&file, &[list]), one);
        assert_eq!(issuer.revoked(&file, &issuer.lists(folder, "json")), one);
    }
    for (number, line) in signed.iter().enumerate() {
        let [one] = found(issuer.home.path(), &["--uvci", text(line, "uvci")]).try_into().unwrap();
        assert_eq!(one["revoked_at"].is_string(), [3, 7, 11].contains(&number), "{one}");
    }
    let table = find(issuer.home.path(), &[]);
    assert_eq!(table.stdout.lines().filter(|line| line.contains("  revoked 20")).count(), 3, "{}", table.stdout);
    assert!(table.stderr.contains("3 of these 30 were revoked"), "{}", table.stderr);
    let not_one = find(issuer.home.path(), &["--uvci", text(&signed[0], "uvci")]);
    assert!(!not_one.stdout.contains("revoked") && not_one.stderr.is_empty(), "{}{}", not_one.stdout, not_one.stderr);
    let ledger = issuer.database();
    for known in ["fraud, case 12", "of this machine, uid ", "COUNTRYCODEUCI", "uci"] {
        assert_eq!(has(&ledger, known), known != "COUNTRYCODEUCI", "{known}");
    }
    for identifier in [uvci, &hc1[..60], item] {
        assert!(!has(&ledger, identifier), "{identifier}");
    }
    let audited = issuer.audit();
    assert!(audited.contains("certificates      30, revoked 3\n"), "{audited}");
    issuer.service.end();
}

#[test]
fn all_under_two_keys_are_revoked_in_lists_of_one_kid_and_expiry_that_others_read() {
    let issuer = Issuer::start();
    let files = [issuer.sign("dcc", 2_500), issuer.sign("dcc-ps256", 40)];
    let ran = issuer.revoke(&["--everything", "--expect", "2540", "--out", "lists", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&told[0]["certificates"], &told[0]["plain_because"]), (&Value::from(2540), &Value::Null), "{}", told[0]);
    assert_eq!(told[0]["lists"], told.len() - 1);

    let signed: Vec<Value> = files.iter().flat_map(|file| lines(file)).collect();
    let mut wanted: BTreeMap<(String, i64), usize> = BTreeMap::new();
    for line in &signed {
        let midnight = (line["exp"].as_i64().unwrap() + 86_399).div_euclid(86_400) * 86_400;
        *wanted.entry((text(line, "kid").to_owned(), midnight)).or_default() += 1;
    }
    let mut made: BTreeMap<(String, i64), usize> = BTreeMap::new();
    for list in issuer.lists("lists", "json") {
        let batch = RevocationBatch::from_json(&fs::read(&list).unwrap()).unwrap();
        let kid = batch.kid().unwrap().to_string();
        assert!(batch.entries().len() <= 1_000 && list.display().to_string().contains(&format!("/batch-{kid}-")));
        *made.entry((kid, batch.expires().seconds())).or_default() += batch.entries().len();
    }
    assert_eq!(made, wanted);
    assert!(made.len() >= 3 && told.len() - 1 > made.len(), "two kids, several expiries, several lists of one: {told:?}");

    let cms = issuer.lists("lists", "cms");
    assert_eq!(cms.len(), told.len() - 1);
    for file in &files {
        assert_eq!(issuer.revoked(file, &cms), ids(&lines(file)));
    }
    // What is signed from now on is not revoked.
    assert_eq!(issuer.revoked(&issuer.sign("dcc", 5), &cms), BTreeSet::new());
    for list in &cms {
        openssl_reads(&issuer, list);
    }
    if let Some(ran) = read_lists_independently(&issuer.path("upload.pem"), "FR", &cms) {
        assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 2_540), "{}", ran.stderr);
    }
    issuer.service.end();
}

/// OpenSSL verifies the message under the upload certificate, and finds the plain list in it.
fn openssl_reads(issuer: &Issuer, list: &Path) {
    let (der, content) = (issuer.path("list.der"), issuer.path("list.content"));
    fs::write(&der, STANDARD.decode(fs::read(list).unwrap()).unwrap()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-verify", "-inform", "DER", "-binary", "-in"]).arg(&der).arg("-out").arg(&content);
    let upload = issuer.path("upload.pem");
    openssl.arg("-CAfile").arg(&upload).args(["-partial_chain", "-purpose", "any", "-nointern", "-certfile"]).arg(&upload);
    let ran = run(&mut openssl);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read(content).unwrap(), fs::read(list.with_extension("json")).unwrap());
}

#[test]
fn all_of_a_caller_in_a_window_are_revoked_and_those_before_and_after_are_not() {
    let issuer = Issuer::start();
    let before = issuer.sign("dcc", 10);
    // Times on record are whole seconds: each file is signed in seconds of its own.
    let next_second = || std::thread::sleep(std::time::Duration::from_millis(1_050));
    next_second();
    let meant = issuer.sign("dcc", 20);
    next_second();
    let after = issuer.sign("dcc", 30);
    let recorded = |file: &Path, first: bool| {
        let at = |line: &Value| {
            let found = found(issuer.home.path(), &["--uvci", text(line, "uvci")]);
            NumericDate::from_rfc3339(text(&found[0], "recorded_at")).unwrap()
        };
        let times = lines(file).iter().map(at).collect::<BTreeSet<_>>();
        if first { *times.first().unwrap() } else { *times.last().unwrap() }
    };
    let (from, to) = (recorded(&meant, true).to_string(), recorded(&meant, false).plus_seconds(1).to_string());
    let window = ["--caller", "loopback", "--from", &from, "--to", &to];
    let dry = issuer.revoke(&[&window[..], &["--dry-run"]].concat());
    assert!(dry.code == Some(0) && dry.stdout.contains("20 certificates would be revoked"), "{}{}", dry.stdout, dry.stderr);
    let ran = issuer.revoke(&[&window[..], &["--expect", "20", "--out", "lists"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lists = issuer.lists("lists", "cms");
    for (file, count) in [(before, 0), (meant, 20), (after, 0)] {
        assert_eq!(issuer.revoked(&file, &lists).len(), count, "{}", file.display());
    }
    let of_nobody = issuer.revoke(&["--caller", "somebody", "--out", "none"]);
    assert_eq!((of_nobody.code, of_nobody.stderr.contains("nothing was revoked")), (Some(2), true), "{}", of_nobody.stderr);
    assert!(issuer.audit().contains("revoked 20\n"), "neither what was only asked about nor nothing is on record");
    // The same question gives the same lists.
    let again = issuer.revoke(&[&window[..], &["--out", "again"]].concat());
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let contents = |folder: &str| issuer.lists(folder, "json").iter().map(|list| fs::read(list).unwrap()).collect::<Vec<_>>();
    assert_eq!(contents("lists"), contents("again"));
    issuer.service.end();
}

#[test]
fn what_is_not_ordered_as_it_should_be_revokes_nothing() {
    let issuer = Issuer::start();
    let signed = lines(&issuer.sign("dcc", 5));
    let item = text(&signed[0], "id");
    let long = "x".repeat(501);
    for (why, args, reason) in [
        ("a test", &["--out", "lists"][..], "set everything"),
        ("a test", &["--everything", "--caller", "loopback", "--out", "lists"], "the question means less"),
        (
            "a test",
            &["--everything", "--expect", "6", "--out", "lists"],
            "the certificates that are meant are 5, and not 6 as expected",
        ),
        ("", &["--everything", "--out", "lists"], "a reason is 1 to 500 characters"),
        (&long, &["--everything", "--out", "lists"], "a reason is 1 to 500 characters"),
        (text(&signed[0], "uvci"), &["--everything", "--out", "lists"], "a reason stands on record in clear"),
        (&format!("about {item}"), &["--item-id", item, "--out", "lists"], "a reason stands on record in clear"),
        ("a test", &["--everything"], "--out"),
        ("a test", &["--everything", "--hash-type", "MD5", "--out", "lists"], "unknown hash type"),
    ] {
        let ran = issuer.revoke_because(why, args, "");
        assert!(ran.code == Some(64) && ran.stderr.contains(reason), "{args:?}: {:?} {}", ran.code, ran.stderr);
    }
    assert_eq!(issuer.lists("lists", "json"), Vec::<PathBuf>::new());
    fs::write(issuer.path("lists/batch-1.json"), "").unwrap();
    let ran = issuer.revoke(&["--everything", "--out", "lists"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("name another folder"), "{}", ran.stderr);
    assert!(issuer.audit().contains("revoked 0\n"));
    issuer.service.end();
}

#[test]
fn where_the_ledger_is_down_the_answer_is_unavailable_and_there_is_no_list() {
    let issuer = Issuer::start();
    issuer.sign("dcc", 5);
    let (ledger, away) = (issuer.path("state/ledger.db"), issuer.path("state/away.db"));
    fs::rename(&ledger, &away).unwrap();
    let ran = issuer.revoke(&["--everything", "--out", "lists"]);
    assert!(ran.code == Some(69) && ran.stderr.contains("the ledger"), "{:?} {}", ran.code, ran.stderr);
    assert_eq!(issuer.lists("lists", "json"), Vec::<PathBuf>::new());
    fs::rename(&away, &ledger).unwrap();
    crate::shared::processes::wait_until("the ledger is back", || {
        let _ = fs::remove_dir_all(issuer.path("lists"));
        issuer.revoke(&["--everything", "--expect", "5", "--out", "lists"]).code == Some(0)
    });
    assert_eq!(issuer.lists("lists", "cms").len(), issuer.lists("lists", "json").len());
    issuer.service.end();
}

#[tokio::test]
async fn who_is_no_officer_revokes_nothing() {
    let issuer = Issuer::start();
    let mut custody = CustodyClient::connect(issuer.service.endpoint.clone()).await.unwrap();
    let request = v1::RevokeRequest { everything: true, reason: "a test".to_owned(), ..Default::default() };
    let refused = custody.revoke(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("the call is for the role officer; the caller has issuer"), "{refused}");
    drop(custody);
    issuer.service.end();
}

#[test]
fn without_an_upload_key_lists_are_plain_and_it_is_said() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[revocation]\ncertificate = \"upload.pem\"\ntoken = \"softhsm\"\n", "");
    let service = Service::start(home.path());
    let issuer = Issuer { home, service };
    let file = issuer.sign("dcc", 3);
    let ran = issuer.revoke(&["--everything", "--out", "lists"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("the lists are plain: the service has no upload key"), "{}", ran.stdout);
    assert_eq!(issuer.lists("lists", "cms"), Vec::<PathBuf>::new());
    assert_eq!(issuer.revoked(&file, &issuer.lists("lists", "json")).len(), 3);
    issuer.service.end();
}

#[test]
fn an_upload_key_that_is_none_is_told_by_config_check() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    let check = || run(sceau().args(["config", "check", "--config"]).arg(&file));
    let good = check();
    assert!(good.code == Some(0) && good.stdout.contains("revocation lists: signed for FR"), "{}", good.stdout);
    let section = "[revocation]\ncertificate = \"upload.pem\"\ntoken = \"softhsm\"";
    for (wrong, reason) in [
        ("[revocation]\ncertificate = \"upload.pem\"\ntoken = \"b\"", "revocation.certificate"),
        ("[revocation]\ncertificat = \"upload.pem\"\ntoken = \"softhsm\"", "did you mean `certificate`?"),
        ("[revocations]\ncertificate = \"upload.pem\"\ntoken = \"softhsm\"", "did you mean [revocation]?"),
        ("[revocation]\ncertificate = \"dsc-es256.pem\"\ntoken = \"softhsm\"", "have one key; DSCs, the audit key"),
        ("[revocation]\ncertificate = \"none.pem\"\ntoken = \"softhsm\"", "cannot read the upload certificate"),
    ] {
        edit(&file, section, wrong);
        let ran = check();
        assert!(ran.code == Some(78) && ran.stdout.contains(reason), "{wrong}: {}", ran.stdout);
        edit(&file, wrong, section);
    }
}
