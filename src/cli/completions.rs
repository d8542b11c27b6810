//! `sceau completions`: what a shell needs to complete this command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use clap_complete::Shell;

/// Write a shell's completions to standard output.
///
/// The Debian package installs them for all three shells.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(sceau completions bash)
  sceau completions zsh > ~/.zfunc/_sceau          # a folder in fpath
  sceau completions fish > ~/.config/fish/completions/sceau.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: CompletedShell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

impl From<CompletedShell> for Shell {
    fn from(shell: CompletedShell) -> Self {
        match shell {
            CompletedShell::Bash => Self::Bash,
            CompletedShell::Zsh => Self::Zsh,
            CompletedShell::Fish => Self::Fish,
        }
    }
}

/// Writes the completions of a command.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(args: &CompletionsArgs, command: &clap::Command) -> anyhow::Result<ExitCode> {
    let script = script(args.shell, command);
    std::io::stdout().lock().write_all(&script).context("cannot write the completions")?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: CompletedShell, command: &clap::Command) -> Vec<u8> {
    // Into memory first: clap_complete panics where its output cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(Shell::from(shell), &mut without_hidden(command), command.get_name().to_owned(), &mut script);
    script
}

/// clap_complete completes hidden commands too; those are not for people. A command of clap cannot lose a subcommand, so this
/// is a new one; nothing but names, options and subcommands is looked at.
fn without_hidden(command: &clap::Command) -> clap::Command {
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned();
    clap::Command::new("sceau").version(env!("CARGO_PKG_VERSION")).args(command.get_arguments().cloned()).subcommands(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn every_shell_completes_every_command_that_is_shown_and_no_other() {
        let command = command();
        for &shell in CompletedShell::value_variants() {
            let script = String::from_utf8(script(shell, &command)).unwrap();
            for subcommand in command.get_subcommands() {
                let name = subcommand.get_name();
                assert_eq!(script.contains(name), !subcommand.is_hide_set(), "{shell:?}: {name}");
            }
            assert!(script.contains("--config") || script.contains("-l config"), "{shell:?} completes options");
        }
    }
}
