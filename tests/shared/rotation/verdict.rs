//! What has to hold of every certificate, by the register as it stands in the end.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sceau::domain::{Digest, Dsc, Kid, NumericDate, SignatureCheck};
use sceau::encode::SignedHcert;
use sceau::service::proto::v1;

use super::Answer;
use super::load::Issued;

/// How many certificates each key signed, by the key's first instant.
pub(crate) struct Verdict {
    pub(crate) by_key: BTreeMap<Kid, usize>,
}

/// A key as the register has it.
struct Known {
    dsc: Dsc,
    check: SignatureCheck,
    published_at: NumericDate,
    from: NumericDate,
    to: NumericDate,
}

impl Verdict {
    /// Each item has a certificate, and every certificate is the key's whose kid its header has, signed in that key's window, and
    /// good under the trust list of its `iat`.
    pub(crate) fn on(answers: &[Answer], register: &v1::ShowCustodyResponse) -> Self {
        let failed: Vec<&Answer> = answers.iter().filter(|answer| answer.outcome.is_err()).collect();
        let reasons: Vec<String> = failed.iter().take(5).map(|answer| describe(answer)).collect();
        assert!(failed.is_empty(), "{} of {} items failed: {reasons:#?}", failed.len(), answers.len());
        Self::on_those_issued(answers, register)
    }

    /// The same of those that have a certificate.
    pub(crate) fn on_those_issued(answers: &[Answer], register: &v1::ShowCustodyResponse) -> Self {
        let keys: BTreeMap<Kid, Known> = register.keys.iter().filter_map(Known::of).map(|key| (key.dsc.kid(), key)).collect();
        let issued: Vec<&Issued> = answers.iter().filter_map(|answer| answer.outcome.as_ref().ok()).collect();
        let wrong: Vec<String> = issued.par_iter().filter_map(|issued| fault(issued, &keys)).collect();
        assert!(wrong.is_empty(), "{} certificates are wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        let mut by_key = BTreeMap::new();
        issued.iter().for_each(|issued| *by_key.entry(issued.kid).or_default() += 1);
        Self { by_key }
    }
}

impl Known {
    /// A key that was put in use.
    fn of(key: &v1::CustodyKey) -> Option<Self> {
        let (used, instant) = (key.r#use.as_ref()?, NumericDate::from_seconds);
        let dsc = Dsc::from_der(key.certificate.as_ref()?).unwrap();
        let (check, published_at) = (SignatureCheck::new(dsc.public_key()).unwrap(), instant(key.published_at?));
        Some(Self { dsc, check, published_at, from: instant(used.from), to: instant(used.to) })
    }
}

fn fault(issued: &Issued, keys: &BTreeMap<Kid, Known>) -> Option<String> {
    let read = match SignedHcert::decode(&issued.hc1) {
        Ok(read) => read,
        Err(error) => return Some(error.to_string()),
    };
    let (kid, iat) = (read.kid(), read.issued_at());
    if (kid, iat) != (issued.kid, issued.issued_at) {
        return Some(format!("it says {kid} and {iat}, its answer {} and {}", issued.kid, issued.issued_at));
    }
    let Some(key) = keys.get(&kid) else { return Some(format!("the register has no {kid}")) };
    if !key.check.accepts(&Digest::of(&read.sig_structure()), read.signature()) {
        return Some(format!("it is not signed by {kid}"));
    }
    if iat < key.published_at || iat < key.dsc.not_before() || read.expires_at() > key.dsc.not_after() {
        return Some(format!("{kid} was not on the trust list at {iat}"));
    }
    (iat < key.from || iat >= key.to).then(|| format!("{kid} signed at {iat}; its window is {} to {}", key.from, key.to))
}

fn describe(Answer { item_id, replica, outcome, .. }: &Answer) -> String {
    let reason = outcome.as_ref().err().map_or("", String::as_str);
    format!("item {item_id} at replica {replica}: {reason}")
}
