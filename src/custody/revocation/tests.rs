use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::*;
use crate::custody::development::{DevelopmentCsca, DscRequest};
use crate::domain::time::FixedClock;
use crate::domain::{
    Algorithm, CallerId, CertificateType, Country, Digest, Dsc, HashType, Kid, Octets, PublicKey, RevocationHashes, Signature,
};
use crate::encode::cms::UploadCertificate;
use crate::encode::revocation::{ExpiryStep, RevocationBatch, batches};
use crate::ledger::index::Question;
use crate::ledger::record::{Body, Entry, Place, Record, Revocation, RevokedOf};
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{Row, Store};
use crate::ledger::writer::{WriterSettings, WriterTask};
use crate::ledger::{Group, Ledger, LedgerKeys, RecordedLedger, SignedItem};
use crate::sign::Station;
use crate::token::{Order, Purpose, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};

const NOW: NumericDate = NumericDate::from_seconds(1_637_000_000);
const DAY: i64 = 86_400;

/// Keys that sign whatever they are asked to.
#[derive(Debug)]
struct Keys(Vec<EcdsaKeyPair>);

impl Keys {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()).collect())
    }

    fn public(&self, number: usize) -> PublicKey {
        PublicKey::P256 { point: self.0[number].public_key().as_ref().try_into().unwrap() }
    }

    fn sign_one(&self, key: TokenKey, digest: &Digest) -> Result<Signed, TokenError> {
        let key = self.0.get(key.0).ok_or(TokenError::KeyAbsent { what: "key of that number" })?;
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
        let signature = Signature::new(key.sign_digest(&digest).unwrap().as_ref().to_vec());
        Ok(Signed { signature, session: SessionId::default() })
    }
}

impl Token for Keys {
    fn name(&self) -> &'static str {
        "keys"
    }

    fn sign(&self, order: Order, digests: Vec<Digest>) -> SignFuture {
        assert_eq!(order.purpose, Purpose::Upload);
        Box::pin(std::future::ready(digests.iter().map(|digest| self.sign_one(order.key, digest)).collect()))
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

/// A ledger in a folder, and an upload key in memory.
struct Bench {
    _folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    ledger: RecordedLedger,
    task: WriterTask,
    token: Arc<Keys>,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap());
        let (ledger, task) = ledger_on(&store, "north").await;
        Self { _folder: folder, store, ledger, task, token: Arc::new(Keys::new(2)) }
    }

    /// Puts certificates on record, one group.
    async fn sign(&self, kid: u8, issuer: &str, expiries: impl Iterator<Item = i64>) {
        sign_on(&self.ledger, kid, issuer, expiries).await;
    }

    fn revoker(&self, upload: Option<UploadKey>) -> Revoker {
        self.revoker_by(clock(), upload)
    }

    fn revoker_by(&self, clock: Arc<dyn Clock>, upload: Option<UploadKey>) -> Revoker {
        let records = Records::new(Arc::clone(&self.store) as _, Arc::clone(&self.store) as _);
        Revoker::new(records, self.ledger.writer().clone(), upload, clock)
    }

    /// A key of FR, with a certificate over the public half of one key and the place of another.
    fn upload_key(&self, certified: usize, placed: usize, days: std::ops::Range<i64>) -> UploadKey {
        let station = Station::new(Arc::clone(&self.token) as _);
        UploadKey::new(&upload_certificate(&self.token.public(certified), days), vec![(station, TokenKey(placed))]).unwrap()
    }

    fn good_key(&self) -> UploadKey {
        self.upload_key(0, 0, -1..1)
    }

    /// What an instance's chain says.
    async fn bodies_of(&self, instance: &str) -> Vec<(u64, Body, Vec<u8>)> {
        let chains = self.store.chains().await.unwrap();
        let chain = chains.iter().find(|chain| chain.instance == instance).unwrap().chain;
        let body = |row: Row| (row.seq, Record::from_cbor(&row.record.unwrap()).unwrap().body, row.detail.unwrap());
        self.store.rows(chain, 1, usize::MAX).await.unwrap().into_iter().map(body).collect()
    }

    async fn bodies(&self) -> Vec<(u64, Body, Vec<u8>)> {
        self.bodies_of("north").await
    }

    async fn revocations(&self) -> Vec<(Revocation, Vec<u8>)> {
        let bodies = self.bodies().await.into_iter();
        bodies
            .filter_map(|(_, body, detail)| if let Body::Revocation(body) = body { Some((body, detail)) } else { None })
            .collect()
    }
}

/// A chain in a store.
async fn ledger_on(store: &Arc<SqliteStore>, instance: &str) -> (RecordedLedger, WriterTask) {
    let keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
    let patience = Duration::from_secs(10);
    let settings = WriterSettings { instance: instance.to_owned(), patience, keys: keys.ids(), audit: None };
    let (writer, task) = ChainWriter::start(Arc::clone(store) as Arc<dyn Store>, clock(), settings).await.unwrap();
    (RecordedLedger::resume(&**store, writer, keys, clock(), None).await.unwrap(), task)
}

async fn sign_on(ledger: &RecordedLedger, kid: u8, issuer: &str, expiries: impl Iterator<Item = i64>) {
    let entries: Vec<Entry> = (0..).zip(expiries).map(|(place, at)| entry(kid, place, at)).collect();
    let group = Group {
        caller: CallerId::new("clinic"),
        person: None,
        request: "r".into(),
        profile: "dcc".into(),
        kid: Kid::from([kid; 8]),
        algorithm: Algorithm::Es256,
        issuer: issuer.parse().unwrap(),
        issued_at: NOW,
        digests: vec![Digest::of(b"1"); entries.len()],
    };
    let intent = ledger.intend(group).await.unwrap();
    let signed = entries.into_iter().map(|entry| SignedItem { keep: None, entry: Some(entry) });
    assert!(ledger.settle(intent, signed.collect()).await.iter().all(Result::is_ok));
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock(NOW))
}

fn upload_certificate(key: &PublicKey, days: std::ops::Range<i64>) -> Dsc {
    let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().unwrap(), "FR".parse().unwrap(), NOW).unwrap();
    let request = DscRequest {
        common_name: "Upload".to_owned(),
        types: Vec::new(),
        not_before: NOW.plus_seconds(days.start * DAY),
        not_after: NOW.plus_seconds(days.end * DAY),
    };
    Dsc::from_der(&csca.issue(key, &request).unwrap()).unwrap()
}

fn entry(kid: u8, place: u16, expires_at: i64) -> Entry {
    let mut signature = [kid; 16];
    signature[..2].copy_from_slice(&place.to_be_bytes());
    Entry {
        place,
        kind: CertificateType::Vaccination,
        expires_at: NumericDate::from_seconds(expires_at),
        item: Octets([0; 16]),
        payload: Octets([0; 16]),
        uci: Octets([kid; 32]),
        country_uci: Octets([kid; 32]),
        signature: Octets(signature),
    }
}

fn order(question: Question) -> RevocationOrder {
    RevocationOrder {
        question,
        hash_type: HashType::Signature,
        with_expired: false,
        expected: None,
        by: "officer".to_owned(),
        reason: "stolen".parse().unwrap(),
    }
}

fn everything() -> RevocationOrder {
    order(Question::default())
}

fn sizes(plan: &RevocationPlan) -> Vec<(String, u8, i64, usize)> {
    let size = |list: &PlainList| {
        let batch = &list.batch;
        let days = (batch.expires().seconds() - NOW.seconds()).div_euclid(DAY);
        (batch.country().to_string(), batch.kid().unwrap().as_bytes()[0], days, batch.entries().len())
    };
    plan.lists().iter().map(size).collect()
}

const NOW_S: i64 = NOW.seconds();

#[tokio::test]
async fn a_plan_has_a_list_for_each_country_kid_and_expiry_and_leaves_out_what_has_expired() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S - 1, NOW_S, NOW_S + 1, NOW_S + 5 * DAY].into_iter()).await;
    bench.sign(2, "FR", std::iter::repeat_n(NOW_S + 1, 1_001)).await;
    bench.sign(3, "DE", [NOW_S + 1].into_iter()).await;
    let revoker = bench.revoker(None);
    let plan = revoker.plan(everything()).await.unwrap();
    let fr = |kid, days, count| ("FR".to_owned(), kid, days, count);
    let expected = [("DE".to_owned(), 3, 0, 1), fr(1, 0, 1), fr(1, 5, 1), fr(2, 0, 1_000), fr(2, 0, 1)];
    assert_eq!(sizes(&plan), expected);
    assert_eq!((plan.certificates(), plan.expired(), plan.repeated()), (1_004, 2, 0));
    let by_key = RevocationOrder { with_expired: true, ..order(Question { kid: Some(Octets([1; 8])), ..Question::default() }) };
    assert_eq!(revoker.plan(by_key).await.unwrap().certificates(), 4);
    let by_uvci = RevocationOrder { hash_type: HashType::Uci, ..everything() };
    let plan = revoker.plan(by_uvci).await.unwrap();
    assert_eq!((plan.certificates(), plan.repeated()), (1_004, 1_001), "one UVCI a key here");
    assert_eq!(bench.revocations().await.len(), 0, "a plan is not on record");
}

#[tokio::test]
async fn another_number_than_expected_is_no_plan() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S + 1, NOW_S - 1].into_iter()).await;
    let revoker = bench.revoker(None);
    assert!(revoker.plan(RevocationOrder { expected: Some(1), ..everything() }).await.is_ok());
    let refused = revoker.plan(RevocationOrder { expected: Some(2), ..everything() }).await.unwrap_err();
    assert_eq!(refused.to_string(), "the certificates that are meant are 1, and not 2 as expected: nothing was revoked");
}

#[tokio::test]
async fn what_is_carried_out_is_on_record_and_its_lists_are_signed() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", (0..40).map(|day| NOW_S + 1 + day * DAY)).await;
    let key = bench.good_key();
    let trusted = [key.certificate().clone()];
    let revoker = bench.revoker(Some(key));
    let plan = revoker.plan(RevocationOrder { expected: Some(40), ..everything() }).await.unwrap();
    let Carried { head, lists, plain } = revoker.carry_out(plan).await.unwrap();
    assert_eq!((lists.len(), plain), (40, None));
    for (list, message) in &lists {
        assert_eq!(RevocationBatch::open(message.as_ref().unwrap().as_der(), &trusted).unwrap(), list.batch);
    }
    let (seq, Body::Revocation(revocation), detail) = bench.bodies().await.pop().unwrap() else { panic!("a revocation") };
    assert_eq!((seq, detail.len()), (head.seq, 40 * Place::BYTES));
    assert_eq!((revocation.by.as_str(), revocation.reason.as_str(), revocation.certificates), ("officer", "stolen", 40));
    assert_eq!((revocation.question.as_str(), revocation.hash_type.as_str()), (r#"{"everything":true}"#, "SIGNATURE"));
    assert_eq!(revocation.lists, lists.iter().map(|(list, _)| list.digest).collect::<Vec<_>>());
}

/// As the record says that it is done, from what is in the chains and nothing else.
async fn made_again(bench: &Bench, revocation: &Revocation, mut detail: &[u8]) -> Vec<Octets<32>> {
    let mut of_country: BTreeMap<Country, Vec<_>> = BTreeMap::new();
    for RevokedOf { instance, certificates } in &revocation.chains {
        let (places, rest) = detail.split_at(*certificates as usize * Place::BYTES);
        detail = rest;
        let bodies: BTreeMap<u64, _> =
            bench.bodies_of(instance).await.into_iter().map(|(seq, body, detail)| (seq, (body, detail))).collect();
        for place in places.chunks_exact(Place::BYTES) {
            let place = Place::from_bytes(place.try_into().unwrap());
            let (Body::Outcome(outcome), entries) = &bodies[&place.seq] else { panic!("an outcome") };
            let (Body::Intent(intent), _) = &bodies[&outcome.intent] else { panic!("its intent") };
            let entry = Entry::all(entries).nth(place.index.into()).unwrap();
            let hashes = RevocationHashes { signature: entry.signature.0, uci: entry.uci.0, country_uci: entry.country_uci.0 };
            let certificate = (intent.kid.0.into(), entry.expires_at, hashes);
            of_country.entry(intent.issuer.parse().unwrap()).or_default().push(certificate);
        }
    }
    let hash_type = revocation.hash_type.parse().unwrap();
    let again = of_country.into_iter().flat_map(|(country, revoked)| {
        batches(country, hash_type, NumericDate::from_seconds(i64::MIN), ExpiryStep::Day, revoked).batches
    });
    again.map(|batch| Digest::of(&batch.to_json()).into()).collect()
}

#[tokio::test]
async fn the_lists_can_be_made_again_from_the_record_whoever_signed() {
    let bench = Bench::new().await;
    let (south, task) = ledger_on(&bench.store, "south").await;
    for (kid, issuer) in [(2, "FR"), (1, "FR"), (3, "DE")] {
        bench.sign(kid, issuer, (0..300).map(|number| NOW_S - 50 + number)).await;
        sign_on(&south, kid + 1, issuer, (0..20).map(|number| NOW_S + number * DAY)).await;
    }
    let revoker = bench.revoker(None);
    for (hash_type, with_expired) in [(HashType::Signature, false), (HashType::CountryCodeUci, true)] {
        let plan = revoker.plan(RevocationOrder { hash_type, with_expired, ..everything() }).await.unwrap();
        revoker.carry_out(plan).await.unwrap();
        let (revocation, detail) = bench.revocations().await.pop().unwrap();
        assert_eq!(made_again(&bench, &revocation, &detail).await, revocation.lists);
        let chains: Vec<_> = revocation.chains.iter().map(|of| of.instance.as_str()).collect();
        assert!(revocation.adds_up() && chains == ["north", "south"], "{chains:?}");
    }
    task.end().await;
}

#[tokio::test]
async fn lists_are_made_again_as_they_were_whatever_was_signed_since() {
    let bench = Bench::new().await;
    for (kid, issuer) in [(2, "FR"), (1, "FR"), (3, "DE")] {
        bench.sign(kid, issuer, (0..300).map(|number| NOW_S - 50 + number)).await;
    }
    let revoker = bench.revoker(Some(bench.good_key()));
    let plan = revoker.plan(everything()).await.unwrap();
    let names: Vec<_> = plan.lists().iter().map(|list| list.digest).collect();
    let revoked = revoker.revoke(plan).await.unwrap();
    bench.sign(1, "FR", (0..10).map(|number| NOW_S + DAY + number)).await;
    let remade = revoker.remake(&revoked.instance, revoked.seq).await.unwrap();
    assert_eq!(remade.lists.iter().map(|(list, _)| list.digest).collect::<Vec<_>>(), names);
    assert_eq!((remade.certificates, remade.asked.as_str()), (revoked.certificates, r#"{"everything":true}"#));
    let signed = remade.lists.iter().map(|(list, message)| (list.batch.country().to_string(), message.is_some()));
    assert!(signed.clone().all(|(country, is_signed)| is_signed == (country == "FR")), "{:?}", signed.collect::<Vec<_>>());
    let none = revoker.remake(&revoked.instance, revoked.seq - 1).await.unwrap_err();
    assert!(matches!(none, RevokeError::NoRecord { .. }), "{none}");
}

#[tokio::test]
async fn a_list_stays_plain_where_the_upload_key_cannot_sign_it_and_the_reason_is_told() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S + 1].into_iter()).await;
    bench.sign(2, "DE", [NOW_S + 1].into_iter()).await;
    for (key, signed, reason) in [
        (None, [false, false], "no upload key"),
        (Some(bench.upload_key(0, 0, -3..-1)), [false, false], "the upload certificate has expired at "),
        (Some(bench.upload_key(0, 0, 1..3)), [false, false], "the upload certificate begins at "),
        (Some(bench.good_key()), [false, true], "the upload certificate is of FR, and some lists are of DE"),
    ] {
        let revoker = bench.revoker(key);
        let Carried { lists, plain, .. } = revoker.carry_out(revoker.plan(everything()).await.unwrap()).await.unwrap();
        assert!(plain.as_ref().unwrap().contains(reason), "{plain:?}");
        assert_eq!(lists.iter().map(|(_, message)| message.is_some()).collect::<Vec<_>>(), signed);
    }
}

#[tokio::test]
async fn where_no_token_signs_well_nothing_is_revoked() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S + 1].into_iter()).await;
    for (placed, reason) in [(2, "no token signed with the upload key: "), (1, "signed well")] {
        let revoker = bench.revoker(Some(bench.upload_key(0, placed, -1..1)));
        let refused = revoker.carry_out(revoker.plan(everything()).await.unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!(bench.revocations().await.len(), 0);
}

#[tokio::test]
async fn where_the_ledger_cannot_be_written_there_is_no_list() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S + 1].into_iter()).await;
    let revoker = bench.revoker(Some(bench.good_key()));
    let plan = revoker.plan(everything()).await.unwrap();
    bench.task.end().await;
    assert!(matches!(revoker.carry_out(plan).await, Err(RevokeError::Ledger(_))));
}

/// A clock that has jumped.
#[derive(Debug)]
struct Jumped;

impl Clock for Jumped {
    fn now(&self) -> NumericDate {
        NOW.plus_seconds(1_000 * DAY)
    }

    fn signing_time(&self) -> Result<NumericDate, ClockStopped> {
        Err(ClockStopped { reason: "it has jumped".to_owned() })
    }
}

/// By it all would have expired, and be left out without a word.
#[tokio::test]
async fn a_clock_that_has_jumped_revokes_nothing() {
    let bench = Bench::new().await;
    bench.sign(1, "FR", [NOW_S + 1].into_iter()).await;
    assert!(matches!(bench.revoker_by(Arc::new(Jumped), None).plan(everything()).await, Err(RevokeError::Clock(_))));
}

#[test]
fn an_upload_certificate_has_a_country() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Upload");
    let certificate = Dsc::from_der(params.self_signed(&key).unwrap().der()).unwrap();
    assert!(UploadCertificate::from_der(certificate.der()).unwrap().country().is_none());
    let refused = UploadKey::new(&certificate, vec![(Station::new(Arc::new(Keys::new(1))), TokenKey::FIRST)]).unwrap_err();
    assert!(refused.to_string().contains("has no C"), "{refused}");
}
