//! Which gRPC code says what: the one place that chooses.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, RpcStatusExt, StatusExt};

use super::access::Spent;
use super::person::{ClaimError, PersonError};
use crate::custody::office::OfficeError;
use crate::custody::register::Misfit;
use crate::custody::revocation::RevokeError;
use crate::domain::{Faults, Rule};
use crate::sign::{Cause, ItemError, SignFailure, Standstill, UploadError};
use crate::token::Disposition;

/// Whose rules an error's `ErrorInfo` names.
const DOMAIN: &str = "sceau";

/// A request that is wrong as a whole.
pub(super) fn invalid(field: &str, message: &str) -> Status {
    Status::with_error_details(Code::InvalidArgument, message, ErrorDetails::with_bad_request_violation(field, message))
}

/// Too much at once.
pub(super) fn exhausted(message: &str, delay: Duration) -> Status {
    Status::with_error_details(Code::ResourceExhausted, message, ErrorDetails::with_retry_info(Some(delay)))
}

/// Something that this caller may not ask for. `rule` names what forbids it.
pub(super) fn denied(rule: &str, message: &str) -> Status {
    Status::with_error_details(Code::PermissionDenied, format!("{message} (rule {rule})"), of_rule(rule))
}

/// Somebody who is not known, or not any more.
pub(super) fn unauthenticated(rule: &str, message: &str) -> Status {
    Status::with_error_details(Code::Unauthenticated, format!("{message} (rule {rule})"), of_rule(rule))
}

fn of_rule(rule: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(rule, DOMAIN, HashMap::new())
}

/// The rule that an error names.
pub(super) fn rule_of(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// More than this caller may have signed: now, or ever in one batch.
pub(super) fn spent(spent: &Spent) -> Status {
    if !spent.fits_then {
        return denied(spent.rule, &spent.message);
    }
    exhausted_by(spent.rule, &spent.message, spent.come_again)
}

/// One stream more than a caller may have open.
pub(super) fn too_many_streams(most: usize) -> Status {
    let message = format!("this caller has {most} streams open, and may have no more; end one, or send more on each");
    exhausted_by("caller.streams", &message, Duration::from_secs(1))
}

fn exhausted_by(rule: &str, message: &str, delay: Duration) -> Status {
    let mut details = of_rule(rule);
    details.set_retry_info(Some(delay));
    Status::with_error_details(Code::ResourceExhausted, format!("{message} (rule {rule})"), details)
}

/// The call's deadline is over.
pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("the call's deadline is over; the same item_ids again are safe, whatever became of them")
}

/// When the issuer's keys are asked for again.
const KEYS_DELAY: Duration = Duration::from_secs(5);

impl From<PersonError> for Status {
    fn from(error: PersonError) -> Self {
        let message = error.to_string();
        let (code, delay) = match &error {
            PersonError::NoKeys => (Code::Unavailable, Some(KEYS_DELAY)),
            PersonError::Claims(ClaimError::NoProfession { .. }) => (Code::PermissionDenied, None),
            _ => (Code::Unauthenticated, None),
        };
        let mut details = of_rule(error.rule());
        if delay.is_some() {
            details.set_retry_info(delay);
        }
        Self::with_error_details(code, message, details)
    }
}

/// When a service that is ending is there again, or the connection leads to another instance.
const CLOSING_DELAY: Duration = Duration::from_secs(1);

/// The service is ending.
pub(super) fn closing() -> Status {
    let message = "the service is ending; another instance, or this one in a moment, will take the batch";
    Status::with_error_details(Code::Unavailable, message, ErrorDetails::with_retry_info(Some(CLOSING_DELAY)))
}

/// When a ledger that cannot be written may be back: it is tried every two seconds.
const LEDGER_DELAY: Duration = Duration::from_secs(2);

/// Nothing is signed, whatever the tokens do. A ledger may be back in a moment; of a clock an operator has to say that it is right.
pub(super) fn standstill(standstill: &Standstill) -> Status {
    let message = standstill.to_string();
    if standstill.cause == Cause::Ledger {
        return Status::with_error_details(Code::Unavailable, message, ErrorDetails::with_retry_info(Some(LEDGER_DELAY)));
    }
    Status::unavailable(message)
}

/// When another revocation is likely done.
const REVOCATION_DELAY: Duration = Duration::from_secs(2);

/// One revocation works at a time: each holds what it means in memory.
pub(super) fn revocation_is_busy() -> Status {
    exhausted("another revocation is at work", REVOCATION_DELAY)
}

impl From<RevokeError> for Status {
    fn from(error: RevokeError) -> Self {
        let code = match &error {
            RevokeError::TooMany
            | RevokeError::Unexpected { .. }
            | RevokeError::NoRecord { .. }
            | RevokeError::Forgotten { .. } => Code::FailedPrecondition,
            RevokeError::Store(_) | RevokeError::Ledger(_) | RevokeError::Clock(_) | RevokeError::Upload(UploadError::Key(_)) => {
                Code::Unavailable
            }
            RevokeError::Upload(_) | RevokeError::Changed | RevokeError::Thread(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

/// When a custody chain that cannot be read or written may be back.
const CUSTODY_DELAY: Duration = Duration::from_secs(2);

impl From<OfficeError> for Status {
    fn from(error: OfficeError) -> Self {
        let message = error.to_string();
        let later =
            |delay| Self::with_error_details(Code::Unavailable, message.clone(), ErrorDetails::with_retry_info(Some(delay)));
        match error {
            OfficeError::Revoke(error) => error.into(),
            OfficeError::Upload(error) => RevokeError::from(error).into(),
            OfficeError::Text(_)
            | OfficeError::Misfit(Misfit::Text(_))
            | OfficeError::Import(_)
            | OfficeError::NoCsca
            | OfficeError::Csca(_)
            | OfficeError::TrustList { .. }
            | OfficeError::Question { .. } => Self::invalid_argument(message),
            OfficeError::Misfit(Misfit::Absent { .. }) | OfficeError::NoKey { .. } => Self::not_found(message),
            OfficeError::Misfit(_)
            | OfficeError::NoRecord
            | OfficeError::NotHere { .. }
            | OfficeError::NotReady { .. }
            | OfficeError::TooLate { .. }
            | OfficeError::NoRevocation { .. }
            | OfficeError::NoUpload { .. }
            | OfficeError::Publish(_) => Self::failed_precondition(message),
            OfficeError::TooManyOpen { .. } => Self::resource_exhausted(message),
            OfficeError::Busy { left, .. } => later(left.max(Duration::from_secs(1))),
            OfficeError::Unreadable(error) if error.is_damage() => Self::unavailable(message),
            OfficeError::Unreadable(_) | OfficeError::Store(_) => later(CUSTODY_DELAY),
            OfficeError::Clock(_) | OfficeError::Token { .. } | OfficeError::NotSealed { .. } | OfficeError::Ending => {
                Self::unavailable(message)
            }
        }
    }
}

/// The error of one item.
pub(super) fn of_item(error: ItemError) -> tonic_types::Status {
    match error {
        ItemError::Refused(faults) => of_faults(faults),
        ItemError::Failed(failure) => plain(code_of(&failure), failure.to_string()),
    }
}

fn of_faults(faults: Faults) -> tonic_types::Status {
    let all_are = |rule| faults.iter().all(|fault| fault.rule == rule);
    let code = if all_are(Rule::DscAvailable) {
        Code::FailedPrecondition
    } else if all_are(Rule::CallerTypes) || all_are(Rule::PersonTypes) {
        Code::PermissionDenied
    } else if faults.iter().any(|fault| fault.rule == Rule::ItemIdTaken) {
        Code::AlreadyExists
    } else {
        Code::InvalidArgument
    };
    let count = faults.iter().count();
    let violations = faults.into_iter().map(|fault| FieldViolation {
        field: fault.path,
        description: fault.message,
        reason: fault.rule.name().to_owned(),
        localized_message: None,
    });
    let details = ErrorDetails::with_bad_request(violations.collect::<Vec<_>>());
    let message = if count == 1 { "the item has one fault".to_owned() } else { format!("the item has {count} faults") };
    let status = Status::with_error_details(code, message.clone(), details);
    // tonic carries the google.rpc.Status of a call in its details; an item carries the same message.
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| plain(code, message))
}

fn plain(code: Code, message: String) -> tonic_types::Status {
    tonic_types::Status { code: code as i32, message, details: Vec::new() }
}

const fn code_of(failure: &SignFailure) -> Code {
    match failure {
        SignFailure::Timeout | SignFailure::InWork => Code::DeadlineExceeded,
        SignFailure::BadSignature => Code::Internal,
        SignFailure::Clock(_) | SignFailure::Closing | SignFailure::Ledger(_) | SignFailure::Keys(_) => Code::Unavailable,
        SignFailure::Token(error) => match error.disposition() {
            Disposition::StopKey => Code::Internal,
            _ => Code::Unavailable,
        },
    }
}

/// The faults in an item's error, as a client reads them.
pub(super) fn violations(status: &tonic_types::Status) -> Vec<FieldViolation> {
    status.get_details_bad_request().map(|request| request.field_violations).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_be_read_have_a_rule_and_a_delay() {
        let status = Status::from(PersonError::NoKeys);
        assert_eq!((status.code(), rule_of(&status).as_str()), (Code::Unavailable, "person.keys"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(KEYS_DELAY));
    }

    #[test]
    fn who_meets_a_ledger_that_cannot_be_written_is_told_when_to_come_again() {
        let answer = |cause| standstill(&Standstill { cause, reason: "it is full".to_owned() });
        let (ledger, clock) = (answer(Cause::Ledger), answer(Cause::Clock));
        assert_eq!((ledger.code(), clock.code()), (Code::Unavailable, Code::Unavailable));
        let delay = |status: Status| status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!((delay(ledger), delay(clock)), (Some(LEDGER_DELAY), None));
    }

    #[test]
    fn an_item_whose_key_is_not_to_be_had_at_present_is_told_to_come_again() {
        let lacking = crate::sign::KeysLacking { reason: "it is being asked for".into() };
        let status = of_item(ItemError::Failed(lacking.into()));
        assert_eq!(status.code, Code::Unavailable as i32);
        assert_eq!(status.message, "no DSC signs at present: it is being asked for");
    }

    #[test]
    fn a_revocation_that_was_not_made_says_whether_to_come_again() {
        let code = |error: RevokeError| Status::from(error).code();
        assert_eq!(code(RevokeError::Unexpected { expected: 1, found: 2 }), Code::FailedPrecondition);
        assert_eq!(code(RevokeError::TooMany), Code::FailedPrecondition);
        assert_eq!(code(RevokeError::Upload(UploadError::Key(crate::sign::NotSigned::NoneDid))), Code::Unavailable);
        assert_eq!(code(RevokeError::Upload(UploadError::Changed)), Code::Internal);
        assert!(revocation_is_busy().get_details_retry_info().is_some());
    }

    #[test]
    fn a_batch_that_never_fits_is_not_told_to_come_again() {
        let answer = |fits_then| {
            let (rule, come_again) = ("caller.items_per_second", Duration::from_secs(1));
            spent(&Spent { rule, message: String::new(), come_again, fits_then })
        };
        let (later, never) = (answer(true), answer(false));
        assert_eq!((later.code(), never.code()), (Code::ResourceExhausted, Code::PermissionDenied));
        assert!(later.get_details_retry_info().is_some() && never.get_details_retry_info().is_none());
        assert_eq!(rule_of(&never), "caller.items_per_second");
    }
}
