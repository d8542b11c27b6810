//! Several processes that sign at the same time: this program again, each with a module and a login of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context;

use crate::Arguments;
use crate::report::{Line, Measured};

/// What a process says when its sessions are open.
pub(crate) const READY: &str = "ready";

/// Measures each number of processes with each number of sessions, and prints a line for each.
///
/// # Errors
/// The first process that cannot sign ends everything: a PIN that was refused once is not tried again.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    for processes in &arguments.processes {
        for sessions in &arguments.sessions {
            let measured = together(arguments, *processes, *sessions)?;
            let line = Line::of(arguments.mechanism, *processes, *sessions, &measured)?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&line)?)?;
        }
    }
    Ok(())
}

fn together(arguments: &Arguments, processes: u16, sessions: u16) -> anyhow::Result<Vec<Measured>> {
    // One after another is ready, so that one of them at most is refused for its PIN.
    let mut parts = (0..processes).map(|_| Part::start(arguments, sessions)).collect::<Result<Vec<_>, _>>()?;
    parts.iter_mut().try_for_each(Part::begin)?;
    parts.iter_mut().map(Part::measured).collect()
}

/// One process; killed with this value.
struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Part {
    fn start(arguments: &Arguments, sessions: u16) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).args(["--part", "--sessions", &sessions.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let mut part = Self { child, input, output: BufReader::new(output) };
        let said = part.line()?;
        anyhow::ensure!(said == READY, "{} wrote to standard output: {said}", arguments.module.display());
        Ok(part)
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(writeln!(self.input, "sign")?)
    }

    fn measured(&mut self) -> anyhow::Result<Measured> {
        let measured = serde_json::from_str(&self.line()?)?;
        // Its exit code says nothing: SoftHSM's exit handlers crash at times, after everything is done.
        let _ = self.child.wait();
        Ok(measured)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.output.read_line(&mut line)? > 0, "a process ended before it had signed; the line above says why");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
