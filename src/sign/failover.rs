//! What becomes of items that a token did not sign: another try elsewhere, a wait for a token to come back, or their failure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::batch::SignFailure;
use super::route::{Binding, Route};
use super::signer::{Pending, Unsigned, Way};
use crate::token::{Disposition, Readiness, TokenError};

/// How often tokens may fail an item before it fails: one that breaks whatever signs it must not break all there is.
const MOST_TRIES: u32 = 4;

/// How often a token that may come back is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Items that were bound anew, and those that were not.
pub(super) struct Rebound {
    /// By their places.
    pub(super) failed: Vec<(usize, SignFailure)>,
    /// With the route by which they are bound now; nothing where none is left.
    pub(super) again: Option<(Vec<Pending>, Arc<Route>)>,
}

/// Binds items of one group anew, each to the best token that signs; where none does at this moment, waits for one as long as
/// the batch may take. What has no prospect fails.
pub(super) async fn failover(way: &Way, unsigned: Vec<Unsigned>) -> Rebound {
    let mut failed = Vec::new();
    let mut pending = Vec::with_capacity(unsigned.len());
    for mut item in unsigned {
        match verdict(&item.failure, item.pending.tries) {
            Verdict::Final => failed.push((item.pending.place, item.failure)),
            verdict => {
                item.pending.tries += u32::from(verdict == Verdict::Again);
                pending.push(item);
            }
        }
    }
    loop {
        let Some(first) = pending.first() else { return Rebound { failed, again: None } };
        let route = way.context.route(pending.len()).avoiding(first.pending.item.binding.station());
        let (mut ready, mut waiting) = (Vec::new(), Vec::new());
        for mut item in pending {
            let before = item.pending.item.binding.clone();
            match prospect(way, &mut item, &before, &route) {
                Prospect::Ready => ready.push(item.pending),
                Prospect::Wait => waiting.push(item),
                Prospect::None(failure) => failed.push((item.pending.place, failure)),
            }
        }
        if Instant::now() >= way.deadline {
            failed.extend(waiting.drain(..).map(|item| (item.pending.place, item.failure)));
        }
        if !ready.is_empty() {
            // Those that wait go along: a token that does not sign says so at once, and they are back here.
            ready.extend(waiting.into_iter().map(|item| item.pending));
            return Rebound { failed, again: Some((ready, Arc::new(route))) };
        }
        pending = waiting;
        if !pending.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// What a failure means for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is tried again.
    Again,
    /// It is tried again, and the failure does not count: nothing was tried.
    Wait,
    /// It has failed.
    Final,
}

const fn verdict(failure: &SignFailure, tries: u32) -> Verdict {
    match failure {
        SignFailure::Token(TokenError::Down { .. }) => Verdict::Wait,
        SignFailure::Timeout
        | SignFailure::Clock(_)
        | SignFailure::Closing
        | SignFailure::InWork
        | SignFailure::Ledger(_)
        | SignFailure::Keys(_)
        | SignFailure::Token(TokenError::Closed) => Verdict::Final,
        // Once, elsewhere: two in a row are no accident.
        SignFailure::BadSignature if tries == 0 => Verdict::Again,
        SignFailure::BadSignature => Verdict::Final,
        SignFailure::Token(_) if tries < MOST_TRIES => Verdict::Again,
        SignFailure::Token(_) => Verdict::Final,
    }
}

enum Prospect {
    Ready,
    Wait,
    None(SignFailure),
}

fn prospect(way: &Way, item: &mut Unsigned, before: &Binding, route: &Route) -> Prospect {
    if way.context.bind_again(&mut item.pending.item, route).is_err() {
        // The DSC that it had still fits; this is not reached, and fails the item where it is.
        return Prospect::None(item.failure.clone());
    }
    let binding = &item.pending.item.binding;
    let is_refused = matches!(&item.failure, SignFailure::Token(error) if error.disposition() == Disposition::StopKey);
    match binding.readiness() {
        // What the token refuses it refuses again.
        _ if is_refused && binding.is_same(before) => Prospect::None(item.failure.clone()),
        Readiness::Ready => Prospect::Ready,
        Readiness::Unsettled => Prospect::Wait,
        Readiness::Down(error) => Prospect::None(SignFailure::Token(error)),
    }
}
