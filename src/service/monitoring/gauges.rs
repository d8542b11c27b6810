//! How tokens, DSCs and profiles are, read when somebody asks.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{counter, gauge};

use super::catalogue::{
    BUILD_INFO, CLIENT_CRL_NOT_AFTER, CLIENT_CRL_REMAINING, CLOCK_STOPPED, DENIALS, DSC_ISSUABLE_REMAINING, DSC_ISSUABLE_UNTIL,
    DSC_NOT_AFTER, DSC_REMAINING, DSC_USE_END, DSC_USE_REMAINING, ITEMS_IN_WORK, ITEMS_WAITING, PROFILE_COVERED_REMAINING,
    PROFILE_COVERED_UNTIL, PROFILE_READY, QUEUE_CAPACITY, QUEUE_FULL, TLS_NOT_AFTER, TLS_REMAINING, TOKEN_BAD_SIGNATURES,
    TOKEN_LATCHED, TOKEN_OUTSTANDING, TOKEN_READY, TOKEN_RESTARTS, TOKEN_SESSIONS, TOKEN_SESSIONS_BUSY, TOKEN_SIGNATURE_SECONDS,
    TOKEN_SIGNATURES, TOKEN_STOPPED_KEYS, TOKEN_WORKERS,
};
use super::custody::{self, WatchedCustody};
use super::ledger::WatchedLedger;
use crate::domain::{CertificateType, Dsc, KeyUse, Lane, NumericDate};
use crate::service::Live;
use crate::service::admin::AdminToken;
use crate::service::tls::LiveTls;
use crate::sign::{Cause, Outlook, Profile, Signer};

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The DSCs in force, and the clock that they are signed under.
    pub signer: Arc<Signer>,
    /// Profiles and limits, which may change.
    pub live: Arc<Live>,
    /// The tokens, with the work on its way to them.
    pub tokens: Vec<AdminToken>,
    /// The service's certificate; nothing in plain text.
    pub tls: Option<Arc<LiveTls>>,
    /// What is put on record; nothing where nothing is.
    pub ledger: Option<WatchedLedger>,
    /// What officers change; nothing where there is no `[custody]`.
    pub custody: Option<WatchedCustody>,
    /// Whether the service has been told to end: it is not ready from then on.
    pub ending: Arc<AtomicBool>,
}

impl Sources {
    /// What each profile can sign now, and until when.
    pub(super) fn foreseen(&self) -> Vec<Foreseen> {
        let (keyring, now) = (self.signer.keyring().snapshot(), self.signer.clock().now());
        let foreseen = |profile: &Arc<Profile>| {
            let until = |kind| Some((kind, keyring.covered_until(profile, kind, now)?));
            let covered_until = CertificateType::ALL.into_iter().filter_map(until).collect();
            Foreseen { name: profile.name.clone(), outlook: self.signer.outlook(profile), covered_until }
        };
        self.live.profiles().iter().map(foreseen).collect()
    }

    /// What each profile can sign now.
    pub(super) fn outlooks(&self) -> Vec<(String, Outlook)> {
        self.live.profiles().iter().map(|profile| (profile.name.clone(), self.signer.outlook(profile))).collect()
    }
}

/// What a profile can sign now, and until when.
pub(super) struct Foreseen {
    pub(super) name: String,
    pub(super) outlook: Outlook,
    /// By type, of those for which it has DSCs.
    pub(super) covered_until: Vec<(CertificateType, NumericDate)>,
}

/// Brings gauges up to date.
#[derive(Debug)]
pub(super) struct Gauges {
    sources: Sources,
    /// The labels of DSCs that were shown, kid and profile: one that is gone must not stay as it was.
    shown: Mutex<HashSet<(String, String)>>,
    /// Those of readiness likewise: a profile and a type that it issues.
    ready: Mutex<HashSet<(String, CertificateType)>>,
}

impl Gauges {
    /// Sets what does not change, and begins what others count, so that it is there from the start.
    pub(super) fn new(sources: Sources) -> Self {
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        for lane in Lane::ALL {
            gauge!(ITEMS_WAITING, "lane" => lane.name()).set(0.0);
            gauge!(ITEMS_IN_WORK, "lane" => lane.name()).set(0.0);
            counter!(QUEUE_FULL, "lane" => lane.name()).increment(0);
        }
        counter!(DENIALS, "rule" => "caller.roles").increment(0);
        if sources.custody.is_none() {
            custody::show_none();
        }
        Self { sources, shown: Mutex::default(), ready: Mutex::default() }
    }

    pub(super) const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Reads everything anew: some locks and a look at each token's latch on disk.
    pub(super) fn refresh(&self) {
        self.sources.tokens.iter().for_each(refresh_token);
        let limits = self.sources.live.limits();
        gauge!(QUEUE_CAPACITY, "lane" => Lane::Interactive.name()).set(limits.max_waiting_items_interactive as f64);
        gauge!(QUEUE_CAPACITY, "lane" => Lane::Bulk.name()).set(limits.max_waiting_items_bulk as f64);
        let clock = self.sources.signer.clock();
        gauge!(CLOCK_STOPPED).set(flag(clock.signing_time().is_err()));
        self.refresh_tls(clock.now());
        self.refresh_dscs(clock.now());
        self.refresh_profiles();
        self.sources.ledger.iter().for_each(WatchedLedger::refresh);
        self.sources.custody.iter().for_each(|watched| watched.refresh(clock.now()));
    }

    /// One gauge a type that a profile issues.
    fn refresh_profiles(&self) {
        let mut shown = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for (profile, outlook) in self.sources.outlooks() {
            let hindered = outlook.hindrances.iter().filter(|hindrance| hindrance.cause != Cause::NotIssued);
            let hindered = hindered.map(|hindrance| (hindrance.kind, false));
            for (kind, is_ready) in outlook.types.iter().map(|kind| (*kind, true)).chain(hindered) {
                set_ready(&profile, kind, flag(is_ready));
                gone.remove(&(profile.clone(), kind));
                shown.insert((profile.clone(), kind));
            }
        }
        gone.into_iter().for_each(|(profile, kind)| {
            set_ready(&profile, kind, f64::NAN);
            let labels = [("profile", profile), ("type", kind.key().to_owned())];
            [PROFILE_COVERED_UNTIL, PROFILE_COVERED_REMAINING]
                .into_iter()
                .for_each(|metric| gauge!(metric, &labels).set(f64::NAN));
        });
        drop(shown);
        self.refresh_coverage();
    }

    /// Until when each type that a profile issues is signed.
    fn refresh_coverage(&self) {
        let now = self.sources.signer.clock().now();
        for Foreseen { name, covered_until, .. } in self.sources.foreseen() {
            for (kind, until) in covered_until {
                let labels = [("profile", name.clone()), ("type", kind.key().to_owned())];
                set_instant((PROFILE_COVERED_UNTIL, PROFILE_COVERED_REMAINING), &labels, until, now);
            }
        }
    }

    fn refresh_tls(&self, now: NumericDate) {
        let tls = self.sources.tls.as_ref().map(|tls| tls.current());
        let ends = [
            ((TLS_NOT_AFTER, TLS_REMAINING), tls.as_ref().map(|tls| tls.not_after())),
            ((CLIENT_CRL_NOT_AFTER, CLIENT_CRL_REMAINING), tls.as_ref().and_then(|tls| tls.lists_until())),
        ];
        for (metrics, end) in ends {
            match end {
                Some(end) => set_instant(metrics, &[], end, now),
                // No alert takes a number that is none.
                None => [metrics.0, metrics.1].into_iter().for_each(|metric| gauge!(metric).set(f64::NAN)),
            }
        }
    }

    fn refresh_dscs(&self, now: NumericDate) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let profiles = self.sources.live.profiles();
        let mut gone = std::mem::take(&mut *shown);
        let keyring = self.sources.signer.keyring().snapshot();
        for key in keyring.iter() {
            show_dsc(key.dsc(), key.used(), now);
            let kid = key.dsc().kid().to_string();
            for profile in profiles.iter() {
                let Some(until) = key.issuable_until(profile) else { continue };
                let labels = [("kid", kid.clone()), ("profile", profile.name.clone())];
                set_instant((DSC_ISSUABLE_UNTIL, DSC_ISSUABLE_REMAINING), &labels, until, now);
                shown.insert((kid.clone(), profile.name.clone()));
            }
            shown.insert((kid, String::new()));
        }
        // Those of the register that do not sign yet, or cannot at present, end as well.
        for key in self.sources.custody.iter().flat_map(|watched| watched.office.standing().certified(now)) {
            let (dsc, used) = key;
            show_dsc(&dsc, used.as_ref(), now);
            shown.insert((dsc.kid().to_string(), String::new()));
        }
        gone.retain(|labels| !shown.contains(labels));
        for (kid, profile) in gone {
            withdraw(&kid, &profile);
        }
    }
}

fn refresh_token(AdminToken { token, station }: &AdminToken) {
    let status = token.status();
    let name = metrics::SharedString::from_owned(status.name);
    let signing = status.workers.iter().filter(|worker| worker.trouble.is_none()).count();
    let set = |metric: &'static str, value: f64| gauge!(metric, "token" => name.clone()).set(value);
    set(TOKEN_READY, flag(token.signs()));
    set(TOKEN_LATCHED, flag(status.is_latched));
    set(TOKEN_WORKERS, signing as f64);
    let sessions = token.sessions();
    set(TOKEN_SESSIONS, sessions.open as f64);
    set(TOKEN_SESSIONS_BUSY, sessions.busy as f64);
    set(TOKEN_STOPPED_KEYS, token.stopped_keys() as f64);
    set(TOKEN_OUTSTANDING, station.outstanding() as f64);
    set(TOKEN_SIGNATURE_SECONDS, status.signature_time.as_secs_f64());
    let count = |metric: &'static str, value: u64| counter!(metric, "token" => name.clone()).absolute(value);
    count(TOKEN_RESTARTS, status.replaced);
    count(TOKEN_SIGNATURES, token.signatures());
    count(TOKEN_BAD_SIGNATURES, status.bad_signatures);
}

fn show_dsc(dsc: &Dsc, used: Option<&KeyUse>, now: NumericDate) {
    let labels = [("kid", dsc.kid().to_string())];
    set_instant((DSC_NOT_AFTER, DSC_REMAINING), &labels, dsc.not_after(), now);
    match used {
        Some(used) => set_instant((DSC_USE_END, DSC_USE_REMAINING), &labels, used.window.to, now),
        None => [DSC_USE_END, DSC_USE_REMAINING].into_iter().for_each(|metric| gauge!(metric, &labels).set(f64::NAN)),
    }
}

fn set_ready(profile: &str, kind: CertificateType, value: f64) {
    gauge!(PROFILE_READY, "profile" => profile.to_owned(), "type" => kind.key()).set(value);
}

fn set_instant(
    (at, remaining): (&'static str, &'static str),
    labels: &[(&'static str, String)],
    instant: NumericDate,
    now: NumericDate,
) {
    gauge!(at, labels).set(instant.seconds() as f64);
    gauge!(remaining, labels).set((instant.seconds() - now.seconds()) as f64);
}

/// No alert takes a number that is none.
fn withdraw(kid: &str, profile: &str) {
    let mut labels = vec![("kid", kid.to_owned())];
    let metrics: &[&'static str] = if profile.is_empty() {
        &[DSC_NOT_AFTER, DSC_REMAINING, DSC_USE_END, DSC_USE_REMAINING]
    } else {
        labels.push(("profile", profile.to_owned()));
        &[DSC_ISSUABLE_UNTIL, DSC_ISSUABLE_REMAINING]
    };
    metrics.iter().copied().for_each(|metric| gauge!(metric, &labels).set(f64::NAN));
}

pub(super) const fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}
