//! Checks what tokens signed of a chain.

use std::collections::VecDeque;

use super::certificate::TrustedAuditors;
use super::finding::{Flaw, Part};
use super::places::Places;
use crate::ledger::record::{Head, Link, Seal};

/// How far behind its own place a seal's head may be: 10 MiB of links are kept for that.
const FARTHEST_SEALED: usize = 256 * 1024;

/// The seals of a chain, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Seals {
    /// The last heads, in order.
    heads: VecDeque<Head>,
    count: u64,
    /// The last place that was vouched for, and when.
    last: Option<(u64, i64)>,
}

/// Why a seal vouches for nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Where something is wrong; nothing where it is the seal itself.
    pub(super) places: Option<(u64, u64)>,
    pub(super) flaw: Flaw,
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self { places: None, flaw }
    }
}

impl Seals {
    /// The chain has come so far.
    pub(super) fn pass(&mut self, head: Head) {
        if self.heads.len() == FARTHEST_SEALED {
            self.heads.pop_front();
        }
        self.heads.push_back(head);
    }

    /// The link there is this one, and not the one that its line has.
    pub(super) fn correct(&mut self, link: Link) {
        if let Some(head) = self.heads.back_mut() {
            head.link = link;
        }
    }

    pub(super) fn forget_links(&mut self) {
        self.heads = VecDeque::new();
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn last(&self) -> Option<(u64, i64)> {
        self.last
    }

    /// The first place that no seal vouches for.
    pub(super) fn unsealed_from(&self) -> u64 {
        self.last.map_or(1, |(seq, _)| seq + 1)
    }

    /// Checks a seal that stands at a place. Heads at places that were passed over cannot be judged, nor those before them.
    pub(super) fn check(
        &mut self,
        instance: &str,
        place: u64,
        seal: &Seal,
        passed: &Places,
        trusted: &TrustedAuditors,
    ) -> Result<(), Refusal> {
        let Seal { head, link, at, certificate, signature } = seal;
        if *head >= place {
            return Err(Flaw::Contradiction("the seal is of a head that comes after it").into());
        }
        let digest = Head { seq: *head, link: *link }.sealed_digest(instance, *at);
        trusted.check(certificate, &digest, &signature.0, *at).map_err(Flaw::Untrusted)?;
        if self.last.is_some_and(|(_, earlier)| *at < earlier) {
            return Err(Flaw::Contradiction("the seal says that it is older than the one before it").into());
        }
        match self.link_at(*head) {
            Some(known) if known != *link => {
                let first = self.unsealed_from().min(*head);
                return Err(Refusal { places: Some((first, *head)), flaw: Flaw::Changed(Part::Past) });
            }
            Some(_) => self.last = Some((*head, *at)),
            None if passed.is_empty() => {
                return Err(Flaw::Contradiction("the seal is of a head too far behind it to be checked").into());
            }
            // The missing places have a finding of their own.
            None => {}
        }
        self.count += 1;
        Ok(())
    }

    fn link_at(&self, seq: u64) -> Option<Link> {
        let found = self.heads.binary_search_by_key(&seq, |head| head.seq).ok()?;
        Some(self.heads[found].link)
    }
}
