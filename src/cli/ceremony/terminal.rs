//! Asking a person at the terminal, whatever stdin and stdout are.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The longest PIN, in bytes.
const MAX_PIN: usize = 256;

/// The terminal of this process, where it has one.
pub(super) fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok().filter(|tty| isatty(tty))
}

/// Asks for a line; nothing is what an empty one says.
pub(super) fn ask(tty: &File, question: &str) -> anyhow::Result<Option<String>> {
    let mut tty = tty;
    write!(tty, "{question}: ").context("cannot write to the terminal")?;
    let mut line = String::new();
    BufReader::new(tty).read_line(&mut line).context("cannot read from the terminal")?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Asks for a PIN, which is not shown while it is typed.
pub(super) fn ask_pin(what: &str) -> anyhow::Result<SecretString> {
    let tty = open().with_context(|| format!("there is no terminal to ask for the {what} at: name a file for it"))?;
    loop {
        let pin = read_unseen(&tty, what)?;
        if !pin.is_empty() {
            return Ok(SecretString::from(pin.as_str()));
        }
    }
}

/// Asks for a new PIN, twice.
pub(super) fn ask_new_pin(what: &str) -> anyhow::Result<SecretString> {
    let tty = open().with_context(|| format!("there is no terminal to ask for the {what} at: name a file for it"))?;
    loop {
        let first = read_unseen(&tty, what)?;
        let second = read_unseen(&tty, &format!("{what}, again"))?;
        if !first.is_empty() && first == second {
            return Ok(SecretString::from(first.as_str()));
        }
        writeln!(&tty, "They are not the same, or empty.").context("cannot write to the terminal")?;
    }
}

/// Puts a terminal back as it was.
struct Unseen<'t> {
    tty: &'t File,
    before: Termios,
}

impl<'t> Unseen<'t> {
    /// No echo, and each key at once: a Ctrl-C that ended the process here would leave the terminal without echo.
    fn begin(tty: &'t File) -> std::io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(tty, OptionalActions::Flush, &modes)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.tty, OptionalActions::Flush, &self.before);
        let _ = writeln!(self.tty);
    }
}

fn read_unseen(tty: &File, what: &str) -> anyhow::Result<Zeroizing<String>> {
    write!(&mut &*tty, "{what} (not shown): ").context("cannot write to the terminal")?;
    let unseen = Unseen::begin(tty).context("cannot turn the terminal's echo off")?;
    // Never grown, so that no copy of it stays behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(MAX_PIN));
    let mut key = Zeroizing::new([0]);
    loop {
        let read = (&mut &*unseen.tty).read(key.as_mut()).context("cannot read from the terminal")?;
        match key[0] {
            _ if read == 0 => bail!("the terminal is gone"),
            b'\r' | b'\n' => break,
            0x03 | 0x04 => bail!("interrupted at the terminal"),
            0x08 | 0x7f => drop(typed.pop()),
            // Ctrl-U.
            0x15 => typed.clear(),
            byte if typed.len() < MAX_PIN => typed.push(byte),
            _ => bail!("that is longer than {MAX_PIN} bytes"),
        }
    }
    let text = std::str::from_utf8(&typed).map_err(|_| anyhow::anyhow!("that is no UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
