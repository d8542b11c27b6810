//! Windows: half-open, judged by iat, over leap days and to the last second of a certificate.

use super::*;

fn with_windows(windows: &[(&str, Option<&str>)]) -> Chain {
    let mut chain = Chain::new();
    for (index, (from, to)) in windows.iter().enumerate() {
        chain.bring(index, State::Published);
        chain.carry_out(activate(index, instant(from), to.map(instant))).unwrap();
    }
    chain
}

#[test]
fn of_two_windows_that_meet_one_holds_each_second_of_a_leap_day() {
    let chain = with_windows(&[
        ("2024-02-29T01:00:00Z", Some("2024-03-01T00:00:00Z")),
        ("2024-03-01T00:00:00Z", Some("2024-03-02T00:00:00Z")),
    ]);
    assert_eq!(chain.kids_at(instant("2024-02-29T00:59:59Z")), []);
    let (first, last) = (instant("2024-02-29T01:00:00Z").seconds(), instant("2024-03-01T23:59:59Z").seconds());
    let change_over = instant("2024-03-01T00:00:00Z").seconds();
    for seconds in (first..=last).step_by(61).chain(change_over - 2..change_over + 2).chain([last]) {
        let expected = if seconds < change_over { kid(0) } else { kid(1) };
        assert_eq!(chain.kids_at(NumericDate::from_seconds(seconds)), [expected], "{}", NumericDate::from_seconds(seconds));
    }
    assert_eq!(chain.kids_at(instant("2024-03-02T00:00:00Z")), []);
}

#[test]
fn windows_overlap_where_officers_want_it() {
    let chain = with_windows(&[("2024-02-29T01:00:00Z", None), ("2024-02-29T02:00:00Z", Some("2024-02-29T03:00:00Z"))]);
    let count = |at: &str| chain.register.keys_at(instant(at)).count();
    assert_eq!(["01:59:59", "02:00:00", "02:59:59", "03:00:00"].map(|at| count(&format!("2024-02-29T{at}Z"))), [1, 2, 2, 1]);
}

#[test]
fn an_open_window_ends_with_the_last_second_of_the_certificate() {
    let chain = with_windows(&[("2024-02-29T01:00:00Z", None), ("2024-02-29T01:00:00Z", Some("2036-01-01T00:00:00Z"))]);
    assert_eq!(end(), instant("2026-02-28T00:00:00Z"), "730 days from a leap day on");
    assert_eq!(chain.register.keys_at(end()).count(), 2);
    assert_eq!(chain.kids_at(end().plus_seconds(1)), []);
    assert_eq!(chain.register.key(&name(0)).unwrap().state(end().plus_seconds(1)), State::Retired);
}

#[test]
fn a_stop_counts_for_earlier_instants_too() {
    let mut chain = with_windows(&[("2024-02-29T01:00:00Z", None)]);
    chain.now = instant("2024-02-29T05:00:00Z");
    chain.stop("ada", compromise(0)).unwrap();
    assert_eq!(chain.kids_at(instant("2024-02-29T02:00:00Z")), []);
}

#[test]
fn a_retirement_cuts_a_window_short_and_no_earlier() {
    let mut chain = with_windows(&[("2024-02-29T01:00:00Z", Some("2024-03-01T00:00:00Z"))]);
    chain.now = instant("2024-02-29T12:00:00Z");
    assert_refused(chain.propose("ada", retire(0, instant("2024-02-29T11:59:59Z"))), "is too soon");
    chain.carry_out(retire(0, instant("2024-02-29T13:00:00Z"))).unwrap();
    assert_eq!(chain.kids_at(instant("2024-02-29T12:59:59Z")), [kid(0)]);
    assert_eq!(chain.kids_at(instant("2024-02-29T13:00:00Z")), []);
    chain.carry_out(retire(0, instant("2024-02-29T12:30:00Z"))).unwrap();
    assert_eq!(chain.kids_at(instant("2024-02-29T12:30:00Z")), []);
}
