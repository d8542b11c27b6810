use std::num::NonZeroU32;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::domain::officers::fixture::*;
use crate::domain::officers::{Change, Consent, RosterHistory};
use crate::domain::time::FixedClock;
use crate::token::{Disposition, PinLatch, Task};

/// No module: what is judged and refused without one.
fn spec(home: &TempDir) -> TokenSpec {
    TokenSpec {
        name: "hsm-a".to_owned(),
        module: home.path().join("absent.so"),
        label: "issuer-a".to_owned(),
        serial: None,
        pin: PinSource::File(home.path().join("user.pin")),
        new_pin_file: None,
        so_pin_file: Some(home.path().join("so.pin")),
        latch: PinLatch::at(home.path().join("hsm-a.pin-latch")),
        workers: None,
        sessions: None,
        max_signatures_per_second: NonZeroU32::new(1),
        keep_alive: None,
        user: None,
        environment: Vec::new(),
        hang_timeout: Duration::from_secs(1),
        relaxed: Vec::new(),
    }
}

fn initialiser(spec: &TokenSpec) -> Initialiser<'_> {
    Initialiser::new(spec, false, Some(three()), Arc::new(FixedClock(MIDNIGHT)))
}

fn agreed(change: Change) -> Consent {
    let proposal = propose("ada", change);
    consent(&proposal, &[approve("grace", &proposal)])
}

fn execution(consent: Consent) -> Management {
    Management { history: RosterHistory::default(), consent, task: Task::Execute }
}

fn initialise() -> Change {
    Change::InitialiseToken { token: label("hsm-a") }
}

#[test]
fn it_does_this_one_thing_and_for_two_officers() {
    let home = tempfile::tempdir().unwrap();
    let spec = spec(&home);
    let refusal = |asked: &Management| match initialiser(&spec).manage(asked) {
        Err(TokenError::Denied(denial)) => denial,
        other => panic!("{other:?}"),
    };
    let other = Denial::NotThat { found: "change_pin", wanted: "initialise_token" };
    assert_eq!(refusal(&execution(agreed(change_pin()))), other);
    assert!(matches!(refusal(&execution(consent(&propose("ada", initialise()), &[]))), Denial::Consent(_)));
    let request = Management { task: Task::Request, ..execution(agreed(initialise())) };
    assert_eq!(refusal(&request), Denial::NotThat { found: "initialise_token", wanted: "generate" });
    let nobody = Initialiser::new(&spec, false, None, Arc::new(FixedClock(MIDNIGHT))).manage(&execution(agreed(initialise())));
    assert!(matches!(nobody, Err(TokenError::Denied(Denial::NoOfficers))));
}

#[test]
fn what_stands_in_the_way_is_found_before_anything_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let whole = spec(&home);
    let refusal = |spec: &TokenSpec, has_keys| {
        let initialiser = Initialiser { has_keys, ..initialiser(spec) };
        let error = initialiser.manage(&execution(agreed(initialise()))).unwrap_err();
        assert_ne!(error.disposition(), Disposition::StopKey, "{error}");
        assert_eq!(initialiser.memory.read().unwrap(), super::super::memory::Remembered::default());
        error.to_string()
    };
    assert!(refusal(&whole, true).contains("certificates whose keys are on it"));
    let serial = TokenSpec { serial: Some("1a2b".to_owned()), ..whole.clone() };
    assert!(refusal(&serial, false).contains("take `serial` out first"));
    let long = TokenSpec { label: "é".repeat(17), ..whole.clone() };
    assert!(refusal(&long, false).contains("more than 32 bytes"));
    let none = TokenSpec { so_pin_file: None, ..whole.clone() };
    assert!(refusal(&none, false).contains("no so_pin_file"));
    assert!(refusal(&whole, false).contains("so.pin"));
}

#[test]
fn what_was_done_is_told_again_and_no_pin_is_read_for_it() {
    let home = tempfile::tempdir().unwrap();
    let spec = spec(&home);
    let (initialiser, asked) = (initialiser(&spec), execution(agreed(initialise())));
    let Ok(Allowed::Once(order)) = initialiser.overseer.judge(&asked, &initialiser.memory.read().unwrap(), MIDNIGHT) else {
        panic!("it is allowed")
    };
    let noted = initialiser.memory.update(|memory| {
        memory.begin(&order, MIDNIGHT);
        Ok(())
    });
    noted.unwrap();
    assert!(initialiser.manage(&asked).is_err(), "it was begun, and is not done");
    let noted = initialiser.memory.update(|memory| {
        memory.finish(order.id);
        Ok(())
    });
    noted.unwrap();
    assert_eq!(initialiser.manage(&asked).unwrap(), Managed::Initialised);
}
