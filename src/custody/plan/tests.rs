//! Calendars over leap days and ends of months, with what there is and what is not.

use jiff::civil::{Date, date};

use super::*;
use crate::domain::{CertificateType, CertificateTypes, NumericDate};

const DAY: i64 = 86_400;

/// Half a year of use, a new one each quarter, three weeks of leads.
const POLICY: Policy = Policy {
    validity_years: 2,
    use_months: 6,
    every_weeks: 13,
    overlap_days: 14,
    certify_days: 14,
    publish_days: 7,
    renew_days: 30,
};

fn any(longest_days: i64) -> Series {
    Series { types: CertificateTypes::ANY, longest_seconds: longest_days * DAY }
}

fn at(text: &str) -> NumericDate {
    NumericDate::from_rfc3339(text).unwrap()
}

fn existing(name: &str, stage: Stage) -> Existing {
    Existing { name: name.to_owned(), types: CertificateTypes::ANY, stage }
}

fn active(from: &str, not_after: &str) -> Stage {
    Stage::Active { not_after: at(not_after), from: at(from), to: None }
}

fn window(row: &Row) -> (Date, Date) {
    let window = row.window.unwrap();
    (window.from, window.to)
}

/// Each step of a row that is not done, as `step YYYY-MM-DD`.
fn steps(row: &Row) -> Vec<String> {
    row.steps().map(|(step, date)| format!("{step} {date}")).collect()
}

#[test]
fn from_nothing_the_first_is_as_early_as_the_leads_allow_and_the_gap_until_then_is_said() {
    let today = date(2024, 1, 31);
    let made = plan(&POLICY, &[any(365)], &[], today, 12).unwrap();
    assert_eq!(
        steps(&made.rows[0]),
        ["generate 2024-01-31", "certify 2024-02-14", "publish 2024-02-14", "activate 2024-02-21", "retire 2024-08-21"]
    );
    assert_eq!(steps(&made.rows[1])[3], "activate 2024-05-22");
    let gap = Window { from: today, to: date(2024, 2, 21) };
    assert_eq!(made.gaps, CertificateType::ALL.map(|kind| Gap { kind, days: gap }));
    let due: Vec<_> = made.due().map(|(row, step, date)| (row.name.as_deref(), step, date)).collect();
    assert_eq!(due, [(None, Step::Generate, today)]);
    assert_eq!(made.until, date(2025, 1, 31));
}

#[test]
fn every_step_of_a_year_stands_in_the_calendar() {
    let first = existing("a", active("2024-01-01T00:00:00Z", "2025-12-15T23:59:59Z"));
    let made = plan(&POLICY, &[any(365)], &[first], date(2024, 1, 1), 12).unwrap();
    let activated: Vec<String> = made.rows.iter().map(|row| window(row).0.to_string()).collect();
    assert_eq!(activated, ["2024-01-01", "2024-04-01", "2024-07-01", "2024-09-30", "2024-12-30"]);
    assert_eq!(made.gaps, []);
    for row in &made.rows[1..] {
        let days = |from: Date, to: Date| to.duration_since(from).as_hours() / 24;
        let (from, to) = window(row);
        let (Due::On(generate), Due::On(certify), Due::On(publish)) = (row.generate, row.certify, row.publish) else { panic!() };
        assert!(days(generate, certify) >= 14 && days(publish, from) == 7 && certify == publish, "{row:?}");
        assert!((181..=184).contains(&days(from, to)), "{row:?}");
        // Certified on the first day that it can be, two years less a second, inclusive.
        assert!((729..=731).contains(&days(generate, row.not_after)), "{row:?}");
    }
}

#[test]
fn use_ends_where_the_longest_certificate_would_outlive_the_dsc() {
    let not_after = "2025-12-31T23:59:59Z";
    // 2025-12-31T23:59:59Z less 625 days is 2024-04-15T23:59:59Z: what is signed on that day still fits, by a second.
    let made = |longest_seconds| {
        let series = Series { types: CertificateTypes::ANY, longest_seconds };
        let dsc = existing("a", active("2024-01-01T00:00:00Z", not_after));
        window(&plan(&POLICY, &[series], &[dsc], date(2024, 1, 1), 1).unwrap().rows[0]).1
    };
    assert_eq!(made(625 * DAY), date(2024, 4, 16));
    assert_eq!(made(625 * DAY + 1), date(2024, 4, 15));
    assert_eq!(made(0), date(2024, 7, 1));
}

#[test]
fn what_is_signed_in_the_last_second_of_use_expires_within_the_dsc() {
    for longest_days in [1, 30, 365, 555, 625] {
        let made = plan(&POLICY, &[any(longest_days)], &[], date(2023, 12, 31), 36).unwrap();
        for row in made.rows {
            let last = NumericDate::from_rfc3339(&format!("{}T00:00:00Z", window(&row).1)).unwrap().plus_seconds(-1);
            let end = NumericDate::from_rfc3339(&format!("{}T23:59:59Z", row.not_after)).unwrap();
            assert!(last.plus_seconds(longest_days * DAY) <= end, "{row:?}");
        }
    }
}

#[test]
fn ends_of_months_and_leap_days_are_those_of_the_calendar() {
    let end = |from: &str| {
        let dsc = existing("a", active(from, "2099-01-01T00:00:00Z"));
        let today = at(from).utc_date().unwrap();
        window(&plan(&POLICY, &[any(30)], &[dsc], today, 1).unwrap().rows[0]).1
    };
    assert_eq!(end("2023-08-31T00:00:00Z"), date(2024, 2, 29));
    assert_eq!(end("2024-08-31T00:00:00Z"), date(2025, 2, 28));
    assert_eq!(end("2024-02-29T00:00:00Z"), date(2024, 8, 29));
    // Certified on a leap day, it is valid up to the day before 28 February: never longer than the CSCA may make it.
    let made = plan(&POLICY, &[any(30)], &[], date(2024, 2, 29), 1).unwrap();
    assert_eq!(made.rows[0].not_after, date(2026, 2, 27));
    assert_eq!(made.until, date(2024, 3, 29));
}

#[test]
fn a_longest_certificate_that_leaves_no_time_is_a_fault_of_the_policy() {
    let fault = plan(&POLICY, &[any(720)], &[], date(2024, 1, 1), 12).unwrap_err();
    assert!(matches!(fault, PolicyFault::TooShort { days: -10, longest_days: 720, .. }), "{fault:?}");
    assert!(fault.to_string().contains("signs for -10 days only"), "{fault}");
    assert!(matches!(plan(&POLICY, &[any(800)], &[], date(2024, 1, 1), 12), Err(PolicyFault::TooShort { .. })));
}

#[test]
fn lengths_out_of_bounds_are_named() {
    let months = plan(&POLICY, &[], &[], date(2024, 1, 1), 0).unwrap_err();
    assert_eq!(months.to_string(), "0 months ahead; 1 to 120 is right");
    let weeks = plan(&Policy { every_weeks: 0, ..POLICY }, &[], &[], date(2024, 1, 1), 12).unwrap_err();
    assert_eq!(weeks.to_string(), "every_weeks is 0; 1 to 104 is right");
    let calendar = plan(&POLICY, &[], &[], date(9999, 6, 1), 12).unwrap_err();
    assert!(matches!(calendar, PolicyFault::Calendar(_)));
}

#[test]
fn what_there_is_takes_the_next_places_and_does_only_what_is_left() {
    let not_after = at("2027-01-01T00:00:00Z");
    let all = [
        existing("generated", Stage::Generated),
        existing("certified", Stage::Certified { not_after }),
        existing("published", Stage::Published { not_after, at: at("2025-01-01T12:00:00Z") }),
        existing("active", active("2024-12-01T00:00:00Z", "2026-11-01T00:00:00Z")),
    ];
    let made = plan(&POLICY, &[any(365)], &all, date(2025, 1, 2), 6).unwrap();
    let of = |name: &str| steps(made.rows.iter().find(|row| row.name.as_deref() == Some(name)).unwrap());
    assert_eq!(of("active"), ["retire 2025-06-01"]);
    assert_eq!(of("published"), ["activate 2025-03-02", "retire 2025-09-02"]);
    assert_eq!(of("certified"), ["publish 2025-05-25", "activate 2025-06-01", "retire 2025-12-01"]);
    assert_eq!(of("generated"), ["certify 2025-08-24", "publish 2025-08-24", "activate 2025-08-31", "retire 2026-01-02"]);
    assert_eq!((made.gaps.len(), made.due().count()), (0, 0));
}

#[test]
fn a_published_one_is_activated_once_verifiers_have_it_and_no_sooner() {
    let stage = Stage::Published { not_after: at("2027-01-01T00:00:00Z"), at: at("2025-01-01T12:00:00Z") };
    let made = plan(&POLICY, &[any(365)], &[existing("p", stage)], date(2025, 1, 2), 1).unwrap();
    assert_eq!(steps(&made.rows[0])[0], "activate 2025-01-08");
    assert_eq!(made.gaps[0].days, Window { from: date(2025, 1, 2), to: date(2025, 1, 8) });
    let later = plan(&POLICY, &[any(365)], &[existing("p", stage)], date(2025, 2, 2), 1).unwrap();
    assert_eq!(later.due().map(|(_, step, _)| step).collect::<Vec<_>>(), [Step::Activate]);
    assert_eq!(later.gaps, []);
}

#[test]
fn a_gap_before_one_that_is_set_for_later_is_filled() {
    let all = [
        existing("now", active("2024-10-01T00:00:00Z", "2026-09-01T00:00:00Z")),
        existing("later", active("2025-07-01T00:00:00Z", "2027-01-01T00:00:00Z")),
    ];
    let made = plan(&POLICY, &[any(365)], &all, date(2025, 1, 2), 12).unwrap();
    assert_eq!(made.gaps, []);
    let new: Vec<_> = made.rows.iter().filter(|row| row.name.is_none()).map(|row| window(row).0).collect();
    assert_eq!(new[0], date(2025, 3, 18));
}

#[test]
fn what_is_past_its_use_is_to_be_retired_and_covers_nothing() {
    let all = [existing("old", active("2024-01-01T00:00:00Z", "2025-12-31T00:00:00Z"))];
    let made = plan(&POLICY, &[any(365)], &all, date(2024, 9, 1), 6).unwrap();
    let due: Vec<_> = made.due().map(|(row, step, date)| (row.name.as_deref(), step, date)).collect();
    assert_eq!(due, [(Some("old"), Step::Retire, date(2024, 7, 1)), (None, Step::Generate, date(2024, 9, 1))]);
    assert_eq!(made.gaps[0].days, Window { from: date(2024, 9, 1), to: date(2024, 9, 22) });
    let spent = [existing("spent", Stage::Certified { not_after: at("2024-12-31T00:00:00Z") })];
    let made = plan(&POLICY, &[any(365)], &spent, date(2024, 9, 1), 6).unwrap();
    assert_eq!((made.rows[0].window, steps(&made.rows[0])), (None, vec![]));
}

#[test]
fn a_successor_is_asked_for_a_month_before_the_end_though_the_leads_are_shorter() {
    let alone = Policy { every_weeks: 104, overlap_days: 1, certify_days: 1, publish_days: 1, ..POLICY };
    let all = [existing("a", active("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))];
    let made = plan(&alone, &[any(30)], &all, date(2024, 1, 2), 12).unwrap();
    assert_eq!(
        steps(&made.rows[1]),
        ["generate 2024-06-01", "certify 2024-06-29", "publish 2024-06-29", "activate 2024-06-30", "retire 2024-12-30"]
    );
}

#[test]
fn each_series_has_its_own_longest_certificate_and_its_own_gaps() {
    let durations = crate::sign::Durations { vaccination_seconds: 555 * DAY, test_seconds: 3 * DAY, recovery_seconds: 180 * DAY };
    let of = |kinds: &[CertificateType]| Series::new(kinds.iter().copied().collect(), &durations);
    let series = [of(&[CertificateType::Vaccination, CertificateType::Recovery]), of(&[CertificateType::Test])];
    assert_eq!(series.map(|one| one.longest_seconds / DAY), [555, 3]);
    let other = Existing {
        types: CertificateTypes::ANY,
        ..existing("of no series", active("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    };
    let made = plan(&POLICY, &series, &[other], date(2024, 1, 31), 12).unwrap();
    // It has no successor, and signs what it may for as long as the longest of it fits.
    assert_eq!(window(&made.rows[0]), (date(2024, 1, 1), date(2024, 6, 25)));
    assert_eq!(made.gaps, []);
    let of_series = |one: &Series| made.rows.iter().filter(|row| row.name.is_none() && row.types == one.types).count();
    assert_eq!(series.each_ref().map(of_series), [5, 5]);
}

#[test]
fn any_lengths_and_any_states_make_a_calendar_without_gaps_once_the_leads_are_over() {
    let mut dice: u64 = 1;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for _ in 0..300 {
        let policy = Policy {
            use_months: 1 + roll(12) as u8,
            every_weeks: 1 + roll(60) as u8,
            overlap_days: roll(20) as u16,
            certify_days: roll(40) as u16,
            publish_days: roll(40) as u16,
            renew_days: roll(60) as u16,
            ..POLICY
        };
        let today = date(2023, 1, 1).checked_add(jiff::Span::new().days(roll(1500) as i64)).unwrap();
        let all: Vec<Existing> = (0..roll(4))
            .map(|number| {
                let from = NumericDate::from_rfc3339(&format!("{today}T05:00:00Z"))
                    .unwrap()
                    .plus_seconds((roll(400) as i64 - 200) * DAY);
                let not_after = from.plus_seconds(roll(730) as i64 * DAY);
                let stages = [Stage::Active { not_after, from, to: None }, Stage::Certified { not_after }, Stage::Generated];
                existing(&number.to_string(), stages[roll(3) as usize])
            })
            .collect();
        let made = plan(&policy, &[any(roll(300) as i64)], &all, today, 24).unwrap();
        let leads = i64::from(policy.certify_days + policy.publish_days);
        let covered = today.checked_add(jiff::Span::new().days(leads)).unwrap();
        assert!(made.gaps.iter().all(|gap| gap.days.to <= covered), "{policy:?} {all:?} {made:?}");
        assert!(made.rows.len() < 300, "{policy:?} {all:?}");
    }
}
