//! The result codes by name.

use cryptoki_sys::CK_RV;
use serde::Deserialize;

use crate::function::nearest;

/// A result other than `CKR_OK`, as a script names it: `"CKR_DEVICE_ERROR"`, `"0x30"` or `0x30`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Code(pub(crate) CK_RV);

impl TryFrom<toml::Value> for Code {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let code = match &value {
            toml::Value::Integer(number) => CK_RV::try_from(*number).map_err(|_| format!("{number} is no result code"))?,
            toml::Value::String(name) => by_name(name)?,
            _ => return Err(r#"a result is "CKR_...", "0x..." or a number"#.to_owned()),
        };
        if code == cryptoki_sys::CKR_OK { Err("CKR_OK is no fault".to_owned()) } else { Ok(Self(code)) }
    }
}

/// The code's name, or its number in hexadecimal where it has none.
pub(crate) fn name(code: CK_RV) -> String {
    let known = CODES.iter().find(|(_, value)| *value == code);
    known.map_or_else(|| format!("0x{code:08X}"), |(name, _)| (*name).to_owned())
}

fn by_name(name: &str) -> Result<CK_RV, String> {
    if let Some(digits) = name.strip_prefix("0x") {
        return CK_RV::from_str_radix(digits, 16).map_err(|error| format!("{name:?} is no number: {error}"));
    }
    let known = CODES.iter().find(|(known, _)| *known == name);
    known.map(|(_, code)| *code).ok_or_else(|| {
        let nearest = nearest(name, CODES.iter().map(|(known, _)| *known));
        format!("there is no result {name:?}; did you mean {nearest}?")
    })
}

macro_rules! codes {
    ($($name:ident,)*) => { &[$((stringify!($name), cryptoki_sys::$name)),*] };
}

#[rustfmt::skip]
const CODES: &[(&str, CK_RV)] = codes![
    CKR_OK, CKR_CANCEL, CKR_HOST_MEMORY, CKR_SLOT_ID_INVALID, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED,
    CKR_ARGUMENTS_BAD, CKR_NO_EVENT, CKR_NEED_TO_CREATE_THREADS, CKR_CANT_LOCK, CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ACTION_PROHIBITED,
    CKR_DATA_INVALID, CKR_DATA_LEN_RANGE, CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED,
    CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_AEAD_DECRYPT_FAILED, CKR_FUNCTION_CANCELED,
    CKR_FUNCTION_NOT_PARALLEL, CKR_FUNCTION_NOT_SUPPORTED, CKR_KEY_HANDLE_INVALID, CKR_KEY_SIZE_RANGE,
    CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_NOT_NEEDED, CKR_KEY_CHANGED, CKR_KEY_NEEDED, CKR_KEY_INDIGESTIBLE,
    CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_NOT_WRAPPABLE, CKR_KEY_UNEXTRACTABLE, CKR_MECHANISM_INVALID,
    CKR_MECHANISM_PARAM_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED,
    CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED, CKR_SESSION_CLOSED,
    CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_PARALLEL_NOT_SUPPORTED, CKR_SESSION_READ_ONLY,
    CKR_SESSION_EXISTS, CKR_SESSION_READ_ONLY_EXISTS, CKR_SESSION_READ_WRITE_SO_EXISTS, CKR_SIGNATURE_INVALID,
    CKR_SIGNATURE_LEN_RANGE, CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_RECOGNIZED, CKR_TOKEN_WRITE_PROTECTED, CKR_UNWRAPPING_KEY_HANDLE_INVALID,
    CKR_UNWRAPPING_KEY_SIZE_RANGE, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_USER_ALREADY_LOGGED_IN,
    CKR_USER_NOT_LOGGED_IN, CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_TYPE_INVALID, CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
    CKR_USER_TOO_MANY_TYPES, CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPING_KEY_HANDLE_INVALID,
    CKR_WRAPPING_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_TYPE_INCONSISTENT, CKR_RANDOM_SEED_NOT_SUPPORTED, CKR_RANDOM_NO_RNG,
    CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED, CKR_BUFFER_TOO_SMALL, CKR_SAVED_STATE_INVALID,
    CKR_INFORMATION_SENSITIVE, CKR_STATE_UNSAVEABLE, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_CRYPTOKI_ALREADY_INITIALIZED,
    CKR_MUTEX_BAD, CKR_MUTEX_NOT_LOCKED, CKR_NEW_PIN_MODE, CKR_NEXT_OTP, CKR_EXCEEDED_MAX_ITERATIONS,
    CKR_FIPS_SELF_TEST_FAILED, CKR_LIBRARY_LOAD_FAILED, CKR_PIN_TOO_WEAK, CKR_PUBLIC_KEY_INVALID,
    CKR_FUNCTION_REJECTED, CKR_TOKEN_RESOURCE_EXCEEDED, CKR_OPERATION_CANCEL_FAILED, CKR_KEY_EXHAUSTED, CKR_PENDING,
    CKR_SESSION_ASYNC_NOT_SUPPORTED, CKR_SEED_RANDOM_REQUIRED, CKR_OPERATION_NOT_VALIDATED, CKR_TOKEN_NOT_INITIALIZED,
    CKR_PARAMETER_SET_NOT_SUPPORTED, CKR_VENDOR_DEFINED,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn code(value: impl Into<toml::Value>) -> Result<CK_RV, String> {
        Code::try_from(value.into()).map(|code| code.0)
    }

    #[test]
    fn a_result_is_a_name_or_a_number() {
        assert_eq!(code("CKR_DEVICE_ERROR"), Ok(0x30));
        assert_eq!(code("0x80000001"), Ok(0x8000_0001));
        assert_eq!(code(0x30), Ok(0x30));
        assert_eq!(name(0x30), "CKR_DEVICE_ERROR");
        assert_eq!(name(0x8000_0001), "0x80000001");
    }

    #[test]
    fn a_misspelt_result_is_refused_with_the_nearest() {
        let wrong = code("CKR_DEVICE_EROR").unwrap_err();
        assert_eq!(wrong, r#"there is no result "CKR_DEVICE_EROR"; did you mean CKR_DEVICE_ERROR?"#);
        assert_eq!(code("CKR_OK").unwrap_err(), "CKR_OK is no fault");
        assert!(code("0xzz").is_err() && code(-1).is_err() && code(true).is_err());
    }
}
