//! What a change would do, told to the officer before anything is done.

use super::{Key, State};
use crate::domain::officers::{Activation, Generation, Label, Revocation, Roster};
use crate::domain::{Dsc, NumericDate};

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The key that it is about.
    pub key: Option<Label>,
    /// The key's state before.
    pub before: Option<State>,
    /// The key's state after, as far as the change goes: an activation for a later day makes it active on that day.
    pub after: Option<State>,
    /// What will happen, as a sentence without its full stop.
    pub will: String,
    /// What comes next.
    pub next: &'static str,
}

impl Effect {
    fn of(key: &Key, before: State, after: State, will: String, next: &'static str) -> Self {
        Self { key: Some(key.label().clone()), before: Some(before), after: Some(after), will, next }
    }

    const fn of_none(will: String, next: &'static str) -> Self {
        Self { key: None, before: None, after: None, will, next }
    }

    pub(super) fn generate(generation: &Generation) -> Self {
        let Generation { label, token, key, .. } = generation;
        let will = format!("the token {token} makes a {key} key pair under the label {label}; the private key never leaves it");
        let next = "have its request (CSR) signed by the CSCA, then import the certificate";
        Self { key: Some(label.clone()), before: None, after: Some(State::Generated), will, next }
    }

    pub(super) fn certify(key: &Key, dsc: &Dsc) -> Self {
        let (label, kid, from, to) = (key.label(), dsc.kid(), dsc.not_before(), dsc.not_after());
        let will = format!("the key {label} gets its certificate: DSC {kid}, valid from {from} to {to}");
        Self::of(key, State::Generated, State::Certified, will, "upload it to the gateway, and publish it here")
    }

    pub(super) fn publish(key: &Key, at: NumericDate) -> Self {
        let will = format!("the key {} counts as on the trust list from {at} on", key.label());
        let next = "activate it once verifiers have fetched the list";
        Self::of(key, State::Certified, State::Published, will, next)
    }

    pub(super) fn activate(key: &Key, wanted: &Activation, dsc: &Dsc) -> Self {
        let (label, from, types, weight) = (key.label(), wanted.from, wanted.types, wanted.weight);
        let end = wanted.to.map_or_else(
            || format!("until it is retired, or its certificate ends after {}", dsc.not_after()),
            |to| format!("until just before {to}"),
        );
        let will = format!("the key {label} signs {types:?} with weight {weight} from {from} on, {end}");
        Self::of(key, State::Published, State::Active, will, "retire the key that it takes over from")
    }

    pub(super) fn retire(key: &Key, at: NumericDate) -> Self {
        let will = format!("the key {} signs nothing from {at} on; what it signed stays valid", key.label());
        Self::of(key, State::Active, State::Retired, will, "destroy it when nothing can need it any more")
    }

    pub(super) fn compromise(key: &Key, before: State) -> Self {
        let will = format!("the key {} signs nothing more, from now on and for good", key.label());
        let next = "have the gateway delete its certificate, revoke what it signed, and issue it anew";
        Self::of(key, before, State::Compromised, will, next)
    }

    pub(super) fn destroy(key: &Key, before: State) -> Self {
        let will = format!("the token {} forgets the private key {}; nobody can bring it back", key.token(), key.label());
        Self::of(
            key,
            before,
            before.max(State::Destroyed),
            will,
            "nothing: its certificate stays on the list while certificates need it",
        )
    }

    pub(super) fn roster(now: &Roster, then: &Roster) -> Self {
        let names: Vec<&str> = then.officers().iter().map(|officer| officer.name.as_str()).collect();
        let (number, quorum) = (then.number(), then.quorum());
        let will = format!(
            "the roster number {number} takes the place of number {}: {}; what one of them proposes, {quorum} more approve",
            now.number(),
            names.join(", ")
        );
        Self::of_none(will, "propose anew what is open: proposals under the old roster are void")
    }

    pub(super) fn change_pin(token: &Label) -> Self {
        Self::of_none(
            format!("the token {token} gets the new user PIN that its worker reads"),
            "destroy every copy of the old PIN",
        )
    }

    pub(super) fn initialise(token: &Label) -> Self {
        Self::of_none(format!("a free slot becomes the token {token}, with a PIN and no keys"), "generate keys on it")
    }

    pub(super) fn revoke(revocation: &Revocation) -> Self {
        let will = format!("{} certificates are put on {} revocation lists", revocation.expect, revocation.hash_type);
        Self::of_none(will, "upload the lists to the gateway")
    }
}
