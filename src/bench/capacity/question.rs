//! What is asked of a plan.

use std::time::Duration;

use serde::Serialize;

use crate::bench::figure;

/// A peak, and what it is to be served with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Certificates in all, of the bulk lane.
    pub certificates: u64,
    /// In which they are to be signed.
    pub within: Duration,
    /// The busy hour's rate in the mean's: 1 for a job that runs evenly, 4 where people ask by day.
    pub peak: f64,
    /// Single certificates a second at the same time, for which somebody waits.
    pub interactive_per_second: f64,
    /// The share of the capacity that stays free at the peak: 0 to 0.9.
    pub headroom: f64,
    /// So many tokens and so many replicas may fail at the same time.
    pub spares: u32,
    /// What signs.
    pub token: TokenKind,
    /// Cores of a replica's machine that are Sceau's, token workers included.
    pub cores_a_replica: u32,
}

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TokenKind {
    /// A device, in the machine or on the network.
    Device {
        /// The most signatures a second of one, whatever the sessions; absent: what its sessions allow.
        most_per_second: Option<f64>,
        /// Of one signature, as a session sees it.
        latency: Duration,
        /// The most sessions that sign at the same time; absent: what its rate takes.
        most_sessions: Option<u32>,
    },
    /// A library that computes on this machine, like SoftHSM.
    Local,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Impossible {
    /// A figure is out of its range.
    #[error("{what} is {given}; it is {right}")]
    Range {
        /// Of what.
        what: &'static str,
        /// As given.
        given: String,
        /// What would be right.
        right: &'static str,
    },
    /// The busy hour would hold more than there is.
    #[error(
        "a busy hour of {peak} times the mean in {within} would hold more than all certificates; the factor is {most} at most, \
         1 for a job that runs evenly"
    )]
    Peak {
        /// As given.
        peak: String,
        /// As given.
        within: String,
        /// The largest that fits.
        most: String,
    },
    /// Neither says how fast the device is.
    #[error("a device needs a rate or a number of sessions; give the most signatures a second of one token, or its sessions")]
    NoRate,
}

/// The most of anything that is asked for; above it is a slip of the pen, and no arithmetic overflows below.
const MOST: f64 = 1e12;
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Question {
    /// # Errors
    /// [`Impossible`].
    pub fn check(&self) -> Result<(), Impossible> {
        range(self.certificates as f64, 1.0..=MOST, "the number of certificates", "1 to 1,000,000,000,000")?;
        if !(Duration::from_secs(1)..=LONGEST).contains(&self.within) {
            let given = figure::time(self.within);
            return Err(Impossible::Range { what: "the time", given, right: "1 s to 100 years, like 72h or 5d" });
        }
        range(self.interactive_per_second, 0.0..=1e9, "the interactive rate", "0 to 1,000,000,000 a second")?;
        range(self.peak, 1.0..=1e6, "the busy hour's factor", "1 or more: the busy hour's rate in the mean's")?;
        let hours = (self.within.as_secs_f64() / 3_600.0).max(1.0);
        if self.peak > hours * (1.0 + 1e-9) {
            let (peak, within, most) = (figure::number(self.peak), figure::time(self.within), figure::number(hours));
            return Err(Impossible::Peak { peak, within, most });
        }
        range(self.headroom, 0.0..=0.9, "the headroom", "0 % to 90 % of the capacity")?;
        range(f64::from(self.spares), 0.0..=100.0, "the number of spares", "0 to 100")?;
        range(f64::from(self.cores_a_replica), 1.0..=1_024.0, "the cores of a replica", "1 to 1,024")?;
        self.token.check()
    }
}

impl TokenKind {
    fn check(&self) -> Result<(), Impossible> {
        let Self::Device { most_per_second, latency, most_sessions } = *self else { return Ok(()) };
        if let Some(rate) = most_per_second {
            range(rate, 0.01..=1e9, "the token's rate", "0.01 to 1,000,000,000 signatures a second")?;
        }
        if let Some(sessions) = most_sessions {
            range(f64::from(sessions), 1.0..=100_000.0, "the token's sessions", "1 to 100,000")?;
        }
        if !(Duration::from_micros(1)..=Duration::from_secs(60)).contains(&latency) {
            let given = figure::time(latency);
            return Err(Impossible::Range {
                what: "the token's latency",
                given,
                right: "1us to 60s, like 5ms, of one signature",
            });
        }
        if let (Some(rate), None) = (most_per_second, most_sessions) {
            range(
                rate * latency.as_secs_f64(),
                0.0..=100_000.0,
                "the token's rate times its latency, its sessions,",
                "100,000 at most",
            )?;
        }
        if most_per_second.is_none() && most_sessions.is_none() {
            return Err(Impossible::NoRate);
        }
        Ok(())
    }
}

/// NaN is in no range.
pub(super) fn range(
    given: f64,
    range: std::ops::RangeInclusive<f64>,
    what: &'static str,
    right: &'static str,
) -> Result<(), Impossible> {
    if range.contains(&given) {
        return Ok(());
    }
    Err(Impossible::Range { what, given: figure::number(given), right })
}
