//! The C interface: every function of the list, handed to the wrapper and to the real module's function of the same name.
#![expect(non_snake_case, reason = "the standard's own names")]

use std::ffi::c_void;

use cryptoki_sys::*;

use crate::function::Function;
use crate::output::Output;
use crate::table::pkcs11_functions;
use crate::wrapper::{Call, Target, Wrapper};

// The table's short names.
type Bytes = *mut CK_BYTE;
type Len = CK_ULONG;
type LenOut = *mut CK_ULONG;
type Mechanism = *mut CK_MECHANISM;
type Object = CK_OBJECT_HANDLE;
type ObjectOut = *mut CK_OBJECT_HANDLE;
type Session = CK_SESSION_HANDLE;
type Slot = CK_SLOT_ID;
type Template = *mut CK_ATTRIBUTE;
type Text = *mut CK_UTF8CHAR;
type Void = *mut c_void;

macro_rules! target {
    (library $($arg:ident)*) => {
        Target::Library
    };
    (slot $($arg:ident)*) => {
        Target::Slot
    };
    (session $session:ident $($arg:ident)*) => {
        Target::Session($session)
    };
}

macro_rules! output {
    () => {
        None
    };
    ($out:ident $out_len:ident) => {
        // SAFETY: the caller's own pointers, as PKCS#11 has them.
        Some(unsafe { Output::new($out, $out_len) })
    };
}

macro_rules! forwards {
    ($($scope:ident $name:ident($($arg:ident: $type:ty),*) $(=> $out:ident $out_len:ident)? $(?$list:ident)?;)*) => {
        $(
            /// # Safety
            /// The arguments are as PKCS#11 has them.
            pub(crate) unsafe extern "C" fn $name($($arg: $type),*) -> CK_RV {
                let call = Call {
                    function: Function::$name,
                    target: target!($scope $($arg)*),
                    length_query: false $(|| $out.is_null())? $(|| $list.is_null())?,
                    output: output!($($out $out_len)?),
                };
                let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
                wrapper.call(call, |real| match real.$name {
                    // SAFETY: the real module's function of that name, with the arguments that the caller vouches for.
                    Some(real) => unsafe { real($($arg),*) },
                    None => CKR_FUNCTION_NOT_SUPPORTED,
                })
            }
        )*

        /// The list, without `C_GetFunctionList`.
        pub(crate) const LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: CK_VERSION { major: 2, minor: 40 },
            C_GetFunctionList: None,
            $($name: Some($name)),*
        };
    };
}

pkcs11_functions!(forwards);
