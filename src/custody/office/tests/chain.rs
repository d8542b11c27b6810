//! The chain in its store: what is there is read, and what was bent is not gone on with.

use super::*;
use crate::domain::Digest;

use crate::domain::{Algorithm, Dsc};
use crate::ledger::archive::{AuditCertificate, Expectations, Export, Report, TrustedAuditors, verify};
use crate::ledger::record::{Record, VERSION};
use crate::ledger::store::{Append, ChainState, Lease, Row, StoreError, StoreFuture, Taken, ToKeep, Wanted};
use crate::sign::Station;
use crate::token::{Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};

/// A store that does not answer when a test wants it to, and shows rows as somebody has bent them.
#[derive(Debug)]
struct Bent {
    store: Arc<dyn Store>,
    is_down: AtomicBool,
    /// What is written is written, and the answer is lost.
    loses_answers: AtomicBool,
    /// Rows that are shown as others, by chain's end.
    hide_from: AtomicI64,
    forge: AtomicI64,
}

impl Bent {
    fn check(&self) -> Result<(), StoreError> {
        let down = self.is_down.load(Ordering::SeqCst);
        if down { Err(StoreError::Database { reason: "it is away".to_owned() }) } else { Ok(()) }
    }

    fn bend(&self, mut row: Row) -> Option<Row> {
        let seq = i64::try_from(row.seq).unwrap();
        if seq >= self.hide_from.load(Ordering::SeqCst) {
            return None;
        }
        if seq == self.forge.load(Ordering::SeqCst) {
            let mut record = Record::from_cbor(row.record.as_ref().unwrap()).unwrap();
            record.at += 1;
            let bytes = record.to_cbor();
            row.digest = Record::digest_of(&bytes);
            row.record = Some(bytes);
        }
        Some(row)
    }
}

impl Store for Bent {
    fn take<'s>(&'s self, wanted: Wanted<'s>) -> StoreFuture<'s, Taken> {
        Box::pin(async move {
            self.check()?;
            self.store.take(wanted).await
        })
    }

    fn append<'s>(&'s self, lease: &'s Lease, append: Append<'s>) -> StoreFuture<'s, Vec<usize>> {
        Box::pin(async move {
            self.check()?;
            let written = self.store.append(lease, append).await?;
            let lost = self.loses_answers.load(Ordering::SeqCst);
            if lost { Err(StoreError::Database { reason: "the connection was cut".to_owned() }) } else { Ok(written) }
        })
    }

    fn release<'s>(&'s self, lease: &'s Lease) -> StoreFuture<'s, ()> {
        self.store.release(lease)
    }

    fn kept(&self, now: NumericDate, most: usize) -> StoreFuture<'_, ToKeep> {
        self.store.kept(now, most)
    }

    fn forget_kept(&self, now: NumericDate) -> StoreFuture<'_, ()> {
        self.store.forget_kept(now)
    }

    fn chains(&self) -> StoreFuture<'_, Vec<ChainState>> {
        Box::pin(async move {
            self.check()?;
            self.store.chains().await
        })
    }

    fn rows(&self, chain: i64, from: u64, most: usize) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(async move {
            self.check()?;
            let rows = self.store.rows(chain, from, most).await?;
            Ok(rows.into_iter().filter_map(|row| self.bend(row)).collect())
        })
    }
}

async fn bent(lead: Duration) -> (Bench, Arc<Bent>) {
    let mut kept = None;
    let wrap = |store| {
        let bent = Bent {
            store,
            is_down: AtomicBool::default(),
            loses_answers: AtomicBool::default(),
            hide_from: AtomicI64::new(i64::MAX),
            forge: AtomicI64::new(0),
        };
        let bent = Arc::new(bent);
        kept = Some(Arc::clone(&bent));
        bent as Arc<dyn Store>
    };
    let bench = Bench::with(wrap, three(), lead).await;
    (bench, kept.unwrap())
}

#[tokio::test]
async fn a_chain_that_was_bent_stops_the_replica_at_once() {
    let (bench, bent) = bent(LEAD).await;
    let kid = bench.active("dsc-0").await;
    let end = i64::try_from(bench.register().await.head().seq).unwrap();
    for (hidden, forged, reason) in
        [(end, 0, "it was there before, and is not any more"), (i64::MAX, end + 1, "it does not follow from record")]
    {
        let other = bench.beside().await;
        bent.hide_from.store(hidden, Ordering::SeqCst);
        bent.forge.store(forged, Ordering::SeqCst);
        if forged > 0 {
            let _ = bench.office.propose(bench.signed_blindly("hedy", compromise(kid)).await, None).await;
        }
        let stale = tokio::time::timeout(Duration::from_secs(30), other.until_stale()).await.unwrap();
        assert!(matches!(&stale, Stale::Damaged(_)) && stale.to_string().contains(reason), "{stale}");
        assert_refused(other.office.propose(bench.signed_blindly("ada", generate("dsc-9")).await, None).await, "is damaged");
        bent.hide_from.store(i64::MAX, Ordering::SeqCst);
        bent.forge.store(0, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_begins_on_a_bent_chain_knows_nothing() {
    let (bench, bent) = bent(LEAD).await;
    bench.active("dsc-0").await;
    let end = i64::try_from(bench.register().await.head().seq).unwrap();
    for seq in 1..=end {
        bent.forge.store(seq, Ordering::SeqCst);
        let other = bench.beside().await;
        let stale = other.office.fresh().unwrap_err();
        assert!(stale.to_string().contains(&format!("damaged at record {seq}")), "{stale}");
    }
}

#[tokio::test]
async fn a_replica_that_cannot_read_knows_nothing_after_the_lead_and_knows_again_when_it_can() {
    let (bench, bent) = bent(Duration::from_millis(800)).await;
    assert!(bench.office.fresh().is_ok());
    bent.is_down.store(true, Ordering::SeqCst);
    let stale = tokio::time::timeout(Duration::from_secs(30), bench.until_stale()).await.unwrap();
    assert!(stale.to_string().contains("it is away"), "{stale}");
    bent.is_down.store(false, Ordering::SeqCst);
    let mut watch = bench.office.watch();
    let is_mended = |standing: &Standing| standing.trouble.is_none();
    tokio::time::timeout(Duration::from_secs(30), watch.wait_for(is_mended)).await.unwrap().unwrap();
    assert!(bench.office.fresh().is_ok());
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_stands_all_the_same() {
    let (bench, bent) = bent(LEAD).await;
    bent.loses_answers.store(true, Ordering::SeqCst);
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    assert!(bench.approve("grace", id).await.unwrap().done.is_some());
    assert_eq!((bench.tokens.executed(), bench.state("dsc-0").await), (1, Some(State::Generated)));
}

#[tokio::test]
async fn what_follows_by_its_links_and_breaks_a_rule_is_damage() {
    let bench = Bench::new().await;
    let id = bench.propose("ada", generate("dsc-0")).await.unwrap();
    let taken = bench.store.take(Wanted { instance: CHAIN, holder: &Octets([9; 16]), lasts: LEAD }).await.unwrap();
    // Whoever has the database, and no officer's key.
    let event = Event::Executed { proposal: id, outcome: Outcome::Done };
    let at = bench.clock.now().millis();
    let record = Record { v: VERSION, instance: CHAIN.to_owned(), seq: taken.head.seq + 1, at, body: Body::Custody(event) };
    let record = record.to_cbor();
    let digest = Record::digest_of(&record);
    let link = taken.head.next(&digest).link;
    let row = Row { seq: taken.head.seq + 1, link, digest, record: Some(record), detail: Some(Vec::new()) };
    let append = Append { from: taken.head, rows: &[row], settled: taken.head.seq + 1, kept: &ToKeep::NOTHING, lasts: LEAD };
    bench.store.append(&taken.lease, append).await.unwrap();
    assert_refused(bench.office.read().await, "it has 0 of 1 approvals");
    assert!(matches!(bench.office.fresh(), Err(Stale::Damaged(_))));
    let other = bench.beside().await;
    assert!(matches!(other.office.fresh(), Err(Stale::Damaged(_))));
}

/// A key that signs whatever it is asked to.
#[derive(Debug)]
struct AuditToken(EcdsaKeyPair);

impl Token for AuditToken {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn sign(&self, _order: Order, digests: Vec<Digest>) -> SignFuture {
        let sign = |digest: &Digest| {
            let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
            let signature = Signature::new(self.0.sign_digest(&digest).unwrap().as_ref().to_vec());
            Ok::<_, TokenError>(Signed { signature, session: SessionId::default() })
        };
        Box::pin(std::future::ready(digests.iter().map(sign).collect()))
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        Readiness::Ready
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

/// An audit key with its certificate, as auditors have it.
fn audit_key(bench: &Bench) -> (Arc<AuditKey>, TrustedAuditors) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der = bench.certificate(&public(&key), &[]);
    let trusted = TrustedAuditors::new(vec![AuditCertificate::from_der(&der).unwrap()]);
    let station = Station::new(Arc::new(AuditToken(key)));
    let key = AuditKey::new(Dsc::from_der(&der).unwrap(), vec![(station, TokenKey::FIRST)]).unwrap();
    assert_eq!(key.certificate().algorithm(), Algorithm::Es256);
    (Arc::new(key), trusted)
}

async fn audited(bench: &Bench, key: &AuditKey, trusted: &TrustedAuditors) -> Report {
    let mut export = Export::begin(&*bench.store, Vec::new()).await.unwrap();
    while export.step().await.unwrap() {}
    let unsigned = export.end(bench.clock.now().millis());
    let signature = key.sign(unsigned.digest()).await.unwrap();
    let file = unsigned.finish(key.fingerprint(), signature.into_bytes()).unwrap();
    verify(file.as_slice(), trusted, Expectations::default()).unwrap()
}

#[tokio::test]
async fn the_chain_is_sealed_and_audited_as_any_other() {
    let mut bench = Bench::new().await;
    let (key, trusted) = audit_key(&bench);
    let with_audit =
        OfficeParts { audit: Some(Arc::clone(&key)), ..parts(&bench.store, &bench.clock, &bench.tokens, three(), LEAD) };
    (bench.office, bench.task) = Office::start(with_audit).await;
    bench.active("dsc-0").await;
    let open = bench.propose("ada", generate("dsc-1")).await.unwrap();
    bench.reject("grace", open).await.unwrap();
    let Bench { task, .. } = bench;
    task.end().await;
    let bench = Bench { task: Office::start(parts(&bench.store, &bench.clock, &bench.tokens, three(), LEAD)).await.1, ..bench };
    let report = audited(&bench, &key, &trusted).await;
    assert!(report.is_intact(), "{report:?}");
    let [chain] = report.chains.as_slice() else { panic!("{report:?}") };
    assert_eq!((chain.instance.as_str(), chain.open), (CHAIN, 0));
    assert!(chain.seals > 0 && chain.sealed.is_some_and(|(seq, _)| seq + 1 == chain.head.seq), "{chain:?}");
    // Whoever begins where all is sealed adds nothing.
    let head = bench.register().await.head();
    let with_audit = OfficeParts { audit: Some(key), ..parts(&bench.store, &bench.clock, &bench.tokens, three(), LEAD) };
    let (_, task) = Office::start(with_audit).await;
    task.end().await;
    assert_eq!(bench.register().await.head(), head);
}

impl Bench {
    async fn until_stale(&self) -> Stale {
        loop {
            if let Err(stale) = self.office.fresh() {
                return stale;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Upon what this replica knew before.
    async fn signed_blindly(&self, officer: &str, change: Change) -> SignedText {
        let (register, now) = (self.office.standing().register, self.clock.now());
        let (roster, head) = (register.roster().number(), register.head());
        let valid_until = now.plus_seconds(3_600);
        let nonce = Octets(rand::random());
        let text = ProposalText { v: 1, change, officer: label(officer), made_at: now, valid_until, roster, head, nonce };
        key(officer).propose(&text).unwrap().signed().clone()
    }
}
