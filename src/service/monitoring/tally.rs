//! What became of the items of a batch, counted once a batch.

use std::collections::BTreeMap;

use metrics::{SharedString, counter};

use super::catalogue::{DENIALS, ITEMS, REFUSALS};
use crate::domain::{CallerId, Lane, Rule};
use crate::sign::{ItemError, ItemOutcome};

/// The type of an item that was not signed: its payload may not say.
const UNKNOWN: &str = "none";

/// Items of one batch, by what became of them.
#[derive(Debug, Default)]
pub(in crate::service) struct Tally {
    items: BTreeMap<(Outcome, &'static str), u64>,
    rules: BTreeMap<Rule, u64>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Signed,
    Replayed,
    Validated,
    Refused,
    Failed,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Replayed => "replayed",
            Self::Validated => "validated",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Tally {
    /// Counts what the signer made of items.
    pub(in crate::service) fn of(outcomes: &[ItemOutcome]) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Ok(certificate) if certificate.is_replayed => tally.add(Outcome::Replayed, certificate.kind.key()),
                Ok(certificate) if certificate.signed.is_some() => tally.add(Outcome::Signed, certificate.kind.key()),
                Ok(certificate) => tally.add(Outcome::Validated, certificate.kind.key()),
                Err(ItemError::Refused(faults)) => tally.refuse(faults.iter().map(|fault| fault.rule)),
                Err(ItemError::Failed(_)) => tally.add(Outcome::Failed, UNKNOWN),
            }
        }
        tally
    }

    /// Counts an item that was refused by some rules.
    pub(in crate::service) fn refuse(&mut self, rules: impl Iterator<Item = Rule>) {
        self.add(Outcome::Refused, UNKNOWN);
        rules.for_each(|rule| *self.rules.entry(rule).or_default() += 1);
    }

    fn add(&mut self, outcome: Outcome, kind: &'static str) {
        *self.items.entry((outcome, kind)).or_default() += 1;
    }

    /// Logs the items that their caller, or the person behind it, may not have signed: once a batch, by rule.
    pub(in crate::service) fn log_denials(&self, caller: &CallerId) {
        for rule in [Rule::CallerTypes, Rule::PersonTypes] {
            if let Some(items) = self.rules.get(&rule) {
                tracing::warn!(caller = caller.as_str(), rule = rule.name(), items, "items refused");
            }
        }
    }

    /// Puts it into the metrics. The name of a profile is copied once a batch.
    pub(in crate::service) fn record(self, profile: &str, lane: Lane) {
        let profile = SharedString::from_owned(profile.to_owned());
        for ((outcome, kind), items) in self.items {
            let labels = [
                ("profile", profile.clone()),
                ("type", kind.into()),
                ("lane", lane.name().into()),
                ("outcome", outcome.name().into()),
            ];
            counter!(ITEMS, &labels).increment(items);
        }
        for (rule, faults) in self.rules {
            counter!(REFUSALS, "rule" => rule.name()).increment(faults);
        }
    }
}

/// Counts a call that its caller may not make; the rules are few, and ours.
pub(in crate::service) fn denied(rule: &str) {
    let rule = if rule.is_empty() { "none" } else { rule };
    counter!(DENIALS, "rule" => rule.to_owned()).increment(1);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::domain::{CertificateType, Fault, Faults, Kid, NumericDate};
    use crate::sign::{Certificate, SignFailure};

    fn certificate(is_replayed: bool) -> Certificate {
        let at = NumericDate::from_seconds(0);
        let (uvci, kind, kid) = (String::new(), CertificateType::Test, Kid::from([1; 8]));
        Certificate { signed: None, uvci, kind, kid, issued_at: at, expires_at: at, is_replayed }
    }

    #[test]
    fn a_batch_is_counted_by_outcome_and_its_faults_by_rule() {
        let fault = || Fault::new("$", Rule::ExpiresAt, "late");
        let two_faults = Faults::from_list(vec![fault(), Fault::new("$", Rule::DscAvailable, "none")]).unwrap();
        let outcomes = [
            Err(ItemError::Refused(Faults::from(fault()))),
            Err(ItemError::Refused(two_faults)),
            Err(ItemError::Failed(SignFailure::Timeout)),
            Ok(certificate(true)),
            Ok(certificate(false)),
        ];
        let mut tally = Tally::of(&outcomes);
        tally.refuse(std::iter::once(Rule::ItemIdForm));
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || tally.record("fr", Lane::Bulk));
        let text = recorder.handle().render();
        for line in [
            r#"sceau_items_total{profile="fr",type="none",lane="bulk",outcome="refused"} 3"#,
            r#"sceau_items_total{profile="fr",type="none",lane="bulk",outcome="failed"} 1"#,
            r#"sceau_items_total{profile="fr",type="t",lane="bulk",outcome="replayed"} 1"#,
            r#"sceau_items_total{profile="fr",type="t",lane="bulk",outcome="validated"} 1"#,
            r#"sceau_refusals_total{rule="expires_at.range"} 2"#,
            r#"sceau_refusals_total{rule="dsc.available"} 1"#,
            r#"sceau_refusals_total{rule="item_id.form"} 1"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
