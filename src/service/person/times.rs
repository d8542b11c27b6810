//! When a JWT is valid.

use super::{ClaimError, TimeError};
use crate::domain::NumericDate;
use crate::domain::json::Json;

/// The three times of a JWT.
///
/// # Source
/// RFC 7519 sections 4.1.4 to 4.1.6. A fraction of a second is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtTimes {
    /// `exp`: valid before it, not at it.
    pub expires_at: NumericDate,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
    /// `iat`.
    pub issued_at: Option<NumericDate>,
}

impl JwtTimes {
    pub(super) fn read(claims: &[(std::borrow::Cow<'_, str>, Json<'_>)]) -> Result<Self, ClaimError> {
        let expires_at = read(claims, "exp")?.ok_or(ClaimError::Missing { claim: "exp".to_owned() })?;
        Ok(Self { expires_at, not_before: read(claims, "nbf")?, issued_at: read(claims, "iat")? })
    }

    /// Whether it is valid at an instant, where clocks may differ by `leeway_seconds`.
    ///
    /// # Errors
    /// [`TimeError`] says which time is against it.
    pub fn check(&self, now: NumericDate, leeway_seconds: i64) -> Result<(), TimeError> {
        let latest = now.plus_seconds(leeway_seconds);
        if now >= self.expires_at.plus_seconds(leeway_seconds) {
            return Err(TimeError::Expired);
        }
        if self.not_before.is_some_and(|not_before| latest < not_before) {
            return Err(TimeError::NotYet);
        }
        if self.issued_at.is_some_and(|issued_at| latest < issued_at) {
            return Err(TimeError::IssuedInFuture);
        }
        Ok(())
    }
}

fn read(claims: &[(std::borrow::Cow<'_, str>, Json<'_>)], name: &str) -> Result<Option<NumericDate>, ClaimError> {
    let seconds = match super::claims::member(claims, name)? {
        None => return Ok(None),
        Some(Json::Int(seconds)) => *seconds,
        Some(Json::BigInt(_)) => i64::MAX,
        // Saturates at the ends of i64, which are no dates anyway.
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second is left out")]
        Some(Json::Float(seconds)) => *seconds as i64,
        Some(other) => {
            return Err(ClaimError::Kind { claim: name.to_owned(), found: other.kind(), right: "a number of seconds" });
        }
    };
    Ok(Some(NumericDate::from_seconds(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check(exp: i64, nbf: Option<i64>, iat: Option<i64>) -> Result<(), TimeError> {
        let times = JwtTimes {
            expires_at: NumericDate::from_seconds(exp),
            not_before: nbf.map(NumericDate::from_seconds),
            issued_at: iat.map(NumericDate::from_seconds),
        };
        times.check(NumericDate::from_seconds(NOW), 30)
    }

    #[test]
    fn leeway_counts_to_the_second_on_both_sides() {
        assert_eq!(check(NOW - 29, None, None), Ok(()));
        assert_eq!(check(NOW - 30, None, None), Err(TimeError::Expired));
        assert_eq!(check(NOW + 60, Some(NOW + 30), Some(NOW + 30)), Ok(()));
        assert_eq!(check(NOW + 60, Some(NOW + 31), None), Err(TimeError::NotYet));
        assert_eq!(check(NOW + 60, None, Some(NOW + 31)), Err(TimeError::IssuedInFuture));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert_eq!(check(i64::MAX, Some(i64::MIN), Some(i64::MIN)), Ok(()));
        assert_eq!(check(i64::MIN, None, None), Err(TimeError::Expired));
    }
}
