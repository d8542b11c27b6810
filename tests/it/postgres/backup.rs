//! A ledger in PostgreSQL that is lost, with the machine, and comes back: `sceau ledger backup` beside `pg_dump`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ledger::{Service, audit, export, found, head, head_of, ledger, succeed};
use crate::softhsm::{lines, samples};
use crate::support::{Ran, dev_folder, edit, run, serve_in_vain};

use super::server::{Database, Server};

/// A folder whose ledger is in a database, with the key file that replicas share.
fn installed(database: &Database) -> tempfile::TempDir {
    let home = dev_folder();
    let store = format!("[ledger]\nstore = \"postgres\"\nurl = \"{}\"\n\n[ledger.audit]", database.url_text());
    edit(&home.path().join("sceau.toml"), "[ledger.audit]", &store);
    let keys = home.path().join("state/ledger.keys");
    fs::create_dir_all(keys.parent().unwrap()).unwrap();
    fs::write(&keys, format!("{}\n", "5".repeat(64))).unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
    home
}

fn restore(dir: &Path, more: &[&str]) -> Ran {
    run(ledger(dir, "restore").arg("backup").args(more))
}

fn audit_by(dir: &Path, name: &str, head: &str) -> Ran {
    export(dir, name);
    audit(dir, name, &["--min-head", head])
}

#[tokio::test]
async fn a_ledger_that_is_lost_with_its_machine_comes_back_whole_and_signing_goes_on() {
    let database = Server::shared().database().await;
    let home = installed(&database);
    let (dir, dump) = (home.path(), home.path().join("ledger.dump"));
    let (input, first) = (samples(dir, 50), dir.join("first.ndjson"));
    let service = Service::start(dir);
    service.sign(&input, &first);
    let ran = succeed(ledger(dir, "backup").arg("backup"));
    assert!(ran.stdout.contains("pg_dump copies it") && !dir.join("backup/ledger.db").exists(), "{}", ran.stdout);
    let backed_up = head_of(&ran);
    service.sign(&samples(dir, 20), &dir.join("since.ndjson"));
    database.dump(&dump);
    let dumped = head(dir);
    service.sign(&samples(dir, 5), &dir.join("lost.ndjson"));
    let later = head(dir);
    service.end();

    database.lose();
    fs::rename(dir.join("state"), dir.join("lost")).unwrap();
    let early = restore(dir, &[]);
    assert!(early.stderr.contains("pg_restore puts the ledger back first"), "{:?} {}", early.code, early.stderr);
    assert!(!dir.join("state/ledger.keys").exists(), "what was placed is taken back");
    database.put_back(&dump);
    let ran = restore(dir, &["--min-head", &later]);
    assert!(ran.code == Some(2) && ran.stdout.contains("LOST: chain sceau: records "), "{}{}", ran.stdout, ran.stderr);
    fs::remove_dir_all(dir.join("state")).unwrap();
    let ran = restore(dir, &["--min-head", &backed_up, "--min-head", &dumped]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for name in ["ledger.keys", "clock-guard"] {
        assert_eq!(fs::read(dir.join("state").join(name)).unwrap(), fs::read(dir.join("lost").join(name)).unwrap(), "{name}");
    }

    let service = Service::start(dir);
    let again = dir.join("again.ndjson");
    service.sign(&input, &again);
    assert_eq!(lines(&first), lines(&again), "what was kept for retries is there");
    let (item, uvci) = (lines(&first)[7]["id"].clone(), lines(&first)[7]["uvci"].clone());
    let by_item_id = found(dir, &["--item-id", item.as_str().unwrap()]);
    assert_eq!((by_item_id.len(), &by_item_id), (1, &found(dir, &["--uvci", uvci.as_str().unwrap()])));
    let more = dir.join("more.ndjson");
    fs::write(&more, fs::read_to_string(&input).unwrap().replace("\"id\":\"", "\"id\":\"new-")).unwrap();
    service.sign(&more, &dir.join("signed-anew.ndjson"));
    assert_eq!(found(dir, &[]).len(), 50 + 20 + 50);
    for (name, head) in [("backed-up.ndjson", &backed_up), ("dumped.ndjson", &dumped)] {
        let audited = audit_by(dir, name, head);
        assert!(audited.stdout.contains("Intact"), "{}{}", audited.stdout, audited.stderr);
    }
    assert_eq!(audit_by(dir, "later.ndjson", &later).code, Some(2), "what was lost is told");
    service.end();
}

#[tokio::test]
async fn a_dump_that_was_bent_or_is_older_than_the_backup_is_told() {
    let database = Server::shared().database().await;
    let home = installed(&database);
    let (dir, dump) = (home.path(), home.path().join("ledger.dump"));
    let service = Service::start(dir);
    service.sign(&samples(dir, 5), &dir.join("signed.ndjson"));
    database.dump(&dump);
    service.sign(&samples(dir, 6), &dir.join("since.ndjson"));
    succeed(ledger(dir, "backup").arg("backup"));
    service.end();
    let lose_all = || {
        fs::remove_dir_all(dir.join("state")).unwrap();
        database.lose();
        database.put_back(&dump);
    };
    lose_all();
    let older = restore(dir, &[]);
    assert!(older.code == Some(2) && older.stdout.contains("LOST: chain sceau: records "), "{}{}", older.stdout, older.stderr);
    lose_all();
    database.ask("UPDATE record SET detail = overlay(detail placing '\\x00' from 3) WHERE length(detail) > 600");
    let bent = restore(dir, &[]);
    assert!(bent.code == Some(1) && bent.stderr.contains("is not the one that was written"), "{:?} {}", bent.code, bent.stderr);
    assert!(!dir.join("state/ledger.keys").exists());
}

/// With a restart on another machine a wrong PIN would be tried once more.
#[tokio::test]
async fn a_latch_that_was_on_is_on_again() {
    let database = Server::shared().database().await;
    let home = installed(&database);
    let dir = home.path();
    Service::start(dir).end();
    let latch = dir.join("state/softhsm.pin-latch");
    fs::write(&latch, "refused\n").unwrap();
    succeed(ledger(dir, "backup").arg("backup"));
    fs::remove_dir_all(dir.join("state")).unwrap();
    let ran = restore(dir, &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read_to_string(latch).unwrap(), "refused\n");
    let refused = serve_in_vain(dir);
    assert!(refused.stderr.contains("PIN was refused"), "{}", refused.stderr);
}
