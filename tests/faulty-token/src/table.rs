//! The function list of PKCS#11 v2.40 as one table, from which [`crate::function`] and [`crate::forward`] are written.

/// Hands the table to the macro `$then`, one row a function, in the order of `CK_FUNCTION_LIST`.
///
/// Each row: what the call addresses (`library`, `slot`: a token by its slot, `session`), the name, the arguments, and
/// - `=> out out_len`: it writes bytes; with `out` null it is a length query, answered by a client library without its HSM
/// - `?list`: the same for a list that is not bytes
///
/// `C_GetFunctionList` is missing: it is how the list is had, not part of what is forwarded.
/// Source: PKCS#11 Cryptographic Token Interface Base Specification v2.40, section 5.
macro_rules! pkcs11_functions {
    ($then:ident) => {
        $then! {
            library C_Initialize(args: Void);
            library C_Finalize(reserved: Void);
            library C_GetInfo(info: *mut CK_INFO);
            library C_GetSlotList(token_present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: LenOut) ?slots;
            library C_GetSlotInfo(slot: Slot, info: *mut CK_SLOT_INFO);
            slot C_GetTokenInfo(slot: Slot, info: *mut CK_TOKEN_INFO);
            slot C_GetMechanismList(slot: Slot, mechanisms: *mut CK_MECHANISM_TYPE, count: LenOut) ?mechanisms;
            slot C_GetMechanismInfo(slot: Slot, mechanism: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO);
            slot C_InitToken(slot: Slot, pin: Text, pin_len: Len, label: Text);
            session C_InitPIN(session: Session, pin: Text, pin_len: Len);
            session C_SetPIN(session: Session, old: Text, old_len: Len, new: Text, new_len: Len);
            slot C_OpenSession(slot: Slot, flags: CK_FLAGS, application: Void, notify: CK_NOTIFY, session: *mut
                CK_SESSION_HANDLE);
            session C_CloseSession(session: Session);
            slot C_CloseAllSessions(slot: Slot);
            session C_GetSessionInfo(session: Session, info: *mut CK_SESSION_INFO);
            session C_GetOperationState(session: Session, out: Bytes, out_len: LenOut) => out out_len;
            session C_SetOperationState(session: Session, state: Bytes, state_len: Len, encryption_key: Object,
                authentication_key: Object);
            session C_Login(session: Session, user: CK_USER_TYPE, pin: Text, pin_len: Len);
            session C_Logout(session: Session);
            session C_CreateObject(session: Session, template: Template, count: Len, object: ObjectOut);
            session C_CopyObject(session: Session, object: Object, template: Template, count: Len, copy: ObjectOut);
            session C_DestroyObject(session: Session, object: Object);
            session C_GetObjectSize(session: Session, object: Object, size: LenOut);
            session C_GetAttributeValue(session: Session, object: Object, template: Template, count: Len);
            session C_SetAttributeValue(session: Session, object: Object, template: Template, count: Len);
            session C_FindObjectsInit(session: Session, template: Template, count: Len);
            session C_FindObjects(session: Session, objects: ObjectOut, max: Len, count: LenOut);
            session C_FindObjectsFinal(session: Session);
            session C_EncryptInit(session: Session, mechanism: Mechanism, key: Object);
            session C_Encrypt(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_EncryptUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_EncryptFinal(session: Session, out: Bytes, out_len: LenOut) => out out_len;
            session C_DecryptInit(session: Session, mechanism: Mechanism, key: Object);
            session C_Decrypt(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_DecryptUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_DecryptFinal(session: Session, out: Bytes, out_len: LenOut) => out out_len;
            session C_DigestInit(session: Session, mechanism: Mechanism);
            session C_Digest(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_DigestUpdate(session: Session, data: Bytes, data_len: Len);
            session C_DigestKey(session: Session, key: Object);
            session C_DigestFinal(session: Session, out: Bytes, out_len: LenOut) => out out_len;
            session C_SignInit(session: Session, mechanism: Mechanism, key: Object);
            session C_Sign(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_SignUpdate(session: Session, data: Bytes, data_len: Len);
            session C_SignFinal(session: Session, out: Bytes, out_len: LenOut) => out out_len;
            session C_SignRecoverInit(session: Session, mechanism: Mechanism, key: Object);
            session C_SignRecover(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out out_len;
            session C_VerifyInit(session: Session, mechanism: Mechanism, key: Object);
            session C_Verify(session: Session, data: Bytes, data_len: Len, signature: Bytes, signature_len: Len);
            session C_VerifyUpdate(session: Session, data: Bytes, data_len: Len);
            session C_VerifyFinal(session: Session, signature: Bytes, signature_len: Len);
            session C_VerifyRecoverInit(session: Session, mechanism: Mechanism, key: Object);
            session C_VerifyRecover(session: Session, signature: Bytes, signature_len: Len, out: Bytes, out_len: LenOut) => out
                out_len;
            session C_DigestEncryptUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out
                out_len;
            session C_DecryptDigestUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out
                out_len;
            session C_SignEncryptUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out
                out_len;
            session C_DecryptVerifyUpdate(session: Session, data: Bytes, data_len: Len, out: Bytes, out_len: LenOut) => out
                out_len;
            session C_GenerateKey(session: Session, mechanism: Mechanism, template: Template, count: Len, key: ObjectOut);
            session C_GenerateKeyPair(session: Session, mechanism: Mechanism, public: Template, public_len: Len, private:
                Template, private_len: Len, public_key: ObjectOut, private_key: ObjectOut);
            session C_WrapKey(session: Session, mechanism: Mechanism, wrapping_key: Object, key: Object, out: Bytes, out_len:
                LenOut) => out out_len;
            session C_UnwrapKey(session: Session, mechanism: Mechanism, unwrapping_key: Object, wrapped: Bytes, wrapped_len:
                Len, template: Template, count: Len, key: ObjectOut);
            session C_DeriveKey(session: Session, mechanism: Mechanism, base_key: Object, template: Template, count: Len, key:
                ObjectOut);
            session C_SeedRandom(session: Session, seed: Bytes, seed_len: Len);
            session C_GenerateRandom(session: Session, random: Bytes, random_len: Len);
            session C_GetFunctionStatus(session: Session);
            session C_CancelFunction(session: Session);
            library C_WaitForSlotEvent(flags: CK_FLAGS, slot: *mut CK_SLOT_ID, reserved: Void);
        }
    };
}

pub(crate) use pkcs11_functions;
