//! `sceau dsc plan` on the configuration that `sceau dev` makes: one DSC of each algorithm, valid for two years.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, dev_folder, edit, run, sceau};

fn plan(dir: &Path, arguments: &[&str]) -> Ran {
    run(sceau().args(["dsc", "plan", "--config"]).arg(dir.join("sceau.toml")).args(arguments))
}

fn plan_json(dir: &Path, arguments: &[&str]) -> Value {
    let ran = plan(dir, &[arguments, &["--json"]].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

#[test]
fn the_dsc_of_the_configuration_is_followed_by_new_ones_and_nothing_is_due() {
    let home = dev_folder();
    let ran = plan(home.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("1 DSC there") && ran.stdout.contains("Nothing is due today"), "{}", ran.stdout);
    let plan = plan_json(home.path(), &[]);
    let dscs = plan["dscs"].as_array().unwrap();
    assert!(dscs[0]["dsc"].is_string() && dscs[0]["generate"].is_null(), "{plan:#}");
    assert!(dscs.len() > 2 && dscs[1..].iter().all(|dsc| dsc["dsc"].is_null() && dsc["generate"].is_string()), "{plan:#}");
    let same = plan_json(home.path(), &["--profile", "dcc-ps256"]);
    assert_eq!((&same["algorithm"], same["dscs"].as_array().unwrap().len()), (&"PS256".into(), dscs.len()));
    assert_ne!(same["dscs"][0]["dsc"], plan["dscs"][0]["dsc"]);
}

#[test]
fn what_is_late_and_the_days_without_a_dsc_are_told_with_code_2() {
    let home = dev_folder();
    // Nine months on, the DSC that signs is past its six months, and no other was made in time.
    let today = plan_json(home.path(), &[])["today"].as_str().unwrap().to_owned();
    let year: u32 = today[..4].parse().unwrap();
    let later = format!("{}-12-15", year + 1);
    let ran = plan(home.path(), &["--today", &later]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for text in
        ["Due:", "retire ", "take its [[dsc]] out of the configuration", "generate a key for a DSC (any)", "NO DSC, where"]
    {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    let json = plan_json(home.path(), &["--today", &later]);
    assert_eq!(json["gaps"].as_array().unwrap().len(), 3, "one for each type: {json:#}");
    assert_eq!(json["gaps"][0]["from"], later.as_str());
}

#[test]
fn a_profile_without_a_dsc_and_series_by_type_are_planned() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "issuer = \"FR\"", "issuer = \"NC\"");
    let json = plan_json(home.path(), &["--series", "v", "--series", "t,r", "--every-weeks", "4", "--months", "6"]);
    let dscs = json["dscs"].as_array().unwrap();
    assert!(dscs.len() > 8 && dscs.iter().all(|dsc| dsc["dsc"].is_null()), "{json:#}");
    assert!(dscs.iter().any(|dsc| dsc["types"] == serde_json::json!(["test", "recovery"])));
    assert_eq!(json["due"].as_array().unwrap().len(), 2, "both series begin today: {json:#}");
}

#[test]
fn what_no_calendar_keeps_is_told_with_what_would_be_right() {
    let home = dev_folder();
    let fault = |arguments: &[&str]| {
        let ran = plan(home.path(), arguments);
        (ran.code, ran.stderr)
    };
    let (code, said) = fault(&["--profile", "none"]);
    assert!(code != Some(0) && said.contains("there is no profile \"none\"") && said.contains("dcc, dcc-ps256"), "{said}");
    let (code, said) = fault(&["--months", "0"]);
    assert!(code == Some(78) && said.contains("1 to 120 is right"), "{said}");
    let (code, said) = fault(&["--validity-years", "1"]);
    assert!(code == Some(78) && said.contains("shorter certificates, a longer DSC"), "{said}");
    assert_eq!(fault(&["--series", "x"]).0, Some(64));
}
