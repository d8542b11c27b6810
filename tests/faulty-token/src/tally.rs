//! What is counted of every call, and the stats file made of it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{fs, io};

use crate::function::{FUNCTIONS, Function};

/// Counters by function, since the module was loaded.
#[derive(Debug)]
pub(crate) struct Tally([Count; FUNCTIONS]);

/// Those of one function. A cache line of its own: functions are often called by several threads at once.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Count {
    /// From the application, without length queries.
    pub(crate) calls: AtomicU64,
    pub(crate) length_queries: AtomicU64,
    /// Those of both that did not reach the real module, or only to end an operation there. The others are forwarded;
    /// to count those instead would cost every call a second atomic.
    pub(crate) withheld: AtomicU64,
    /// Calls that were failed, hung, aborted, or whose answer was spoilt.
    pub(crate) faults: AtomicU64,
    /// Calls that were to wait: a delay or their turn.
    pub(crate) delayed: AtomicU64,
}

/// What the stats say beside the counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// How many scripts have come into force, the one at the start in it.
    pub(crate) generation: u64,
    /// How many were refused.
    pub(crate) errors: u64,
    pub(crate) absent: bool,
    pub(crate) sessions: usize,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }

    pub(crate) fn of(&self, function: Function) -> &Count {
        &self.0[function as usize]
    }

    /// The stats as JSON, one line a function that was called.
    pub(crate) fn to_json(&self, facts: Facts) -> String {
        let Facts { generation, errors, absent, sessions } = facts;
        let mut json = format!(
            "{{\n  \"pid\": {},\n  \"script_generation\": {generation},\n  \"script_errors\": {errors},\n  \
             \"absent\": {absent},\n  \"sessions\": {sessions},\n  \"functions\": {{",
            std::process::id()
        );
        let called = Function::ALL.iter().filter(|function| self.of(**function).was_called());
        for (index, function) in called.enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let count = self.of(*function).to_json();
            write!(json, "{separator}\n    \"{}\": {count}", function.name()).expect("a String takes everything");
        }
        json.push_str("\n  }\n}\n");
        json
    }
}

impl Count {
    fn was_called(&self) -> bool {
        self.calls.load(Relaxed) + self.length_queries.load(Relaxed) != 0
    }

    fn to_json(&self) -> String {
        let Self { calls, length_queries, withheld, faults, delayed } = self;
        let [withheld, calls, queries, faults, delayed] =
            [withheld, calls, length_queries, faults, delayed].map(|counter| counter.load(Relaxed));
        let forwarded = (calls + queries).saturating_sub(withheld);
        let reached = format!(r#""calls": {calls}, "length_queries": {queries}, "forwarded": {forwarded}"#);
        format!(r#"{{{reached}, "faults": {faults}, "delayed": {delayed}}}"#)
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Replaces the file in one step, so that who reads it reads a whole one.
///
/// # Errors
/// If it cannot be written beside where it goes, or renamed.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stats_are_json_of_what_was_called() {
        let tally = Tally::new();
        let facts = Facts { generation: 2, errors: 0, absent: true, sessions: 3 };
        let json = |tally: &Tally| serde_json::from_str::<serde_json::Value>(&tally.to_json(facts)).unwrap();
        assert_eq!(json(&tally)["functions"], serde_json::json!({}));
        for function in [Function::C_Login, Function::C_Sign] {
            count(&tally.of(function).calls);
        }
        count(&tally.of(Function::C_Sign).faults);
        count(&tally.of(Function::C_Login).withheld);
        let stats = json(&tally);
        assert_eq!(stats["script_generation"], 2);
        assert_eq!((&stats["absent"], &stats["sessions"]), (&true.into(), &3.into()));
        assert_eq!(stats["functions"].as_object().unwrap().len(), 2);
        assert_eq!(stats["functions"]["C_Sign"]["faults"], 1);
        assert_eq!(stats["functions"]["C_Login"]["forwarded"], 0);
        assert_eq!(stats["functions"]["C_Sign"]["forwarded"], 1);
    }
}
