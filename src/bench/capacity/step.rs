//! Arithmetic that is shown.

use serde::Serialize;

/// One line of arithmetic: `3,803/s / (1 - 30 %)` is 5,433/s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is found.
    pub what: String,
    /// By what, in the figures as they are shown.
    pub arithmetic: String,
    /// What it comes to; empty for a remark.
    pub result: String,
}

/// The lines that belong to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The question.
    pub title: &'static str,
    /// In the order in which they are worked out.
    pub steps: Vec<Step>,
}

impl Section {
    /// One without lines yet.
    #[must_use]
    pub const fn new(title: &'static str) -> Self {
        Self { title, steps: Vec::new() }
    }

    /// A line.
    pub fn step(&mut self, what: impl Into<String>, arithmetic: impl Into<String>, result: impl Into<String>) {
        self.steps.push(Step { what: what.into(), arithmetic: arithmetic.into(), result: result.into() });
    }

    /// What has to be known to believe the lines.
    pub fn remark(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.step(what, text, "");
    }

    /// Its lines as text, results below each other; without the title.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let worked_out = || self.steps.iter().filter(|step| !step.result.is_empty());
        let what = worked_out().map(|step| step.what.chars().count()).max().unwrap_or_default();
        let result = worked_out().map(|step| step.result.chars().count()).max().unwrap_or_default();
        let line = |step: &Step| match step.result.as_str() {
            "" => format!("{}: {}", step.what, step.arithmetic),
            found => format!("{:<what$}  {found:>result$}  = {}", step.what, step.arithmetic),
        };
        self.steps.iter().map(line).collect()
    }
}
