//! The lines of a transcript: what a person reads, and what a program reads again.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::plan::FileName;
use crate::domain::officers::{Label, OfficerPublicKey, Words};
use crate::domain::{NumericDate, Octets};

/// One line, without its link. There is one way to write it, and whatever is written otherwise is no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The first one: what this is, in which version.
    Head,
    /// The plan's title.
    Title(Words<100>),
    /// SHA-256 of the plan's file.
    Plan(Octets<32>),
    /// An officer, as the plan has them.
    Officer {
        /// The name.
        name: Label,
        /// The public half of the key.
        key: OfficerPublicKey,
    },
    /// The first step is about to be done.
    Begin(Run),
    /// It is gone on with, after a pause or a failure.
    Resume(Run),
    /// A step is about to be done.
    Step {
        /// Its place in the plan, from 1 on.
        number: usize,
        /// What it is, as the plan says it.
        what: Words<1000>,
    },
    /// Something that the step has found or made.
    Fact {
        /// What.
        name: &'static str,
        /// Its value.
        value: Words<1000>,
    },
    /// A file that was read.
    In {
        /// SHA-256 of it.
        digest: Octets<32>,
        /// Its name.
        file: FileName,
    },
    /// A file that is about to be written.
    Out {
        /// SHA-256 of it.
        digest: Octets<32>,
        /// Its name.
        file: FileName,
    },
    /// A step was done.
    Done {
        /// Its place in the plan.
        number: usize,
        /// When.
        at: NumericDate,
    },
    /// It cannot go on before something is there.
    Pause {
        /// When.
        at: NumericDate,
        /// What it waits for.
        why: Words<1000>,
    },
    /// A step failed.
    Stop {
        /// When.
        at: NumericDate,
        /// Why.
        why: Words<1000>,
    },
    /// Every step was done.
    End {
        /// When.
        at: NumericDate,
    },
    /// An officer says: I was there, and this is what was done.
    Present {
        /// Who.
        officer: Label,
        /// When.
        at: NumericDate,
        /// How many lines stand above.
        lines: usize,
        /// The whole link of the last of them.
        link: Octets<32>,
    },
    /// The officer's signature over the text of the line before.
    Signature(Octets<64>),
}

/// A program, at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it was started.
    pub at: NumericDate,
    /// Its version.
    pub version: Words<100>,
    /// SHA-256 of its file.
    pub digest: Octets<32>,
}

/// What a step can find or make.
pub const FACTS: [&str; 17] = [
    "serial",
    "token",
    "module",
    "made by",
    "sessions",
    "key",
    "public key",
    "CKA_LABEL",
    "CKA_ID",
    "attributes",
    "subject",
    "types",
    "kid",
    "valid",
    "CSCA",
    "note",
    "proof",
];

const HEAD: &str = "sceau ceremony transcript 1";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str(HEAD),
            Self::Title(title) => write!(f, "title: {title}"),
            Self::Plan(digest) => write!(f, "plan: sha256 {digest}"),
            Self::Officer { name, key } => write!(f, "officer: {name} {key}"),
            Self::Begin(run) => write!(f, "begin: {run}"),
            Self::Resume(run) => write!(f, "resume: {run}"),
            Self::Step { number, what } => write!(f, "step {number}: {what}"),
            Self::Fact { name, value } => write!(f, "  {name}: {value}"),
            Self::In { digest, file } => write!(f, "  in: sha256 {digest} {file}"),
            Self::Out { digest, file } => write!(f, "  out: sha256 {digest} {file}"),
            Self::Done { number, at } => write!(f, "done {number}: {at}"),
            Self::Pause { at, why } => write!(f, "pause: {at}, {why}"),
            Self::Stop { at, why } => write!(f, "stop: {at}, {why}"),
            Self::End { at } => write!(f, "end: {at}"),
            Self::Present { officer, at, lines, link } => {
                write!(f, "present: {officer}, {at}, signs the {lines} lines above, link {link}")
            }
            Self::Signature(signature) => write!(f, "signature: {}", STANDARD.encode(signature)),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, sceau {}, sha256 {}", self.at, self.version, self.digest)
    }
}

impl Line {
    /// Reads one; nothing where it is written in any other way than [`Line`] writes it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let line = if text == HEAD { Self::Head } else { Self::read_named(text)? };
        (line.to_string() == text).then_some(line)
    }

    fn read_named(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(": ")?;
        if let Some(fact) = name.strip_prefix("  ") {
            return Self::read_fact(fact, rest);
        }
        match name.split_once(' ') {
            Some(("step", number)) => Some(Self::Step { number: number.parse().ok()?, what: words(rest)? }),
            Some(("done", number)) => Some(Self::Done { number: number.parse().ok()?, at: instant(rest)? }),
            Some(_) => None,
            None => Self::read_plain(name, rest),
        }
    }

    fn read_fact(name: &str, rest: &str) -> Option<Self> {
        let file = || hashed(rest);
        match name {
            "in" => file().map(|(digest, file)| Self::In { digest, file }),
            "out" => file().map(|(digest, file)| Self::Out { digest, file }),
            _ => Some(Self::Fact { name: FACTS.into_iter().find(|fact| *fact == name)?, value: words(rest)? }),
        }
    }

    fn read_plain(name: &str, rest: &str) -> Option<Self> {
        let at_and_why = || rest.split_once(", ").and_then(|(at, why)| Some((instant(at)?, words(why)?)));
        match name {
            "title" => words(rest).map(Self::Title),
            "plan" => Some(Self::Plan(rest.strip_prefix("sha256 ")?.parse().ok()?)),
            "officer" => {
                let (name, key) = rest.split_once(' ')?;
                Some(Self::Officer { name: name.parse().ok()?, key: key.parse().ok()? })
            }
            "begin" => Run::read(rest).map(Self::Begin),
            "resume" => Run::read(rest).map(Self::Resume),
            "pause" => at_and_why().map(|(at, why)| Self::Pause { at, why }),
            "stop" => at_and_why().map(|(at, why)| Self::Stop { at, why }),
            "end" => instant(rest).map(|at| Self::End { at }),
            "present" => Self::read_present(rest),
            "signature" => Some(Self::Signature(Octets(STANDARD.decode(rest).ok()?.try_into().ok()?))),
            _ => None,
        }
    }

    fn read_present(rest: &str) -> Option<Self> {
        let (officer, rest) = rest.split_once(", ")?;
        let (at, rest) = rest.split_once(", signs the ")?;
        let (lines, link) = rest.split_once(" lines above, link ")?;
        let (officer, lines) = (officer.parse().ok()?, lines.parse().ok()?);
        Some(Self::Present { officer, at: instant(at)?, lines, link: link.parse().ok()? })
    }
}

impl Run {
    fn read(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once(", sceau ")?;
        let (version, digest) = rest.split_once(", sha256 ")?;
        Some(Self { at: instant(at)?, version: words(version)?, digest: digest.parse().ok()? })
    }
}

fn words<const MAX: usize>(text: &str) -> Option<Words<MAX>> {
    text.parse().ok()
}

fn instant(text: &str) -> Option<NumericDate> {
    NumericDate::from_rfc3339(text)
}

fn hashed(text: &str) -> Option<(Octets<32>, FileName)> {
    let (digest, file) = text.strip_prefix("sha256 ")?.split_once(' ')?;
    Some((digest.parse().ok()?, words(file)?))
}

/// Words for a line out of a text that may hold anything: a device's, or an error's.
#[must_use]
pub fn visible(text: &str) -> Words<1000> {
    let plain: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = |text: &str| text.chars().take(1000).collect::<String>().trim().parse().ok();
    let escaped = || plain.escape_default().collect::<String>();
    fits(&plain).or_else(|| fits(&escaped())).unwrap_or_else(|| "-".parse().expect("a hyphen is visible"))
}
