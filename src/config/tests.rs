//! What is said of a file that is wrong.

use super::file::File;
use super::form::Form;

fn problems(text: &str) -> Vec<String> {
    Form::<File>::read(text).problems.iter().map(ToString::to_string).collect()
}

const GOOD: &str = r#"
[signing]
uvci_secret_file = "uvci.secret"

[[token]]
name = "a"
module = "m.so"
label = "l"
pin_file = "p"

[[dsc]]
certificate = "c.pem"
token = "a"

[[profile]]
name = "p"
algorithm = "ES256"
issuer = "FR"
vaccination_days = 1
test_days = 1
recovery_days = 1
"#;

#[test]
fn a_file_that_is_well_has_no_problem() {
    let form = Form::<File>::read(GOOD);
    assert_eq!(problems(GOOD), Vec::<String>::new());
    let file = form.file.unwrap();
    assert_eq!((file.tokens[0].label.as_str(), file.server.max_batch_items), ("l", 1_000));
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_known_one() {
    let text = format!("[server]\nmax_batch_item = 5\n{GOOD}");
    assert_eq!(problems(&text), ["line 2: unknown key `max_batch_item` in [server]; did you mean `max_batch_items`?"]);
    let text = format!("{GOOD}quux = 1\n");
    assert_eq!(problems(&text), ["line 22: unknown key `quux` in [[profile]]"]);
    let text = format!("{GOOD}[sever]\n");
    assert_eq!(problems(&text), ["line 22: unknown section [sever]; did you mean [server]?"]);
}

#[test]
fn values_of_the_wrong_type_are_told_with_what_would_be_right() {
    let text = format!("[server]\nmax_batch_items = \"many\"\nmax_request_bytes = -1\nlisten = \"here\"\n{GOOD}");
    let problems = problems(&text);
    assert_eq!(problems[0], "line 2: `max_batch_items` in [server] is the text \"many\"; it has to be a whole number from 0 on");
    assert_eq!(problems[1], "line 3: `max_request_bytes` in [server] is -1; it has to be a whole number from 0 on");
    assert!(problems[2].starts_with("line 4: `listen` in [server]: invalid socket address"), "{problems:?}");
    assert_eq!(problems.len(), 3);
}

#[test]
fn a_word_that_is_none_of_a_list_is_told_with_the_list() {
    let text = GOOD.replace("\"ES256\"", "\"ES265\"");
    let problems = problems(&text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`algorithm` in [[profile]] is \"ES265\"; it is one of \"ES256\", \"PS256\""), "{problems:?}");
}

#[test]
fn every_missing_key_is_told() {
    let text = GOOD.replace("module = \"m.so\"\nlabel = \"l\"\n", "").replace("issuer = \"FR\"\n", "");
    let said = problems(&text);
    assert_eq!(said.len(), 3, "{said:?}");
    for key in ["`module` is missing in [[token]]", "`label` is missing in [[token]]", "`issuer` is missing in [[profile]]"] {
        assert!(said.iter().any(|problem| problem.contains(key)), "{key}: {said:?}");
    }
    assert_eq!(
        problems(&GOOD.replace("[signing]\nuvci_secret_file = \"uvci.secret\"\n", "")),
        ["the section [signing] is missing; it is required"]
    );
}

#[test]
fn no_fault_hides_another() {
    let text = GOOD
        .replace("[signing]", "[signing]\nthreads = \"few\"\nthread = 1\nsign_timeout_ms = true")
        .replace("label = \"l\"", "labl = \"l\"\nworkers = 0\nrelax_key_attributes = [\"sensitive\", \"soft\"]")
        .replace("token = \"a\"", "token = 7")
        .replace("test_days = 1", "test_days = \"1\"");
    let said = problems(&text);
    for part in [
        "`threads` in [signing]: expected a number from 1 on, or \"auto\"",
        "unknown key `thread` in [signing]; did you mean `threads`?",
        "`sign_timeout_ms` in [signing] is true",
        "unknown key `labl` in [[token]]; did you mean `label`?",
        "`label` is missing in [[token]]",
        "`workers` in [[token]]: expected a number",
        "value 2 of `relax_key_attributes` in [[token]] is \"soft\"",
        "`token` in [[dsc]]: expected the name of a token",
        "`test_days` in [[profile]] is the text \"1\"",
    ] {
        assert!(said.iter().any(|problem| problem.contains(part)), "{part}:\n{}", said.join("\n"));
    }
    assert_eq!(said.len(), 9, "{}", said.join("\n"));
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let said = problems("[server]\nlisten = \n\n[signing\n");
    assert!(said.len() >= 2 && said[0].starts_with("line 2: "), "{said:?}");
}

#[test]
fn what_a_check_says_of_a_made_up_value_is_explained() {
    let form = Form::<File>::read(&GOOD.replace("issuer = \"FR\"\n", "").replace("certificate = \"c.pem\"\n", ""));
    assert!(form.explains("profile \"p\": issuer: a country is two capital letters"));
    assert!(!form.explains("profile \"q\": issuer: a country is two capital letters"));
    let made_up = form.file.as_ref().unwrap().dscs[0].certificate.display().to_string();
    assert!(form.explains(&format!("dsc {made_up}: there is no token \"x\"")));
}
