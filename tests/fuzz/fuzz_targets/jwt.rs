//! The JWT of the person behind a call: its claims, as they are read once the signature is good; and whole ones, none of which
//! the issuer has signed.
//!
//! The first byte says what the others are: claims, a JWT, its header, or its signature.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use sceau::domain::{CertificateType, CertificateTypes, NumericDate};
use sceau::service::person::{
    ClaimRules, JwtAlgorithm, KeySource, Pace, PersonSettings, PersonVerifier, PseudonymMaker, read_claims,
};
use sceau_fuzz::certificate::KEY;
use sceau_fuzz::payloads::NOW;
use sceau_fuzz::seeds;
use tokio::runtime::Runtime;

const HEADER: &str = r#"{"alg":"ES256","typ":"JWT","kid":"a"}"#;
const CLAIMS: [&str; 3] = [
    r#"{"iss":"https://id.example.org","aud":["other","sceau"],"sub":"f:1:2","exp":1634731260,"nbf":1634731140,"iat":1634731140,"SubjectRefPro":{"exercices":[{"codeProfession":"10"}]}}"#,
    r#"{"iss":"https://id.example.org","aud":"sceau","sub":"é","exp":1634731260.5,"SubjectRefPro":{"exercices":[{"codeProfession":["21","60"]},{"codeProfession":"x"},null]}}"#,
    r#"{"aud":"sceau","iss":"https://id.example.org","sub":"s","exp":18446744073709551615,"nbf":-1,"iat":null,"SubjectRefPro":{"exercices":[{"codeProfession":"60"}]}}"#,
];

struct Issuer {
    rules: ClaimRules,
    verifier: PersonVerifier,
    runtime: Runtime,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::known);

fuzz_target!(init: seeds::write(seeds()), |input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 4 {
        0 => check_claims(bytes),
        1 => ISSUER.refuses(&String::from_utf8_lossy(bytes)),
        2 => ISSUER.refuses(&jwt(bytes, CLAIMS[0].as_bytes(), &[1; 64])),
        _ => ISSUER.refuses(&jwt(HEADER.as_bytes(), CLAIMS[0].as_bytes(), bytes)),
    }
});

/// Claims that are read name professions of the table, and give their types and no other.
fn check_claims(json: &[u8]) {
    let rules = &ISSUER.rules;
    let Ok(claims) = read_claims(json, rules) else { return };
    assert_eq!(read_claims(json, rules).ok().as_ref(), Some(&claims), "the same claims, the same person");
    let professions = &claims.person.professions;
    assert!(!professions.is_empty() && professions.is_sorted_by(|a, b| a < b), "at least one, each once");
    let types = professions.iter().flat_map(|name| rules.professions[name].iter()).collect();
    assert_eq!(claims.person.types, types);
    for now in [i64::MIN, 0, NOW.seconds(), i64::MAX] {
        for leeway in [0, 60, i64::MAX] {
            let _ = claims.times.check(NumericDate::from_seconds(now), leeway);
        }
    }
}

fn jwt(header: &[u8], claims: &[u8], signature: &[u8]) -> String {
    [header, claims, signature].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
}

fn rules() -> ClaimRules {
    use CertificateType::{Recovery, Test, Vaccination};
    let types = |kinds: &[CertificateType]| kinds.iter().copied().collect::<CertificateTypes>();
    ClaimRules {
        issuer: "https://id.example.org".to_owned(),
        audience: "sceau".to_owned(),
        profession_claim: "SubjectRefPro.exercices[].codeProfession".parse().expect("a path"),
        subject_claim: "sub".parse().expect("a path"),
        professions: [("10", &[Vaccination, Test, Recovery][..]), ("21", &[Test]), ("60", &[Vaccination])]
            .map(|(name, kinds)| (name.to_owned(), types(kinds)))
            .into(),
        pseudonyms: PseudonymMaker::new(&[2; 32]).expect("32 bytes are enough"),
    }
}

impl Issuer {
    /// With one key, by which nothing here is signed.
    fn known() -> Self {
        let [x, y] = [&KEY[1..33], &KEY[33..]].map(|half| BASE64_URL_SAFE_NO_PAD.encode(half));
        let jwks = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","use":"sig","kid":"a","x":"{x}","y":"{y}"}}]}}"#);
        let file = std::env::temp_dir().join(format!("sceau-fuzz-{}.jwks", std::process::id()));
        std::fs::write(&file, jwks).expect("the folder of temporary files can be written to");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        let hour = Duration::from_secs(3600);
        let settings = PersonSettings {
            source: KeySource::file(&file).expect("a JWK set"),
            pace: Pace::default(),
            max_stale: 1_000 * hour,
            header: PersonSettings::DEFAULT_HEADER.to_owned(),
            algorithms: JwtAlgorithm::DEFAULT.to_vec(),
            typ: None,
            rules: rules(),
            leeway: Duration::from_secs(60),
        };
        let verifier = PersonVerifier::new(settings);
        runtime.block_on(verifier.read_keys()).expect("the key is read");
        // It is read now and not again: an unreadable source leaves the keys as they are.
        let _ = std::fs::remove_file(&file);
        Self { rules: rules(), verifier, runtime }
    }

    fn refuses(&self, jwt: &str) {
        let refusal = self.runtime.block_on(self.verifier.verify(jwt, NOW)).expect_err("the issuer has not signed it");
        assert!(!refusal.to_string().is_empty());
    }
}

/// Claims, and a JWT in each of its parts.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let whole = jwt(HEADER.as_bytes(), CLAIMS[0].as_bytes(), &[1; 64]);
    let parts = [(1, whole.as_bytes()), (2, HEADER.as_bytes()), (3, &[1; 64][..])];
    let parts = parts.map(|(kind, bytes)| [&[kind], bytes].concat());
    CLAIMS.into_iter().map(|claims| [&[0], claims.as_bytes()].concat()).chain(parts).collect::<Vec<_>>().into_iter()
}
