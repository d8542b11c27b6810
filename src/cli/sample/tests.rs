//! What a run of `sceau sample` promises.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::date;
use serde_json::Value;
use unicode_normalization::is_nfc;

use crate::domain;

use super::names::ORIGINS;
use super::recipe::Shares;
use super::rules::check;
use super::{Recipe, Sample, SampleArgs, Samples, run};

fn samples(recipe: &Recipe) -> Vec<Sample> {
    Samples::new(recipe).expect("shares above zero").collect()
}

fn lines(recipe: Recipe) -> String {
    let mut out = Vec::new();
    run(&SampleArgs { recipe, out: "-".into() }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let recipe = Recipe { count: 500, ..Recipe::default() };
    assert_eq!(lines(recipe.clone()), lines(recipe));
}

/// Fixes the output across machines and releases: where this fails, users' recorded runs no longer repeat.
#[test]
fn the_first_sample_is_the_one_it_always_was() {
    let first = samples(&Recipe { with_ci: true, ..Recipe::default() }).swap_remove(0);
    assert_eq!(first.id, "nc-000000001");
    assert_eq!(first.payload, FIRST);
}

const FIRST: &str = concat!(
    r#"{"ver":"1.3.0","nam":{"fn":"Caillard","gn":"Noël"},"#,
    r#""dob":"1963-08-18","t":[{"tg":"840539006","tt":"LP6464-4","nm":"TaqPath COVID-19 Combo Kit","#,
    r#""sc":"2021-10-15T17:57:53+11:00","tr":"260415000","tc":"Drive du stade, Koné","#,
    r#""co":"FR","is":"DASS-NC","ci":"URN:UVCI:01:FR:X76H684PGNGE3N5#6"}]}"#,
);

#[test]
fn another_seed_gives_other_samples() {
    let one = samples(&Recipe { count: 100, seed: 1, ..Recipe::default() });
    let two = samples(&Recipe { count: 100, seed: 2, ..Recipe::default() });
    assert!(one.iter().zip(&two).all(|(one, two)| one.payload != two.payload));
}

#[test]
fn a_longer_run_begins_with_the_shorter() {
    let long = lines(Recipe { count: 200, ..Recipe::default() });
    assert!(long.starts_with(&lines(Recipe { count: 50, ..Recipe::default() })));
}

#[test]
fn every_line_is_an_object_of_id_and_payload() {
    let text = lines(Recipe { count: 1000, ..Recipe::default() });
    assert_eq!(text.lines().count(), 1000);
    for line in text.lines() {
        let value: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        assert!(value.keys().eq(["id", "payload"]), "{line}");
        assert!(value["payload"].is_object(), "{line}");
    }
}

#[test]
fn ids_are_unique_and_of_their_alphabet() {
    let made = samples(&Recipe { count: 5000, id_prefix: "a.B_c:-".to_owned(), ..Recipe::default() });
    assert_eq!(made.iter().map(|sample| &sample.id).collect::<HashSet<_>>().len(), 5000);
    for sample in &made {
        let id = &sample.id;
        assert!((1..=64).contains(&id.len()) && id.is_ascii(), "{id}");
        assert!(id.chars().all(|c| c.is_alphanumeric() || "._:-".contains(c)), "{id}");
    }
}

#[test]
fn shares_are_honoured() {
    let made = samples(&Recipe { count: 10_000, ..Recipe::default() });
    for (key, percent) in [("\"v\":[", 70.0), ("\"t\":[", 25.0), ("\"r\":[", 5.0)] {
        let share = made.iter().filter(|sample| sample.payload.contains(key)).count() as f64 / 100.0;
        assert!((share - percent).abs() < 2.0, "{key}: {share} %");
    }
    let tests = Shares { vaccination: 0, test: 1, recovery: 0 };
    let made = samples(&Recipe { count: 500, shares: tests, ..Recipe::default() });
    assert!(made.iter().all(|sample| sample.payload.contains("\"t\":[")));
}

#[test]
fn shares_of_zero_are_refused() {
    let shares = Shares { vaccination: 0, test: 0, recovery: 0 };
    assert!(Samples::new(&Recipe { shares, ..Recipe::default() }).is_err());
}

#[test]
fn five_thousand_samples_keep_the_rules() {
    for (until, with_ci) in [(date(2021, 10, 20), false), (date(2022, 3, 30), true), (date(2021, 1, 1), true)] {
        for sample in samples(&Recipe { count: 5000, until, with_ci, ..Recipe::default() }) {
            let payload: Value = serde_json::from_str(&sample.payload).unwrap();
            check(&payload, until, with_ci).unwrap_or_else(|fault| panic!("{fault}: {}", sample.payload));
        }
    }
}

#[test]
fn a_ci_changes_nothing_else() {
    let bare = samples(&Recipe { count: 300, ..Recipe::default() });
    let with_ci = samples(&Recipe { count: 300, with_ci: true, ..Recipe::default() });
    for (bare, with_ci) in bare.iter().zip(&with_ci) {
        let without = with_ci.payload.replace(",\"ci\":\"", "\u{0}").split('\u{0}').next().unwrap().to_owned() + "}]}";
        assert_eq!(bare.payload, without);
    }
}

#[test]
fn about_half_of_the_people_bring_their_transliteration() {
    let made = samples(&Recipe { count: 4000, ..Recipe::default() });
    let given = made.iter().filter(|sample| sample.payload.contains("\"fnt\":")).count();
    assert!((1800..2200).contains(&given), "{given}");
}

#[test]
fn every_name_of_the_tables_transliterates() {
    for (_, origin) in &ORIGINS {
        for name in [origin.surnames, origin.women, origin.men].concat() {
            assert!(is_nfc(name), "{name}");
            assert!(domain::transliterate(name).is_ok_and(|mrz| !mrz.is_empty()), "{name}");
            assert!(domain::transliterate(&name.to_uppercase()).is_ok(), "{name}");
        }
    }
}

/// Vector of the eu-dcc-schema FAQ.
#[test]
fn a_file_takes_the_lines_in_place_of_standard_output() {
    let path = std::env::temp_dir().join(format!("sceau-sample-{}.ndjson", std::process::id()));
    let mut out = Vec::new();
    run(&SampleArgs { recipe: Recipe::default(), out: path.clone() }, &mut out).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((out.len(), written), (0, lines(Recipe::default())));
}
