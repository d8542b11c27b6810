//! Axes: where a value stands, and what is written beside it.

use crate::bench::figure::measured;

/// One axis of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    min: f64,
    max: f64,
    /// Value and text.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) label: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Linear,
    /// Powers of ten.
    Log,
    /// Percentiles by what is left to a hundred: 90, 99 and 99.9 lie as far from each other.
    Percentile,
}

impl Axis {
    /// From 0 to a round number that holds `max`.
    pub(super) fn linear(label: &'static str, max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = round_step(max / 4.0);
        let top = (max / step - 1e-9).ceil() * step;
        let ticks = (0..=(top / step).round() as u32).map(|index| f64::from(index) * step);
        let digits = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
        let text = |value: f64| if value >= 1_000.0 { measured(value) } else { format!("{value:.digits$}") };
        Self { scale: Scale::Linear, min: 0.0, max: top, ticks: ticks.map(|value| (value, text(value))).collect(), label }
    }

    /// From 0 to `end` and no farther.
    pub(super) fn time(label: &'static str, end: f64) -> Self {
        let mut axis = Self::linear(label, end);
        if end > 0.0 {
            axis.ticks.retain(|(value, _)| *value <= end);
            axis.max = end;
        }
        axis
    }

    /// 0 to 1, in percent.
    pub(super) fn share(label: &'static str) -> Self {
        let ticks = (0..=4u8).map(|quarter| (f64::from(quarter) / 4.0, format!("{} %", quarter * 25)));
        Self { scale: Scale::Linear, min: 0.0, max: 1.0, ticks: ticks.collect(), label }
    }

    /// Powers of ten around `min` and `max`; between them 2 and 5, where there is room.
    pub(super) fn log(label: &'static str, min: f64, max: f64) -> Self {
        let (min, max) = (min.max(1e-3), max.max(min.max(1e-3) * 1.01));
        let mut ticks: Vec<f64> = (-3..=8).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).collect();
        let from = ticks.iter().rposition(|tick| *tick <= min).unwrap_or(0);
        let to = ticks.iter().position(|tick| *tick >= max).unwrap_or(ticks.len() - 1);
        ticks = ticks[from..=to].to_vec();
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        let is_power = |tick: f64| (tick.log10() - tick.log10().round()).abs() < 1e-9;
        if ticks.len() > 8 {
            ticks.retain(|tick| is_power(*tick));
        }
        let text = |tick: f64| if tick >= 1_000.0 { measured(tick) } else { format!("{tick}") };
        let text = |tick: f64| (tick, text((tick * 1e6).round() / 1e6));
        Self { scale: Scale::Log, min: low, max: high, ticks: ticks.into_iter().map(text).collect(), label }
    }

    /// From 0 to the percentile that the last call stands for.
    pub(super) fn percentile(label: &'static str, max: f64) -> Self {
        let named = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];
        let max = max.clamp(90.0, 99.9999);
        let ticks = named.into_iter().filter(|tick| *tick <= max).map(|tick| (tick, format!("{tick} %")));
        Self { scale: Scale::Percentile, min: 0.0, max, ticks: ticks.collect(), label }
    }

    /// 0 to 1 along the axis, also for what lies beyond its ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.min).log10(),
            Scale::Percentile => -((100.0 - value.min(99.999_99)) / 100.0).log10(),
        };
        let (min, max) = (along(self.min), along(self.max));
        ((along(value) - min) / (max - min).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, not less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_the_largest_value() {
        assert_eq!(texts(&Axis::linear("", 13_700.0)), ["0", "5,000", "10,000", "15,000"]);
        assert_eq!(texts(&Axis::linear("", 20.0)), ["0", "5", "10", "15", "20"]);
        assert_eq!(texts(&Axis::linear("", 1.3)), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(texts(&Axis::linear("", 0.0)), ["0.0", "0.5", "1.0"]);
        let time = Axis::time("", 14.0);
        assert_eq!((texts(&time), time.place(14.0)), (vec!["0", "5", "10"], 1.0));
        assert_eq!(texts(&Axis::log("", 0.7, 30.0)), ["0.5", "1", "2", "5", "10", "20", "50"]);
        assert_eq!(texts(&Axis::log("", 0.02, 900.0)), ["0.1", "1", "10", "100", "1,000"]);
    }

    #[test]
    fn percentiles_lie_by_what_is_left_to_a_hundred() {
        let axis = Axis::percentile("", 99.99);
        assert_eq!(texts(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        let places = [0.0, 90.0, 99.0, 99.9, 99.99].map(|percentile| (axis.place(percentile) * 100.0).round());
        assert_eq!(places, [0.0, 25.0, 50.0, 75.0, 100.0]);
    }

    #[test]
    fn a_value_beyond_an_end_stands_at_it() {
        assert_eq!(Axis::linear("", 10.0).place(20.0), 1.0);
        assert_eq!(Axis::log("", 1.0, 10.0).place(0.0), 0.0);
        assert_eq!(Axis::percentile("", 99.9).place(100.0), 1.0);
    }
}
