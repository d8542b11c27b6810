//! What makes certificates on one thread, around a signature that is there already.

use sceau::domain::{Algorithm, Digest, Kid, NumericDate, Signature};
use sceau::encode::{ClaimsSet, CoseBytes, ProtectedHeader};

use crate::payloads::Setting;

pub(crate) struct Line {
    pub(crate) setting: Setting,
    pub(crate) header: ProtectedHeader,
    /// Two hashes: as random as a signature, so that zlib works as hard.
    signature: Vec<u8>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            setting: Setting::new(),
            header: ProtectedHeader::new(Algorithm::Es256, Kid::from([1; 8])),
            signature: (0..2).flat_map(|half: u8| *Digest::of(&[half]).as_bytes()).collect(),
        }
    }

    pub(crate) fn expires_at(&self) -> NumericDate {
        self.setting.now.plus_seconds(365 * 86_400)
    }

    /// Up to what the token signs.
    pub(crate) fn prepare(&self, json: &[u8]) -> (Vec<u8>, Digest) {
        let payload = self.setting.parse(json);
        let claims = ClaimsSet { issuer: "FR", issued_at: self.setting.now, expires_at: self.expires_at(), payload }.to_cbor();
        let digest = self.header.digest(&claims);
        (claims, digest)
    }

    pub(crate) fn signature(&self) -> Signature {
        Signature::new(self.signature.clone())
    }

    /// The message around claims.
    pub(crate) fn message(&self, claims: Vec<u8>) -> CoseBytes {
        self.header.assemble(claims, self.signature())
    }
}
