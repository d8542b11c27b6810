//! The rules of a payload, checked on the JSON by code that shares none with the maker.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::Value;
use unicode_normalization::is_nfc;

use crate::domain::uvci::luhn_mod_38;

/// The rules of one payload; says which is broken.
pub(super) fn check(payload: &Value, until: Date, with_ci: bool) -> Result<(), String> {
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned).ok_or(format!("no {key}"));
    let hold = |rule: bool, name: &str| if rule { Ok(()) } else { Err(name.to_owned()) };

    hold(payload["ver"] == "1.3.0", "ver")?;
    check_name(&payload["nam"])?;
    let kinds: Vec<&str> = ["v", "t", "r"].into_iter().filter(|key| payload.get(key).is_some()).collect();
    hold(kinds.len() == 1 && payload.as_object().is_some_and(|fields| fields.len() == 4), "fields")?;
    hold(payload[kinds[0]].as_array().is_some_and(|entries| entries.len() == 1), "one entry")?;
    let entry = &payload[kinds[0]][0];

    hold(text(entry, "tg")? == "840539006", "tg")?;
    hold(["DASS-NC", "CNAM", "APHP"].contains(&text(entry, "is")?.as_str()), "is")?;
    hold(text(entry, "co")?.len() == 2, "co")?;
    hold(entry.get("ci").is_some() == with_ci, "ci")?;
    if with_ci {
        let ci = text(entry, "ci")?;
        let (body, check) = ci.split_once('#').ok_or("no checksum")?;
        hold(body.starts_with("URN:UVCI:01:FR:") && ci.len() == 32, "ci's form")?;
        hold(Some(check) == luhn_mod_38(body).map(String::from).as_deref(), "ci's check character")?;
    }
    let day = match kinds[0] {
        "v" => check_vaccination(entry)?,
        "t" => check_test(entry, until)?,
        _ => check_recovery(entry)?,
    };
    hold(day <= until, "event after --until")?;
    hold(kinds[0] != "v" || day >= date(2021, 1, 1), "vaccinated before 2021")?;
    check_birth(&text(payload, "dob")?, day, if kinds[0] == "v" { 12 } else { 0 })
}

fn check_name(nam: &Value) -> Result<(), String> {
    let fields = nam.as_object().ok_or("nam")?;
    if fields.contains_key("fnt") != fields.contains_key("gnt") || !fields.contains_key("fn") || !fields.contains_key("gn") {
        return Err("nam's fields".to_owned());
    }
    for (key, value) in fields {
        let text = value.as_str().unwrap_or_default();
        let good = match key.as_str() {
            "fn" | "gn" => is_nfc(text) && text.trim() == text && !text.contains("  "),
            "fnt" | "gnt" => text.chars().all(|c| c.is_ascii_uppercase() || c == '<'),
            _ => false,
        };
        if !good || !(1..=80).contains(&text.chars().count()) {
            return Err(format!("nam.{key}"));
        }
    }
    Ok(())
}

fn check_vaccination(entry: &Value) -> Result<Date, String> {
    let code = (entry["mp"].as_str(), entry["ma"].as_str(), entry["vp"].as_str());
    let (Some(mp), Some(ma), Some(vp)) = code else {
        return Err("vaccine".to_owned());
    };
    let doses: &[(u64, u64)] = match (mp, ma, vp) {
        ("EU/1/20/1528", "ORG-100030215", "1119349007") => &[(1, 2), (2, 2), (3, 3)],
        ("EU/1/20/1507", "ORG-100031184", "1119349007") => &[(1, 2), (2, 2), (3, 3)],
        ("EU/1/21/1529", "ORG-100001699", "29061000087103") => &[(1, 2), (2, 2)],
        ("EU/1/20/1525", "ORG-100001417", "29061000087103") => &[(1, 1), (2, 1)],
        _ => return Err("vaccine".to_owned()),
    };
    let dose = entry["dn"].as_u64().zip(entry["sd"].as_u64());
    if !dose.is_some_and(|dose| doses.contains(&dose)) {
        return Err("doses".to_owned());
    }
    full_date(&entry["dt"])
}

fn check_test(entry: &Value, until: Date) -> Result<Date, String> {
    match (entry["tt"].as_str(), entry["nm"].as_str(), entry["ma"].as_str()) {
        (Some("LP6464-4"), Some(nm), None) if !nm.is_empty() => {}
        (Some("LP217198-3"), None, Some("1833" | "1232" | "1468" | "1223")) => {}
        _ => return Err("test and device".to_owned()),
    }
    if !["260415000", "260373001"].contains(&entry["tr"].as_str().unwrap_or_default()) {
        return Err("tr".to_owned());
    }
    let sc = entry["sc"].as_str().unwrap_or_default();
    let sampled: Timestamp = sc.parse().map_err(|_| format!("sc {sc}"))?;
    let until_begins: Timestamp = format!("{until}T00:00:00Z").parse().expect("a day and an hour");
    if sampled >= until_begins {
        return Err("sampled after --until began".to_owned());
    }
    sc[..10].parse().map_err(|_| "sc's day".to_owned())
}

fn check_recovery(entry: &Value) -> Result<Date, String> {
    let (fr, df, du) = (full_date(&entry["fr"])?, full_date(&entry["df"])?, full_date(&entry["du"])?);
    let days = |to: Date| to.duration_since(fr).as_hours() / 24;
    if (days(df), days(du)) == (11, 180) { Ok(fr) } else { Err("df, du".to_owned()) }
}

fn full_date(value: &Value) -> Result<Date, String> {
    let text = value.as_str().unwrap_or_default();
    match text.parse::<Date>() {
        Ok(day) if day.to_string() == text => Ok(day),
        _ => Err(format!("date {value}")),
    }
}

/// The person is at least `age`, and not over a hundred, as far as the date tells.
fn check_birth(dob: &str, day: Date, age: i16) -> Result<(), String> {
    let first = match dob.len() {
        0 => return Ok(()),
        4 => format!("{dob}-01-01"),
        7 => format!("{dob}-01"),
        _ => dob.to_owned(),
    };
    let first: Date = full_date(&Value::from(first))?;
    let birthday = Date::new(first.year() + age, first.month(), first.day()).unwrap_or(first);
    if birthday <= day && day.year() - first.year() <= 100 { Ok(()) } else { Err(format!("dob {dob}")) }
}
