//! Where an interrupted job goes on.
//!
//! Output and rejects stand in input order, so merging the three files line by line finds the first line that has no
//! result. What stands behind it was written past it in the last chunk before the kill; it is cut, and comes again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cli::ndjson::{self, Lines};

/// Where to go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The last input line that has its result.
    pub(super) line: u64,
    /// The bytes of input up to there.
    pub(super) input_bytes: u64,
    /// Results of earlier runs.
    pub(super) signed: u64,
    pub(super) refused: u64,
}

/// The most results that a kill leaves behind the place: what one flush may hold, with room. More of them are never cut.
const MOST_CUT: u64 = 20_000;

/// Finds the place, and cuts both files there. A job that begins has none of its files; one on pipes cannot resume.
///
/// Nothing is cut before every line of both files is known to be this job's: a result of `sceau sign` for a line of the input.
pub(super) fn find_place(input: &Path, out: &Path, rejects: Option<&Path>, validate_only: bool) -> anyhow::Result<Place> {
    let mut signed = Results::open(Some(out), if validate_only { Kind::Checked } else { Kind::Signed })?;
    let mut refused = Results::open(rejects, Kind::Refused)?;
    if signed.next.is_none() && refused.next.is_none() {
        signed.cut()?;
        refused.cut()?;
        return Ok(Place::default());
    }
    ensure!(
        is_regular(input),
        "{} holds results already, and an input that is no file cannot be resumed; take another --out",
        out.display()
    );
    let place = merge(input, &mut signed, &mut refused, rejects.is_some())?;
    let foreign = [&signed, &refused].into_iter().find(|results| results.next.is_some());
    if let Some(results) = foreign {
        bail!(
            "{} does not belong to {}: its result at byte {} is not of a line there; take another --out and --rejects",
            results.path.display(),
            input.display(),
            results.position
        );
    }
    signed.cut()?;
    refused.cut()?;
    Ok(place)
}

/// Goes through the input as far as the results reach; what they hold behind the first line without one is not kept.
fn merge(input: &Path, signed: &mut Results, refused: &mut Results, has_rejects: bool) -> anyhow::Result<Place> {
    let mut place = Place::default();
    let mut reader = ndjson::open(input)?;
    let (mut bytes, mut behind, mut is_whole) = (0, 0, true);
    for line in Lines::new(&mut *reader) {
        if signed.next.is_none() && refused.next.is_none() {
            break;
        }
        let line = line.with_context(|| format!("cannot read {}", input.display()))?;
        bytes += line.text.as_ref().map_or(0, |text| text.len() as u64 + 1);
        let id = line.text.ok().and_then(|text| id_of(&text));
        let is_refused = refused.next.as_ref().is_some_and(|next| next.line == Some(line.number));
        let is_signed = !is_refused && id.is_some() && signed.next.as_ref().is_some_and(|next| next.id == id);
        if is_refused {
            refused.advance()?;
        } else if is_signed {
            signed.advance()?;
        }
        // Without a file of rejects, a line that the output passes over was refused.
        is_whole &= is_refused || is_signed || !has_rejects;
        if is_whole {
            place.signed += u64::from(is_signed);
            place.refused += u64::from(!is_signed);
            (place.line, place.input_bytes) = (line.number, bytes);
            (signed.keep, refused.keep) = (signed.position, refused.position);
        } else {
            behind += u64::from(is_refused || is_signed);
        }
    }
    ensure!(
        behind <= MOST_CUT,
        "line {} has no result and {behind} lines behind it have one; is --rejects the file of the run before? else take another --out",
        place.line + 1
    );
    Ok(place)
}

fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

#[derive(Deserialize)]
struct IdOnly {
    id: Option<String>,
}

fn id_of(text: &str) -> Option<String> {
    serde_json::from_str::<IdOnly>(text).ok()?.id
}

/// Which of the two files, and how its lines begin.
#[derive(Clone, Copy)]
enum Kind {
    Signed,
    /// With `--validate-only`: as [`Self::Signed`], without `hc1`.
    Checked,
    Refused,
}

impl Kind {
    const fn beginning(self) -> &'static [u8] {
        match self {
            Self::Signed | Self::Checked => br#"{"id":"#,
            Self::Refused => br#"{"line":"#,
        }
    }
}

/// One of the two files, read from its beginning.
struct Results {
    path: PathBuf,
    kind: Kind,
    file: Option<BufReader<File>>,
    next: Option<Head>,
    /// The bytes before `next`.
    position: u64,
    /// The bytes that stay.
    keep: u64,
}

/// What a result says of itself.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    line: Option<u64>,
    uvci: Option<IgnoredAny>,
    hc1: Option<IgnoredAny>,
    #[serde(skip)]
    len: u64,
}

impl Results {
    /// Opens a file where it is one.
    fn open(path: Option<&Path>, kind: Kind) -> anyhow::Result<Self> {
        let path = path.unwrap_or(Path::new("-")).to_owned();
        let mut results = Self { path, kind, file: None, next: None, position: 0, keep: 0 };
        if results.path != Path::new("-") && is_regular(&results.path) {
            let file = OpenOptions::new().read(true).write(true).open(&results.path);
            let file = file.with_context(|| format!("cannot open {}", results.path.display()))?;
            results.file = Some(BufReader::new(file));
            results.read_next()?;
        }
        Ok(results)
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        self.position += self.next.as_ref().map_or(0, |head| head.len);
        self.read_next()
    }

    /// Reads a result; a last line that a kill has torn is none, and lies behind what is kept.
    fn read_next(&mut self) -> anyhow::Result<()> {
        self.next = None;
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = Vec::new();
        let read = file.take(MOST_LINE_BYTES).read_until(b'\n', &mut line);
        read.with_context(|| format!("cannot read {}", self.path.display()))?;
        if line.last() == Some(&b'\n') {
            self.next = Some(self.head(&line).ok_or_else(|| self.foreign())?);
        } else if !is_torn(&line, self.kind.beginning()) {
            return Err(self.foreign());
        }
        Ok(())
    }

    fn head(&self, line: &[u8]) -> Option<Head> {
        let head: Head = serde_json::from_slice(line).ok()?;
        let is_result = match self.kind {
            Kind::Signed => head.id.is_some() && head.uvci.is_some() && head.hc1.is_some(),
            Kind::Checked => head.id.is_some() && head.uvci.is_some() && head.hc1.is_none(),
            Kind::Refused => head.line.is_some(),
        };
        is_result.then_some(Head { len: line.len() as u64, ..head })
    }

    fn foreign(&self) -> anyhow::Error {
        anyhow!(
            "the line at byte {} of {} is no result of this kind of run of `sceau sign`; take another --out or --rejects",
            self.position,
            self.path.display()
        )
    }

    /// Cuts what stands behind the place.
    fn cut(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.get_ref().set_len(self.keep).with_context(|| format!("cannot cut {}", self.path.display()))
    }
}

/// More than any result has: a foreign file without line feeds is not read whole.
const MOST_LINE_BYTES: u64 = 1024 * 1024;

/// Whether a kill can have left this of a line that begins so.
fn is_torn(line: &[u8], beginning: &[u8]) -> bool {
    let len = line.len().min(beginning.len());
    line[..len] == beginning[..len] && (line.len() as u64) < MOST_LINE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        _dir: tempfile::TempDir,
        input: PathBuf,
        out: PathBuf,
        rejects: PathBuf,
    }

    /// Input a, b, c, d; the results as given.
    fn files(out: &str, rejects: &str) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let input = file("in", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n");
        let (out, rejects) = (file("out", out), file("rejects", rejects));
        Files { _dir: dir, input, out, rejects }
    }

    fn signed(ids: &[&str]) -> String {
        ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"uvci\":\"\",\"hc1\":\"HC1:\"}}\n")).collect()
    }

    fn refused(line: u64) -> String {
        format!("{{\"line\":{line},\"id\":null}}\n")
    }

    fn place(files: &Files) -> anyhow::Result<(u64, u64, u64)> {
        let place = find_place(&files.input, &files.out, Some(&files.rejects), false)?;
        Ok((place.line, place.signed, place.refused))
    }

    #[test]
    fn a_job_that_begins_begins_at_the_beginning() {
        assert_eq!(place(&files("", "")).unwrap(), (0, 0, 0));
    }

    #[test]
    fn the_place_is_behind_the_last_line_with_a_result() {
        assert_eq!(place(&files(&signed(&["a", "c"]), &refused(2))).unwrap(), (4, 2, 1));
        assert_eq!(place(&files(&signed(&["a", "b", "c", "d"]), "")).unwrap(), (5, 4, 0));
    }

    #[test]
    fn a_torn_last_line_is_cut() {
        let files = files(&(signed(&["a"]) + "{\"id\":\"b\",\"hc"), "{\"li");
        assert_eq!(place(&files).unwrap(), (1, 1, 0));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), signed(&["a"]));
        assert_eq!(std::fs::read_to_string(&files.rejects).unwrap(), "");
    }

    #[test]
    fn results_behind_a_line_without_one_are_cut() {
        let files = files(&signed(&["a", "d"]), &refused(4));
        assert_eq!(place(&files).unwrap(), (1, 1, 0));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), signed(&["a"]));
        assert_eq!(std::fs::read_to_string(&files.rejects).unwrap(), "");
    }

    #[test]
    fn another_jobs_output_is_refused_and_left_alone() {
        let files = files(&signed(&["x"]), "");
        assert!(place(&files).unwrap_err().to_string().contains("does not belong to"));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), signed(&["x"]));
    }

    #[test]
    fn a_file_that_is_no_result_is_refused_and_left_alone() {
        let files = files("my notes\n", "");
        assert!(place(&files).unwrap_err().to_string().contains("no result of"));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), "my notes\n");
    }

    #[test]
    fn another_jobs_output_is_left_alone_without_a_file_of_rejects_too() {
        let files = files(&signed(&["x", "y"]), "");
        assert!(find_place(&files.input, &files.out, None, false).unwrap_err().to_string().contains("does not belong to"));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), signed(&["x", "y"]));
    }

    #[test]
    fn results_of_another_job_behind_one_of_this_are_left_alone() {
        let files = files(&signed(&["a", "x"]), "");
        assert!(place(&files).is_err());
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), signed(&["a", "x"]));
    }

    #[test]
    fn a_foreign_file_without_a_line_feed_is_left_alone() {
        for text in ["precious", "{\"id\":\"a\"}\nprecious"] {
            let files = files(text, "");
            assert!(place(&files).unwrap_err().to_string().contains("no result of"));
            assert_eq!(std::fs::read_to_string(&files.out).unwrap(), text);
        }
    }

    #[test]
    fn payloads_in_the_place_of_the_output_are_left_alone() {
        let files = files("{\"id\":\"a\",\"payload\":{}}\n", "");
        assert!(place(&files).is_err());
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), "{\"id\":\"a\",\"payload\":{}}\n");
    }

    #[test]
    fn without_a_file_of_rejects_a_line_passed_over_was_refused() {
        let files = files(&signed(&["a", "c"]), "");
        let place = find_place(&files.input, &files.out, None, false).unwrap();
        assert_eq!((place.line, place.signed, place.refused), (4, 2, 1));
    }
}
