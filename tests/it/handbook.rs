//! The officer's handbook, run as it is written: every block of commands in hsm-config/README.md, in one shell, on SoftHSM and a
//! service that really runs; and what each chapter promises.

mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::ledger::Service;
use crate::softhsm::lines;
use crate::support::{dev_folder_with_officers, run, sceau};
use crate::testdata::read;
use reader::{Block, Reader, blocks};

fn find<'s>(said: &'s [String], text: &str) -> &'s str {
    said.iter().find(|said| said.contains(text)).unwrap_or_else(|| panic!("nothing says {text:?}: {said:#?}"))
}

#[test]
fn the_development_folder_has_two_officers_and_one_of_them_is_not_enough() {
    let home = dev_folder_with_officers();
    let _service = Service::start(home.path());
    let types = |officer: &str, words: &str| {
        let mut command = sceau();
        command.current_dir(home.path()).args(words.split(' ')).args(["--config", "sceau.toml", "--yes", "--officer", officer]);
        run(command.args(["--officer-key", &format!("{officer}.key")]))
    };
    let proposed = types("ada", "dsc generate --token softhsm --label dsc-1 --country FR --common-name one");
    assert_eq!(proposed.code, Some(0), "{}", proposed.stderr);
    let approve = format!("approve {}", proposed.stdout.lines().next().unwrap().rsplit(' ').next().unwrap());
    let own = types("ada", &approve);
    assert!(own.code == Some(64) && own.stderr.contains("another officer approves it"), "{}", own.stderr);
    let approved = types("grace", &approve);
    assert!(approved.stdout.starts_with("executed: make the key dsc-1"), "{}{}", approved.stdout, approved.stderr);
}

#[test]
fn the_handbook_goes_as_it_is_written() {
    let mut officers = Reader::new();
    let officers = &mut officers;
    let a_new_dsc: Vec<Block> = officers.left.iter().filter(|block| block.chapter == "new-dsc").cloned().collect();
    let the_switch = a_new_dsc.len() - 1;
    officers.reads("names");
    officers.reads("csca");

    let said = officers.reads("ceremony");
    for promise in ["It is what the officers have signed.", "nothing is wrong", "Token hsm-a: signs", "hedy"] {
        find(&said, promise);
    }
    assert_eq!(officers.signs(1).0.len(), 0, "no key is there yet");

    officers.types("TOKEN=hsm-a NEW=dsc-2026-01");
    let said = officers.reads("new-dsc");
    for promise in ["executed: make the key", "verify OK", "Every type has a key", "dsc-2026-01: active"] {
        find(&said, promise);
    }
    officers.signs_under("dsc-2026-01");
    officers.papers_are_read_by_others("dsc-2026-01");

    // The month after: the old one signs until the very switch, the new one from it on.
    let said = officers.reads("plan");
    assert!(said[0].contains("dsc-2026-01") && said[0].contains("active"), "{said:#?}");
    officers.types("NEW=dsc-2026-02");
    officers.again(&a_new_dsc[..the_switch]);
    assert_eq!(officers.signs(5).0, BTreeSet::from([officers.kid("dsc-2026-01")]));
    let said = officers.reads("rotation");
    find(&said, "dsc-2026-01: destroyed");
    officers.signs_under("dsc-2026-02");
    let pin = officers.at("etc/hsm-a.pin");
    let before = fs::read(&pin).unwrap();
    find(&officers.reads("pin"), "executed: change the user PIN of the token hsm-a");
    assert_ne!(fs::read(&pin).unwrap(), before);
    officers.types("systemctl restart sceau");
    officers.signs_under("dsc-2026-02");

    let generate = "dsc generate --token hsm-a --label dsc-of-hedy --country FR --common-name of-hedy";
    officers.types(
        "sceau dsc generate --token hsm-a --label dsc-open --country FR --common-name open --open-for 1h $ADA\nwaiting > open",
    );
    let open = read(&officers.desk("open")).trim().to_owned();
    let said = officers.reads("lost-officer");
    assert!(find(&said, "The roster number 1").contains("joan") && !said.last().unwrap().contains("hedy"), "{said:#?}");
    officers.refused(generate, "hedy", "hedy is no officer");
    officers.refused(&format!("approve {open}"), "hedy", "is void");
    officers.refused(&format!("approve {open}"), "joan", "is void");

    let compromised = officers.kid("dsc-2026-02");
    let said = officers.reads("compromise");
    assert!(find(&said, "done, by one officer alone").contains("Signed under"), "{said:#?}");
    find(&said, "NO KEY of the register is to sign");
    assert!(lines(&officers.desk("dsc-2026-02.to-issue-anew.ndjson")).iter().all(|line| line["kid"] == compromised.as_str()));
    let revoked = fs::read_dir(officers.desk("lists-dsc-2026-02")).unwrap().count();
    assert!(revoked >= 2, "lists, plain and signed");
    assert!(!read(&officers.desk("trust-list-without-dsc-2026-02.json")).contains(&compromised));
    assert_eq!(officers.signs(5).0.len(), 0, "nothing signs any more");
    officers.types("systemctl restart sceau");
    assert_eq!(officers.signs(5).0.len(), 0, "nor after a restart");

    officers.types("NEW=dsc-2026-03");
    officers.again(&a_new_dsc);
    officers.signs_under("dsc-2026-03");

    let said = officers.reads("replaced");
    assert!(find(&said, "Token hsm-b: signs").contains("Token hsm-a: signs"), "{said:#?}");
    assert!(find(&said, "backed up to").contains("hsm-a.custody-memory"), "{said:#?}");
    officers.types("TOKEN=hsm-b NEW=dsc-2026-04 OLD=dsc-2026-03");
    officers.again(&a_new_dsc[..the_switch]);
    let rotation: Vec<Block> = blocks().into_iter().filter(|block| block.chapter == "rotation").collect();
    officers.again(&rotation);
    officers.reads("replaced-end");
    officers.signs_under("dsc-2026-04");
    let tokens: BTreeMap<String, Value> = [("dsc-2026-03", "destroyed"), ("dsc-2026-04", "active")]
        .into_iter()
        .map(|(label, state)| {
            let shown = officers.show(label);
            assert_eq!(shown["state"], state, "{shown}");
            (label.to_owned(), shown["token"].clone())
        })
        .collect();
    assert_eq!(tokens["dsc-2026-04"], "hsm-b");
    assert!(!officers.sceau("token status").stdout.contains("hsm-a"));

    let left: BTreeSet<&str> = officers.left.iter().map(|block| block.chapter.as_str()).collect();
    assert!(left.is_empty(), "these are not run: {left:?}");
}
