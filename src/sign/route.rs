//! Which token is asked first: the one with the least work outstanding among those that sign. Keys that are used by weight share
//! the slices accordingly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::signing_key::SigningKey;
use super::turn::place_in;
use crate::domain::Dsc;
use crate::token::{Readiness, Token, TokenError, TokenKey};

/// A token as batches see it, with the work that is on its way to it.
#[derive(Debug)]
pub struct Station {
    token: Arc<dyn Token>,
    /// Items that were routed to it and are not finished.
    outstanding: AtomicUsize,
}

impl Station {
    /// A token with nothing to do.
    #[must_use]
    pub fn new(token: Arc<dyn Token>) -> Arc<Self> {
        Arc::new(Self { token, outstanding: AtomicUsize::new(0) })
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> &Arc<dyn Token> {
        &self.token
    }

    /// How many items were routed to it and are not finished.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }
}

/// A key's place on one token.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) station: Arc<Station>,
    pub(super) key: TokenKey,
}

impl Place {
    pub(super) fn readiness(&self) -> Readiness {
        self.station.token.readiness(self.key)
    }
}

/// A DSC and one of the places of its key: what an item is bound to.
#[derive(Clone, Debug)]
pub struct Binding {
    pub(super) key: Arc<SigningKey>,
    place: usize,
}

impl Binding {
    fn place(&self) -> &Place {
        &self.key.places()[self.place]
    }

    /// The token that signs.
    pub(super) fn station(&self) -> &Arc<Station> {
        &self.place().station
    }

    /// The DSC that signs.
    pub(super) fn dsc(&self) -> &Dsc {
        self.key.dsc()
    }

    /// The key on it.
    pub(super) fn token_key(&self) -> TokenKey {
        self.place().key
    }

    /// Whether the key signs there at present.
    pub(super) fn readiness(&self) -> Readiness {
        self.place().readiness()
    }

    /// Why the key does not sign there at present; nothing where it does.
    pub(super) fn refusal(&self) -> Option<TokenError> {
        match self.readiness() {
            Readiness::Ready => None,
            Readiness::Down(error) => Some(error),
            Readiness::Unsettled => Some(TokenError::Down {
                token: self.station().token().name().to_owned(),
                reason: "it has just stopped signing".to_owned(),
            }),
        }
    }

    /// Whether two items go to the same token with the same DSC.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.place == other.place && Arc::ptr_eq(&self.key, &other.key)
    }
}

/// The places that may sign a slice of a batch, the best first. While it lives, the first token counts the slice as its work.
#[derive(Debug)]
pub struct Route {
    ranked: Vec<Binding>,
    load: Option<Load>,
}

impl Route {
    /// Ranks every place of some keys: those that sign before those that may soon, the less loaded token before the more, measured
    /// by the weights of its keys, and between equals, and on one token, the key whose turn it is in the draw of that number.
    ///
    /// Keys without a weight have a turn together, with a weight of 1, and then stand in their own order.
    pub(super) fn plan<'k>(keys: impl Iterator<Item = &'k Arc<SigningKey>>, draw: u64, items: usize) -> Self {
        let candidates = keys.flat_map(|key| {
            let turn = turn_of(key, draw);
            (0..key.places().len()).map(move |place| Candidate::new(Binding { key: Arc::clone(key), place }, turn))
        });
        let mut candidates: Vec<Candidate> = candidates.collect();
        let loads: Vec<f64> = candidates.iter().map(|candidate| candidate.load_among(&candidates)).collect();
        candidates.iter_mut().zip(loads).for_each(|(candidate, load)| candidate.load = load);
        candidates.sort_by(|a, b| a.rank.cmp(&b.rank).then(a.load.total_cmp(&b.load)).then(a.turn.total_cmp(&b.turn)));
        let ranked: Vec<Binding> = candidates.into_iter().map(|candidate| candidate.binding).collect();
        let load = ranked.first().map(|first| Load::on(first.station(), items));
        Self { ranked, load }
    }

    /// The same without one token, which has just failed; with it where there is no other that signs.
    pub(super) fn avoiding(mut self, failed: &Station) -> Self {
        let is_other = |binding: &Binding| !std::ptr::eq(&**binding.station(), failed);
        let items = self.load.as_ref().map_or(0, |load| load.items);
        if self.ranked.iter().any(|binding| is_other(binding) && rank(&binding.readiness()) == 0) {
            self.ranked.sort_by_key(|binding| !is_other(binding));
        }
        self.load = self.ranked.first().map(|first| Load::on(first.station(), items));
        self
    }

    /// The first place whose key fits.
    pub(super) fn first(&self, fits: impl Fn(&SigningKey) -> bool) -> Option<Binding> {
        self.ranked.iter().find(|binding| fits(&binding.key)).cloned()
    }
}

/// A place that may sign, with what ranks it.
struct Candidate {
    rank: usize,
    outstanding: usize,
    /// What is outstanding for each unit of weight.
    load: f64,
    turn: f64,
    binding: Binding,
}

impl Candidate {
    fn new(binding: Binding, turn: f64) -> Self {
        let (rank, outstanding) = (rank(&binding.readiness()), binding.station().outstanding());
        Self { rank, outstanding, load: 0.0, turn, binding }
    }

    /// Its token's load: the work outstanding for each unit of weight that the token's keys have together.
    fn load_among(&self, all: &[Self]) -> f64 {
        if self.outstanding == 0 {
            return 0.0;
        }
        let (mut weights, mut has_plain) = (0.0, false);
        for other in all.iter().filter(|other| Arc::ptr_eq(other.binding.station(), self.binding.station())) {
            match other.binding.key.used() {
                Some(used) => weights += f64::from(used.weight),
                None => has_plain = true,
            }
        }
        self.outstanding as f64 / (weights + f64::from(u8::from(has_plain)))
    }
}

fn turn_of(key: &SigningKey, draw: u64) -> f64 {
    match key.used() {
        Some(used) => place_in(draw, u64::from_be_bytes(*key.dsc().kid().as_bytes()), used.weight),
        None => place_in(draw, 0, 1),
    }
}

const fn rank(readiness: &Readiness) -> usize {
    match readiness {
        Readiness::Ready => 0,
        Readiness::Unsettled => 1,
        Readiness::Down(_) => 2,
    }
}

/// Items that count as a token's work as long as this lives.
#[derive(Debug)]
struct Load {
    station: Arc<Station>,
    items: usize,
}

impl Load {
    fn on(station: &Arc<Station>, items: usize) -> Self {
        station.outstanding.fetch_add(items, Ordering::Relaxed);
        Self { station: Arc::clone(station), items }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.station.outstanding.fetch_sub(self.items, Ordering::Relaxed);
    }
}
