//! The rates that are needed.

use serde::Serialize;

use super::question::Question;
use super::step::Section;
use crate::bench::figure::{count, number, percent, rate};

/// Certificates a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// In the mean of the whole time.
    pub mean_per_second: f64,
    /// In the busy hour.
    pub busy_per_second: f64,
    /// Single ones at the same time.
    pub interactive_per_second: f64,
    /// The busy hour with those: what has to be signed.
    pub peak_per_second: f64,
    /// What has to be there so that the headroom stays free at the peak.
    pub capacity_per_second: f64,
}

impl Demand {
    pub(super) fn of(question: &Question) -> (Self, Section) {
        let seconds = question.within.as_secs_f64();
        let mean = question.certificates as f64 / seconds;
        let busy = mean * question.peak;
        let peak = busy + question.interactive_per_second;
        let capacity = peak / (1.0 - question.headroom);
        let demand = Self {
            mean_per_second: mean,
            busy_per_second: busy,
            interactive_per_second: question.interactive_per_second,
            peak_per_second: peak,
            capacity_per_second: capacity,
        };
        let mut section = Section::new("How many a second?");
        section.step("mean", format!("{} certificates / {} s", count(question.certificates), number(seconds)), rate(mean));
        section.step("busy hour", format!("{} x {}", rate(mean), number(question.peak)), rate(busy));
        section.step("with interactive ones", format!("{} + {}", rate(busy), rate(question.interactive_per_second)), rate(peak));
        let free = percent(question.headroom);
        section.step("capacity, so that headroom stays free", format!("{} / (1 - {free})", rate(peak)), rate(capacity));
        (demand, section)
    }
}
