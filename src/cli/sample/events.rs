//! What happened: vaccinations, tests and recoveries, each coherent in itself.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::codes::{
    CENTRES_FR, CENTRES_NC, COMIRNATY, COUNTRIES, DETECTED, Doses, NAAT, NAAT_NAMES, NOT_DETECTED, RAPID, RAPID_DEVICES, TARGET,
    VACCINATION_ISSUERS, VACCINES,
};
use super::dice::{Dice, back};
use super::payload::{Entry, Moment, Recovery, Test, Vaccination};

/// An entry, and what it says about the person: `age` in years on `day`.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) entry: Entry,
    pub(super) day: Date,
    pub(super) age: u32,
}

/// How far back each kind reaches, in days. 170: a recovery certificate lasts 180, and should still.
const VACCINATION_DAYS: u32 = 290;
const TEST_DAYS: u32 = 90;
const RECOVERY_DAYS: u32 = 170;

/// First days in France of those under 18, and of boosters.
const MINORS_SINCE: Date = date(2021, 6, 15);
const BOOSTERS_SINCE: Date = date(2021, 9, 1);
const BOOSTER_AGE: u32 = 60;

const VACCINATION_AGES: [(u32, (u32, u32)); 8] =
    [(8, (12, 17)), (17, (18, 29)), (19, (30, 39)), (19, (40, 49)), (17, (50, 59)), (12, (60, 69)), (6, (70, 79)), (2, (80, 97))];
const ANY_AGES: [(u32, (u32, u32)); 6] =
    [(2, (0, 1)), (10, (2, 11)), (12, (12, 17)), (38, (18, 39)), (28, (40, 59)), (10, (60, 97))];

pub(super) fn vaccination(dice: &mut Dice, until: Date) -> Happening {
    let age = age(dice, &VACCINATION_AGES);
    let vaccine = if age < 18 { &COMIRNATY } else { dice.weighed(&VACCINES) };
    let may_be_booster = age >= BOOSTER_AGE && until >= BOOSTERS_SINCE;
    let (dn, sd) = dose(dice, vaccine.doses, may_be_booster);
    let first = match (age, dn > 2 || dn > sd) {
        (..18, _) => MINORS_SINCE,
        (_, true) => BOOSTERS_SINCE,
        _ => vaccine.since,
    };
    let day = dice.day(first, VACCINATION_DAYS, until);
    let entry = Vaccination {
        tg: TARGET,
        vp: vaccine.vp,
        mp: vaccine.mp,
        ma: vaccine.ma,
        dn,
        sd,
        dt: day,
        co: dice.weighed(&COUNTRIES),
        is: dice.weighed(&VACCINATION_ISSUERS),
        ci: None,
    };
    Happening { entry: Entry::Vaccination([entry]), day, age }
}

/// Dose number and doses of the series.
fn dose(dice: &mut Dice, doses: Doses, may_be_booster: bool) -> (u8, u8) {
    let booster = dice.percent(25) && may_be_booster;
    match doses {
        Doses::One if booster => (2, 1),
        Doses::One => (1, 1),
        Doses::TwoAndBooster if booster => (3, 3),
        Doses::TwoAndBooster | Doses::Two if dice.percent(25) => (1, 2),
        Doses::TwoAndBooster | Doses::Two => (2, 2),
    }
}

/// A test ends the day before `until` at the latest, so that no hour of it lies ahead where `until` is today.
pub(super) fn test(dice: &mut Dice, until: Date) -> Happening {
    let age = age(dice, &ANY_AGES);
    let day = dice.day(Date::MIN, TEST_DAYS, back(until, 1));
    let at_home = dice.percent(80);
    let rapid = dice.percent(55);
    let entry = Test {
        tg: TARGET,
        tt: if rapid { RAPID } else { NAAT },
        nm: (!rapid).then(|| dice.pick(&NAAT_NAMES)),
        ma: rapid.then(|| dice.pick(&RAPID_DEVICES)),
        sc: sampling_time(dice, day, at_home),
        tr: if dice.percent(6) { DETECTED } else { NOT_DETECTED },
        tc: (!dice.percent(5)).then(|| dice.pick(if at_home { &CENTRES_NC[..] } else { &CENTRES_FR[..] })),
        co: "FR",
        is: laboratory_issuer(at_home),
        ci: None,
    };
    Happening { entry: Entry::Test([entry]), day, age }
}

fn sampling_time(dice: &mut Dice, day: Date, at_home: bool) -> Moment {
    let in_utc = dice.percent(30);
    let offset = match at_home {
        true => "+11:00",
        false if in_utc => "Z",
        false => paris_offset(day),
    };
    Moment { day, hour: 7 + dice.below(12), minute: dice.below(60), second: dice.below(60), offset }
}

/// Paris without a table of time zones: UTC in the weeks in which the clocks may change.
fn paris_offset(day: Date) -> &'static str {
    match (day.month(), day.day()) {
        (4..=9, _) | (10, ..25) => "+02:00",
        (1 | 2 | 11 | 12, _) | (3, ..25) => "+01:00",
        _ => "Z",
    }
}

/// `df` is past by `until` and `du` is not.
pub(super) fn recovery(dice: &mut Dice, until: Date) -> Happening {
    let age = age(dice, &ANY_AGES);
    let at_home = dice.percent(80);
    let day = dice.day(Date::MIN, RECOVERY_DAYS - 11, back(until, 11));
    let entry = Recovery {
        tg: TARGET,
        fr: day,
        co: "FR",
        is: laboratory_issuer(at_home),
        df: day.saturating_add(11.days()),
        du: day.saturating_add(180.days()),
        ci: None,
    };
    Happening { entry: Entry::Recovery([entry]), day, age }
}

fn laboratory_issuer(at_home: bool) -> &'static str {
    if at_home { "DASS-NC" } else { "APHP" }
}

fn age(dice: &mut Dice, ages: &[(u32, (u32, u32))]) -> u32 {
    let (from, to) = dice.weighed(ages);
    from + dice.below(to - from + 1)
}
