//! `[custody]`: the officers that begin, and how many of them have to agree.

use std::time::Duration;

use super::check::Check;
use super::file::CustodySection;
use crate::domain::officers::{Officer, Roster};

/// How keys change hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodySettings {
    /// The roster that custody begins with. Later ones stand in the custody chain, each signed under the one before.
    pub first_roster: Roster,
    /// How long a change takes to reach every replica: no key switches sooner than that, and a replica that has not read the
    /// custody chain for so long signs nothing.
    pub lead: Duration,
}

/// An officer decides in days, not in months.
const LONGEST_VALIDITY_HOURS: u32 = 30 * 24;

/// The register is asked for anew each third of it.
const LEAD_SECONDS: std::ops::RangeInclusive<u32> = 1..=3_600;

impl Check<'_> {
    pub(super) fn custody(&mut self, section: CustodySection) -> Option<CustodySettings> {
        let lead = self.lead(section.lead_seconds);
        let first_roster = self.first_roster(section)?;
        Some(CustodySettings { first_roster, lead })
    }

    pub(super) fn first_roster(&mut self, section: CustodySection) -> Option<Roster> {
        if !(1..=LONGEST_VALIDITY_HOURS).contains(&section.valid_hours) {
            let hours = section.valid_hours;
            self.problem(format!(
                "custody.valid_hours is {hours}; it is 1 to {LONGEST_VALIDITY_HOURS}, and 24 is right for most"
            ));
            return None;
        }
        let officers = section.officers.into_iter().map(|officer| Officer { name: officer.name, key: officer.key }).collect();
        let roster = Roster::new(officers, section.approvals, section.valid_hours * 3_600);
        roster.map_err(|error| self.problem(format!("[custody]: {error}"))).ok()
    }

    fn lead(&mut self, seconds: u32) -> Duration {
        if !LEAD_SECONDS.contains(&seconds) {
            let (least, most) = (LEAD_SECONDS.start(), LEAD_SECONDS.end());
            self.problem(format!("custody.lead_seconds is {seconds}; it is {least} to {most}, and 1 is right for most"));
        }
        Duration::from_secs(seconds.into())
    }
}
