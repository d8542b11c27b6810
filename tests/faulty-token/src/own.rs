//! The functions that the token's own processor answers, where the script has one: see [`crate::processor`].
#![expect(non_snake_case, reason = "the standard's own names")]

use std::ffi::c_void;
use std::slice;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_TYPE, CK_BYTE, CK_FUNCTION_LIST, CK_MECHANISM, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_RV,
    CK_SESSION_HANDLE, CK_ULONG, CKA_CLASS, CKA_EC_PARAMS, CKA_EC_POINT, CKA_ID, CKA_KEY_TYPE, CKK_EC, CKM_EC_KEY_PAIR_GEN,
    CKM_ECDSA, CKO_PUBLIC_KEY, CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_DATA_LEN_RANGE, CKR_FUNCTION_NOT_SUPPORTED,
    CKR_GENERAL_ERROR, CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED,
};

use crate::forward;
use crate::function::Function;
use crate::output::Output;
use crate::processor::{ID_LEN, Key, WORD_LEN};
use crate::wrapper::{Call, Target, Wrapper};

/// The object identifier of P-256, in DER. Source: RFC 5480 section 2.1.1.1.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Has the real module make a pair, and gives it the public key of the processor's key of that `CKA_ID`.
///
/// The private half of the real module stays: it has the attributes that a key of an issuer has, and nobody signs with it.
pub(crate) unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public: *mut CK_ATTRIBUTE,
    public_len: CK_ULONG,
    private: *mut CK_ATTRIBUTE,
    private_len: CK_ULONG,
    public_key: *mut CK_OBJECT_HANDLE,
    private_key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    let call =
        Call { function: Function::C_GenerateKeyPair, target: Target::Session(session), length_query: false, output: None };
    wrapper.call(call, |real| {
        let Some(generate) = real.C_GenerateKeyPair else { return CKR_FUNCTION_NOT_SUPPORTED };
        // SAFETY: the real module's function, with the arguments that the caller vouches for.
        let code = unsafe { generate(session, mechanism, public, public_len, private, private_len, public_key, private_key) };
        // SAFETY: the caller's own pointer, as PKCS#11 has it.
        if code != CKR_OK || !wrapper.computes() || unsafe { kind(mechanism) } != Some(CKM_EC_KEY_PAIR_GEN) {
            return code;
        }
        // SAFETY: CKR_OK says that the template was one, which the caller lends for the call.
        let template = unsafe { slice::from_raw_parts(public, public_len as usize) };
        // SAFETY: as above, of the values in it.
        let (curve, id) = unsafe { (value(template, CKA_EC_PARAMS), value(template, CKA_ID)) };
        match id.and_then(|id| id.try_into().ok()) {
            // SAFETY: CKR_OK says that the caller's pointer is one to a handle, which the real module has written.
            Some(id) if curve == Some(&P256) => unsafe { replace(real, session, template, Key::of_id(id), &mut *public_key) },
            _ => code,
        }
    })
}

/// Puts another public key in the place of a generated one.
///
/// # Safety
/// The handle is one of the session's token, and the template that by which its object was made.
unsafe fn replace(
    real: &CK_FUNCTION_LIST,
    session: CK_SESSION_HANDLE,
    template: &[CK_ATTRIBUTE],
    key: Key,
    public_key: &mut CK_OBJECT_HANDLE,
) -> CK_RV {
    let (Some(destroy), Some(create)) = (real.C_DestroyObject, real.C_CreateObject) else { return CKR_FUNCTION_NOT_SUPPORTED };
    let (mut class, mut key_type, mut point) = (CKO_PUBLIC_KEY, CKK_EC, key.ec_point());
    let own = [
        attribute(CKA_CLASS, (&raw mut class).cast(), size_of_val(&class)),
        attribute(CKA_KEY_TYPE, (&raw mut key_type).cast(), size_of_val(&key_type)),
        attribute(CKA_EC_POINT, point.as_mut_ptr().cast(), point.len()),
    ];
    let others = template.iter().filter(|given| own.iter().all(|own| own.type_ != given.type_));
    let mut whole: Vec<CK_ATTRIBUTE> = own.iter().chain(others).copied().collect();
    // SAFETY: the real module's function, with a handle that it has just given.
    let code = unsafe { destroy(session, *public_key) };
    if code != CKR_OK {
        return code;
    }
    // SAFETY: the real module's function, with attributes of our own and the caller's, all of which outlive the call.
    unsafe { create(session, whole.as_mut_ptr(), whole.len() as CK_ULONG, public_key) }
}

/// Begins a signature of the processor's, where the key is one of its own.
pub(crate) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    object: CK_OBJECT_HANDLE,
) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    // SAFETY: the caller's own pointer, as PKCS#11 has it.
    if !wrapper.computes() || unsafe { kind(mechanism) } != Some(CKM_ECDSA) {
        // SAFETY: the caller's arguments as they are.
        return unsafe { forward::C_SignInit(session, mechanism, object) };
    }
    let call = Call { function: Function::C_SignInit, target: Target::Session(session), length_query: false, output: None };
    wrapper.call(call, |real| {
        let processor = &wrapper.processor;
        if processor.has_begun(session) {
            return CKR_OPERATION_ACTIVE;
        }
        if let Some(key) = processor.key(object, || read_id(real, session, object)) {
            processor.begin(session, key);
            return CKR_OK;
        }
        // SAFETY: the real module's function, with the arguments that the caller vouches for.
        real.C_SignInit.map_or(CKR_FUNCTION_NOT_SUPPORTED, |init| unsafe { init(session, mechanism, object) })
    })
}

/// Signs, where the processor has begun to.
pub(crate) unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    out: *mut CK_BYTE,
    out_len: *mut CK_ULONG,
) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    if !wrapper.computes() || !wrapper.processor.has_begun(session) {
        // SAFETY: the caller's arguments as they are.
        return unsafe { forward::C_Sign(session, data, data_len, out, out_len) };
    }
    let call = Call {
        function: Function::C_Sign,
        target: Target::Session(session),
        length_query: out.is_null(),
        // SAFETY: the caller's own pointers, as PKCS#11 has them.
        output: Some(unsafe { Output::new(out, out_len) }),
    };
    wrapper.call(call, |_| {
        if data.is_null() || out_len.is_null() {
            return CKR_ARGUMENTS_BAD;
        }
        const LEN: usize = 2 * WORD_LEN;
        // SAFETY: not null, so it is the caller's length, his buffer's to begin with.
        let room = unsafe { std::mem::replace(&mut *out_len, LEN as CK_ULONG) };
        if out.is_null() {
            return CKR_OK;
        }
        if room < LEN as CK_ULONG {
            return CKR_BUFFER_TOO_SMALL;
        }
        if data_len != WORD_LEN as CK_ULONG {
            return CKR_DATA_LEN_RANGE;
        }
        // SAFETY: not null, and of the length that the caller says.
        let digest = unsafe { &*data.cast::<[u8; WORD_LEN]>() };
        let Some(signature) = wrapper.processor.end(session, digest) else { return CKR_OPERATION_NOT_INITIALIZED };
        // SAFETY: the caller's buffer, which has room for it.
        unsafe { out.cast::<[u8; LEN]>().write(signature) };
        CKR_OK
    })
}

/// The `CKA_ID` of an object, where it is as long as a key.
fn read_id(real: &CK_FUNCTION_LIST, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Option<[u8; ID_LEN]> {
    let read = real.C_GetAttributeValue?;
    let mut id = [0; ID_LEN];
    let mut template = [attribute(CKA_ID, id.as_mut_ptr().cast(), ID_LEN)];
    // SAFETY: the real module's function, with a template of our own that outlives the call.
    let code = unsafe { read(session, object, template.as_mut_ptr(), 1) };
    (code == CKR_OK && template[0].ulValueLen == ID_LEN as CK_ULONG).then_some(id)
}

fn attribute(type_: CK_ATTRIBUTE_TYPE, value: *mut c_void, len: usize) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_, pValue: value, ulValueLen: len as CK_ULONG }
}

/// # Safety
/// The pointer is null or one to a mechanism.
unsafe fn kind(mechanism: *const CK_MECHANISM) -> Option<CK_MECHANISM_TYPE> {
    // SAFETY: the caller's promise is the same.
    unsafe { mechanism.as_ref() }.map(|mechanism| mechanism.mechanism)
}

/// An attribute's value in a template.
///
/// # Safety
/// Each attribute's pointer is null, or to as many octets as it says.
unsafe fn value(template: &[CK_ATTRIBUTE], wanted: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
    let found = template.iter().find(|attribute| attribute.type_ == wanted && !attribute.pValue.is_null())?;
    // SAFETY: not null, so it is as the caller promises.
    Some(unsafe { slice::from_raw_parts(found.pValue.cast(), found.ulValueLen as usize) })
}
