//! The faulty token (tests/faulty-token) before SoftHSM, in configurations.

use std::path::{Path, PathBuf};

use crate::modules::{FAULTY_TOKEN, faulty_token_environment};
use crate::support::edit;
use crate::testdata::read;

/// Puts the faulty token before SoftHSM in a folder of `sceau dev`, with settings of its `[[token]]`. Its script is `now.toml`.
pub(crate) fn put_in_front(dir: &Path, settings: &str) {
    let file = dir.join("sceau.toml");
    let config = read(&file);
    let line = |key: &str| config.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let real = line("module").split('"').nth(1).unwrap().to_owned();
    edit(&file, &line("module"), &format!("module = {:?}\n{settings}", *FAULTY_TOKEN));
    let variables = faulty_token_environment(Path::new(&real), dir);
    let environment: Vec<String> = variables.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    let conf = line("environment").replace(" }", &format!(", {} }}", environment.join(", ")));
    edit(&file, &line("environment"), &conf);
}

/// One token with its DSC: SoftHSM in a folder, with the faulty module before it under a name of its own.
pub(crate) fn token_section(home: &Path, dir: &Path, number: usize, settings: &str) -> String {
    let name = format!("hsm-{number}");
    let module = home.join(format!("{name}.so"));
    std::os::unix::fs::symlink(&*FAULTY_TOKEN, &module).unwrap();
    let config = read(&dir.join("sceau.toml"));
    let line = |key: &str| config.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let real = line("module").split('"').nth(1).unwrap().to_owned();
    let variables = [
        ("SOFTHSM2_CONF", dir.join("softhsm2.conf")),
        ("SCEAU_FAULTY_MODULE", PathBuf::from(real)),
        ("SCEAU_FAULTY_SCRIPT", home.join("{name}.toml")),
        ("SCEAU_FAULTY_STATS", home.join("stats-{name}-{pid}.json")),
        ("SCEAU_FAULTY_STATE", home.join("{name}.state")),
    ];
    let environment: Vec<String> = variables.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    format!(
        "[[token]]\nname = {name:?}\nmodule = {module:?}\n{label}\npin_file = {pin:?}\n{settings}\n\
         environment = {{ {environment} }}\n\n[[dsc]]\ncertificate = {dsc:?}\ntoken = {name:?}\n",
        label = line("label"),
        pin = dir.join("user.pin"),
        environment = environment.join(", "),
        dsc = dir.join("dsc-es256.pem"),
    )
}
