//! The C interface: everything here that is unsafe, behind calls that are not.

use std::ffi::c_void;
use std::fmt;
use std::path::Path;
use std::ptr;

use anyhow::{Context, bail};
use cryptoki_sys::{
    CK_ATTRIBUTE, CK_C_INITIALIZE_ARGS, CK_FUNCTION_LIST, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID,
    CK_TOKEN_INFO, CK_ULONG, CKF_OS_LOCKING_OK, CKF_SERIAL_SESSION, CKR_OK, CKU_USER, Pkcs11,
};

use crate::mechanism::{Mechanism, PSS};

/// Longer than any signature: RSA with 8192 bits.
const MAX_SIGNATURE_BYTES: usize = 1024;

/// A PKCS#11 module that is loaded and initialised for several threads; it stays for the life of the process.
#[derive(Clone, Copy)]
pub(crate) struct Module(&'static CK_FUNCTION_LIST);

/// An open session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionHandle(CK_SESSION_HANDLE);

/// A key in the token; good in each session of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHandle(CK_OBJECT_HANDLE);

/// An attribute that an object is looked for by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attribute<'a> {
    Number(CK_ULONG),
    Bytes(&'a [u8]),
}

/// A call that answered otherwise than with `CKR_OK`.
#[derive(Debug)]
struct Refused {
    function: &'static str,
    code: CK_RV,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, code } = self;
        write!(f, "{function} answered {code:#010x}")?;
        name_of(*code).map_or(Ok(()), |name| write!(f, ", {name}"))
    }
}

impl std::error::Error for Refused {}

/// Those that somebody who measures a token meets. Source: PKCS#11 v2.40, section 3.
const fn name_of(code: CK_RV) -> Option<&'static str> {
    Some(match code {
        0x05 => "CKR_GENERAL_ERROR",
        0x30 => "CKR_DEVICE_ERROR",
        0x31 => "CKR_DEVICE_MEMORY",
        0x32 => "CKR_DEVICE_REMOVED",
        0x63 => "CKR_KEY_TYPE_INCONSISTENT",
        0x68 => "CKR_KEY_FUNCTION_NOT_PERMITTED",
        0x70 => "CKR_MECHANISM_INVALID",
        0x71 => "CKR_MECHANISM_PARAM_INVALID",
        0xa0 => "CKR_PIN_INCORRECT: it is not tried again",
        0xa4 => "CKR_PIN_LOCKED",
        0xb1 => "CKR_SESSION_COUNT: the token allows fewer sessions",
        0xe0 => "CKR_TOKEN_NOT_PRESENT",
        0x101 => "CKR_USER_NOT_LOGGED_IN: a key that wants the PIN for each signature cannot be measured",
        _ => return None,
    })
}

/// Calls a function of the list, and makes an error of what is not `CKR_OK`.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $module.0.$function {
            // SAFETY: the list is the module's own, and each caller below hands over what the standard wants of this function:
            // pointers to values that live through the call, with their true lengths.
            Some(function) => match unsafe { function($($argument),*) } {
                CKR_OK => Ok(()),
                code => Err(Refused { function: stringify!($function), code }),
            },
            // CKR_FUNCTION_NOT_SUPPORTED
            None => Err(Refused { function: stringify!($function), code: 0x54 }),
        }
    };
}

impl Module {
    /// Loads and initialises.
    ///
    /// # Errors
    /// What is no module, and one that refuses.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
        // SAFETY: that the library is a PKCS#11 module is the caller's word: its initialisers and its entry are run as such.
        let code = unsafe {
            let library = Pkcs11::new(path).with_context(|| format!("{} cannot be loaded", path.display()))?;
            if library.C_GetFunctionList.is_err() {
                bail!("{} has no C_GetFunctionList: a PKCS#11 module would be right", path.display());
            }
            let code = library.C_GetFunctionList(&raw mut list);
            // Never unloaded: its threads and exit handlers outlive every handle of ours.
            std::mem::forget(library);
            code
        };
        // SAFETY: the standard has the list live as long as the library, which stays; null is not read.
        let Some(list) = (unsafe { list.as_ref() }) else { bail!("C_GetFunctionList gave no list and {code:#x}") };
        let module = Self(list);
        let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..Default::default() };
        call!(module, C_Initialize((&raw mut arguments).cast::<c_void>()))?;
        Ok(module)
    }

    /// Those that hold a token.
    pub(crate) fn slots(self) -> anyhow::Result<Vec<CK_SLOT_ID>> {
        let mut count = 0;
        call!(self, C_GetSlotList(1, ptr::null_mut(), &raw mut count))?;
        let mut slots = vec![0; usize::try_from(count)?];
        call!(self, C_GetSlotList(1, slots.as_mut_ptr(), &raw mut count))?;
        slots.truncate(usize::try_from(count)?);
        Ok(slots)
    }

    /// A token's label, without the blanks that fill it up.
    pub(crate) fn label(self, slot: CK_SLOT_ID) -> anyhow::Result<String> {
        let mut info = CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &raw mut info))?;
        Ok(String::from_utf8_lossy(&info.label).trim_end_matches([' ', '\0']).to_owned())
    }

    pub(crate) fn open_session(self, slot: CK_SLOT_ID) -> anyhow::Result<SessionHandle> {
        let mut handle = 0;
        call!(self, C_OpenSession(slot, CKF_SERIAL_SESSION, ptr::null_mut(), None, &raw mut handle))?;
        Ok(SessionHandle(handle))
    }

    /// Logs the process in, all its sessions.
    pub(crate) fn log_in(self, session: SessionHandle, pin: &str) -> anyhow::Result<()> {
        let length = CK_ULONG::try_from(pin.len())?;
        // The standard takes it as not const, and does not write to it.
        call!(self, C_Login(session.0, CKU_USER, pin.as_ptr().cast_mut(), length))?;
        Ok(())
    }

    /// The first object with these attributes.
    pub(crate) fn find(
        self,
        session: SessionHandle,
        attributes: &[(CK_ULONG, Attribute<'_>)],
    ) -> anyhow::Result<Option<KeyHandle>> {
        let mut template = attributes.iter().map(|(name, value)| value.named(*name)).collect::<Result<Vec<_>, _>>()?;
        let length = CK_ULONG::try_from(template.len())?;
        call!(self, C_FindObjectsInit(session.0, template.as_mut_ptr(), length))?;
        let (mut object, mut count) = (0, 0);
        call!(self, C_FindObjects(session.0, &raw mut object, 1, &raw mut count))?;
        call!(self, C_FindObjectsFinal(session.0))?;
        Ok((count == 1).then_some(KeyHandle(object)))
    }

    /// One signature of a digest, which is thrown away; its length.
    pub(crate) fn sign(
        self,
        session: SessionHandle,
        mechanism: Mechanism,
        key: KeyHandle,
        digest: &[u8; 32],
    ) -> anyhow::Result<usize> {
        let mut pss = PSS;
        let (parameter, length) = match mechanism {
            Mechanism::Ecdsa => (ptr::null_mut(), 0),
            Mechanism::RsaPss => ((&raw mut pss).cast::<c_void>(), size_of_val(&PSS)),
        };
        let length = CK_ULONG::try_from(length)?;
        let mut mechanism = CK_MECHANISM { mechanism: mechanism.number(), pParameter: parameter, ulParameterLen: length };
        let mut signature = [0; MAX_SIGNATURE_BYTES];
        let mut length = CK_ULONG::try_from(MAX_SIGNATURE_BYTES)?;
        call!(self, C_SignInit(session.0, &raw mut mechanism, key.0))?;
        // The standard takes the digest as not const, and does not write to it.
        call!(self, C_Sign(session.0, digest.as_ptr().cast_mut(), 32, signature.as_mut_ptr(), &raw mut length))?;
        Ok(usize::try_from(length)?)
    }

    /// Closes the sessions; nothing is called after it.
    pub(crate) fn finalize(self) -> anyhow::Result<()> {
        call!(self, C_Finalize(ptr::null_mut()))?;
        Ok(())
    }
}

impl Attribute<'_> {
    /// As C has it; it points into `self`, which the caller keeps.
    fn named(&self, name: CK_ULONG) -> anyhow::Result<CK_ATTRIBUTE> {
        let (value, length) = match self {
            Self::Number(number) => (ptr::from_ref(number).cast::<c_void>(), size_of::<CK_ULONG>()),
            Self::Bytes(bytes) => (bytes.as_ptr().cast::<c_void>(), bytes.len()),
        };
        Ok(CK_ATTRIBUTE { type_: name, pValue: value.cast_mut(), ulValueLen: CK_ULONG::try_from(length)? })
    }
}
