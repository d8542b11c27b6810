//! A queue of requests, day by day.

use serde::Serialize;

/// Requests that come evenly, and an office that serves so many a day, first come first served.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Backlog {
    /// Requests in all.
    pub requests: u64,
    /// Served until the day on which they were counted.
    pub served: u64,
    /// Served a day.
    pub served_a_day: u64,
}

/// A day of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Day {
    /// From 1 on.
    pub number: u32,
    /// Requests that came on it.
    pub came: u64,
    /// Requests that were served on it.
    pub served: u64,
    /// Requests that wait at its end.
    pub waiting: u64,
    /// How long one that comes at its end waits, in days.
    pub delay_days: f64,
}

/// No simulation is longer: the office serves 1 a day at least, but nobody reads a century.
const LONGEST_DAYS: u32 = 36_525;

impl Backlog {
    /// 20,123 requests, 11,571 of them (57.5 %) served by 20 October 2021, at 1,100 a day.
    pub const NEW_CALEDONIA: Self = Self { requests: 20_123, served: 11_571, served_a_day: 1_100 };

    /// The days until they were counted, the last one begun: the served, at so many a day.
    #[must_use]
    pub fn days_counted(&self) -> u32 {
        u32::try_from(self.served.div_ceil(self.served_a_day.max(1))).unwrap_or(u32::MAX).max(1)
    }

    /// How it goes where so many are served a day, until nothing waits any more; requests come evenly on the days until they were
    /// counted, and then no more.
    #[must_use]
    pub fn days(&self, served_a_day: u64) -> Vec<Day> {
        let coming = self.days_counted();
        let (mut days, mut waiting, served_a_day) = (Vec::new(), 0, served_a_day.max(1));
        for number in 1..=LONGEST_DAYS {
            if number > coming && waiting == 0 {
                break;
            }
            let came = if number > coming { 0 } else { self.came_until(number) - self.came_until(number - 1) };
            let served = served_a_day.min(waiting + came);
            waiting = waiting + came - served;
            days.push(Day { number, came, served, waiting, delay_days: waiting as f64 / served_a_day as f64 });
        }
        days
    }

    /// Requests until the end of a day of those on which they come.
    fn came_until(&self, day: u32) -> u64 {
        (u128::from(self.requests) * u128::from(day) / u128::from(self.days_counted())) as u64
    }

    /// How long those that had been served when they were counted had waited in the mean, in days: half of what the last of them
    /// waited, for the queue had grown evenly.
    #[must_use]
    pub fn mean_delay_days(&self) -> f64 {
        let days = self.served as f64 / self.served_a_day as f64;
        (1.0 - self.served as f64 / self.requests as f64) * days / 2.0
    }

    /// How long the last of those that had been served had waited, in days.
    #[must_use]
    pub fn last_delay_days(&self) -> f64 {
        2.0 * self.mean_delay_days()
    }

    /// In how many seconds of work the busiest day's requests are signed at a rate.
    #[must_use]
    pub fn busiest_day_seconds(&self, per_second: f64) -> f64 {
        let busiest = self.days(u64::MAX).iter().map(|day| day.came).max().unwrap_or_default();
        busiest as f64 / per_second
    }
}
