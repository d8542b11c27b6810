//! What a plan may say, how lines are read, and what a check finds.

use super::line::{FACTS, Run};
use super::progress::head;
use super::*;
use crate::domain::officers::fixture;
use crate::domain::officers::{OfficerKey, Role};
use crate::domain::{Digest, NumericDate, Octets};

const NOW: NumericDate = NumericDate::from_seconds(1_767_225_600);
const OUT: &[u8] = b"the request";

fn keys() -> [&'static OfficerKey; 3] {
    ["ada", "grace", "joan"].map(fixture::key)
}

fn plan_text() -> String {
    let [ada, grace, joan] = keys().map(|key| key.public().to_string());
    format!(
        r#"
title = "A ceremony"
transcript = "transcript.txt"
[token]
module = "m.so"
label = "issuer-a"
[[officer]]
name = "ada"
key = "{ada}"
[[officer]]
name = "grace"
key = "{grace}"
key_file = "grace.key"
[[officer]]
name = "joan"
key = "{joan}"
[[key]]
label = "dsc-1"
kind = "p256"
types = ["vaccination", "test"]
subject = {{ country = "FR", organization = "O", common_name = "DSC 1" }}
[[step]]
do = "generate"
key = "dsc-1"
[[step]]
do = "request"
key = "dsc-1"
out = "dsc-1.csr"
"#
    )
}

fn plan() -> Plan {
    Plan::read(&plan_text()).unwrap()
}

fn digest() -> Digest {
    Digest::of(plan_text().as_bytes())
}

fn run() -> Run {
    Run { at: NOW, version: "0.1.0".parse().unwrap(), digest: Octets([7; 32]) }
}

/// Both steps done.
fn done() -> Vec<Line> {
    let what = |number: usize| plan().steps[number - 1].to_string().parse().unwrap();
    let (file, digest_of_out) = ("dsc-1.csr".parse().unwrap(), Digest::of(OUT).into());
    [
        head(&plan(), &digest()),
        vec![
            Line::Begin(run()),
            Line::Step { number: 1, what: what(1) },
            Line::Fact { name: "serial", value: "4d1c".parse().unwrap() },
            Line::Done { number: 1, at: NOW },
            Line::Step { number: 2, what: what(2) },
            Line::Out { digest: digest_of_out, file },
            Line::Done { number: 2, at: NOW },
            Line::End { at: NOW },
        ],
    ]
    .concat()
}

/// A text, and the chain at its end.
fn write(lines: &[Line]) -> (String, Chain) {
    let mut chain = Chain::EMPTY;
    (lines.iter().map(|line| chain.add(line)).collect(), chain)
}

fn signed_by(lines: &[Line], officers: &[&str]) -> String {
    let (mut text, mut chain) = write(lines);
    for name in officers {
        let present = Line::Present { officer: name.parse().unwrap(), at: NOW, lines: chain.lines(), link: chain.link() };
        let signature = fixture::key(name).sign(Role::Witness, present.to_string()).signature;
        text.push_str(&chain.add(&present));
        text.push_str(&chain.add(&Line::Signature(signature)));
    }
    text
}

fn read(text: &str) -> Reading {
    check(&plan(), &digest(), text, |name| (name == "dsc-1.csr").then(|| Digest::of(OUT)))
}

/// The text again, each line with the link that follows from those above: what somebody does who writes the past anew.
fn chained_anew(text: &str) -> String {
    let mut link = Octets([0; 32]);
    let line = |line: &str| {
        let text = line.split_once("  ").unwrap().1;
        link = Digest::of_parts(&[link.as_ref(), text.as_bytes(), b"\n"]).into();
        format!("{}  {text}\n", &link.to_string()[..16])
    };
    text.lines().map(line).collect()
}

#[test]
fn what_two_officers_have_signed_is_well_and_read_the_same_twice() {
    let text = signed_by(&done(), &["ada", "joan"]);
    let reading = read(&text);
    assert_eq!(reading.findings, []);
    assert_eq!((reading.done, reading.steps, reading.is_ended, reading.files), (2, 2, true, 1));
    assert_eq!(reading.witnesses.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["ada", "joan"]);
    assert_eq!(read(&text), reading);
}

#[test]
fn every_line_that_is_changed_left_out_doubled_or_moved_is_found_also_in_a_chain_that_was_written_anew() {
    let text = signed_by(&done(), &["ada", "grace"]);
    let lines: Vec<&str> = text.lines().collect();
    for number in 0..lines.len() {
        let mut changed: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let at = changed[number].find(|character: char| character.is_ascii_digit() && character != '0').unwrap_or(18);
        // A digit of the link, and one of the text.
        let digit_of_text = changed[number][18..].find(|character: char| character.is_ascii_digit()).map(|place| place + 18);
        let mut attempts = vec![without(&lines, number), doubled(&lines, number)];
        for place in [Some(at), digit_of_text].into_iter().flatten() {
            let digit = if &changed[number][place..=place] == "1" { "2" } else { "1" };
            let before = changed[number].clone();
            changed[number].replace_range(place..=place, digit);
            attempts.push(changed.join("\n") + "\n");
            changed[number] = before;
        }
        if number > 0 {
            let mut moved = lines.clone();
            moved.swap(number - 1, number);
            attempts.push(moved.join("\n") + "\n");
        }
        for attempt in attempts.into_iter().filter(|attempt| *attempt != text) {
            // The last lines may go: then a signature is missing.
            assert!(!read(&attempt).is_well(), "line {}:\n{attempt}", number + 1);
            let anew = chained_anew(&attempt);
            assert!(anew == text || !read(&anew).is_well(), "line {}, chained anew:\n{anew}", number + 1);
        }
    }
}

fn without(lines: &[&str], number: usize) -> String {
    let mut lines = lines.to_vec();
    lines.remove(number);
    lines.join("\n") + "\n"
}

fn doubled(lines: &[&str], number: usize) -> String {
    let mut lines = lines.to_vec();
    lines.insert(number, lines[number]);
    lines.join("\n") + "\n"
}

#[test]
fn one_officer_twice_a_stranger_and_another_officers_key_are_not_two() {
    assert_eq!(read(&signed_by(&done(), &["ada"])).findings, [Finding::TooFew { signed: 1 }]);
    assert_eq!(read(&signed_by(&done(), &["ada", "ada"])).findings, [Finding::TooFew { signed: 1 }]);
    let stranger = read(&signed_by(&done(), &["ada", "mary"])).findings;
    assert!(matches!(&stranger[..], [Finding::Stranger { number: 17, .. }, Finding::TooFew { signed: 1 }]), "{stranger:?}");
    let ours = signed_by(&done(), &["ada", "grace"]);
    let forged = chained_anew(&ours.replace("present: grace", "present: joan"));
    assert!(matches!(&read(&forged).findings[..], [Finding::Signature { .. }, Finding::TooFew { signed: 1 }]));
}

#[test]
fn signatures_count_for_what_stands_above_them_alone() {
    let steps = done();
    let (before, after) = steps.split_at(10);
    let pause = Line::Pause { at: NOW, why: "step 2 waits for a file".parse().unwrap() };
    let first: Vec<Line> = before.iter().cloned().chain([pause]).collect();
    let paused = signed_by(&first, &["ada", "grace"]);
    let reading = read(&paused);
    assert_eq!((reading.witnesses.len(), &reading.findings[..]), (2, &[Finding::NotEnded { done: 1, steps: 2 }][..]));
    // Gone on with, and not signed again.
    let mut chain = Transcript::read(&paused).unwrap().end();
    let rest: String = [&[Line::Resume(run())], after].concat().iter().map(|line| chain.add(line)).collect();
    assert_eq!(read(&format!("{paused}{rest}")).findings, [Finding::TooFew { signed: 0 }]);
}

#[test]
fn a_file_that_was_exchanged_or_is_gone_is_found() {
    let text = signed_by(&done(), &["ada", "grace"]);
    let other = check(&plan(), &digest(), &text, |_| Some(Digest::of(b"another")));
    assert!(matches!(&other.findings[..], [Finding::FileChanged { .. }]), "{:?}", other.findings);
    let gone = check(&plan(), &digest(), &text, |_| None);
    assert!(matches!(&gone.findings[..], [Finding::FileAbsent { .. }]), "{:?}", gone.findings);
}

#[test]
fn a_transcript_is_of_one_plan() {
    let text = signed_by(&done(), &["ada", "grace"]);
    let reading = check(&plan(), &Digest::of(b"another plan"), &text, |_| Some(Digest::of(OUT)));
    assert_eq!(reading.findings[0].to_string(), "line 3 is out of place: the transcript is of another file than the one given");
}

#[test]
fn what_was_cut_off_is_said_and_what_stands_above_it_is_read() {
    let (text, _) = write(&done()[..9]);
    let torn = format!("{text}0011223344556677  do");
    let transcript = Transcript::read(&torn).unwrap();
    assert_eq!((transcript.end().lines(), transcript.torn_bytes()), (9, 20));
    let progress = Progress::of(&plan(), &digest(), &transcript).unwrap();
    assert_eq!((progress.done, progress.is_begun), (0, true));
    assert_eq!(read(&torn).findings[0], Finding::Torn);
}

#[test]
fn other_line_ends_are_another_text() {
    let text = signed_by(&done(), &["ada", "grace"]);
    assert_eq!(read(&text.replace('\n', "\r\n")).findings, [Finding::Broken(Broken::Link { number: 1 })]);
    assert_eq!(read("").findings, [Finding::Broken(Broken::Head)]);
}

#[test]
fn steps_stand_in_the_order_of_the_plan_each_once() {
    let lines = done();
    let out_of_place = |lines: &[Line]| Progress::of(&plan(), &digest(), &Transcript::read(&write(lines).0).unwrap()).is_err();
    assert!(!out_of_place(&lines));
    let head = head(&plan(), &digest()).len();
    for number in head..lines.len() - 1 {
        let mut shorter = lines.clone();
        shorter.remove(number);
        let is_detail = matches!(lines[number], Line::Fact { .. } | Line::Out { .. });
        assert_eq!(out_of_place(&shorter), !is_detail, "without {}", lines[number]);
    }
    let other_token = Line::Fact { name: "serial", value: "other".parse().unwrap() };
    let mut exchanged = lines;
    exchanged.insert(head + 5, other_token);
    assert!(out_of_place(&exchanged), "the token stays the same");
}

#[test]
fn a_line_is_written_in_one_way() {
    let mut lines = done();
    lines.extend([
        Line::Resume(run()),
        Line::Stop { at: NOW, why: "step 1: C_Login gave DeviceError".parse().unwrap() },
        Line::Pause { at: NOW, why: "step 2 waits for a, b".parse().unwrap() },
        Line::In { digest: Octets([1; 32]), file: "a b.pem".parse().unwrap() },
        Line::Present { officer: "ada".parse().unwrap(), at: NOW, lines: 3, link: Octets([2; 32]) },
        Line::Signature(Octets([3; 64])),
    ]);
    lines.extend(FACTS.map(|name| Line::Fact { name, value: "a: b, c".parse().unwrap() }));
    for line in lines {
        let text = line.to_string();
        assert_eq!(Line::read(&text), Some(line), "{text}");
        for other in [format!("{text} "), format!(" {text}"), text.replacen(": ", ":  ", 1), text.to_uppercase()] {
            assert!(other == text || Line::read(&other).is_none_or(|line| line.to_string() == other), "{other:?}");
        }
    }
    for text in ["", "title:", "step 01: x", "done +1: 2026-01-01T00:00:00Z", "  secret: x", "end: 2026-01-01T01:00:00+01:00"] {
        assert_eq!(Line::read(text), None, "{text:?}");
    }
}

#[test]
fn what_a_device_says_is_made_visible() {
    assert_eq!(line::visible("  Acme \n HSM  ").as_str(), "Acme HSM");
    assert_eq!(line::visible("a\u{1b}[2Jb").as_str(), "a\\u{1b}[2Jb");
    assert_eq!(line::visible("").as_str(), "-");
    assert_eq!(line::visible(&"x".repeat(5_000)).as_str().len(), 1_000);
}

/// A change of the plan's text, and what is said then.
const FAULTS: [(&str, &str, &str); 12] = [
    ("title = \"A ceremony\"", "title = \"\"", "1 to 100 characters"),
    ("[token]", "[tokens]", "unknown field `tokens`"),
    ("do = \"request\"", "do = \"reqest\"", "unknown variant `reqest`"),
    ("out = \"dsc-1.csr\"", "", "missing field `out`"),
    ("out = \"dsc-1.csr\"", "out = \"dsc-1.csr\"\nmore = 1", "unknown field `more`"),
    ("out = \"dsc-1.csr\"", "out = \"transcript.txt\"", "step 2 writes transcript.txt, which another step or the transcript"),
    ("label = \"dsc-1\"\nkind", "label = \"dsc-2\"\nkind", "step 1 names the key dsc-1, and no [[key]] has that label"),
    (
        "do = \"request\"\nkey = \"dsc-1\"\nout = \"dsc-1.csr\"",
        "do = \"generate\"\nkey = \"dsc-1\"",
        "generates the key dsc-1 once more",
    ),
    ("do = \"request\"\nkey = \"dsc-1\"\nout = \"dsc-1.csr\"", "do = \"initialise\"", "that is the first step or none"),
    (
        "do = \"request\"\nkey = \"dsc-1\"\nout = \"dsc-1.csr\"",
        "do = \"roster\"\napprovals = 3\nout = \"c.toml\"",
        "too few for a quorum of 3",
    ),
    (
        "do = \"request\"\nkey = \"dsc-1\"\nout = \"dsc-1.csr\"",
        "do = \"import\"\nkey = \"dsc-1\"\ncertificate = \"c\"\ncscas = []\nout = \"d\"",
        "has no CSCA",
    ),
    ("types = [\"vaccination\", \"test\"]", "types = []", "there is no type"),
];

#[test]
fn a_plan_that_is_wrong_says_what_would_be_right() {
    for (from, to, said) in FAULTS {
        let text = plan_text();
        assert!(text.contains(from), "{from}");
        let error = Plan::read(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(said), "{said:?}: {error}");
    }
    let [ada, ..] = keys();
    let grace = fixture::key("grace").public().to_string();
    let error = Plan::read(&plan_text().replace(&grace, &ada.public().to_string())).unwrap_err().to_string();
    assert!(error.contains("the key of the officer grace is another officer's too"), "{error}");
}
