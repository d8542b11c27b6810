//! Where an interrupted job goes on.
//!
//! Output and rejects stand in input order, so merging the three files line by line finds the first line that has no
//! result. What stands behind it was written past it in the last chunk before the kill; it is cut, and comes again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

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

/// The most results that a kill leaves behind the place: what one flush may hold, with room. More of them belong to another job.
const MOST_CUT: u64 = 20_000;

/// Finds the place, and cuts both files there. A job that begins has none of its files; one on pipes cannot resume.
pub(super) fn find_place(input: &Path, out: &Path, rejects: Option<&Path>) -> anyhow::Result<Place> {
    if !is_regular(out) && !rejects.is_some_and(is_regular) {
        return Ok(Place::default());
    }
    let mut signed = Results::open(Some(out))?;
    let mut refused = Results::open(rejects)?;
    if signed.next.is_none() && refused.next.is_none() {
        return Ok(Place::default());
    }
    ensure!(
        is_regular(input),
        "{} holds results already, and an input that is no file cannot be resumed; take another --out",
        out.display()
    );
    let place = merge(input, &mut signed, &mut refused, rejects.is_some())?;
    ensure!(
        place.line > 0,
        "{} does not belong to {}: its first result is not the first line's; take another --out",
        out.display(),
        input.display()
    );
    signed.cut()?;
    refused.cut()?;
    Ok(place)
}

fn merge(input: &Path, signed: &mut Results, refused: &mut Results, has_rejects: bool) -> anyhow::Result<Place> {
    let mut place = Place::default();
    let mut reader = ndjson::open(input)?;
    let mut bytes = 0;
    for line in Lines::new(&mut *reader) {
        let line = line.with_context(|| format!("cannot read {}", input.display()))?;
        bytes += line.text.as_ref().map_or(0, |text| text.len() as u64 + 1);
        let id = line.text.ok().and_then(|text| id_of(&text));
        if refused.next.as_ref().is_some_and(|next| next.line == Some(line.number)) {
            refused.advance()?;
            place.refused += 1;
        } else if id.is_some() && signed.next.as_ref().is_some_and(|next| next.id == id) {
            signed.advance()?;
            place.signed += 1;
        } else if has_rejects || signed.next.is_none() {
            break;
        } else {
            // Without a file of rejects, a line that the output passes over was refused.
            place.refused += 1;
        }
        place.line = line.number;
        place.input_bytes = bytes;
    }
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

/// One of the two files, read from its beginning.
struct Results {
    file: Option<BufReader<File>>,
    next: Option<Head>,
    /// The bytes before `next`.
    position: u64,
}

/// What a result says of itself.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    line: Option<u64>,
    #[serde(skip)]
    len: u64,
}

impl Results {
    /// Opens a file where it is one, and cuts a last line that a kill has torn.
    fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let mut results = Self { file: None, next: None, position: 0 };
        if let Some(path) = path.filter(|path| is_regular(path)) {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .with_context(|| format!("cannot open {}", path.display()))?;
            cut_torn_line(&mut file).with_context(|| format!("cannot cut the torn last line of {}", path.display()))?;
            results.file = Some(BufReader::new(file));
            results.read_next()?;
        }
        Ok(results)
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        self.position += self.next.as_ref().map_or(0, |head| head.len);
        self.read_next()
    }

    fn read_next(&mut self) -> anyhow::Result<()> {
        self.next = None;
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = String::new();
        if file.read_line(&mut line)? > 0 {
            let mut head: Head = serde_json::from_str(&line).map_err(|_| {
                anyhow::anyhow!(
                    "a line at byte {} of a results file is no result of `sceau sign`; take another --out",
                    self.position
                )
            })?;
            head.len = line.len() as u64;
            self.next = Some(head);
        }
        Ok(())
    }

    /// Cuts what stands behind the place.
    fn cut(&mut self) -> anyhow::Result<()> {
        let keep = self.position;
        let mut behind = 0;
        while self.next.is_some() {
            behind += 1;
            self.advance()?;
        }
        ensure!(
            behind <= MOST_CUT,
            "{behind} results have no line in the input; the files belong to another job, take another --out"
        );
        if let Some(file) = &self.file {
            file.get_ref().set_len(keep)?;
        }
        Ok(())
    }
}

/// Cuts everything behind the last line feed.
fn cut_torn_line(file: &mut File) -> std::io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let len = file.seek(SeekFrom::End(0))?;
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(found) = block.iter().rposition(|&byte| byte == b'\n') {
            end = start + found as u64 + 1;
            break;
        }
        end = start;
    }
    if end < len {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        _dir: tempfile::TempDir,
        input: std::path::PathBuf,
        out: std::path::PathBuf,
        rejects: std::path::PathBuf,
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
        ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"hc1\":\"HC1:\"}}\n")).collect()
    }

    fn refused(line: u64) -> String {
        format!("{{\"line\":{line},\"id\":null}}\n")
    }

    fn place(files: &Files) -> anyhow::Result<(u64, u64, u64)> {
        let place = find_place(&files.input, &files.out, Some(&files.rejects))?;
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
        assert!(place(&files).unwrap_err().to_string().contains("no result of `sceau sign`"));
        assert_eq!(std::fs::read_to_string(&files.out).unwrap(), "my notes\n");
    }

    #[test]
    fn without_a_file_of_rejects_a_line_passed_over_was_refused() {
        let files = files(&signed(&["a", "c"]), "");
        let place = find_place(&files.input, &files.out, None).unwrap();
        assert_eq!((place.line, place.signed, place.refused), (4, 2, 1));
    }
}
