//! What a caller may have signed in a second, and in a day.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};

use super::caller::CallerSettings;
use crate::domain::NumericDate;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What a caller has used up. Items count when they are asked for, signed or not.
#[derive(Debug)]
pub(crate) struct Quota {
    a_second: Option<(NonZeroU32, DefaultDirectRateLimiter)>,
    a_day: Option<NonZeroU32>,
    clock: DefaultClock,
    today: Mutex<Today>,
}

/// Items of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Today {
    /// Days since 1970-01-01.
    pub(crate) day: i64,
    pub(crate) items: u64,
}

/// A bound that is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What it says.
    pub(crate) message: String,
    /// When as much may be asked again.
    pub(crate) come_again: Duration,
    /// Whether the same batch may then be taken: one that is larger than a second's items, or a day's, never is.
    pub(crate) fits_then: bool,
}

impl Spent {
    fn never(rule: &'static str, most: NonZeroU32, time: &str, items: usize) -> Self {
        let message =
            format!("this caller has {most} items {time}, so a batch of it has at most {most}, and this one has {items}");
        Self { rule, message, come_again: Duration::ZERO, fits_then: false }
    }
}

impl Quota {
    /// The quota of a caller's settings; with what was used up under the same bounds.
    pub(super) fn succeeding(before: Option<&Arc<Self>>, settings: &CallerSettings) -> Arc<Self> {
        if let Some(before) = before
            && before.a_day == settings.items_per_day
            && before.a_second.as_ref().map(|(rate, _)| *rate) == settings.items_per_second
        {
            return Arc::clone(before);
        }
        let limiter = |rate: NonZeroU32| (rate, RateLimiter::direct(governor::Quota::per_second(rate)));
        let today = before.map_or_else(Today::default, |before| before.used());
        Arc::new(Self {
            a_second: settings.items_per_second.map(limiter),
            a_day: settings.items_per_day,
            clock: DefaultClock::default(),
            today: Mutex::new(today),
        })
    }

    /// Takes items from what is left, or says when to come again.
    pub(crate) fn take(&self, items: usize, now: NumericDate) -> Result<(), Spent> {
        let Some(count) = u32::try_from(items).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now.seconds().div_euclid(SECONDS_OF_A_DAY);
        if today.day != day {
            *today = Today { day, items: 0 };
        }
        if let Some(a_day) = self.a_day
            && count > a_day
        {
            return Err(Spent::never("caller.items_per_day", a_day, "a day", items));
        }
        if let Some(a_day) = self.a_day
            && today.items + u64::from(count.get()) > u64::from(a_day.get())
        {
            let left = u64::from(a_day.get()).saturating_sub(today.items);
            let until_midnight = SECONDS_OF_A_DAY - now.seconds().rem_euclid(SECONDS_OF_A_DAY);
            return Err(Spent {
                rule: "caller.items_per_day",
                message: format!("this caller has {a_day} items a day (UTC), {left} are left today and the batch has {items}"),
                come_again: Duration::from_secs(until_midnight.unsigned_abs()),
                fits_then: true,
            });
        }
        self.take_second(count)?;
        today.items += u64::from(count.get());
        Ok(())
    }

    fn take_second(&self, items: NonZeroU32) -> Result<(), Spent> {
        let Some((rate, limiter)) = &self.a_second else { return Ok(()) };
        match limiter.check_n(items) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(denied)) => Err(Spent {
                rule: "caller.items_per_second",
                message: format!("this caller has {rate} items a second, and the batch has {items}"),
                come_again: denied.wait_time_from(self.clock.now()),
                fits_then: true,
            }),
            Err(_) => Err(Spent::never("caller.items_per_second", *rate, "a second", items.get() as usize)),
        }
    }

    /// What was used today.
    pub(crate) fn used(&self) -> Today {
        *self.today.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on from what an earlier process had counted.
    pub(crate) fn resume(&self, today: Today) {
        *self.today.lock().unwrap_or_else(PoisonError::into_inner) = today;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(a_second: Option<u32>, a_day: Option<u32>) -> Arc<Quota> {
        Quota::succeeding(None, &settings(a_second, a_day))
    }

    fn settings(a_second: Option<u32>, a_day: Option<u32>) -> CallerSettings {
        CallerSettings {
            items_per_second: a_second.and_then(NonZeroU32::new),
            items_per_day: a_day.and_then(NonZeroU32::new),
            ..CallerSettings::loopback()
        }
    }

    fn at(text: &str) -> NumericDate {
        NumericDate::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_day_has_so_many_items_and_the_next_day_as_many_again() {
        let quota = quota(None, Some(100));
        let evening = at("2021-10-20T23:00:00Z");
        assert!(quota.take(90, evening).is_ok());
        let spent = quota.take(11, evening).unwrap_err();
        assert_eq!((spent.rule, spent.come_again), ("caller.items_per_day", Duration::from_secs(3_600)));
        assert!(spent.message.contains("10 are left"));
        assert!(quota.take(10, evening).is_ok());
        assert!(spent.fits_then && !quota.take(101, evening).unwrap_err().fits_then);
        assert!(quota.take(100, at("2021-10-21T00:00:00Z")).is_ok());
    }

    #[test]
    fn a_second_has_so_many_items() {
        let quota = quota(Some(100), None);
        let now = at("2021-10-20T12:00:00Z");
        assert!(quota.take(100, now).is_ok());
        let spent = quota.take(50, now).unwrap_err();
        assert_eq!(spent.rule, "caller.items_per_second");
        assert!(spent.come_again <= Duration::from_secs(1), "{:?}", spent.come_again);
        let never = quota.take(101, now).unwrap_err();
        assert!(spent.fits_then && !never.fits_then && never.message.contains("at most 100"), "{never:?}");
    }

    #[test]
    fn what_is_refused_by_the_second_is_not_counted_in_the_day() {
        let quota = quota(Some(10), Some(1_000));
        let now = at("2021-10-20T12:00:00Z");
        assert!(quota.take(10, now).is_ok() && quota.take(10, now).is_err());
        assert_eq!(quota.used().items, 10);
    }

    #[test]
    fn other_bounds_keep_the_days_count() {
        let first = quota(None, Some(100));
        let now = at("2021-10-20T12:00:00Z");
        first.take(60, now).unwrap();
        let same = Quota::succeeding(Some(&first), &settings(None, Some(100)));
        assert!(Arc::ptr_eq(&first, &same));
        let more = Quota::succeeding(Some(&first), &settings(None, Some(150)));
        assert!(more.take(91, now).is_err() && more.take(90, now).is_ok());
    }
}
