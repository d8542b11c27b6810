//! Servers for tests: the real binary on SoftHSM, and the service in this process on keys in memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::time::FixedClock;
use sceau::domain::{Algorithm, CallerId, CertificateType, Dsc, ItemId, Lane, NumericDate, RuleSet, UvciMaker};
use sceau::service::access::CallerSettings;
use sceau::service::tls::LiveTls;
use sceau::service::{Administration, Cores, Drain, Limits, Live, LiveSettings, Parts};
use sceau::sign::{
    BatchItem, BatchRequest, Checking, Durations, Keyring, LiveKeyring, Permits, Profile, Signer, SignerSettings, SigningKey,
    Station,
};
use sceau::token::software::SoftwareToken;
use sceau::token::{Token, TokenKey};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;

pub(crate) use crate::shared::binary::{Ran, edit, read_endpoint, run, sceau};
use crate::testdata::rulebook;

/// `sceau dev` on a folder of its own; killed and removed with this value.
pub(crate) struct DevServer {
    pub(crate) endpoint: String,
    pub(crate) dir: PathBuf,
    child: Child,
    _home: TempDir,
}

impl DevServer {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("dev");
        let mut command = sceau();
        let mut child = command
            .args(["dev", "--listen", "127.0.0.1:0", "--dir"])
            .arg(&dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let endpoint = read_endpoint(&mut child);
        Self { endpoint, dir, child, _home: home }
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.dir.join("trust.pem")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that `sceau dev` has made, without a server, and without its officers: a test brings its own, or does without.
pub(crate) fn dev_folder() -> TempDir {
    let home = dev_folder_with_officers();
    dismiss_officers(home.path());
    home
}

/// Takes the officers out of a folder that `sceau dev` has made.
pub(crate) fn dismiss_officers(dir: &Path) {
    let config = dir.join("sceau.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, rest) = text.split_once("\n# Two officers agree").unwrap();
    let (_, after) = rest.split_once("\n[[profile]]").unwrap();
    std::fs::write(&config, format!("{before}\n[[profile]]{after}")).unwrap();
    ["ada.key", "grace.key"].iter().for_each(|key| std::fs::remove_file(dir.join(key)).unwrap());
}

/// The same as it is made.
pub(crate) fn dev_folder_with_officers() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(home.path()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    home
}

/// `sceau serve` on such a folder, to its end: for configurations that must not start.
pub(crate) fn serve_in_vain(dir: &Path) -> Ran {
    let mut command = sceau();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(dir.join("sceau.toml"))
        .env("SOFTHSM2_CONF", dir.join("softhsm2.conf"));
    run(&mut command)
}

/// The instant at which the service in this process signs.
pub(crate) fn signing_time() -> NumericDate {
    NumericDate::from_rfc3339("2021-10-20T12:00:00Z").unwrap()
}

/// What a DSC in memory is like.
#[derive(Clone)]
pub(crate) struct TestDsc {
    pub(crate) types: Vec<CertificateType>,
    pub(crate) not_before: &'static str,
    pub(crate) not_after: &'static str,
}

impl Default for TestDsc {
    fn default() -> Self {
        Self { types: Vec::new(), not_before: "2021-06-01T00:00:00Z", not_after: "2023-06-01T00:00:00Z" }
    }
}

/// DSCs over the keys of a software token.
pub(crate) fn issue(token: &SoftwareToken, wanted: &[TestDsc]) -> Vec<Dsc> {
    let csca_key = rcgen::KeyPair::generate().unwrap();
    let csca = DevelopmentCsca::new(csca_key, "FR".parse().unwrap(), signing_time()).unwrap();
    let instant = |text| NumericDate::from_rfc3339(text).unwrap();
    let issue = |(number, dsc): (usize, &TestDsc)| {
        let request = DscRequest {
            common_name: format!("DSC {number}"),
            types: dsc.types.clone(),
            not_before: instant(dsc.not_before),
            not_after: instant(dsc.not_after),
        };
        Dsc::from_der(&csca.issue(&token.key(number).1, &request).unwrap()).unwrap()
    };
    wanted.iter().enumerate().map(issue).collect()
}

/// A profile of every rule, a year for each type.
pub(crate) fn profile(name: &str) -> Arc<Profile> {
    let year = 365 * 86_400;
    Arc::new(Profile {
        name: name.to_owned(),
        algorithm: Algorithm::Es256,
        issuer: "FR".parse().unwrap(),
        durations: Durations { vaccination_seconds: year, test_seconds: year, recovery_seconds: year },
        rulebook: rulebook(RuleSet::ALL),
    })
}

/// A signer over DSCs whose keys a token holds in their order.
pub(crate) fn signer(token: Arc<dyn Token>, keys: &SoftwareToken, dscs: Vec<Dsc>, settings: SignerSettings) -> Signer {
    let station = Station::new(token);
    let bind = |(number, dsc)| {
        let key: (_, TokenKey) = (Arc::clone(&station), keys.key(number).0);
        SigningKey::new(dsc, vec![key]).unwrap()
    };
    signer_of(dscs.into_iter().enumerate().map(bind).collect(), settings)
}

/// A signer over DSCs as wanted, on keys in memory.
pub(crate) fn signer_over(wanted: &[TestDsc], settings: SignerSettings) -> (Signer, Vec<Dsc>) {
    let keys = SoftwareToken::with_keys(wanted.len());
    let dscs = issue(&keys, wanted);
    let keys = Arc::new(keys);
    let token: Arc<dyn Token> = Arc::clone(&keys) as Arc<dyn Token>;
    (signer(token, &keys, dscs.clone(), settings), dscs)
}

/// A signer over keys wherever they are.
pub(crate) fn signer_of(keys: Vec<SigningKey>, settings: SignerSettings) -> Signer {
    let keyring = Arc::new(LiveKeyring::new(Keyring::new(keys.into_iter().map(Arc::new).collect()).unwrap()));
    Signer::new(keyring, Arc::new(FixedClock(signing_time())), UvciMaker::new(&[3; 32]).unwrap(), settings).unwrap()
}

/// Checks on, two threads.
pub(crate) fn settings() -> SignerSettings {
    SignerSettings { sign_timeout: Duration::from_secs(30), checking: Checking::Batch, threads: 2 }
}

/// A client of a service's health.
pub(crate) async fn health_client(endpoint: &str) -> HealthClient<Channel> {
    HealthClient::new(Channel::from_shared(endpoint.to_owned()).unwrap().connect().await.unwrap())
}

/// The service in this process; it ends with this value.
pub(crate) struct LocalServer {
    pub(crate) endpoint: String,
    stop: Option<oneshot::Sender<()>>,
}

impl LocalServer {
    pub(crate) async fn start(signer: Signer, limits: Limits) -> Self {
        let profiles = vec![profile("dcc"), profile("other")];
        let settings = LiveSettings { callers: vec![CallerSettings::loopback()], person: None, profiles, limits };
        let live = Live::new(settings, Arc::new(FixedClock(signing_time())));
        Self::start_with(signer, live, None).await
    }

    /// With settings of its own, and behind TLS where there is a certificate.
    pub(crate) async fn start_with(signer: Signer, live: Arc<Live>, tls: Option<Arc<LiveTls>>) -> Self {
        Self::start_under(signer, live, tls, Administration::default()).await
    }

    /// With what officers look after.
    pub(crate) async fn start_under(signer: Signer, live: Arc<Live>, tls: Option<Arc<LiveTls>>, admin: Administration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let parts = Parts { signer: Arc::new(signer), live, tls, cores: Cores::default(), drain: Drain::default(), admin };
        let shutdown = async move {
            let _ = stopped.await;
        };
        tokio::spawn(sceau::service::run(listener, shutdown, parts));
        Self { endpoint, stop: Some(stop) }
    }

    /// With DSCs as wanted, on keys in memory.
    pub(crate) async fn with_dscs(wanted: &[TestDsc], limits: Limits) -> (Self, Vec<Dsc>) {
        let (signer, dscs) = signer_over(wanted, settings());
        (Self::start(signer, limits).await, dscs)
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A payload that every rule lets pass.
pub(crate) const VACCINATION: &[u8] =
    br#"{"ver":"1.3.0","nam":{"fn":"Wallis","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006",
"vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

/// A bulk batch of the profile `dcc`.
pub(crate) fn batch(payloads: Vec<Bytes>) -> BatchRequest {
    let item = |(n, payload)| BatchItem { item_id: ItemId::new(&format!("item-{n}")).unwrap(), payload, expires_at: None };
    BatchRequest {
        caller: CallerId::new("test"),
        person: None,
        request: "test".into(),
        profile: profile("dcc"),
        lane: Lane::Bulk,
        validate_only: false,
        permits: Permits::ALL,
        deadline: None,
        items: payloads.into_iter().enumerate().map(item).collect(),
    }
}
