//! Reads an export line by line.

use std::io::{self, BufRead, Read};

use super::line::{Header, InvalidLine, Line};

/// The longest line that is read, in bytes: the detail of five million revocations. The memory has a bound with it.
pub const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// An export, of which one line at a time is held.
#[derive(Debug)]
pub struct ExportReader<R> {
    input: R,
    header: Header,
    number: u64,
    buffer: Vec<u8>,
}

/// What cannot be read as an export at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The first line is none of an export's.
    #[error("it is no export of a ledger: its first line is no header ({0})")]
    NoExport(InvalidLine),
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// A line that is not blank, with its number from 1 on.
pub type NumberedLine = (u64, Result<Line, InvalidLine>);

impl<R: BufRead> ExportReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Where the input is something else, or cannot be read.
    pub fn open(mut input: R) -> Result<Self, ReadError> {
        let mut buffer = Vec::new();
        read_line(&mut input, &mut buffer)?;
        let header = Header::read(&buffer).map_err(ReadError::NoExport)?;
        Ok(Self { input, header, number: 1, buffer })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// Where the input cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<NumberedLine>> {
        loop {
            let is_whole = read_line(&mut self.input, &mut self.buffer)?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let text = self.buffer.trim_ascii();
            if !is_whole {
                let error = InvalidLine::new(format!("it is longer than {MAX_LINE_BYTES} bytes"));
                return Ok(Some((self.number, Err(error))));
            }
            if !text.is_empty() {
                return Ok(Some((self.number, Line::read(text))));
            }
        }
    }
}

/// Whether the line is within the bound; the rest of one that is not is passed over.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.take(MAX_LINE_BYTES + 1).read_until(b'\n', line)?;
    let is_whole = line.ends_with(b"\n") || (read as u64) <= MAX_LINE_BYTES;
    if !is_whole {
        input.skip_until(b'\n')?;
    }
    Ok(is_whole)
}
