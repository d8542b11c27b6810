//! A slot becomes a token when two officers agree, and its workers come up by themselves.

use std::process::{Child, Stdio};

use sceau::token::TokenStatus;

use super::*;
use crate::modules::{FAULTY_TOKEN, faulty_token_environment};
use crate::support::{Ran, read_endpoint, sceau, serve_in_vain};

/// A folder whose configuration names a token that is not there, and says where the PINs are that it is to have.
fn fresh() -> House {
    let house = House::new();
    write_secret(&house.file("so.pin"), "86429753\n");
    edit_token(&house, |token| {
        token.insert("label".to_owned(), "fresh".into());
        token.insert("so_pin_file".to_owned(), "so.pin".into());
    });
    house
}

fn edit_token(house: &House, edit: impl FnOnce(&mut toml::Table)) {
    let file = house.file("sceau.toml");
    let mut config: toml::Table = read(&file).parse().unwrap();
    edit(config["token"][0].as_table_mut().unwrap());
    fs::write(file, config.to_string()).unwrap();
}

/// Its supervisor, which goes on looking for it.
fn start_without_token(house: &House) -> SupervisedToken {
    let Opened { token, outcome, .. } = house.try_start();
    assert!(outcome.unwrap_err().to_string().contains("no token with the label \"fresh\""));
    token
}

fn initialise(house: &House) -> Consent {
    house.agreed(Change::InitialiseToken { token: label("softhsm") })
}

/// It is refused for now, and the consent serves when what stands in the way is gone.
fn assert_held_up(outcome: Result<Managed, TokenError>, reason: &str) {
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert_ne!(error.disposition(), Disposition::StopKey, "{error}");
}

fn wait_for_workers(token: &SupervisedToken) -> TokenStatus {
    wait_until("its workers live", || token.status().workers.len() == 2);
    token.status()
}

#[test]
fn two_officers_make_a_token_and_keys_on_it_sign() {
    let house = fresh();
    let token = start_without_token(&house);
    let consent = initialise(&house);
    let alone = Consent { approvals: Vec::new(), ..consent.clone() };
    assert_refused(execute(&token, &alone), "it has 0 of 1 approvals");
    let elsewhere = house.agreed(Change::InitialiseToken { token: label("hsm-b") });
    assert_refused(execute(&token, &elsewhere), "it is about the token hsm-b, and this is softhsm");
    let as_request = wait(token.manage(managing(&consent, Task::Request)));
    assert_refused(as_request, "the officers agreed on initialise_token, where generate is needed");
    assert!(token.check_initialise().is_ok() && token.status().workers.is_empty(), "nothing was made before");

    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
    assert_eq!(wait_for_workers(&token).trouble, None);
    assert!(token.check_initialise().unwrap_err().to_string().contains("it is initialised already"));
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised, "asked again, it is the same");
    assert_refused(execute(&token, &initialise(&house)), "a token with the label \"fresh\" is there already");

    let brought = house.bring(&token, "DSC-1", KeyKind::P256);
    let key = wait(token.admit(brought.admission.clone())).unwrap();
    assert_signs(&token, key, &brought.dsc, 64);
    replace_workers(&token);
    assert_signs(&token, key, &brought.dsc, 64);
    // Another supervisor, as after a restart: what was done stays done, and the PIN of its user opens it.
    drop(token);
    fs::remove_file(house.file("so.pin")).unwrap();
    let token = house.start();
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
    let key = wait(token.admit(brought.admission)).unwrap();
    assert_signs(&token, key, &brought.dsc, 4);
}

#[test]
fn what_stands_in_the_way_is_told_before_and_costs_no_consent() {
    let house = fresh();
    let consent = initialise(&house);
    let refused_as_configured = |edit: &dyn Fn(&mut toml::Table), reason: &str| {
        let whole = read(&house.file("sceau.toml"));
        edit_token(&house, edit);
        let token = house.try_start().token;
        assert!(token.check_initialise().unwrap_err().to_string().contains(reason), "{reason}");
        assert_held_up(execute(&token, &consent), reason);
        drop(token);
        fs::write(house.file("sceau.toml"), whole).unwrap();
    };
    refused_as_configured(&|token| drop(token.remove("so_pin_file")), "the configuration has no so_pin_file");
    refused_as_configured(&|token| drop(token.insert("serial".into(), "1a2b".into())), "take `serial` out first");
    refused_as_configured(&|token| drop(token.insert("label".into(), "f".repeat(33).into())), "has more than 32 bytes");

    let token = start_without_token(&house);
    let so_pin = house.file("so.pin");
    run(Command::new("chmod").arg("0640").arg(&so_pin));
    assert_held_up(execute(&token, &consent), "make it 0600");
    fs::remove_file(&so_pin).unwrap();
    assert_held_up(execute(&token, &consent), "so.pin");
    write_secret(&so_pin, "1\n");
    assert_held_up(execute(&token, &consent), "the SO PIN has to have 4 to 255 bytes");
    write_secret(&so_pin, "86429753\n");
    let latch = house.file("state/softhsm.pin-latch");
    fs::write(&latch, "refused\n").unwrap();
    assert_held_up(execute(&token, &consent), "sceau token unlatch");
    fs::remove_file(&latch).unwrap();
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
    wait_for_workers(&token);
}

#[test]
fn a_token_that_is_there_is_left_alone() {
    let house = fresh();
    // Its own officers' key is on it.
    edit_token(&house, |token| drop(token.insert("label".into(), "sceau-dev".into())));
    let token = house.start();
    let brought = house.bring(&token, "DSC-1", KeyKind::P256);
    let key = wait(token.admit(brought.admission.clone())).unwrap();
    assert_refused(
        execute(&token, &initialise(&house)),
        "a token with the label \"sceau-dev\" is there already, with the serial",
    );
    assert_signs(&token, key, &brought.dsc, 16);
    drop(token);
    // The configuration names a key on a token that is not there: it is not a new one.
    let config = read(&house.file("sceau.toml"));
    let dsc = "\n[[dsc]]\ncertificate = \"dsc-es256.pem\"\ntoken = \"softhsm\"\n";
    fs::write(house.file("sceau.toml"), config.replace("sceau-dev", "fresh") + dsc).unwrap();
    let token = start_without_token(&house);
    assert_held_up(execute(&token, &initialise(&house)), "the configuration names certificates whose keys are on it");
}

#[test]
fn a_token_that_is_unplugged_does_not_look_new() {
    let house = fresh();
    put_in_front_of(&house);
    script(&house, "[[fault]]\nfunction = \"C_GetTokenInfo\"\nresult = \"CKR_TOKEN_NOT_PRESENT\"\nwhen = \"always\"\n");
    let (token, consent) = (start_without_token(&house), initialise(&house));
    assert_held_up(execute(&token, &consent), "no slot is free to initialise a token in; the module shows none");
    script(&house, "");
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
}

/// The faulty token before SoftHSM; its script is read by each process anew.
fn put_in_front_of(house: &House) {
    let dir = house.home.path();
    let module = FAULTY_TOKEN.to_str().unwrap().to_owned();
    edit_token(house, |token| {
        let real = token.insert("module".to_owned(), module.into()).unwrap();
        let variables = faulty_token_environment(Path::new(real.as_str().unwrap()), dir);
        let environment = token["environment"].as_table_mut().unwrap();
        environment.extend(variables.map(|(name, value)| (name.to_owned(), value.to_str().unwrap().into())));
    });
}

fn script(house: &House, text: &str) {
    fs::write(house.file("next.toml"), text).unwrap();
    fs::rename(house.file("next.toml"), house.file("now.toml")).unwrap();
}

#[test]
fn what_was_cut_off_is_ended_under_the_same_consent_alone() {
    for function in ["C_InitToken", "C_Login", "C_InitPIN", "C_Logout"] {
        let house = fresh();
        put_in_front_of(&house);
        script(&house, &format!("[[fault]]\nfunction = \"{function}\"\naction = \"abort\"\nwhen = \"always\"\n"));
        let (token, consent) = (start_without_token(&house), initialise(&house));
        assert_held_up(execute(&token, &consent), "over the initialisation; ask again under the same consent");
        let was_made = function != "C_InitToken";
        script(&house, "");
        if was_made {
            assert_refused(execute(&token, &initialise(&house)), "a token with the label \"fresh\" is there already");
        }
        assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised, "{function}");
        wait_for_workers(&token);
        assert!(!token.status().is_latched, "{function}");
        drop(generated(execute(&token, &house.agreed(generate("DSC-1", KeyKind::P256))).unwrap()));
    }
}

#[test]
fn a_wrong_so_pin_is_tried_once() {
    let house = fresh();
    put_in_front_of(&house);
    script(&house, "[[fault]]\nfunction = \"C_InitPIN\"\naction = \"abort\"\nwhen = \"always\"\n");
    let (token, consent) = (start_without_token(&house), initialise(&house));
    assert!(execute(&token, &consent).is_err());
    script(&house, "");
    write_secret(&house.file("so.pin"), "11111111\n");
    assert_held_up(execute(&token, &consent), "the PIN was refused (PinIncorrect) and is not tried again");
    write_secret(&house.file("so.pin"), "86429753\n");
    assert_held_up(execute(&token, &consent), "no login is tried until an officer acts");
    assert!(token.unlatch().unwrap());
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
    wait_for_workers(&token);
}

#[test]
fn a_module_that_hangs_over_it_holds_up_no_end() {
    let house = fresh();
    put_in_front_of(&house);
    script(&house, "[[fault]]\nfunction = \"C_InitToken\"\naction = \"hang\"\nwhen = \"always\"\n");
    let (token, consent) = (start_without_token(&house), initialise(&house));
    let managed = token.manage(managing(&consent, Task::Execute));
    let memory = house.file("state/softhsm.custody-memory");
    wait_until("it has begun", || memory.exists());
    drop(token);
    assert_held_up(wait(managed), "ask again under the same consent");
    script(&house, "");
    let token = start_without_token(&house);
    assert_eq!(execute(&token, &consent).unwrap(), Managed::Initialised);
}

/// `sceau serve`, ended with this value.
struct Served(Child);

impl Served {
    fn start(house: &House) -> Self {
        let log = fs::File::create(house.file("service.log")).unwrap();
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(house.file("sceau.toml"));
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        read_endpoint(&mut child);
        Self(child)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        send("-TERM", self.0.id());
        let _ = self.0.wait();
    }
}

fn type_as(house: &House, officer: Option<&str>, words: &str) -> Ran {
    let mut command = sceau();
    command.current_dir(house.home.path()).args(words.split(' ')).args(["--config", "sceau.toml"]);
    if let Some(officer) = officer {
        command.args(["--yes", "--officer", officer, "--officer-key", &format!("{officer}.key")]);
    }
    run(&mut command)
}

/// ada proposes, grace approves; what grace is told.
fn agree(house: &House, words: &str) -> String {
    let proposed = type_as(house, Some("ada"), words);
    assert_eq!(proposed.code, Some(0), "{}{}", proposed.stdout, proposed.stderr);
    let id = proposed.stdout.lines().next().unwrap().rsplit(' ').next().unwrap();
    let approved = type_as(house, Some("grace"), &format!("approve {id}"));
    assert_eq!(approved.code, Some(0), "{}{}", approved.stdout, approved.stderr);
    assert!(approved.stdout.starts_with("executed: "), "{}", approved.stdout);
    approved.stdout
}

#[test]
fn a_service_starts_where_its_token_is_to_be_made_and_two_officers_make_it() {
    let house = fresh();
    for (name, key) in [("ada.key", &house.ada), ("grace.key", &house.grace)] {
        write_secret(&house.file(name), &key.to_pem());
    }
    let _served = Served::start(&house);
    let log = read(&house.file("service.log"));
    assert!(log.contains("where it is new, two officers have it initialised"), "{log}");
    let status = type_as(&house, None, "token status");
    assert!(
        status.stdout.contains("DOES NOT SIGN") && status.stdout.contains("no token with the label \"fresh\""),
        "{}",
        status.stdout
    );
    let told = agree(&house, "token initialise --token softhsm");
    assert!(told.contains("sceau token status") && told.contains("sceau dsc generate"), "{told}");
    wait_until("its token signs", || type_as(&house, None, "token status").code == Some(0));
    agree(&house, "dsc generate --token softhsm --label DSC-1 --country NC --common-name DSC-1");
    let again = type_as(&house, Some("ada"), "token initialise --token softhsm");
    assert_eq!(again.code, Some(64), "{}{}", again.stdout, again.stderr);
    assert!(again.stderr.contains("key DSC-1") || again.stderr.contains("it is initialised already"), "{}", again.stderr);
}

#[test]
fn a_service_whose_token_is_not_to_be_made_does_not_start_without_it() {
    let house = fresh();
    edit_token(&house, |token| drop(token.remove("so_pin_file")));
    let ran = serve_in_vain(house.home.path());
    assert_eq!(ran.code, Some(69), "{}", ran.stderr);
    assert!(ran.stderr.contains("no token with the label \"fresh\""), "{}", ran.stderr);
}
