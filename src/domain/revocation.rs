//! What a certificate is revoked by: 128 bits of a hash that any verifier can compute from the certificate itself.

use std::fmt;
use std::str::FromStr;

use super::{Algorithm, Digest, Signature};

/// What a revocation entry is the hash of.
///
/// # Source
/// EU eHealth Network, DCC revocation (B2A) section 4; dgc-gateway, RevocationHashTypeDto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashType {
    /// The signature: r of an ECDSA signature, the whole of an RSA one. What new entries are made by.
    Signature,
    /// The UVCI (`ci`), in UTF-8. Deprecated: whoever knows the UVCI knows the hash.
    Uci,
    /// The issuing country (`iss`), then the UVCI. Deprecated likewise.
    CountryCodeUci,
}

impl HashType {
    /// All three, the one for new entries first.
    pub const ALL: [Self; 3] = [Self::Signature, Self::Uci, Self::CountryCodeUci];

    /// The name that the gateway gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "SIGNATURE",
            Self::Uci => "UCI",
            Self::CountryCodeUci => "COUNTRYCODEUCI",
        }
    }
}

impl fmt::Display for HashType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HashType {
    type Err = UnknownHashType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|hash_type| hash_type.name() == text).ok_or(UnknownHashType)
    }
}

/// A name that is none of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash type; revocation has SIGNATURE, UCI and COUNTRYCODEUCI")]
pub struct UnknownHashType;

/// The hashes by which one certificate can be revoked.
///
/// An issuer that did not keep them cannot revoke: they cannot be computed from the payload, for a signature is new each time.
/// The two of the UVCI are kept whole (a ledger finds a certificate by them); a list holds the first 16 bytes of each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevocationHashes {
    /// The first 16 bytes of SHA-256 over the signature (ECDSA: over r).
    pub signature: [u8; 16],
    /// SHA-256 over the UVCI.
    pub uci: [u8; 32],
    /// SHA-256 over the issuing country, then the UVCI.
    pub country_uci: [u8; 32],
}

impl RevocationHashes {
    /// Hashes one certificate: its signature, its UVCI as it stands in `ci`, its issuing country as it stands in `iss`.
    ///
    /// Of an ECDSA signature the first half, r, is hashed (32 bytes for ES256): (r, n − s) verifies where (r, s) does, so a
    /// hash over both would miss the twin.
    #[must_use]
    pub fn of(algorithm: Algorithm, signature: &Signature, uvci: &str, issuer: &str) -> Self {
        Self {
            signature: signature_hash(algorithm, signature.as_bytes()),
            uci: *Digest::of(uvci.as_bytes()).as_bytes(),
            country_uci: *Digest::of_parts(&[issuer.as_bytes(), uvci.as_bytes()]).as_bytes(),
        }
    }

    /// The 16 bytes that stand in a list of the type.
    #[must_use]
    pub fn of_type(&self, hash_type: HashType) -> [u8; 16] {
        match hash_type {
            HashType::Signature => self.signature,
            HashType::Uci => first_128_bits(&self.uci),
            HashType::CountryCodeUci => first_128_bits(&self.country_uci),
        }
    }
}

/// Nothing of it: whoever knows a UVCI could find it in a log by its hash.
impl fmt::Debug for RevocationHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocationHashes(…)")
    }
}

fn signature_hash(algorithm: Algorithm, signature: &[u8]) -> [u8; 16] {
    let hashed = match algorithm {
        Algorithm::Es256 => &signature[..signature.len() / 2],
        Algorithm::Ps256 => signature,
    };
    first_128_bits(Digest::of(hashed).as_bytes())
}

fn first_128_bits(hash: &[u8; 32]) -> [u8; 16] {
    *hash.first_chunk().expect("32 bytes hold 16")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The published vector FR/DCC_Test_0001: a test certificate of nobody.
    const SIGNATURE: &str = "1d93c317ddc28b7d96bb58f3b825ad5fda1ccbeefe1727269a9c86af04926407\
                             d2b2c85348a2091c1053832ab4310ce1e7529ea5828af33432e1250374326fd7";
    const UVCI: &str = "URN:UVCI:01:FR:GGD81AAH16AZ#8";

    fn signature(hex: &str) -> Signature {
        Signature::new(hex::decode(hex).unwrap())
    }

    fn worked_example() -> RevocationHashes {
        RevocationHashes::of(Algorithm::Es256, &signature(SIGNATURE), UVCI, "FR")
    }

    #[test]
    fn the_worked_example_has_its_three_hashes() {
        let listed = HashType::ALL.map(|hash_type| STANDARD.encode(worked_example().of_type(hash_type)));
        assert_eq!(listed, ["HVRDh6w9RZ70LaAh71SWbw==", "Js4PVxVVBZRJ8cHid1I1FQ==", "Vc9Ac3zb/OiZfzubiQRu3w=="]);
    }

    #[test]
    fn the_twin_of_an_ecdsa_signature_has_the_same_hash_and_that_of_an_rsa_signature_another() {
        let (one, twin) = ([7; 64], [[7; 32], [8; 32]].concat());
        let hashes = |algorithm, bytes: &[u8]| RevocationHashes::of(algorithm, &Signature::new(bytes.to_vec()), UVCI, "FR");
        assert_eq!(hashes(Algorithm::Es256, &one), hashes(Algorithm::Es256, &twin));
        assert_ne!(hashes(Algorithm::Ps256, &one), hashes(Algorithm::Ps256, &twin));
        assert_eq!(hashes(Algorithm::Ps256, &[7; 32]).signature, hashes(Algorithm::Es256, &one).signature);
    }

    #[test]
    fn a_signature_of_any_length_has_hashes() {
        for length in [0, 1, 31, 32, 33, 63, 65, 96, 512] {
            for algorithm in Algorithm::ALL {
                let hashes = RevocationHashes::of(algorithm, &Signature::new(vec![1; length]), "", "");
                assert_eq!(hashes.uci, *Digest::of(b"").as_bytes());
            }
        }
    }

    #[test]
    fn the_names_are_the_gateways() {
        assert_eq!(HashType::ALL.map(|hash_type| hash_type.to_string()), ["SIGNATURE", "UCI", "COUNTRYCODEUCI"]);
        for hash_type in HashType::ALL {
            assert_eq!(hash_type.name().parse(), Ok(hash_type));
        }
        assert_eq!("signature".parse::<HashType>(), Err(UnknownHashType));
    }

    #[test]
    fn no_hash_is_in_the_debug_form() {
        assert_eq!(format!("{:?}", worked_example()), "RevocationHashes(…)");
    }
}
