//! A ledger that moves from SQLite to PostgreSQL.

use std::path::Path;

use crate::ledger::{Service, audit, export, found, head, ledger, succeed};
use crate::softhsm::{lines, samples};
use crate::support::{dev_folder, edit, run};

use super::server::Server;

fn verify(dir: &Path, name: &str, head: &str) {
    export(dir, name);
    let ran = audit(dir, name, &["--min-head", head]);
    assert!(ran.code == Some(0) && ran.stdout.contains("Intact"), "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test]
async fn a_ledger_moves_to_postgresql_whole_and_its_chain_retries_and_answers_go_on() {
    let database = Server::shared().database().await;
    let home = dev_folder();
    let dir = home.path();
    let (input, outputs) = (samples(dir, 1_000), ["first.ndjson", "second.ndjson"].map(|name| dir.join(name)));
    let service = Service::start(dir);
    service.sign(&input, &outputs[0]);
    let (pinned, one) = (head(dir), lines(&outputs[0])[7]["uvci"].as_str().unwrap().to_owned());
    let answer = found(dir, &["--uvci", &one]);
    let busy = run(ledger(dir, "import").arg("--from").arg(format!("sqlite:{}", dir.join("state/ledger.db").display())));
    assert!(busy.stderr.contains("another process writes"), "{}", busy.stderr);
    service.end();
    let store = format!("[ledger]\nstore = \"postgres\"\nurl = \"{}\"\n\n[ledger.audit]", database.url_text());
    edit(&dir.join("sceau.toml"), "[ledger.audit]", &store);
    let copy = || succeed(ledger(dir, "import").args(["--from", "sqlite:state/ledger.db"]));
    let first = copy();
    assert!(first.stdout.contains("chain sceau: ") && first.stdout.contains("kept for retries: 1000 items"), "{}", first.stdout);
    let again = copy();
    assert!(again.stdout.contains("chain sceau: 0 records") && again.stdout.contains(": 0 items"), "{}", again.stdout);
    let service = Service::start(dir);
    service.sign(&input, &outputs[1]);
    assert_eq!(lines(&outputs[0]), lines(&outputs[1]), "the same items get the same certificates");
    assert_eq!((found(dir, &["--uvci", &one]), found(dir, &[]).len()), (answer, 1_000));
    verify(dir, "after.ndjson", &pinned);
    service.end();
    assert_eq!(database.ask("SELECT count(*), count(sealed) FROM item"), "1000|1000");
}

#[tokio::test]
async fn an_export_is_brought_in_when_it_is_intact_and_the_chain_goes_on() {
    let database = Server::shared().database().await;
    let home = dev_folder();
    let dir = home.path();
    let service = Service::start(dir);
    service.sign(&samples(dir, 60), &dir.join("signed.ndjson"));
    let pinned = head(dir);
    export(dir, "export.ndjson");
    service.end();
    let bent = std::fs::read_to_string(dir.join("export.ndjson")).unwrap();
    let bent: Vec<&str> = bent.lines().enumerate().filter(|(number, _)| *number != 2).map(|(_, line)| line).collect();
    std::fs::write(dir.join("bent.ndjson"), bent.join("\n") + "\n").unwrap();
    let store = format!("[ledger]\nstore = \"postgres\"\nurl = \"{}\"\n\n[ledger.audit]", database.url_text());
    edit(&dir.join("sceau.toml"), "[ledger.audit]", &store);
    let refused = run(ledger(dir, "import").args(["bent.ndjson", "--certificate", "audit.pem"]));
    assert_eq!((refused.code, refused.stdout.contains("nothing was brought in")), (Some(2), true), "{}", refused.stdout);
    let refused = run(ledger(dir, "import").args(["bent.ndjson", "--unverified"]));
    assert!(refused.code == Some(1) && refused.stderr.contains("does not hold at record"), "{}", refused.stderr);
    let text = std::fs::read_to_string(dir.join("export.ndjson")).unwrap();
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.join("cut.ndjson"), cut).unwrap();
    let refused = run(ledger(dir, "import").args(["cut.ndjson", "--unverified"]));
    assert!(refused.code == Some(1) && refused.stderr.contains("it has no trailer"), "{}", refused.stderr);
    assert_eq!(run(ledger(dir, "import").arg("export.ndjson")).code, Some(64), "a certificate is needed");
    let ran = succeed(ledger(dir, "import").args(["export.ndjson", "--certificate", "audit.pem", "--min-head", &pinned]));
    assert!(ran.stdout.contains("what is retried now is signed again"), "{}", ran.stdout);
    let service = Service::start(dir);
    assert_eq!(found(dir, &[]).len(), 60);
    service.sign(&samples(dir, 5), &dir.join("more.ndjson"));
    verify(dir, "after.ndjson", &pinned);
    service.end();
}
