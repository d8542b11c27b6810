//! The samples one after another.

use anyhow::ensure;
use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;

use super::dice::Dice;
use super::events::{self, Happening};
use super::payload::Payload;
use super::people;
use super::recipe::Recipe;
use super::uvci;

/// Digits of an id's number, so that ids sort; a number past 999,999,999 takes more.
const ID_DIGITS: usize = 9;

/// One made-up payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Prefix and number, 1 up: `nc-000000001`. At most 64 of `[A-Za-z0-9._:-]`, unique in its run.
    pub(crate) id: String,
    /// The DCC as JSON text, without line breaks.
    pub(crate) payload: String,
}

/// Makes the samples of a [`Recipe`] one at a time, 1.3 µs each.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    source: ChaCha8Rng,
    kinds: [(u32, Kind); 3],
    until: Date,
    id_prefix: String,
    with_ci: bool,
    next: u64,
    count: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Vaccination,
    Test,
    Recovery,
}

impl Samples {
    /// # Errors
    /// Shares that are all zero.
    pub(crate) fn new(recipe: &Recipe) -> anyhow::Result<Self> {
        let shares = recipe.shares;
        let kinds = [
            (u32::from(shares.vaccination), Kind::Vaccination),
            (u32::from(shares.test), Kind::Test),
            (u32::from(shares.recovery), Kind::Recovery),
        ];
        ensure!(kinds.iter().any(|(weight, _)| *weight > 0), "one of --vaccination, --test and --recovery must be above zero");
        Ok(Self {
            source: Dice::source(recipe.seed),
            kinds,
            until: recipe.until,
            id_prefix: recipe.id_prefix.clone(),
            with_ci: recipe.with_ci,
            next: 1,
            count: recipe.count,
        })
    }

    fn payload(&self, dice: &mut Dice) -> Payload {
        let Happening { mut entry, day, age } = match dice.weighed(&self.kinds) {
            Kind::Vaccination => events::vaccination(dice, self.until),
            Kind::Test => events::test(dice, self.until),
            Kind::Recovery => events::recovery(dice, self.until),
        };
        let nam = people::name(dice);
        let dob = people::birth(dice, day, age);
        // Drawn last, so that --with-ci changes nothing else.
        if self.with_ci {
            entry.identify(uvci::draw(dice));
        }
        Payload::new(nam, dob, entry)
    }
}

impl Iterator for Samples {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.next > self.count {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let payload = self.payload(&mut Dice::of(&self.source, number));
        Some(Sample {
            id: format!("{}{number:0ID_DIGITS$}", self.id_prefix),
            payload: serde_json::to_string(&payload).expect("strings and integers always serialize"),
        })
    }
}
