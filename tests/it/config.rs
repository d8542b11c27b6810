//! The configuration file: the sample, the value sets, the PIN's places.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use sceau::config::Config;
use sceau::domain::value_sets::{CodeStatus, ValueSet};
use sceau::domain::{Rule, ValueSets};

use crate::pki::Pki;
use crate::support::{dev_folder, edit, read_endpoint, sceau};
use crate::testdata::{read, testdata};

/// The sample configuration, with stand-ins for the files that it names.
#[test]
fn the_sample_configuration_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let sample = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/sceau.toml"));
    fs::write(home.path().join("sceau.toml"), &sample).unwrap();
    fs::write(home.path().join("uvci.secret"), [b'x'; 32]).unwrap();
    fs::set_permissions(home.path().join("uvci.secret"), fs::Permissions::from_mode(0o600)).unwrap();
    Pki::new(home.path());
    fs::copy(home.path().join("ca.pem"), home.path().join("clients-ca.pem")).unwrap();
    let config = Config::load(&home.path().join("sceau.toml")).unwrap_or_else(|error| panic!("{error}"));
    assert!(config.tls.is_some() && config.callers.len() == 2);
    assert!(!config.tokens.is_empty() && !config.dscs.is_empty());
    let eu_2021 = config.profiles.iter().find(|profile| profile.name == "eu-2021").expect("the sample shows the profile");
    assert!(!eu_2021.rulebook.rules.contains(Rule::VerCurrent) && eu_2021.rulebook.rules.contains(Rule::DateReal));
}

/// Every key that the file may hold stands in the sample, set or in a comment.
#[test]
fn the_sample_configuration_shows_every_key() {
    let sample = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/sceau.toml"));
    let source = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/file.rs"));
    let keys = source.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("    pub(super) ")?.split_once(": ")?;
        (rest.ends_with(',') && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then_some(name)
    });
    let keys: Vec<&str> = keys.collect();
    assert!(keys.len() > 25, "{keys:?}");
    let missing: Vec<&str> = keys
        .into_iter()
        .filter(|key| !matches!(*key, "server" | "signing" | "tokens" | "dscs" | "profiles" | "callers" | "person"))
        .filter(|key| !sample.contains(key))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Each vendor's profile is a `[[token]]` that makes a whole configuration.
#[test]
fn every_vendor_profile_is_a_token_of_a_configuration() {
    let vendors = Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/vendors");
    let profiles: Vec<_> = fs::read_dir(vendors).unwrap().map(|entry| entry.unwrap().path()).collect();
    let profiles: Vec<_> = profiles.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(profiles.len() >= 7, "{profiles:?}");
    let home = dev_folder();
    let dev = read(&home.path().join("sceau.toml"));
    let from = dev.find("[[token]]").unwrap();
    let to = dev.find("[[dsc]]").unwrap();
    for path in profiles {
        let profile = read(path);
        assert!(profile.to_lowercase().contains("not tested on the device"), "{}", path.display());
        let name = profile.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).unwrap();
        let whole =
            format!("{}{profile}\n{}", &dev[..from], &dev[to..]).replace("token = \"softhsm\"", &format!("token = \"{name}\""));
        fs::write(home.path().join("sceau.toml"), whole).unwrap();
        let config = Config::load(&home.path().join("sceau.toml")).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(config.tokens[0].name, name);
    }
}

#[test]
fn a_folder_of_value_sets_replaces_the_built_in_ones() {
    let Some(data) = testdata() else { return };
    let home = dev_folder();
    let sets = home.path().join("sets");
    fs::create_dir(&sets).unwrap();
    for entry in fs::read_dir(data.join("dcc/valuesets")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            fs::copy(&path, sets.join(path.file_name().unwrap())).unwrap();
        }
    }
    let devices = r#"{"valueSetId":"covid-19-lab-test-manufacturer-and-name","valueSetDate":"2026-01-01",
        "valueSetValues":{"9999":{"display":"New","lang":"en","active":true,"system":"x","version":"1"}}}"#;
    fs::write(sets.join("test-manf-example.json"), devices).unwrap();
    edit(&home.path().join("sceau.toml"), "[signing]", "[signing]\nvalue_sets_dir = \"sets\"");
    let config = Config::load(&home.path().join("sceau.toml")).unwrap();
    let loaded = &config.profiles[0].rulebook.value_sets;
    assert_eq!(loaded.status(ValueSet::TestDevice, "9999"), CodeStatus::Active);
    assert_eq!(loaded.status(ValueSet::TestDevice, "1232"), CodeStatus::Unknown);
    assert_eq!(ValueSets::builtin().status(ValueSet::TestDevice, "1232"), CodeStatus::Active);
    assert_eq!(loaded.status(ValueSet::Product, "EU/1/20/1528"), CodeStatus::Active);
}

#[test]
fn a_broken_value_set_is_named_with_its_file() {
    let home = dev_folder();
    fs::create_dir(home.path().join("sets")).unwrap();
    fs::write(home.path().join("sets/odd.json"), r#"{"valueSetId":"odd","valueSetValues":{}}"#).unwrap();
    edit(&home.path().join("sceau.toml"), "[signing]", "[signing]\nvalue_sets_dir = \"sets\"");
    let error = Config::load(&home.path().join("sceau.toml")).unwrap_err().to_string();
    assert!(error.contains("odd.json") && error.contains("vaccines-covid-19-names"), "{error}");
}

#[test]
fn the_pin_may_come_from_the_environment() {
    let home = dev_folder();
    let pin = read(&home.path().join("user.pin"));
    edit(&home.path().join("sceau.toml"), "pin_file = \"user.pin\"", "pin_variable = \"SCEAU_TEST_PIN\"");
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(home.path().join("sceau.toml"));
    command.env("SOFTHSM2_CONF", home.path().join("softhsm2.conf")).env("SCEAU_TEST_PIN", pin.trim());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let endpoint = read_endpoint(&mut child);
    assert!(endpoint.starts_with("http://127.0.0.1:"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_new_pin_goes_into_a_file_and_into_no_variable() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    edit(&file, "pin_file = \"user.pin\"", "pin_file = \"user.pin\"\nnew_pin_file = \"new.pin\"");
    let config = Config::load(&file).unwrap();
    assert_eq!(config.tokens[0].new_pin_file, Some(home.path().join("new.pin")));
    edit(&file, "pin_file = \"user.pin\"\n", "pin_variable = \"SCEAU_TEST_PIN\"\n");
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("no worker can change a variable; keep the PIN in a pin_file"), "{error}");
}

#[test]
fn the_so_pin_is_in_a_file_of_its_own() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    edit(&file, "pin_file = \"user.pin\"", "pin_file = \"user.pin\"\nso_pin_file = \"so.pin\"");
    let config = Config::load(&file).unwrap();
    assert_eq!(config.tokens[0].so_pin_file, Some(home.path().join("so.pin")));
    edit(&file, "\"so.pin\"", "\"user.pin\"");
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("so_pin_file is a file of the user PIN too"), "{error}");
}

#[test]
fn how_long_items_are_kept_for_retries_is_bounded_and_none_may_be_kept() {
    let home = dev_folder();
    let path = home.path().join("sceau.toml");
    let keep = |config: &Config| config.retries.map(|retention| (retention.keep.as_secs(), retention.max_items.get()));
    assert_eq!(keep(&Config::load(&path).unwrap()), Some((600, 100_000)));
    edit(&path, "[signing]", "[retries]\nmax_items = 0\n\n[signing]");
    assert_eq!(keep(&Config::load(&path).unwrap()), None);
    edit(&path, "max_items = 0", "max_items = 10000001\nkeep_seconds = 604801");
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("retries.max_items is 10000001") && error.contains("retries.keep_seconds is 604801"), "{error}");
}
