//! The bytes that a call writes for its caller, and how they are spoilt.

use cryptoki_sys::{CK_BYTE, CK_ULONG};

/// Where a call writes bytes: pointers as the caller gave them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    bytes: *mut CK_BYTE,
    len: *mut CK_ULONG,
}

impl Output {
    /// # Safety
    /// Each pointer is null, or as PKCS#11 has it: `len` to the length of `bytes`, both the callee's during the call.
    pub(crate) unsafe fn new(bytes: *mut CK_BYTE, len: *mut CK_ULONG) -> Self {
        Self { bytes, len }
    }

    /// Turns one bit, by the lot.
    ///
    /// # Safety
    /// The real module has answered `CKR_OK`, and the call has not returned yet.
    pub(crate) unsafe fn flip_bit(self, lot: u64) {
        // SAFETY: the caller's promise is the same.
        let Some(bytes) = (unsafe { self.written() }) else { return };
        let bit = (lot % (bytes.len() as u64 * 8)) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
    }

    /// Takes the last byte away.
    ///
    /// # Safety
    /// As with [`Self::flip_bit`].
    pub(crate) unsafe fn shorten(self) {
        // SAFETY: the caller's promise is the same.
        let Some([.., last]) = (unsafe { self.written() }) else { return };
        *last = 0;
        // SAFETY: `written` has found `len` to be there, and not 0.
        unsafe { *self.len -= 1 };
    }

    /// Overwrites them, so that nobody can use what a failed call was to give.
    ///
    /// # Safety
    /// As with [`Self::flip_bit`].
    pub(crate) unsafe fn wipe(self) {
        // SAFETY: the caller's promise is the same.
        if let Some(bytes) = unsafe { self.written() } {
            bytes.fill(0);
        }
    }

    /// What the real module has written; `None` if that is nothing.
    ///
    /// # Safety
    /// As with [`Self::flip_bit`].
    unsafe fn written<'a>(self) -> Option<&'a mut [CK_BYTE]> {
        if self.bytes.is_null() || self.len.is_null() {
            return None;
        }
        // SAFETY: not null, so it is the caller's length, which the module has set to what it has written.
        let len = unsafe { *self.len } as usize;
        // SAFETY: by `CKR_OK` the module has written so many bytes there. Until the call returns nobody else uses them.
        (len != 0).then(|| unsafe { std::slice::from_raw_parts_mut(self.bytes, len) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoilt(written: CK_ULONG, spoil: unsafe fn(Output)) -> ([CK_BYTE; 4], CK_ULONG) {
        let (mut bytes, mut len) = ([1, 2, 3, 4], written);
        // SAFETY: both outlive the call, and `written` is at most their length.
        unsafe { spoil(Output::new(bytes.as_mut_ptr(), &mut len)) };
        (bytes, len)
    }

    /// # Safety
    /// As with [`Output::flip_bit`].
    unsafe fn flip_bit_33(output: Output) {
        // SAFETY: the caller's promise is the same.
        unsafe { output.flip_bit(33) }
    }

    #[test]
    fn bytes_are_spoilt_within_what_was_written() {
        assert_eq!(spoilt(3, flip_bit_33), ([1, 0, 3, 4], 3)); // 33 - 24 is the second byte's second bit
        assert_eq!(spoilt(3, Output::shorten), ([1, 2, 0, 4], 2));
        assert_eq!(spoilt(3, Output::wipe), ([0, 0, 0, 4], 3));
    }

    #[test]
    fn nothing_written_is_nothing_spoilt() {
        assert_eq!(spoilt(0, Output::shorten), ([1, 2, 3, 4], 0));
        assert_eq!(spoilt(0, flip_bit_33), ([1, 2, 3, 4], 0));
        // SAFETY: null pointers are allowed.
        unsafe { Output::new(std::ptr::null_mut(), std::ptr::null_mut()).flip_bit(5) };
    }
}
