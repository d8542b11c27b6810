//! The functions with more to them than being forwarded: the list, the thread's start, and what the token's limits show in.
#![expect(non_snake_case, reason = "the standard's own names")]

use std::ffi::c_void;

use cryptoki_sys::{
    CK_BBOOL, CK_FLAGS, CK_FUNCTION_LIST, CK_NOTIFY, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_ULONG,
    CK_USER_TYPE, CK_UTF8CHAR, CKF_TOKEN_PRESENT, CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_FUNCTION_NOT_SUPPORTED,
    CKR_GENERAL_ERROR, CKR_OK,
};

use crate::forward;
use crate::function::Function;
use crate::own;
use crate::watch;
use crate::wrapper::{Call, Target, Wrapper};

/// What [`C_GetFunctionList`] points to. Nobody writes to it, although the standard's pointer would let them.
static LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
    C_GetFunctionList: Some(C_GetFunctionList),
    C_Initialize: Some(C_Initialize),
    C_Finalize: Some(C_Finalize),
    C_GetSlotList: Some(C_GetSlotList),
    C_GetSlotInfo: Some(C_GetSlotInfo),
    C_GetTokenInfo: Some(C_GetTokenInfo),
    C_OpenSession: Some(C_OpenSession),
    C_CloseSession: Some(C_CloseSession),
    C_CloseAllSessions: Some(C_CloseAllSessions),
    C_Login: Some(C_Login),
    C_Logout: Some(own::C_Logout),
    C_DestroyObject: Some(own::C_DestroyObject),
    C_GenerateKeyPair: Some(own::C_GenerateKeyPair),
    C_SignInit: Some(own::C_SignInit),
    C_Sign: Some(own::C_Sign),
    ..forward::LIST
};

/// The module's entry. Loads the real module, which `SCEAU_FAULTY_MODULE` names, at the first call.
///
/// `CKR_GENERAL_ERROR`, with the reason on stderr, if there is none or it cannot be loaded.
///
/// # Safety
/// `list` is null or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    if Wrapper::get().is_none() {
        return CKR_GENERAL_ERROR;
    }
    // SAFETY: not null, so it is a place for a pointer.
    unsafe { *list = (&raw const LIST).cast_mut() };
    CKR_OK
}

unsafe extern "C" fn C_Initialize(args: *mut c_void) -> CK_RV {
    if let Some(wrapper) = Wrapper::get() {
        watch::start(wrapper);
    }
    // SAFETY: the caller's arguments as they are.
    unsafe { forward::C_Initialize(args) }
}

unsafe extern "C" fn C_Finalize(reserved: *mut c_void) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_Finalize(reserved) };
    if let Some(wrapper) = Wrapper::get() {
        if code == CKR_OK {
            wrapper.sessions.finalized();
            wrapper.processor.forget_all();
        }
        wrapper.write_stats();
    }
    code
}

/// Shows no slot with a token while the token is absent.
unsafe extern "C" fn C_GetSlotList(token_present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_GetSlotList(token_present, slots, count) };
    let absent = Wrapper::get().is_some_and(Wrapper::is_absent);
    if !absent || token_present == 0 || count.is_null() || !matches!(code, CKR_OK | CKR_BUFFER_TOO_SMALL) {
        return code;
    }
    // SAFETY: not null, so it is the caller's count.
    unsafe { *count = 0 };
    CKR_OK
}

/// Says of each slot that no token is in it while the token is absent.
unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_GetSlotInfo(slot, info) };
    if code == CKR_OK && Wrapper::get().is_some_and(Wrapper::is_absent) {
        // SAFETY: the real module has answered CKR_OK, so the caller's pointer is one to a CK_SLOT_INFO.
        unsafe { (*info).flags &= !CKF_TOKEN_PRESENT };
    }
    code
}

/// Says how many sessions there may be.
unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_GetTokenInfo(slot, info) };
    if let (CKR_OK, Some(max)) = (code, Wrapper::get().and_then(Wrapper::max_sessions)) {
        // SAFETY: the real module has answered CKR_OK, so the caller's pointer is one to a CK_TOKEN_INFO.
        let info = unsafe { &mut *info };
        (info.ulMaxSessionCount, info.ulMaxRwSessionCount) = (max as CK_ULONG, max as CK_ULONG);
    }
    code
}

/// Remembers the session.
unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    let call = Call { function: Function::C_OpenSession, target: Target::Slot, length_query: false, output: None };
    wrapper.call(call, |real| {
        let Some(open) = real.C_OpenSession else { return CKR_FUNCTION_NOT_SUPPORTED };
        let epoch = wrapper.sessions.epoch();
        // SAFETY: the real module's function, with the arguments that the caller vouches for.
        let code = unsafe { open(slot, flags, application, notify, session) };
        if code == CKR_OK {
            // SAFETY: CKR_OK says that the caller's pointer is one to a handle, which the real module has written.
            wrapper.sessions.opened(unsafe { *session }, slot, epoch);
        }
        code
    })
}

/// Forgets the session.
unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    let call = Call { function: Function::C_CloseSession, target: Target::Session(session), length_query: false, output: None };
    wrapper.call(call, |real| {
        let Some(close) = real.C_CloseSession else { return CKR_FUNCTION_NOT_SUPPORTED };
        let known = wrapper.sessions.forget(session);
        wrapper.processor.forget(session);
        // SAFETY: the real module's function, with the arguments that the caller vouches for.
        let code = unsafe { close(session) };
        if let (false, Some(known)) = (code == CKR_OK, known) {
            wrapper.sessions.restore(session, known);
        }
        code
    })
}

/// Forgets the slot's sessions.
unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_CloseAllSessions(slot) };
    if let (CKR_OK, Some(wrapper)) = (code, Wrapper::get()) {
        wrapper.sessions.all_closed(slot);
        wrapper.processor.forget_all();
    }
    code
}

/// Is in the stats before it returns: a process that is killed over a refused login has been counted all the same.
unsafe extern "C" fn C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: *mut CK_UTF8CHAR, pin_len: CK_ULONG) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_Login(session, user, pin, pin_len) };
    if let Some(wrapper) = Wrapper::get() {
        wrapper.write_stats();
    }
    code
}
