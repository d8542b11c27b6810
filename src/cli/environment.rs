//! The environment of a module.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Becomes this program again, on the same arguments and `--in-environment`, with the environment that a worker of the token has:
/// modules read theirs when they are loaded, and a process cannot safely set its own.
pub(crate) fn start_in_environment(environment: &[(String, String)]) -> anyhow::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return anyhow::Error::from(error).context("cannot find this program to start it again"),
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--in-environment");
    let environment = environment.iter().map(|(name, value)| (name, value));
    anyhow::Error::from(command.envs(environment).exec()).context("cannot start this program again")
}
