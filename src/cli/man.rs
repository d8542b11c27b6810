//! `sceau man`: this command line as manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Write the manual pages, one a command.
///
/// They say what --help says. The Debian package installs them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau man --dir man1
  man ./man1/sceau-serve.1")]
pub(crate) struct ManArgs {
    /// The folder; made if it is absent
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages of a command and of its subcommands.
///
/// # Errors
/// The folder or a page cannot be written.
pub(crate) fn run(args: &ManArgs, command: clap::Command) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    // `help` would have a page for every command again.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(&command, &args.dir)?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &clap::Command, dir: &Path) -> anyhow::Result<()> {
    let man = Man::new(command.clone()).source(concat!("sceau ", env!("CARGO_PKG_VERSION"))).manual("Sceau");
    let path = dir.join(man.get_filename());
    let page = page(&man, command).with_context(|| format!("cannot render {}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).try_for_each(|shown| write_pages(shown, dir))
}

/// The page by clap_mangen's sections; what stands behind the options in --help it would run together.
fn page(man: &Man, command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    closing_sections(&after.map(ToString::to_string).unwrap_or_default()).to_writer(&mut page)?;
    if command.get_name() != "sceau" {
        see_also().to_writer(&mut page)?;
    }
    Ok(page)
}

/// Paragraphs whose first line ends in a colon, like "Examples:", are sections with their lines as they are; others are notes.
fn closing_sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        match first.strip_suffix(':').filter(|_| !rest.is_empty()) {
            Some(heading) => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
                verbatim(&mut roff, rest);
            }
            None => {
                roff.control("SH", ["NOTES"]);
                roff.text([roman(paragraph.replace('\n', " "))]);
            }
        }
    }
    roff
}

fn verbatim(roff: &mut Roff, lines: &str) {
    roff.control("nf", []);
    lines.lines().for_each(|line| {
        roff.text([roman(line)]);
    });
    roff.control("fi", []);
}

fn see_also() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("sceau"), roman("(1)")]);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    fn pages() -> (tempfile::TempDir, Vec<String>) {
        let home = tempfile::tempdir().unwrap();
        run(&ManArgs { dir: home.path().join("man1") }, command()).unwrap();
        let entries = fs::read_dir(home.path().join("man1")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        (home, names)
    }

    #[test]
    fn every_command_that_is_shown_has_a_page() {
        let (_home, names) = pages();
        let mut wanted = vec!["sceau.1".to_owned()];
        let command = command();
        for shown in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            wanted.push(format!("sceau-{}.1", shown.get_name()));
            wanted.extend(shown.get_subcommands().map(|inner| format!("sceau-{}-{}.1", shown.get_name(), inner.get_name())));
        }
        wanted.sort();
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_page_keeps_the_lines_of_its_examples() {
        let (home, _) = pages();
        let page = fs::read_to_string(home.path().join("man1/sceau-serve.1")).unwrap();
        assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{page}");
        assert!(page.contains("\\-\\-config /etc/sceau/sceau.toml\n"), "{page}");
        let first = fs::read_to_string(home.path().join("man1/sceau.1")).unwrap();
        assert!(first.contains(".SH \"EXIT CODES\"\n.nf\n"), "{first}");
    }
}
