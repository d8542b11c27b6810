//! Exit codes, as sysexits.h has them.

use std::io::ErrorKind;
use std::process::ExitCode;

use super::dsc::NoCalendar;
use super::token::WrongSignatures;
use super::two_officers::Misuse;
use crate::bench::capacity::{Impossible, NoCosts};
use crate::bench::load::LoadError;
use crate::bench::{PlanError, WatchError};
use crate::config::{ConfigError, NoDsc, UnknownToken};
use crate::custody::ceremony::InvalidPlan;
use crate::domain::DscError;
use crate::service::access::DayCountsError;
use crate::service::admin::AdminError;
use crate::service::client::ClientError;
use crate::service::monitoring::ReadError;
use crate::sign::KeyringError;
use crate::token::{Disposition, TokenError};

/// Done, and some items were refused.
pub(crate) const SOME_REFUSED: u8 = 2;
/// Wrong usage.
pub(crate) const USAGE: u8 = 64;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
const IO: u8 = 74;
const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
pub(crate) const CONFIG: u8 = 78;

/// The code of an error, by its innermost known cause.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    error.chain().find_map(code_of_cause).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    let is_config = cause.is::<ConfigError>() || cause.is::<UnknownToken>() || cause.is::<NoDsc>();
    let is_state = matches!(cause.downcast_ref(), Some(DayCountsError::Form { .. }));
    let is_dsc = cause.is::<KeyringError>() || cause.is::<DscError>() || cause.is::<WrongSignatures>();
    let is_plan = cause.is::<NoCalendar>() || cause.is::<InvalidPlan>();
    if is_config || is_state || is_dsc || is_plan {
        Some(CONFIG)
    } else if let Some(error) = cause.downcast_ref::<TokenError>() {
        Some(match error.disposition() {
            Disposition::StopKey | Disposition::LatchPin => CONFIG,
            _ => UNAVAILABLE,
        })
    } else if cause.is::<Misuse>() || cause.is::<PlanError>() || cause.is::<Impossible>() || cause.is::<NoCosts>() {
        Some(USAGE)
    } else if let Some(error) = cause.downcast_ref::<LoadError>() {
        Some(match error {
            LoadError::Plan(_) | LoadError::Watch(WatchError::Read(ReadError::Address(_))) => USAGE,
            LoadError::Connection(error) => return code_of_cause(error),
            LoadError::Watch(_) => UNAVAILABLE,
            LoadError::Thread(_) => return None,
        })
    } else if let Some(error) = cause.downcast_ref::<AdminError>() {
        Some(match error {
            AdminError::Forbidden { .. } => NO_INPUT,
            error if error.is_refused() => NO_PERMISSION,
            AdminError::Connection(error) if error.is_usage() => USAGE,
            error if error.is_the_callers_fault() => USAGE,
            _ => UNAVAILABLE,
        })
    } else if let Some(error) = cause.downcast_ref::<ClientError>() {
        Some(match error {
            error if error.is_refused() => NO_PERMISSION,
            error if error.is_the_callers_fault() => USAGE,
            _ => UNAVAILABLE,
        })
    } else {
        let error = cause.downcast_ref::<std::io::Error>()?;
        Some(if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) { NO_INPUT } else { IO })
    }
}
