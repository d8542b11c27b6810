//! Instants, calendar dates, and where "now" comes from.

use std::borrow::Cow;
use std::fmt;

use jiff::civil;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, as CWT writes `iat` and `exp`: an integer, never a float.
///
/// # Source
/// RFC 8392 section 2; hcert_spec 1.0.8 sections 3.3.5 and 3.3.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NumericDate(i64);

impl NumericDate {
    /// An instant by its seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.saturating_mul(1_000)
    }

    /// The instant so many seconds later (or earlier); it stops at the ends of `i64`.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The instant so many years later on the calendar, in UTC (29 February becomes 28 where there is none); nothing past 9999.
    #[must_use]
    pub fn plus_years(self, years: i16) -> Option<Self> {
        let there = Offset::UTC.to_datetime(jiff::Timestamp::from_second(self.0).ok()?);
        let later = there.checked_add(jiff::Span::new().try_years(years).ok()?).ok()?;
        Offset::UTC.to_timestamp(later).ok().map(|timestamp| Self(timestamp.as_second()))
    }

    /// Reads an RFC 3339 text.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self(timestamp.as_second()))
    }

    /// The calendar date of this instant in UTC; nothing past 9999.
    #[must_use]
    pub fn utc_date(self) -> Option<civil::Date> {
        Some(Offset::UTC.to_datetime(jiff::Timestamp::from_second(self.0).ok()?).date())
    }

    /// The calendar date of this instant in the time zone farthest east (UTC+14): no place on earth is later.
    fn latest_local_date(self) -> Option<civil::Date> {
        let east = Offset::constant(14);
        let timestamp = jiff::Timestamp::from_second(self.0).ok()?;
        Some(east.to_datetime(timestamp).date())
    }
}

impl fmt::Display for NumericDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "second {}", self.0),
        }
    }
}

/// Where "now" comes from; handed down from the boot, so that a test can hold the time still.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present second.
    fn now(&self) -> NumericDate;

    /// The present second, to sign under. A clock that is watched may refuse.
    ///
    /// # Errors
    /// [`ClockStopped`] where the clock cannot be trusted, until an operator agrees to it.
    fn signing_time(&self) -> Result<NumericDate, ClockStopped> {
        Ok(self.now())
    }
}

/// The machine's clock cannot be trusted, so nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; nothing is signed until an operator has looked at the clock: set it right, then `sceau clock accept`")]
pub struct ClockStopped {
    /// What was seen.
    pub reason: String,
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is handed down")]
    fn now(&self) -> NumericDate {
        NumericDate(jiff::Timestamp::now().as_second())
    }
}

/// A clock that stands still, for tests and for judging a certificate at another instant.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub NumericDate);

impl Clock for FixedClock {
    fn now(&self) -> NumericDate {
        self.0
    }
}

/// A full calendar date, `YYYY-MM-DD`, with its text as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateText<'a> {
    text: Cow<'a, str>,
    date: civil::Date,
}

impl<'a> DateText<'a> {
    /// Takes a text of the form that is a date in the calendar.
    #[must_use]
    pub fn parse(text: Cow<'a, str>) -> Option<Self> {
        let date = calendar_date(&text)?;
        Some(Self { text, date })
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The date.
    #[must_use]
    pub const fn date(&self) -> civil::Date {
        self.date
    }

    /// Whole days from `earlier` to this date; negative where this date is the earlier one.
    #[must_use]
    pub fn days_since(&self, earlier: &Self) -> i64 {
        self.date.duration_since(earlier.date).as_hours() / 24
    }
}

/// `dob`: a date, a month, a year, or nothing at all, with its text as given.
///
/// # Source
/// DCC schema 1.3.3, `dob`; missing parts are left out, not zeroed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateOfBirth<'a> {
    text: Cow<'a, str>,
    earliest: Option<civil::Date>,
}

impl<'a> DateOfBirth<'a> {
    /// Takes `""`, `YYYY`, `YYYY-MM` or `YYYY-MM-DD` that is in the calendar.
    #[must_use]
    pub fn parse(text: Cow<'a, str>) -> Option<Self> {
        let earliest = match text.len() {
            0 => None,
            4 => Some(civil::Date::new(digits(text.as_bytes())? as i16, 1, 1).ok()?),
            7 => Some(calendar_month(&text)?),
            _ => Some(calendar_date(&text)?),
        };
        Some(Self { text, earliest })
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first day that the text can mean; nothing where the date of birth is not known.
    #[must_use]
    pub const fn earliest(&self) -> Option<civil::Date> {
        self.earliest
    }
}

/// `t.sc`, the date and time of sampling: whole seconds, the offset as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleTime<'a> {
    text: Cow<'a, str>,
    local_date: civil::Date,
    instant: NumericDate,
}

impl<'a> SampleTime<'a> {
    /// Reads `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh[[:]mm])`.
    ///
    /// A fraction of a second is left out, `+02` and `+0200` become `+02:00`; every other text stays as it is.
    ///
    /// # Source
    /// RFC 3339 section 5.6; the shorter offsets as the schema's own tests declare them valid.
    #[must_use]
    pub fn parse(text: Cow<'a, str>) -> Option<Self> {
        let parts = SampleTimeParts::split(&text)?;
        let instant = parts.instant()?;
        let local_date = parts.local.date();
        let normal = parts.normalised();
        let text = normal.map_or(text, Cow::Owned);
        Some(Self { text, local_date, instant })
    }

    /// The text that goes into the certificate.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The date on the calendar of the place where the sample was taken.
    #[must_use]
    pub const fn local_date(&self) -> civil::Date {
        self.local_date
    }

    /// The instant of sampling.
    #[must_use]
    pub const fn instant(&self) -> NumericDate {
        self.instant
    }
}

/// How far ahead of this clock the clock of a testing centre may be, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// Whether a date has not begun anywhere on earth.
#[must_use]
pub fn is_future_date(date: civil::Date, now: NumericDate) -> bool {
    now.latest_local_date().is_none_or(|latest| date > latest)
}

/// Whether an instant is ahead of now by more than [`CLOCK_SKEW_SECONDS`].
#[must_use]
pub fn is_future_instant(instant: NumericDate, now: NumericDate) -> bool {
    instant > now.plus_seconds(CLOCK_SKEW_SECONDS)
}

struct SampleTimeParts<'t> {
    whole_seconds: &'t str,
    has_fraction: bool,
    offset: &'t str,
    local: civil::DateTime,
}

impl<'t> SampleTimeParts<'t> {
    fn split(text: &'t str) -> Option<Self> {
        let (whole_seconds, rest) = text.split_at_checked(19)?;
        let fraction = rest.strip_prefix('.').map_or(0, |tail| 1 + leading_digits(tail));
        if fraction == 1 {
            return None;
        }
        Some(Self { whole_seconds, has_fraction: fraction > 0, offset: &rest[fraction..], local: local_time(whole_seconds)? })
    }

    fn instant(&self) -> Option<NumericDate> {
        let seconds = offset_seconds(self.offset)?;
        let timestamp = Offset::from_seconds(seconds).ok()?.to_timestamp(self.local).ok()?;
        Some(NumericDate(timestamp.as_second()))
    }

    /// The text to write where it differs from the text that was given.
    fn normalised(&self) -> Option<String> {
        let offset = match self.offset.len() {
            3 => Some(format!("{}:00", self.offset)),
            5 => Some(format!("{}:{}", &self.offset[..3], &self.offset[3..])),
            _ => None,
        };
        match offset {
            Some(offset) => Some(format!("{}{offset}", self.whole_seconds)),
            None => self.has_fraction.then(|| format!("{}{}", self.whole_seconds, self.offset)),
        }
    }
}

/// Reads `YYYY-MM-DDThh:mm:ss`; `t` for `T` as RFC 3339 allows.
fn local_time(text: &str) -> Option<civil::DateTime> {
    let bytes = text.as_bytes();
    let date = calendar_date(text.get(..10)?)?;
    if !matches!(bytes[10], b'T' | b't') || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let part = |at: usize| digits(&bytes[at..at + 2]).map(|value| value as i8);
    civil::Time::new(part(11)?, part(14)?, part(17)?, 0).ok().map(|time| date.to_datetime(time))
}

/// Seconds east of UTC for `Z`, `±hh`, `±hhmm`, `±hh:mm`.
fn offset_seconds(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let sign = match bytes.first()? {
        b'Z' | b'z' if bytes.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match bytes.len() {
        3 => (digits(&bytes[1..3])?, 0),
        5 => (digits(&bytes[1..3])?, digits(&bytes[3..5])?),
        6 if bytes[3] == b':' => (digits(&bytes[1..3])?, digits(&bytes[4..6])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * (hours as i32 * 3600 + minutes as i32 * 60))
}

/// Reads `YYYY-MM-DD` that the calendar has.
fn calendar_date(text: &str) -> Option<civil::Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
    civil::Date::new(year as i16, month as i8, day as i8).ok()
}

/// Reads `YYYY-MM`, as the first day of that month.
fn calendar_month(text: &str) -> Option<civil::Date> {
    let bytes = text.as_bytes();
    if bytes[4] != b'-' {
        return None;
    }
    civil::Date::new(digits(&bytes[..4])? as i16, digits(&bytes[5..])? as i8, 1).ok()
}

/// The value of at most four ASCII digits.
fn digits(bytes: &[u8]) -> Option<u16> {
    bytes.iter().try_fold(0u16, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u16::from(byte - b'0')))
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_time(text: &str) -> Option<(String, i64)> {
        let time = SampleTime::parse(Cow::Borrowed(text))?;
        Some((time.as_str().to_owned(), time.instant().seconds()))
    }

    #[test]
    fn a_conforming_sample_time_stays_as_it_is() {
        for text in ["2021-05-06T12:34:56Z", "2021-05-06T12:34:56+02:00", "2021-05-06T12:34:56-11:30", "2021-05-06t12:34:56z"] {
            assert_eq!(sample_time(text).unwrap().0, text);
        }
    }

    #[test]
    fn a_sample_time_keeps_its_instant_and_offset_and_loses_fractions() {
        let instant = 1_620_304_496;
        for (given, written) in [
            ("2021-05-06T12:34:56.123Z", "2021-05-06T12:34:56Z"),
            ("2021-05-06T14:34:56+02", "2021-05-06T14:34:56+02:00"),
            ("2021-05-06T14:34:56+0200", "2021-05-06T14:34:56+02:00"),
            ("2021-05-06T14:34:56.5+02", "2021-05-06T14:34:56+02:00"),
            ("2021-05-06T10:04:56.999999-02:30", "2021-05-06T10:04:56-02:30"),
        ] {
            assert_eq!(sample_time(given), Some((written.to_owned(), instant)), "{given}");
        }
    }

    #[test]
    fn what_is_no_sample_time_is_refused() {
        for text in [
            "",
            "2021-05-06",
            "2021-05-06T12:34:56",
            "2021-05-06 12:34:56Z",
            "2021-05-06T24:00:00Z",
            "2021-05-06T12:60:00Z",
            "2021-05-06T12:34:60Z",
            "2021-02-30T12:34:56Z",
            "2021-05-06T12:34:56.Z",
            "2021-05-06T12:34:56+2",
            "2021-05-06T12:34:56+24:00",
            "2021-05-06T12:34:56+02:60",
            "2021-05-06T12:34:56ZZ",
            "2021-05-06T12:34Z",
            "2021-05-06T12:34:5é",
            "+021-05-06T12:34:56Z",
        ] {
            assert_eq!(sample_time(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let valid = |text: &'static str| DateText::parse(Cow::Borrowed(text)).is_some();
        assert!(valid("2020-02-29") && valid("1999-12-31"));
        for text in [
            "2021-02-29",
            "2021-13-01",
            "2021-00-10",
            "2021-01-00",
            "2021-1-01",
            "2021-01-01T00:00:00",
            "21-01-01",
            "２０21-01-1",
        ] {
            assert!(!valid(text), "{text}");
        }
    }

    #[test]
    fn a_date_of_birth_may_be_partial_or_absent() {
        let earliest =
            |text: &'static str| DateOfBirth::parse(Cow::Borrowed(text)).map(|dob| dob.earliest().map(|date| date.to_string()));
        assert_eq!(earliest(""), Some(None));
        assert_eq!(earliest("1964"), Some(Some("1964-01-01".into())));
        assert_eq!(earliest("1964-08"), Some(Some("1964-08-01".into())));
        assert_eq!(earliest("1964-08-12"), Some(Some("1964-08-12".into())));
        for text in ["196", "1964-", "1964-00", "1964-13", "1964-1", "1964-02-30", "1964-08-00", "1964-08-12T00:00:00"] {
            assert_eq!(earliest(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_future_only_where_it_has_begun_nowhere() {
        let now = NumericDate::from_rfc3339("2021-10-20T09:59:59Z").unwrap();
        assert!(!is_future_date(civil::date(2021, 10, 20), now));
        assert!(is_future_date(civil::date(2021, 10, 21), now));
        assert!(!is_future_date(civil::date(2021, 10, 21), now.plus_seconds(1)));
    }
}
