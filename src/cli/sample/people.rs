//! Who it happened to: made-up combinations of common names, and dates of birth.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::domain;

use super::dice::{Dice, back};
use super::names::{FRENCH, ORIGINS, Origin};
use super::payload::{Birth, Name};

/// A name; about half of them come with their ICAO 9303 forms, as some registries give them.
pub(super) fn name(dice: &mut Dice) -> Name {
    let origin = dice.weighed(&ORIGINS);
    let female = dice.percent(51);
    let mut surname = surname(dice, origin);
    let mut forename = forename(dice, origin, female);
    // A registry that keeps capitals, as the health insurance's does.
    if dice.percent(15) {
        surname = surname.to_uppercase();
        forename = forename.to_uppercase();
    }
    let transliterated = dice.percent(50).then(|| mrz(&surname).zip(mrz(&forename))).flatten();
    let (surname_mrz, forename_mrz) = transliterated.unzip();
    Name { surname, forename, surname_mrz, forename_mrz }
}

/// None for a name that cannot be transliterated; a test holds that the tables have no such name.
fn mrz(name: &str) -> Option<String> {
    domain::transliterate(name).ok()
}

fn surname(dice: &mut Dice, origin: &Origin) -> String {
    let first = dice.pick(origin.surnames);
    let second = dice.pick(origin.surnames);
    if dice.percent(origin.double_surnames) && first != second {
        format!("{first}{}{second}", origin.surname_joint)
    } else {
        first.to_owned()
    }
}

fn forename(dice: &mut Dice, origin: &Origin, female: bool) -> String {
    let list = |origin: &Origin| if female { origin.women } else { origin.men };
    let own = dice.pick(list(origin));
    // In the Pacific a French first name goes with the family's own.
    let other = if origin.with_french { dice.pick(list(&FRENCH)) } else { dice.pick(list(origin)) };
    match dice.below(100) {
        _ if other == own => own.to_owned(),
        0..12 => format!("{other} {own}"),
        12..20 if !own.contains([' ', '-']) && !other.contains([' ', '-']) => {
            format!("{other}-{own}")
        }
        20..45 if origin.with_french => other.to_owned(),
        _ => own.to_owned(),
    }
}

/// The date of birth of someone `age` years old on `day`; one in twenty is known only in part, or not at all.
pub(super) fn birth(dice: &mut Dice, day: Date, age: u32) -> Birth {
    let birthday = day.saturating_sub(i64::from(age).years());
    let born = back(birthday, dice.below(365));
    match dice.below(100) {
        0..2 => Birth::Month(born),
        2..4 => Birth::Year(born),
        4 => Birth::Unknown,
        _ => Birth::Day(born),
    }
}
