//! Keys with windows and weights: which one signs at which instant, and how much of the work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use sceau::domain::{CertificateType, Clock, Dsc, KeyUse, Kid, NumericDate, UvciMaker, Window};
use sceau::sign::{ItemError, ItemOutcome, Keyring, KeyringError, LiveKeyring, Signer, SigningKey, Station};
use sceau::token::software::SoftwareToken;
use sceau::token::{Order, Readiness, SessionId, SignFuture, Signed, Token, TokenError, TokenKey};
use tokio::sync::Notify;

use crate::support::{TestDsc, VACCINATION, batch, issue, profile, settings, signing_time};

const TEST: &[u8] = br#"{"ver":"1.3.0","nam":{"fn":"Wallis","gn":"Jeanne"},"dob":"1984-03-02","t":[{"tg":"840539006",
"tt":"LP6464-4","sc":"2021-10-19T08:00:00+11:00","tr":"260415000","tc":"CHT","co":"FR","is":"DASS-NC"}]}"#;

const DAY: i64 = 86_400;

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct SetClock(pub(crate) AtomicI64);

impl SetClock {
    pub(crate) fn set(&self, instant: NumericDate) {
        self.0.store(instant.seconds(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Keys in memory, each with its DSC, on one token.
struct Desk {
    keys: Arc<SoftwareToken>,
    dscs: Vec<Dsc>,
    station: Arc<Station>,
    live: Arc<LiveKeyring>,
    clock: Arc<SetClock>,
    signer: Signer,
}

impl Desk {
    fn new(dscs: &[TestDsc]) -> Self {
        let keys = Arc::new(SoftwareToken::with_keys(dscs.len()));
        let station = Station::new(Arc::clone(&keys) as Arc<dyn Token>);
        Self::on(keys, station, dscs)
    }

    fn on(keys: Arc<SoftwareToken>, station: Arc<Station>, dscs: &[TestDsc]) -> Self {
        let dscs = issue(&keys, dscs);
        let live = Arc::new(LiveKeyring::default());
        let clock = Arc::new(SetClock(AtomicI64::new(signing_time().seconds())));
        let uvci_maker = UvciMaker::new(&[3; 32]).unwrap();
        let signer = Signer::new(Arc::clone(&live), Arc::clone(&clock) as Arc<dyn Clock>, uvci_maker, settings()).unwrap();
        Self { keys, dscs, station, live, clock, signer }
    }

    fn plain(&self, number: usize) -> SigningKey {
        let place = (Arc::clone(&self.station), self.keys.key(number).0);
        SigningKey::new(self.dscs[number].clone(), vec![place]).unwrap()
    }

    fn used(&self, number: usize, used: KeyUse) -> SigningKey {
        self.plain(number).used_for(used).unwrap()
    }

    fn put_in_force(&self, keys: impl IntoIterator<Item = SigningKey>) {
        self.live.replace(Keyring::new(keys.into_iter().map(Arc::new).collect()).unwrap());
    }

    fn kid(&self, number: usize) -> Kid {
        self.dscs[number].kid()
    }

    async fn sign(&self, payloads: Vec<Bytes>) -> Vec<ItemOutcome> {
        self.signer.sign_batch(batch(payloads)).await
    }

    /// The kid of a certificate that is issued now, or why there is none.
    async fn sign_one(&self) -> Result<Kid, String> {
        match self.sign(vec![VACCINATION.into()]).await.remove(0) {
            Ok(certificate) => Ok(certificate.kid),
            Err(ItemError::Refused(faults)) => Err(faults.iter().map(|fault| fault.message.clone()).collect()),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// How many of so many slices each key signs; one item each.
    async fn shares(&self, payload: &'static [u8], slices: usize) -> BTreeMap<Kid, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..slices {
            let outcome = self.sign(vec![payload.into()]).await.remove(0);
            *shares.entry(outcome.unwrap().kid).or_default() += 1;
        }
        shares
    }
}

fn any() -> TestDsc {
    TestDsc::default()
}

fn of(kind: CertificateType) -> TestDsc {
    TestDsc { types: vec![kind], ..TestDsc::default() }
}

/// A window of seconds from the signing time on.
fn window(from: i64, to: i64) -> Window {
    Window { from: signing_time().plus_seconds(from), to: signing_time().plus_seconds(to) }
}

fn weighing(desk: &Desk, number: usize, weight: u16) -> KeyUse {
    KeyUse { window: window(-DAY, DAY), types: desk.dscs[number].types(), weight }
}

fn in_window(desk: &Desk, number: usize, from: i64, to: i64) -> KeyUse {
    KeyUse { window: window(from, to), types: desk.dscs[number].types(), weight: 1 }
}

#[tokio::test]
async fn a_window_holds_its_first_second_and_not_its_end() {
    let desk = Desk::new(&[any()]);
    desk.put_in_force([desk.used(0, in_window(&desk, 0, 0, DAY))]);
    let Window { from, to } = window(0, DAY);
    for (instant, expected) in [(from.plus_seconds(-1), false), (from, true), (to.plus_seconds(-1), true), (to, false)] {
        desk.clock.set(instant);
        assert_eq!(desk.sign_one().await.is_ok(), expected, "{instant}");
    }
    desk.clock.set(from.plus_seconds(-1));
    let refusal = desk.sign_one().await.unwrap_err();
    assert!(refusal.contains(&format!("{} signs from {from} on", desk.kid(0))), "{refusal}");
    desk.clock.set(to);
    let refusal = desk.sign_one().await.unwrap_err();
    assert!(refusal.contains(&format!("{} signed until {to}", desk.kid(0))), "{refusal}");
}

#[tokio::test]
async fn of_two_windows_that_meet_one_key_signs_at_each_second_also_across_a_leap_of_a_day() {
    let desk = Desk::new(&[any(), any(), any()]);
    let keys = [(0, -DAY, 0), (1, 0, DAY), (2, DAY, 2 * DAY)];
    desk.put_in_force(keys.map(|(number, from, to)| desk.used(number, in_window(&desk, number, from, to))));
    // Nobody swaps anything: the clock alone decides, forwards and back.
    for (second, number) in [(-1, 0), (0, 1), (DAY - 1, 1), (DAY, 2), (2 * DAY - 1, 2), (-1, 0), (DAY, 2), (0, 1)] {
        desk.clock.set(signing_time().plus_seconds(second));
        assert_eq!(desk.sign_one().await, Ok(desk.kid(number)), "{second}");
    }
}

#[tokio::test]
async fn a_key_signs_the_types_alone_that_it_is_used_for() {
    let desk = Desk::new(&[any()]);
    let tests = of(CertificateType::Test);
    let types = issue(&SoftwareToken::with_keys(1), &[tests])[0].types();
    desk.put_in_force([desk.used(0, KeyUse { types, ..weighing(&desk, 0, 1) })]);
    let refusal = desk.sign_one().await.unwrap_err();
    assert!(refusal.contains("is not used for that type"), "{refusal}");
    assert_eq!(desk.shares(TEST, 3).await, BTreeMap::from([(desk.kid(0), 3)]));
}

#[test]
fn a_use_that_its_certificate_or_its_own_numbers_forbid_is_refused() {
    let desk = Desk::new(&[of(CertificateType::Test), any()]);
    let refused = |number, used| desk.plain(number).used_for(used).unwrap_err();
    let more = KeyUse { types: desk.dscs[1].types(), ..weighing(&desk, 0, 1) };
    assert!(matches!(refused(0, more), KeyringError::Types { .. }));
    for weight in [0, 1_001] {
        assert!(matches!(refused(1, weighing(&desk, 1, weight)), KeyringError::Weight { .. }));
    }
    assert!(matches!(refused(1, in_window(&desk, 1, 5, 5)), KeyringError::EmptyWindow { .. }));
    assert!(desk.plain(1).used_for(weighing(&desk, 1, 1_000)).is_ok());
}

#[tokio::test]
async fn keys_share_the_slices_as_they_weigh() {
    let desk = Desk::new(&[any(), any(), any()]);
    desk.put_in_force([(0, 1), (1, 3), (2, 4)].map(|(number, weight)| desk.used(number, weighing(&desk, number, weight))));
    let shares = desk.shares(VACCINATION, 1_600).await;
    for (number, wanted) in [(0, 200), (1, 600), (2, 800)] {
        assert!(shares[&desk.kid(number)].abs_diff(wanted) < 80, "{shares:?}");
    }
}

#[tokio::test]
async fn keys_of_a_type_share_its_items_whatever_others_weigh() {
    let [vaccination, test] = [CertificateType::Vaccination, CertificateType::Test].map(of);
    let desk = Desk::new(&[vaccination, any(), test]);
    desk.put_in_force([(0, 1), (1, 1), (2, 900)].map(|(number, weight)| desk.used(number, weighing(&desk, number, weight))));
    let shares = desk.shares(VACCINATION, 800).await;
    assert!(shares[&desk.kid(0)].abs_diff(400) < 80, "{shares:?}");
}

#[tokio::test]
async fn keys_without_a_weight_are_used_up_in_the_order_in_which_they_end() {
    let later = TestDsc { not_after: "2024-06-01T00:00:00Z", ..any() };
    let desk = Desk::new(&[later, any()]);
    desk.put_in_force([desk.plain(0), desk.plain(1)]);
    assert_eq!(desk.shares(VACCINATION, 20).await, BTreeMap::from([(desk.kid(1), 20)]));
}

#[tokio::test]
async fn keys_without_a_weight_have_one_share_together() {
    let desk = Desk::new(&[any(), any(), any()]);
    desk.put_in_force([desk.plain(0), desk.plain(1), desk.used(2, weighing(&desk, 2, 1))]);
    let shares = desk.shares(VACCINATION, 800).await;
    assert_eq!(shares.len(), 2, "{shares:?}");
    assert!(shares[&desk.kid(2)].abs_diff(400) < 80, "{shares:?}");
}

/// Signs when it is told to.
#[derive(Debug)]
struct Gate {
    keys: Arc<SoftwareToken>,
    name: &'static str,
    entered: Notify,
    open: Arc<Notify>,
    is_down: bool,
}

impl Gate {
    fn new(name: &'static str, keys: &Arc<SoftwareToken>, is_down: bool) -> Arc<Self> {
        let (entered, open) = (Notify::new(), Arc::new(Notify::new()));
        Arc::new(Self { keys: Arc::clone(keys), name, entered, open, is_down })
    }
}

impl Token for Gate {
    fn name(&self) -> &str {
        self.name
    }

    fn sign(&self, order: Order, digests: Vec<sceau::domain::Digest>) -> SignFuture {
        let results: Vec<Result<Signed, TokenError>> =
            digests.iter().map(|digest| self.keys.sign_now(order.key, digest)).collect();
        self.entered.notify_one();
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            open.notified().await;
            results
        })
    }

    fn readiness(&self, _key: TokenKey) -> Readiness {
        let down = TokenError::Down { token: self.name.to_owned(), reason: "it is off".to_owned() };
        if self.is_down { Readiness::Down(down) } else { Readiness::Ready }
    }

    fn judge(&self, _session: SessionId, _verifies: bool) {}
}

#[tokio::test]
async fn a_batch_ends_with_the_keys_that_it_began_with() {
    let keys = Arc::new(SoftwareToken::with_keys(2));
    let gate = Gate::new("gate", &keys, false);
    let station = Station::new(Arc::clone(&gate) as Arc<dyn Token>);
    let desk = Desk::on(Arc::clone(&keys), station, &[any(), any()]);
    desk.put_in_force([desk.used(0, in_window(&desk, 0, -DAY, 1))]);
    let signing = desk.sign_one();
    let switching = async {
        gate.entered.notified().await;
        desk.clock.set(signing_time().plus_seconds(1));
        desk.put_in_force([desk.used(1, in_window(&desk, 1, 1, DAY))]);
        gate.open.notify_one();
    };
    let (first, ()) = tokio::join!(signing, switching);
    assert_eq!(first, Ok(desk.kid(0)));
    gate.open.notify_one();
    assert_eq!(desk.sign_one().await, Ok(desk.kid(1)));
}

/// Two keys on two tokens, weighing 1 and 3, in a keyring.
fn two_tokens(is_down: bool) -> (Keyring, [Kid; 2]) {
    let keys = Arc::new(SoftwareToken::with_keys(2));
    let dscs = issue(&keys, &[any(), any()]);
    let kids = [dscs[0].kid(), dscs[1].kid()];
    let bind = |(number, dsc): (usize, Dsc)| {
        let (name, weight, is_down) = [("a", 1, false), ("b", 3, is_down)][number];
        let station = Station::new(Gate::new(name, &keys, is_down) as Arc<dyn Token>);
        let used = KeyUse { window: window(-DAY, DAY), types: dsc.types(), weight };
        Arc::new(SigningKey::new(dsc, vec![(station, keys.key(number).0)]).unwrap().used_for(used).unwrap())
    };
    (Keyring::new(dscs.into_iter().enumerate().map(bind).collect()).unwrap(), kids)
}

fn outstanding(keyring: &Keyring, kid: Kid) -> usize {
    let place = |key: &Arc<SigningKey>| key.stations().next().map(|station| station.outstanding()).unwrap();
    keyring.iter().find(|key| key.dsc().kid() == kid).map(place).unwrap()
}

#[test]
fn a_token_whose_keys_weigh_more_takes_as_much_more_before_it_counts_as_loaded() {
    let (keyring, kids) = two_tokens(false);
    let profile = profile("dcc");
    let routes: Vec<_> = (0..400).map(|_| keyring.route(profile.algorithm, profile.issuer, signing_time(), 128)).collect();
    assert_eq!(kids.map(|kid| outstanding(&keyring, kid)), [100 * 128, 300 * 128]);
    drop(routes);
    assert_eq!(kids.map(|kid| outstanding(&keyring, kid)), [0, 0]);
}

#[test]
fn a_token_that_does_not_sign_has_no_share() {
    let (keyring, kids) = two_tokens(true);
    let profile = profile("dcc");
    let routes: Vec<_> = (0..20).map(|_| keyring.route(profile.algorithm, profile.issuer, signing_time(), 1)).collect();
    assert_eq!(kids.map(|kid| outstanding(&keyring, kid)), [20, 0]);
    drop(routes);
}

#[test]
fn a_type_is_covered_until_the_first_instant_that_no_window_holds() {
    let desk = Desk::new(&[any(), of(CertificateType::Test), any()]);
    let year = profile("dcc").durations.of(CertificateType::Test);
    let until = |kind, at: i64| {
        let end = desk.live.snapshot().covered_until(&profile("dcc"), kind, signing_time().plus_seconds(at));
        end.map(|end| end.seconds() - signing_time().seconds())
    };
    let (vaccination, test) = (CertificateType::Vaccination, CertificateType::Test);
    assert_eq!(until(test, 0), None);
    // A gap of a second between the first two, which the test's own key fills for its type.
    let windows = [(0, -DAY, DAY), (1, DAY - 5, DAY + 5), (2, DAY + 1, 2 * DAY)];
    desk.put_in_force(windows.map(|(number, from, to)| desk.used(number, in_window(&desk, number, from, to))));
    assert_eq!((until(vaccination, 0), until(test, 0)), (Some(DAY), Some(2 * DAY)));
    assert_eq!((until(vaccination, DAY), until(vaccination, DAY + 1)), (Some(DAY), Some(2 * DAY)));
    assert_eq!(until(test, 3 * DAY), Some(3 * DAY), "not any more");
    // A certificate must not outlive its DSC; the DSC's last second counts.
    desk.put_in_force([desk.plain(0)]);
    let last = desk.dscs[0].not_after().seconds() - year - signing_time().seconds();
    assert_eq!(until(test, 0), Some(last + 1));
}

#[tokio::test]
async fn the_forecast_holds_to_the_second() {
    let desk = Desk::new(&[any()]);
    desk.put_in_force([desk.plain(0)]);
    let keyring = desk.live.snapshot();
    let end = keyring.covered_until(&profile("dcc"), CertificateType::Vaccination, signing_time()).unwrap();
    desk.clock.set(end.plus_seconds(-1));
    assert!(desk.sign_one().await.is_ok());
    desk.clock.set(end);
    assert!(desk.sign_one().await.is_err());
}

#[test]
fn keys_and_types_that_end_within_a_month_are_warned_of() {
    let desk = Desk::new(&[any(), any()]);
    let warnings = |now: i64| desk.live.snapshot().warnings(&[profile("dcc")], signing_time().plus_seconds(now));
    desk.put_in_force(
        [(0, -DAY, 40 * DAY), (1, 40 * DAY, 80 * DAY)]
            .map(|(number, from, to)| desk.used(number, in_window(&desk, number, from, to))),
    );
    assert_eq!(warnings(0), Vec::<String>::new());
    let until = signing_time().plus_seconds(40 * DAY);
    assert_eq!(warnings(11 * DAY), [format!("the DSC {} signs until {until}; see that another takes over", desk.kid(0))]);
    let warned = warnings(60 * DAY);
    assert_eq!(warned.len(), 4, "{warned:?}");
    let until = signing_time().plus_seconds(80 * DAY);
    assert!(warned[0].contains(&format!("{} signs until {until}", desk.kid(1))), "{warned:?}");
    assert!(warned[1].starts_with(&format!("from {until} on no DSC signs vaccination certificates")), "{warned:?}");
    // By validity: the DSC ends at 2023-06-01, and a certificate lives for a year.
    desk.put_in_force([desk.plain(0)]);
    let warned = warnings(210 * DAY);
    assert!(warned[0].contains("ends at 2023-06-01T00:00:00Z: from 2022-06-01T00:00:00Z on it outlives no"), "{warned:?}");
    // What is over is told of by what it leaves uncovered alone.
    assert!(warnings(700 * DAY).iter().all(|warning| warning.contains("on no DSC signs")));
}
