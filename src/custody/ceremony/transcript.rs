//! The chain of lines.

use std::fmt;

use super::line::Line;
use crate::domain::{Digest, Octets};

/// Where a chain stands: it goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    lines: usize,
    link: Link,
}

/// The hash of a line with all that stands above it.
pub type Link = Octets<32>;

/// How much of a link is shown, in bytes. The whole of the last one is signed.
const SHOWN: usize = 8;

impl Chain {
    /// Before the first line.
    pub const EMPTY: Self = Self { lines: 0, link: Octets([0; 32]) };

    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.lines
    }

    /// The link of the last line.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// Takes a line, and gives it as it stands in the file, with its link and the line feed.
    pub fn add(&mut self, line: &Line) -> String {
        let text = line.to_string();
        self.take(&text);
        format!("{}  {text}\n", self.shown())
    }

    fn take(&mut self, text: &str) {
        self.link = Digest::of_parts(&[self.link.as_ref(), text.as_bytes(), b"\n"]).into();
        self.lines += 1;
    }

    fn shown(&self) -> String {
        hex::encode(&self.link.0[..SHOWN])
    }
}

/// A transcript whose chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<(Line, Chain)>,
    /// Bytes of a last line that was cut off in the middle.
    torn: usize,
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Broken`] names the first line that does not follow from those above, or is none.
    pub fn read(text: &str) -> Result<Self, Broken> {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let (mut lines, mut chain) = (Vec::new(), Chain::EMPTY);
        for (number, line) in (1..).zip(text[..whole].split_terminator('\n')) {
            let (shown, text) = line.split_once("  ").ok_or(Broken::Line { number })?;
            chain.take(text);
            if chain.shown() != shown {
                return Err(Broken::Link { number });
            }
            lines.push((Line::read(text).ok_or(Broken::Line { number })?, chain));
        }
        match lines.first() {
            Some((Line::Head, _)) => Ok(Self { lines, torn: text.len() - whole }),
            _ => Err(Broken::Head),
        }
    }

    /// The lines, from 1 on, each with the chain up to and with it.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &Line, &Chain)> {
        (1..).zip(&self.lines).map(|(number, (line, chain))| (number, line, chain))
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> Chain {
        self.lines.last().map_or(Chain::EMPTY, |(_, chain)| *chain)
    }

    /// How many bytes of a line that was cut off stand at its end.
    #[must_use]
    pub const fn torn_bytes(&self) -> usize {
        self.torn
    }
}

/// Without links, as officers read it.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(line, _)| writeln!(f, "{line}"))
    }
}

/// A text that is no transcript, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It begins in another way.
    #[error("it is no transcript of a ceremony, or of another version: it does not begin as one")]
    Head,
    /// A line does not follow.
    #[error("line {number} was changed, or one above it was added or taken out: its link does not follow from the lines above")]
    Link {
        /// Which, from 1 on.
        number: usize,
    },
    /// A line is none.
    #[error("line {number} is not written as Sceau writes the lines of a transcript")]
    Line {
        /// Which, from 1 on.
        number: usize,
    },
}
