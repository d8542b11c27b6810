//! Where in a file: the way from its root to a value.

use std::fmt;

/// The keys and places on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Path(Vec<Step>);

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    pub(super) const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// The place that holds this one, and the last step.
    pub(super) fn split(&self) -> Option<(Self, &Step)> {
        let (last, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), last))
    }

    /// This place, the one that holds it, and so on to the root.
    pub(super) fn and_up(&self) -> impl Iterator<Item = Self> + use<> {
        let steps = self.0.clone();
        (0..=steps.len()).rev().map(move |len| Self(steps[..len].to_vec()))
    }
}

/// As its table's header is written: `[server]`, `[[token]]`, `[person.professions]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self
            .steps()
            .filter_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Index(_) => None,
            })
            .collect();
        let is_one_of_several = self.steps().any(|step| matches!(step, Step::Index(_)));
        match (keys.is_empty(), is_one_of_several) {
            (true, _) => f.write_str("the file"),
            (false, true) => write!(f, "[[{}]]", keys.join(".")),
            (false, false) => write!(f, "[{}]", keys.join(".")),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{}", index + 1),
        }
    }
}
