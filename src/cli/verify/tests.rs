//! Verdicts on certificates of an issuer made for the test.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::*;
use crate::domain::json::Json;
use crate::domain::{Algorithm, Dsc, HashType, NumericDate, RevocationHashes, Signature};
use crate::encode::json::DeterministicJson;
use crate::encode::revocation::{ExpiryStep, RevocationList, batches};
use crate::encode::{ClaimsSet, Hc1, ProtectedHeader, SignedHcert};

const UVCI: &str = "URN:UVCI:01:FR:A#8";
const VACCINATION: &str = r#"{"ver":"1.3.0","nam":{"fnt":"DOE"},"dob":"","v":[{"ci":"URN:UVCI:01:FR:A#8"}]}"#;
const IAT: i64 = 1_634_688_000;
const EXP: i64 = 1_666_224_000;

/// A key with its self-signed DSC: C=FR, valid in 2021 and 2022, for vaccinations.
pub(super) struct Issuer {
    pub(super) dsc: Dsc,
    key: EcdsaKeyPair,
}

impl Issuer {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CountryName, DnValue::PrintableString("FR".try_into().unwrap()));
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2021, 1, 1), rcgen::date_time_ymd(2023, 1, 1));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2])];
        let certificate = params.self_signed(&key).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
        Self { dsc: Dsc::from_der(certificate.der()).unwrap(), key }
    }

    fn sign(&self, issuer: &str, iat: i64, exp: i64, payload: &str) -> String {
        let header = ProtectedHeader::new(Algorithm::Es256, self.dsc.kid());
        let payload = DeterministicJson::new(Json::parse(payload.as_bytes()).unwrap()).unwrap();
        let (issued_at, expires_at) = (NumericDate::from_seconds(iat), NumericDate::from_seconds(exp));
        let claims = ClaimsSet { issuer, issued_at, expires_at, payload }.to_cbor();
        let signature = self.key.sign(&SystemRandom::new(), &header.sig_structure(&claims)).unwrap();
        Hc1::encode(&header.assemble(claims, Signature::new(signature.as_ref().to_vec()))).into_string()
    }

    fn hc1(&self) -> String {
        self.sign("FR", IAT, EXP, VACCINATION)
    }

    fn trust(&self) -> TrustList {
        TrustList::of(self.dsc.der())
    }
}

static NOTHING_REVOKED: LazyLock<RevocationList> = LazyLock::new(RevocationList::default);

const AT_ISSUANCE: fn(&TrustList) -> Judge<'_> =
    |trust| Judge { trust, revocations: &NOTHING_REVOKED, at: At::Issuance, is_strict: false, shows_personal: false };

fn verdicts(judge: &Judge<'_>, quiet: bool, input: &str) -> (Counts, Vec<Value>) {
    let mut out = Vec::new();
    let counts = verify(judge, quiet, &mut input.as_bytes(), &mut out).unwrap();
    let lines = std::str::from_utf8(&out).unwrap().lines();
    (counts, lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn verdict(issuer: &Issuer, line: &str) -> Value {
    verdicts(&AT_ISSUANCE(&issuer.trust()), false, line).1.remove(0)
}

/// The codes of the errors.
fn errors(verdict: &Value) -> Vec<&str> {
    assert_eq!(verdict["verdict"], if verdict["errors"] == json!([]) { "valid" } else { "invalid" });
    verdict["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap().split(':').next().unwrap()).collect()
}

#[test]
fn a_good_certificate_is_valid() {
    let issuer = Issuer::new();
    let expected = json!({
        "line": 1, "verdict": "valid", "errors": [], "warnings": [], "kid": issuer.dsc.kid().to_string(),
        "alg": "ES256", "iss": "FR", "iat": IAT, "exp": EXP, "type": "vaccination",
    });
    assert_eq!(verdict(&issuer, &issuer.hc1()), expected);
}

#[test]
fn what_is_personal_is_shown_on_demand_only() {
    let issuer = Issuer::new();
    let (trust, line) = (issuer.trust(), issuer.hc1());
    assert!(!verdict(&issuer, &line).to_string().contains(UVCI));
    let judge = Judge { shows_personal: true, ..AT_ISSUANCE(&trust) };
    let shown = verdicts(&judge, false, &line).1.remove(0);
    assert_eq!(shown["uvci"], UVCI);
    assert_eq!(shown["payload"], serde_json::from_str::<Value>(VACCINATION).unwrap());
}

#[test]
fn a_certificate_of_another_issuer_is_unknown() {
    assert_eq!(errors(&verdict(&Issuer::new(), &Issuer::new().hc1())), ["kid_unknown"]);
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let issuer = Issuer::new();
    let forger = Issuer { dsc: issuer.dsc.clone(), ..Issuer::new() };
    assert_eq!(errors(&verdict(&issuer, &forger.hc1())), ["signature"]);
}

#[test]
fn a_certificate_stays_within_its_dsc() {
    let issuer = Issuer::new();
    let (start, end) = (issuer.dsc.not_before().seconds(), issuer.dsc.not_after().seconds());
    let codes = |iat, exp| errors(&verdict(&issuer, &issuer.sign("FR", iat, exp, VACCINATION))).join(" ");
    assert_eq!(codes(start, end), "");
    assert_eq!(codes(start - 1, end), "iat_before_dsc");
    assert_eq!(codes(start, end + 1), "exp_after_dsc");
    assert_eq!(codes(end, start), "iat_after_exp");
}

#[test]
fn the_extended_key_usage_holds() {
    let issuer = Issuer::new();
    let found = verdict(&issuer, &issuer.sign("FR", IAT, EXP, &VACCINATION.replace("\"v\"", "\"t\"")));
    assert_eq!(found["errors"], json!(["eku: a test certificate; its DSC is for vaccination"]));
}

#[test]
fn there_is_exactly_one_entry() {
    let issuer = Issuer::new();
    for payload in [r#"{"v":[{},{}]}"#, r#"{"v":[{}],"t":[{}]}"#, "{}"] {
        let found = verdict(&issuer, &issuer.sign("FR", IAT, EXP, payload));
        assert_eq!((errors(&found).as_slice(), &found["type"]), (["not_one_entry"].as_slice(), &Value::Null), "{payload}");
    }
}

#[test]
fn another_country_than_the_dscs_is_a_warning() {
    let issuer = Issuer::new();
    let found = verdict(&issuer, &issuer.sign("NC", IAT, EXP, VACCINATION));
    assert_eq!((errors(&found).len(), &found["warnings"]), (0, &json!(["iss: not the DSC's country, FR"])));
}

#[test]
fn validity_is_judged_at_the_instant_asked_for_ends_included() {
    let issuer = Issuer::new();
    let (trust, line) = (issuer.trust(), issuer.hc1());
    let codes = |seconds| {
        let judge = Judge { at: At::Instant(NumericDate::from_seconds(seconds)), ..AT_ISSUANCE(&trust) };
        errors(&verdicts(&judge, false, &line).1[0]).join(" ")
    };
    assert_eq!([IAT - 1, IAT, EXP, EXP + 1].map(codes), ["not_yet_valid", "", "", "expired"]);
}

/// A list that revokes a certificate by one of its hashes.
fn list(hc1: &str, hash_type: HashType) -> Value {
    let hcert = SignedHcert::decode(hc1).unwrap();
    let hashes =
        RevocationHashes::of(hcert.algorithm(), &Signature::new(hcert.signature().to_vec()), hcert.uvci().unwrap(), "FR");
    let revoked = [(hcert.kid(), hcert.expires_at(), hashes)];
    let made = batches("FR".parse().unwrap(), hash_type, hcert.issued_at(), ExpiryStep::Day, revoked);
    serde_json::from_slice(&made.batches[0].to_json()).unwrap()
}

fn verdict_under(issuer: &Issuer, list: &Value, hc1: &str) -> Value {
    let (trust, mut revocations) = (issuer.trust(), RevocationList::default());
    revocations.add_json(list.to_string().as_bytes()).unwrap();
    let judge = Judge { revocations: &revocations, ..AT_ISSUANCE(&trust) };
    verdicts(&judge, false, hc1).1.remove(0)
}

#[test]
fn a_certificate_is_revoked_by_any_of_its_hashes() {
    let issuer = Issuer::new();
    let (revoked, other) = (issuer.hc1(), issuer.sign("FR", IAT, EXP, &VACCINATION.replace("A#8", "B")));
    for hash_type in HashType::ALL {
        let list = list(&revoked, hash_type);
        let found = verdict_under(&issuer, &list, &revoked);
        assert_eq!(found["errors"], json!([format!("revoked: a revocation list holds its {hash_type} hash")]));
        assert!(errors(&verdict_under(&issuer, &list, &other)).is_empty());
    }
}

#[test]
fn a_list_counts_under_its_own_kid_or_under_any_where_that_is_unknown() {
    let issuer = Issuer::new();
    let hc1 = issuer.hc1();
    let mut list = list(&hc1, HashType::Signature);
    list["kid"] = json!("AAAAAAAAAAA=");
    assert!(errors(&verdict_under(&issuer, &list, &hc1)).is_empty());
    list["kid"] = json!("UNKNOWN_KID");
    assert_eq!(errors(&verdict_under(&issuer, &list, &hc1)), ["revoked"]);
}

#[test]
fn an_instant_is_rfc_3339_or_iat() {
    assert_eq!("iat".parse(), Ok(At::Issuance));
    assert_eq!("2021-10-20T11:00:00+11:00".parse(), Ok(At::Instant(NumericDate::from_seconds(IAT))));
    assert!("2021-10-20".parse::<At>().is_err());
}

#[test]
fn what_an_issuer_must_not_write_is_an_error_where_strict() {
    let issuer = Issuer::new();
    let trust = issuer.trust();
    let untagged = without_tag(&issuer.hc1());
    assert!(verdict(&issuer, &untagged)["warnings"][0].as_str().unwrap().starts_with("cose_tag: "));
    let strict = Judge { is_strict: true, ..AT_ISSUANCE(&trust) };
    assert_eq!(errors(&verdicts(&strict, false, &untagged).1[0]), ["cose_tag"]);
}

/// The same certificate without tag 18, in a stored zlib block.
fn without_tag(hc1: &str) -> String {
    use std::io::Read;
    let compressed = base45::decode(hc1.strip_prefix("HC1:").unwrap()).unwrap();
    let mut cose = Vec::new();
    flate2::read::ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut cose).unwrap();
    assert_eq!(cose.remove(0), 0xd2);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&cose).unwrap();
    format!("HC1:{}", base45::encode(encoder.finish().unwrap()))
}

#[test]
fn a_signed_line_says_what_its_certificate_says() {
    let issuer = Issuer::new();
    let line = json!({
        "id": "nc-1", "uvci": UVCI, "kid": issuer.dsc.kid().to_string(), "iat": IAT, "exp": "2022-10-20T00:00:00Z",
        "hc1": issuer.hc1(), "type": "vaccination",
    });
    let found = verdict(&issuer, &line.to_string());
    assert_eq!((errors(&found).len(), &found["id"]), (0, &json!("nc-1")));
    for (name, other) in [("uvci", json!("X")), ("kid", json!("00")), ("iat", json!(EXP)), ("exp", Value::Null)] {
        let mut line = line.clone();
        line[name] = other;
        let found = verdict(&issuer, &line.to_string());
        assert_eq!(found["errors"], json!([format!("mismatch: the line's {name} is not the certificate's")]));
    }
}

#[test]
fn a_line_that_holds_no_certificate_is_invalid_and_the_rest_goes_on() {
    let issuer = Issuer::new();
    let hc1 = issuer.hc1();
    let long = "x".repeat(ndjson::MAX_LINE_BYTES + 1);
    let input = format!("HC2:A\n\n{{\"id\":\"a\"}}\n{{\n{long}\n{hc1}\r\n");
    let (counts, found) = verdicts(&AT_ISSUANCE(&issuer.trust()), false, &input);
    assert_eq!(counts, Counts { valid: 1, invalid: 4 });
    let lines: Vec<_> = found.iter().map(|verdict| (verdict["line"].as_u64().unwrap(), errors(verdict).join(" "))).collect();
    let expected = [(1, "decode"), (3, "input"), (4, "input"), (5, "input"), (6, "")];
    assert_eq!(lines, expected.map(|(line, codes)| (line, codes.to_owned())));
    assert_eq!(found[1]["id"], "a");
}

#[test]
fn many_chunks_keep_their_order() {
    let issuer = Issuer::new();
    let input: String = (0..2 * CHUNK_LINES + 7).map(|id| format!("HC1:{id}\n")).collect();
    let (counts, found) = verdicts(&AT_ISSUANCE(&issuer.trust()), false, &input);
    assert_eq!(counts.invalid, found.len() as u64);
    assert!((1..).zip(&found).all(|(number, verdict)| verdict["line"].as_u64() == Some(number)));
}

#[test]
fn quiet_writes_what_is_invalid_and_counts_all() {
    let issuer = Issuer::new();
    let input = format!("{0}\nHC1:\n{0}\n", issuer.hc1());
    let (counts, found) = verdicts(&AT_ISSUANCE(&issuer.trust()), true, &input);
    assert_eq!((counts, found.len()), (Counts { valid: 2, invalid: 1 }, 1));
    assert_eq!(found[0]["line"], 2);
}

#[test]
fn the_summary_counts_and_divides() {
    let counts = Counts { valid: 20_123, invalid: 0 };
    assert_eq!(counts.summary(Duration::from_millis(900)), "20,123 valid, 0 invalid, 0.9 s, 22,358/s");
    assert_eq!(count(1_234_567), "1,234,567");
}
