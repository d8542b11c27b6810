//! A script in force: what it does to a call.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::NS_PER_MS;
use crate::function::{Function, FunctionSet};
use crate::script::{Delay, Effect, Rule, Script};
use crate::shared::Counters;
use crate::when::{scrambled, unit};

/// A script with its counters.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) script: Script,
    counters: &'static Counters,
    /// Those that any rule is about.
    touched: FunctionSet,
    log: Option<File>,
}

/// What the rules say of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) fault: Option<Fault>,
    /// The whole time of the call.
    pub(crate) delay_ns: u64,
}

/// The effect of a rule on one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) effect: Effect,
    pub(crate) leave_operation: bool,
    /// From 1 on, as in the file.
    pub(crate) rule: usize,
    /// A number that is the same for the same call of the same rule.
    pub(crate) lot: u64,
}

impl Armed {
    /// Puts a script in force. Its log is beside it, unless the path is absolute.
    ///
    /// # Errors
    /// If its log cannot be opened.
    pub(crate) fn new(script: Script, folder: &Path, counters: &'static Counters) -> io::Result<Self> {
        let touched = script.rules.iter().fold(FunctionSet::default(), |set, rule| set.union(rule.functions));
        let open = |path| OpenOptions::new().append(true).create(true).open(folder.join(path));
        let log = script.log.as_ref().map(open).transpose()?;
        Ok(Self { script, counters, touched, log })
    }

    /// Asks every rule about a call, which each counts, and takes the first effect and the longest delay.
    pub(crate) fn decide(&self, function: Function, now_ns: u64) -> Verdict {
        let mut verdict = Verdict::default();
        if !self.touched.has(function) {
            return verdict;
        }
        let elapsed_ns = self.elapsed_ns(now_ns);
        for (index, rule) in self.script.rules.iter().enumerate() {
            let Some(n) = self.hit(index, rule, function, elapsed_ns) else { continue };
            let lot = scrambled(n.rotate_left(8) ^ index as u64);
            verdict.delay_ns = verdict.delay_ns.max(rule.delay.map_or(0, |delay| delay.ns(lot)));
            let (leave_operation, rule_number) = (rule.leave_operation, index + 1);
            verdict.fault = verdict.fault.or(rule.effect.map(|effect| Fault { effect, leave_operation, rule: rule_number, lot }));
        }
        verdict
    }

    /// Which of the rule's calls this is, if it is hit.
    fn hit(&self, index: usize, rule: &Rule, function: Function, elapsed_ns: u64) -> Option<u64> {
        let suits = rule.effect.is_none_or(|effect| effect.suits(function));
        if !suits || !rule.functions.has(function) || !rule.when.times.include(elapsed_ns) {
            return None;
        }
        let n = self.counters.calls[index].fetch_add(1, Relaxed) + 1;
        rule.when.hits(n).then_some(n)
    }

    /// When a signature that is asked for now may begin: each takes its turn, so many a second.
    pub(crate) fn turn_ns(&self, now_ns: u64) -> u64 {
        let Some(rate) = self.script.token.signatures_per_second else { return now_ns };
        let interval = (1e9 / rate) as u64;
        let turn = |free: u64| free.max(now_ns);
        let queue = &self.counters.queue_ns;
        let before = queue.fetch_update(Relaxed, Relaxed, |free| Some(turn(free) + interval));
        turn(before.expect("the closure always answers Some"))
    }

    /// Whether the token is absent now.
    pub(crate) fn is_absent(&self, now_ns: u64) -> bool {
        self.script.token.absent.is_some_and(|times| times.include(self.elapsed_ns(now_ns)))
    }

    fn elapsed_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.counters.began_ns.load(Relaxed))
    }

    /// Writes a fault's line: milliseconds of `CLOCK_MONOTONIC`, the process, the function, what, and by which rule.
    pub(crate) fn write_log(&self, now_ns: u64, function: Function, what: &str, rule: Option<usize>) {
        let Some(mut log) = self.log.as_ref() else { return };
        let rule = rule.map_or("token".to_owned(), |rule| format!("fault {rule}"));
        let ms = now_ns as f64 / NS_PER_MS;
        let line = format!("{ms:.3} pid {} {} {what} by {rule}\n", std::process::id(), function.name());
        let _ = log.write_all(line.as_bytes()); // in one write, which appends it whole; a full disk loses the line
    }
}

impl Delay {
    fn ns(self, lot: u64) -> u64 {
        ((self.ms + self.spread_ms * (2.0 * unit(lot) - 1.0)) * NS_PER_MS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Shelf;
    use Function::{C_Login, C_Sign, C_SignInit};

    fn armed(text: &str) -> Armed {
        let counters = Shelf::open(None).unwrap().counters(1, 1_000_000);
        Armed::new(Script::parse(text).unwrap(), Path::new(""), counters).unwrap()
    }

    #[test]
    fn a_call_that_no_rule_names_is_let_be() {
        let armed = armed("[[fault]]\nfunction = \"C_Sign\"\nresult = 0x30");
        assert_eq!(armed.decide(C_Login, 1_000_000), Verdict::default());
        assert_eq!(armed.decide(C_Sign, 1_000_000).fault.unwrap().effect, Effect::Result(0x30));
    }

    #[test]
    fn the_first_effect_and_the_longest_delay_win() {
        let armed = armed(
            r#"
            [[fault]]
            function = "C_Sign"
            delay_ms = 2
            [[fault]]
            function = "*"
            result = 0x30
            delay_ms = 7
            when = { every = 2 }
            [[fault]]
            function = "*"
            result = 0x31
            "#,
        );
        let verdict = |function| {
            let Verdict { fault, delay_ns } = armed.decide(function, 1_000_000);
            (fault.unwrap().effect, fault.unwrap().rule, delay_ns)
        };
        assert_eq!(verdict(C_Sign), (Effect::Result(0x31), 3, 2_000_000));
        assert_eq!(verdict(C_Sign), (Effect::Result(0x30), 2, 7_000_000));
        assert_eq!(verdict(C_SignInit), (Effect::Result(0x31), 3, 0));
    }

    #[test]
    fn calls_outside_a_rules_time_are_not_counted() {
        let armed = armed("[[fault]]\nfunction = \"C_Sign\"\nresult = 0x30\nwhen = { after_ms = 5, first = 1 }");
        let hit = |ms: u64| armed.decide(C_Sign, (1 + ms) * 1_000_000).fault.is_some();
        assert_eq!([0, 1, 4, 5, 6].map(hit), [false, false, false, true, false]);
    }

    #[test]
    fn all_functions_have_their_bits_flipped_where_there_are_any() {
        let armed = armed("[[fault]]\nfunction = \"*\"\naction = \"flip_bit\"");
        assert!(armed.decide(C_Sign, 0).fault.is_some() && armed.decide(C_Login, 0).fault.is_none());
    }

    #[test]
    fn a_delay_spreads_evenly_around_its_middle() {
        let armed = armed("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5\nspread_ms = 1");
        let delays: Vec<u64> = (0..10_000).map(|_| armed.decide(C_Sign, 0).delay_ns).collect();
        assert!(delays.iter().all(|ns| (4_000_000..=6_000_000).contains(ns)));
        let mean = delays.iter().sum::<u64>() / 10_000;
        assert!((4_980_000..5_020_000).contains(&mean), "{mean}");
        assert!(delays.iter().filter(|ns| **ns < 4_500_000).count().abs_diff(2_500) < 200);
    }

    #[test]
    fn signatures_take_turns() {
        let armed = armed("[token]\nsignatures_per_second = 1000");
        assert_eq!([0; 3].map(|_| armed.turn_ns(50)), [50, 1_000_050, 2_000_050]);
        assert_eq!(armed.turn_ns(9_000_000), 9_000_000); // what was not used is not saved up
    }
}
