//! The form of a file: which keys there are and of what type, with every fault in it at once.
//!
//! The sections are what serde says of them (`file.rs`), and nothing else knows the keys. What is wrong is noted and left out,
//! what is missing is made up, and the reading begins again, until nothing more is wrong: so no fault hides another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use super::form_error::{FormError, Wrong};
use super::form_node::Node;
use super::path::{Path, Step};

/// What stands for a missing text, until the file has the text itself. The second is for an address, the third for a URL.
pub(super) const MADE_UP: [&str; 3] = ["made-up-for-a-missing-key", "127.0.0.1:0", "http://127.0.0.1"];

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Form<T> {
    /// The sections, with what is wrong left out and what is missing made up; nothing where even that makes no file.
    pub(super) file: Option<T>,
    /// What is wrong, in the order of the lines.
    pub(super) problems: Vec<Problem>,
    made_up: Vec<MadeUp>,
}

/// A value that the file lacks.
#[derive(Debug)]
struct MadeUp {
    key: String,
    /// The `name` of its table, where it has one.
    table: Option<String>,
}

impl<T: DeserializeOwned> Form<T> {
    /// Reads a text. Where it is no TOML, that alone is told: what the rest means is then anybody's guess.
    pub(super) fn read(text: &str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| {
                Problem::new(error.span().map(|span| line_of(text, span.start)), error.message().to_owned())
            };
            let mut problems: Vec<Problem> = errors.iter().map(problem).collect();
            problems.sort_by_key(|problem| problem.line);
            return Self { file: None, problems, made_up: Vec::new() };
        }
        let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
        let mut reading = Reading::new(text, &root);
        let file = reading.read_on();
        Self { file, made_up: reading.made_up(), problems: reading.problems() }
    }
}

impl<T> Form<T> {
    /// Whether a problem that a check found is about a value that was made up here.
    pub(super) fn explains(&self, problem: &str) -> bool {
        let is_about = |made_up: &MadeUp| {
            let names = |name: &String| problem.contains(&format!("{name:?}")) && problem.contains(&made_up.key);
            made_up.table.as_ref().is_some_and(names)
        };
        problem.contains(MADE_UP[0]) || self.made_up.iter().any(is_about)
    }
}

/// What is known after some readings.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    text: &'t str,
    root: &'t Spanned<DeValue<'t>>,
    /// Left out: wrong, and told.
    left_out: BTreeSet<Path>,
    /// Made up, with the number of the text that stands for it.
    made_up: HashMap<Path, usize>,
    problems: Vec<(usize, Problem)>,
    /// Keys that nobody knows; each reading comes by them again.
    unknown: RefCell<BTreeMap<usize, Problem>>,
}

impl<'t> Reading<'t> {
    fn new(text: &'t str, root: &'t Spanned<DeValue<'t>>) -> Self {
        Self { text, root, left_out: BTreeSet::new(), made_up: HashMap::new(), problems: Vec::new(), unknown: RefCell::default() }
    }

    /// Reads until it is a file. Each time one more place is left out or made up, so it ends.
    fn read_on<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            match T::deserialize(Node::root(self)) {
                Ok(file) => return Some(file),
                Err(FormError { wrong: Wrong::Missing(key), at }) => self.make_up(at.unwrap_or_default(), key),
                Err(FormError { wrong, at }) => self.leave_out(at.unwrap_or_default(), &wrong)?,
            }
        }
    }

    fn make_up(&mut self, table: Path, key: &str) {
        let place = table.with(Step::Key(key.to_owned()));
        // A key of the wrong type has been told of, and so has the table that is not there.
        if !self.left_out.contains(&place) && !self.is_made_up(&table) {
            if table.is_root() {
                self.problems.push((usize::MAX, Problem::new(None, format!("the section [{key}] is missing; it is required"))));
            } else {
                self.tell(self.position(&table), format!("the key `{key}` is missing in {table}; it is required"));
            }
        }
        self.made_up.insert(place, 0);
    }

    /// Nothing where there is nothing to leave out.
    fn leave_out(&mut self, place: Path, wrong: &Wrong) -> Option<()> {
        let Some(made_up) = place.and_up().find(|place| self.made_up.contains_key(place)) else {
            let (table, key) = place.split()?;
            self.tell(self.position(&place), wrong.text(key, &table));
            self.left_out.insert(place);
            return Some(());
        };
        let number = self.made_up.get_mut(&made_up)?;
        *number += 1;
        if *number >= MADE_UP.len() {
            // Nothing can stand for it: its table goes, where it is one of several.
            let table = made_up.and_up().find(|place| matches!(place.split(), Some((_, Step::Index(_)))))?;
            self.made_up.remove(&made_up);
            self.left_out.insert(table);
        }
        Some(())
    }

    /// A key that its table does not know.
    pub(super) fn tell_unknown(&self, table: &Path, key: &Spanned<std::borrow::Cow<'_, str>>, known: &[&str]) {
        let name: &str = key.get_ref();
        let near = nearest(name, known);
        let text = match (table.is_root(), near) {
            (true, None) => format!("unknown section [{name}]"),
            (true, Some(near)) => format!("unknown section [{name}]; did you mean [{near}]?"),
            (false, None) => format!("unknown key `{name}` in {table}"),
            (false, Some(near)) => format!("unknown key `{name}` in {table}; did you mean `{near}`?"),
        };
        let problem = Problem::new(Some(line_of(self.text, key.span().start)), text);
        self.unknown.borrow_mut().insert(key.span().start, problem);
    }

    pub(super) const fn root(&self) -> &'t Spanned<DeValue<'t>> {
        self.root
    }

    pub(super) fn is_left_out(&self, place: &Path) -> bool {
        self.left_out.contains(place)
    }

    /// Which text stands for a value that the file lacks.
    pub(super) fn stand_in(&self, place: &Path) -> Option<&'static str> {
        self.made_up.get(place).and_then(|number| MADE_UP.get(*number).copied())
    }

    /// The keys of a table that are made up.
    pub(super) fn made_up_in(&self, table: &Path) -> Vec<String> {
        let key = |place: &Path| match place.split() {
            Some((parent, Step::Key(key))) if parent == *table => Some(key.clone()),
            _ => None,
        };
        self.made_up.keys().filter_map(key).collect()
    }

    fn is_made_up(&self, place: &Path) -> bool {
        place.and_up().any(|place| self.made_up.contains_key(&place))
    }

    /// Where a place is in the text; where it is absent, its table.
    fn position(&self, place: &Path) -> usize {
        place.and_up().find_map(|place| find(self.root, &place)).map_or(0, |found| found.span().start)
    }

    fn tell(&mut self, at: usize, text: String) {
        self.problems.push((at, Problem::new(Some(line_of(self.text, at)), text)));
    }

    fn made_up(&self) -> Vec<MadeUp> {
        let made_up = |place: &Path| {
            let (table, key) = place.split()?;
            let name = find(self.root, &table.with(Step::Key("name".to_owned()))).and_then(|name| name.get_ref().as_str());
            Some(MadeUp { key: key.to_string(), table: name.map(str::to_owned) })
        };
        self.made_up.keys().filter_map(made_up).collect()
    }

    fn problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.extend(self.unknown.into_inner());
        problems.sort_by_key(|(at, _)| *at);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

fn find<'t>(from: &'t Spanned<DeValue<'t>>, place: &Path) -> Option<&'t Spanned<DeValue<'t>>> {
    place.steps().try_fold(from, |value, step| match (step, value.get_ref()) {
        (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str()),
        (Step::Index(index), DeValue::Array(array)) => array.get(*index),
        _ => None,
    })
}

/// The known name that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) > 0.8).then_some(nearest)
}

/// Lines count from 1.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|byte| *byte == b'\n').count()
}
