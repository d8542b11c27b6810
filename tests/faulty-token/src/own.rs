//! The functions that the token's own processor answers, where the script has one: see [`crate::processor`].
#![expect(non_snake_case, reason = "the standard's own names")]

use std::ffi::c_void;
use std::slice;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_TYPE, CK_BYTE, CK_FUNCTION_LIST, CK_MECHANISM, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_RV,
    CK_SESSION_HANDLE, CK_ULONG, CKA_CLASS, CKA_EC_PARAMS, CKA_EC_POINT, CKA_ID, CKA_KEY_TYPE, CKA_SUBJECT, CKK_EC,
    CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKO_PUBLIC_KEY, CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL,
    CKR_DATA_LEN_RANGE, CKR_FUNCTION_NOT_SUPPORTED, CKR_GENERAL_ERROR, CKR_OK, CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
};

use crate::forward;
use crate::function::Function;
use crate::output::Output;
use crate::processor::{ID_LEN, Key, WORD_LEN};
use crate::wrapper::{Call, Target, Wrapper};

/// The object identifier of P-256, in DER. Source: RFC 5480 section 2.1.1.1.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What the private half of a pair has as its `CKA_SUBJECT` where the processor signs for it.
const MARK: &[u8] = b"sceau-faulty-token";

/// Has the real module make a pair, and gives it the public key of the processor's key of that `CKA_ID`.
///
/// The private half of the real module stays, with a mark: it has the attributes that a key of an issuer has, and nobody signs
/// with it.
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
    // SAFETY: the caller's own pointers, as PKCS#11 has them.
    let own = unsafe { own_pair(mechanism, (public, public_len), (private, private_len)) };
    let Some(own) = own.filter(|_| wrapper.computes() && !public_key.is_null() && !private_key.is_null()) else {
        // SAFETY: the caller's arguments as they are.
        return unsafe {
            forward::C_GenerateKeyPair(session, mechanism, public, public_len, private, private_len, public_key, private_key)
        };
    };
    let call =
        Call { function: Function::C_GenerateKeyPair, target: Target::Session(session), length_query: false, output: None };
    wrapper.call(call, |real| {
        let (Some(generate), Some(create), Some(destroy)) = (real.C_GenerateKeyPair, real.C_CreateObject, real.C_DestroyObject)
        else {
            return CKR_FUNCTION_NOT_SUPPORTED;
        };
        let mut mark = MARK.to_vec();
        let mut marked = own.private.to_vec();
        marked.push(attribute(CKA_SUBJECT, mark.as_mut_ptr().cast(), mark.len()));
        let (mut made, mut kept) = (0, 0);
        let (marked, marked_len) = (marked.as_mut_ptr(), marked.len() as CK_ULONG);
        // SAFETY: the real module's function, with the arguments that the caller vouches for, and our own, which outlive the call.
        let code = unsafe { generate(session, mechanism, public, public_len, marked, marked_len, &mut made, &mut kept) };
        if code != CKR_OK {
            return code;
        }
        let (mut class, mut key_type, mut point) = (CKO_PUBLIC_KEY, CKK_EC, own.key.ec_point());
        let ours = [
            attribute(CKA_CLASS, (&raw mut class).cast(), size_of_val(&class)),
            attribute(CKA_KEY_TYPE, (&raw mut key_type).cast(), size_of_val(&key_type)),
            attribute(CKA_EC_POINT, point.as_mut_ptr().cast(), point.len()),
        ];
        let others = own.public.iter().filter(|given| ours.iter().all(|ours| ours.type_ != given.type_));
        let mut whole: Vec<CK_ATTRIBUTE> = ours.iter().chain(others).copied().collect();
        let mut shown = 0;
        // SAFETY: the real module's function, with attributes of our own and the caller's, all of which outlive the call.
        let code = unsafe { create(session, whole.as_mut_ptr(), whole.len() as CK_ULONG, &mut shown) };
        let over = if code == CKR_OK { &[made][..] } else { &[made, kept] };
        for object in over {
            // SAFETY: the real module's function, with a handle that it has just given.
            unsafe { destroy(session, *object) };
        }
        if code == CKR_OK {
            // SAFETY: not null, so they are the caller's places for handles.
            unsafe { (*public_key, *private_key) = (shown, kept) };
        }
        code
    })
}

/// A pair that the processor is to sign for, as it is asked for.
struct OwnPair<'a> {
    key: Key,
    public: &'a [CK_ATTRIBUTE],
    private: &'a [CK_ATTRIBUTE],
}

/// Whether a pair is to be one: on P-256, with a `CKA_ID` that is a key, and room for the mark.
///
/// # Safety
/// The pointers are null, or as PKCS#11 has them.
unsafe fn own_pair<'a>(
    mechanism: *const CK_MECHANISM,
    public: (*const CK_ATTRIBUTE, CK_ULONG),
    private: (*const CK_ATTRIBUTE, CK_ULONG),
) -> Option<OwnPair<'a>> {
    // SAFETY: the caller's promise is the same, here and below.
    let (public, private) = unsafe { (template(public)?, template(private)?) };
    // SAFETY: as above.
    let (kind, curve, id) = unsafe { (kind(mechanism)?, value(public, CKA_EC_PARAMS)?, value(public, CKA_ID)?) };
    let is_free = private.iter().all(|given| given.type_ != CKA_SUBJECT);
    let key = Key::of_id(id.try_into().ok()?);
    (kind == CKM_EC_KEY_PAIR_GEN && curve == P256 && is_free).then_some(OwnPair { key, public, private })
}

/// Begins a signature of the processor's, where the key is one of its own.
pub(crate) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    object: CK_OBJECT_HANDLE,
) -> CK_RV {
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    let processor = &wrapper.processor;
    // SAFETY: the caller's own pointer, as PKCS#11 has it.
    let is_ours = wrapper.computes() && unsafe { kind(mechanism) } == Some(CKM_ECDSA);
    if !is_ours && !processor.has_begun(session) {
        // SAFETY: the caller's arguments as they are.
        return unsafe { forward::C_SignInit(session, mechanism, object) };
    }
    let call = Call { function: Function::C_SignInit, target: Target::Session(session), length_query: false, output: None };
    wrapper.call(call, |real| {
        if processor.has_begun(session) {
            return CKR_OPERATION_ACTIVE;
        }
        match processor.key(session, object, || read_key(real, session, object)) {
            Ok(Some(key)) => {
                processor.begin(session, key);
                CKR_OK
            }
            // SAFETY: the real module's function, with the arguments that the caller vouches for.
            Ok(None) => real.C_SignInit.map_or(CKR_FUNCTION_NOT_SUPPORTED, |init| unsafe { init(session, mechanism, object) }),
            Err(code) => code,
        }
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
    const LEN: usize = 2 * WORD_LEN;
    let Some(wrapper) = Wrapper::get() else { return CKR_GENERAL_ERROR };
    if !wrapper.processor.has_begun(session) {
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
        let is_digest = !data.is_null() && data_len == WORD_LEN as CK_ULONG;
        if !is_digest || out_len.is_null() {
            // As the standard has it, any failure but that of a buffer that is too small ends the operation.
            wrapper.processor.give_up(session);
            return if data.is_null() || out_len.is_null() { CKR_ARGUMENTS_BAD } else { CKR_DATA_LEN_RANGE };
        }
        // SAFETY: not null, so it is the caller's length, his buffer's to begin with.
        let room = unsafe { std::mem::replace(&mut *out_len, LEN as CK_ULONG) };
        if out.is_null() {
            return CKR_OK;
        }
        if room < LEN as CK_ULONG {
            return CKR_BUFFER_TOO_SMALL;
        }
        // SAFETY: not null, and of the length that the caller says.
        let digest = unsafe { &*data.cast::<[u8; WORD_LEN]>() };
        let Some(signature) = wrapper.processor.end(session, digest) else { return CKR_OPERATION_NOT_INITIALIZED };
        // SAFETY: the caller's buffer, which has room for it.
        unsafe { out.cast::<[u8; LEN]>().write(signature) };
        CKR_OK
    })
}

/// What a login allowed is over.
pub(crate) unsafe extern "C" fn C_Logout(session: CK_SESSION_HANDLE) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_Logout(session) };
    if let Some(wrapper) = Wrapper::get() {
        wrapper.processor.forget_all();
    }
    code
}

/// The next object may have this one's handle.
pub(crate) unsafe extern "C" fn C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> CK_RV {
    // SAFETY: the caller's arguments as they are.
    let code = unsafe { forward::C_DestroyObject(session, object) };
    if let Some(wrapper) = Wrapper::get() {
        wrapper.processor.forget_keys();
    }
    code
}

/// The key that an object is, where it has the mark and a `CKA_ID` that is one; else nothing.
fn read_key(real: &CK_FUNCTION_LIST, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Result<Option<Key>, CK_RV> {
    let Some(read) = real.C_GetAttributeValue else { return Ok(None) };
    let (mut id, mut mark) = ([0; ID_LEN], [0; MARK.len()]);
    let mut template =
        [attribute(CKA_ID, id.as_mut_ptr().cast(), id.len()), attribute(CKA_SUBJECT, mark.as_mut_ptr().cast(), mark.len())];
    // SAFETY: the real module's function, with a template of our own that outlives the call.
    let code = unsafe { read(session, object, template.as_mut_ptr(), template.len() as CK_ULONG) };
    let is_marked = template[0].ulValueLen == ID_LEN as CK_ULONG && mark == MARK;
    match code {
        CKR_OK => Ok(is_marked.then(|| Key::of_id(id))),
        // Longer than ours, or none at all: another's.
        CKR_BUFFER_TOO_SMALL | CKR_ATTRIBUTE_TYPE_INVALID => Ok(None),
        code => Err(code),
    }
}

/// # Safety
/// The pointer is null, or to as many attributes as the number says.
unsafe fn template<'a>((attributes, count): (*const CK_ATTRIBUTE, CK_ULONG)) -> Option<&'a [CK_ATTRIBUTE]> {
    // SAFETY: not null, so it is as the caller promises.
    (!attributes.is_null()).then(|| unsafe { slice::from_raw_parts(attributes, count as usize) })
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
