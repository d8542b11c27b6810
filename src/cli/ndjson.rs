//! Lines in, lines out: what the commands over NDJSON share.
//!
//! A line has a bound, so that an input without line breaks cannot fill the memory; and nothing but the line ending is
//! taken off, because a certificate may end in a space.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use crate::domain::json::{Json, SyntaxError};

/// The longest line that is read, in bytes without its ending. A signed certificate with its payload has below 4 KiB.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Bytes asked for at a time. A pipe gives 64 KiB of them at most.
const READ_BYTES: usize = 1024 * 1024;

/// Opens a file, or standard input for `-`.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(READ_BYTES, io::stdin().lock())));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
}

/// Runs a command over standard output. A reader that leaves early (`| head`) ends it as a success.
///
/// # Errors
/// Whatever else the command fails with.
pub(crate) fn on_stdout(command: impl FnOnce(&mut dyn Write) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::with_capacity(READ_BYTES, io::stdout().lock());
    let result = command(&mut out).and_then(|code| {
        out.flush().context("cannot write the output")?;
        Ok(code)
    });
    match result {
        Err(error) if is_broken_pipe(&error) => {
            // What is left in the buffer has no reader; dropping the writer would try once more.
            let (_, _unwritten) = out.into_parts();
            Ok(ExitCode::SUCCESS)
        }
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(is)
}

/// Writes one value as one line of JSON.
///
/// # Errors
/// The line cannot be written.
pub(crate) fn write_line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// One line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1, blank lines included.
    pub(crate) number: u64,
    /// Without its ending (LF or CR LF), with everything else.
    pub(crate) text: Result<String, LineError>,
}

/// A line that is skipped as a whole; the next one is read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Past the bound.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Not text.
    #[error("the line is not UTF-8")]
    NotUtf8,
}

/// The lines of an input, blank ones left out. Holds one line at a time.
pub(crate) struct Lines<'r> {
    input: &'r mut dyn BufRead,
    number: u64,
    is_another_ready: bool,
}

impl<'r> Lines<'r> {
    /// Starts at the first line.
    pub(crate) fn new(input: &'r mut dyn BufRead) -> Self {
        Self { input, number: 0, is_another_ready: false }
    }

    /// Whether one more whole line has arrived, so that asking for it cannot wait for the sender.
    pub(crate) const fn is_another_ready(&self) -> bool {
        self.is_another_ready
    }

    /// The next line's bytes up to `MAX_LINE_BYTES` + 2, blank or not; nothing at the end of the input.
    fn next_raw(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut is_started = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                filled => filled?,
            };
            if buffer.is_empty() {
                self.is_another_ready = false;
                return Ok(is_started.then_some(line));
            }
            is_started = true;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = (MAX_LINE_BYTES + 2).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            self.is_another_ready = end.is_some_and(|end| buffer[end + 1..].contains(&b'\n'));
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        loop {
            let raw = match self.next_raw() {
                Ok(raw) => raw?,
                Err(error) => return Some(Err(error)),
            };
            self.number += 1;
            let text = text(raw);
            if !text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                return Some(Ok(Line { number: self.number, text }));
            }
        }
    }
}

fn text(mut raw: Vec<u8>) -> Result<String, LineError> {
    if raw.last() == Some(&b'\r') {
        raw.pop();
    }
    if raw.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    String::from_utf8(raw).map_err(|_| LineError::NotUtf8)
}

/// The members of a line that is a JSON object, each to be taken once.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Members<'a> {
    /// Reads one object.
    ///
    /// # Errors
    /// [`ObjectError`] where it is something else, or a member's name stands twice.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ObjectError> {
        let Json::Object(members) = Json::parse(text.as_bytes())? else { return Err(ObjectError::NoObject) };
        let repeated = (1..members.len()).any(|index| members[..index].iter().any(|(name, _)| *name == members[index].0));
        if repeated { Err(ObjectError::Repeated) } else { Ok(Self(members)) }
    }

    /// Takes a member out, where it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// The name of one that is not among the known ones.
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.0.iter().map(|(name, _)| name.as_ref()).find(|name| !known.contains(name))
    }
}

/// A line that is not an object as it has to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Another value.
    #[error("the line is no JSON object")]
    NoObject,
    /// Two members of one name.
    #[error("a member's name stands twice in the line")]
    Repeated,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<(u64, Result<String, LineError>)> {
        Lines::new(&mut input).map(|line| line.map(|line| (line.number, line.text)).unwrap()).collect()
    }

    #[test]
    fn only_the_line_ending_is_taken_off() {
        assert_eq!(
            lines(b"HC1:AB \nHC1:CD\r\n HC1:E"),
            [(1, Ok("HC1:AB ".into())), (2, Ok("HC1:CD".into())), (3, Ok(" HC1:E".into())),]
        );
    }

    #[test]
    fn blank_lines_are_counted_and_left_out() {
        assert_eq!(lines(b"\n \r\na\n\n\nb\n"), [(3, Ok("a".into())), (6, Ok("b".into()))]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_past_the_bound_is_skipped_and_the_next_one_read() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let input = format!("{longest}\r\n{longest}y\n{}\nz", longest.repeat(40));
        let found = lines(input.as_bytes());
        assert_eq!(found[0], (1, Ok(longest)));
        assert_eq!(found[1..], [(2, Err(LineError::TooLong)), (3, Err(LineError::TooLong)), (4, Ok("z".into()))]);
    }

    #[test]
    fn a_line_may_come_in_parts() {
        let mut input = BufReader::with_capacity(3, &b"abcdefgh\nij\n\nk"[..]);
        let texts: Vec<_> = Lines::new(&mut input).map(|line| line.unwrap().text.unwrap()).collect();
        assert_eq!(texts, ["abcdefgh", "ij", "k"]);
    }

    #[test]
    fn a_line_is_ready_when_its_end_has_arrived() {
        let mut input = BufReader::with_capacity(4, &b"a\nb\nc\n"[..]);
        let mut lines = Lines::new(&mut input);
        assert!(!lines.is_another_ready());
        lines.next();
        assert!(lines.is_another_ready());
        lines.next();
        assert!(!lines.is_another_ready());
    }

    #[test]
    fn what_is_not_utf_8_is_told() {
        assert_eq!(lines(b"\xff\na\n"), [(1, Err(LineError::NotUtf8)), (2, Ok("a".into()))]);
    }

    #[test]
    fn a_reader_that_leaves_early_is_no_error() {
        let gone = || -> anyhow::Result<ExitCode> { Err(io::Error::from(ErrorKind::BrokenPipe)).context("cannot write") };
        assert!(on_stdout(|_| gone()).is_ok());
        assert!(on_stdout(|_| anyhow::bail!("something else")).is_err());
    }

    #[test]
    fn members_are_taken_by_name() {
        let mut members = Members::parse(r#"{"a":1,"b":"x","c":null}"#).unwrap();
        assert_eq!(members.take("b"), Some(Json::String("x".into())));
        assert_eq!(members.take("b"), None);
        assert_eq!(members.unknown(&["a"]), Some("c"));
        assert_eq!(members.unknown(&["a", "c"]), None);
    }

    #[test]
    fn what_is_no_object_with_names_of_its_own_is_refused() {
        assert!(matches!(Members::parse("[]"), Err(ObjectError::NoObject)));
        assert!(matches!(Members::parse(r#"{"a":1,"a":1}"#), Err(ObjectError::Repeated)));
        assert!(matches!(Members::parse(r#"{"a":1"#), Err(ObjectError::Syntax(_))));
    }
}
