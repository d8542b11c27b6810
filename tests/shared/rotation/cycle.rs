//! Key after key: made, certified by a test CSCA, published, put in use, retired, destroyed.

use std::time::Duration;

use rcgen::KeyPair;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::officers::{Activation, Certification, Change, Generation, KeyKind, KeyName, Subject};
use sceau::domain::{CertificateTypes, Clock, Kid, NumericDate, PublicKey, SystemClock};
use sceau::service::proto::v1;
use x509_cert::der::Decode;
use x509_cert::request::CertReq;

use super::Desk;
use crate::shared::officers::label;

const COUNTRY: &str = "FR";

/// Officers who rotate keys.
pub(crate) struct Rotation<'h> {
    pub(crate) desk: Desk<'h>,
    csca: DevelopmentCsca<KeyPair>,
    lead: u32,
    made: u32,
    /// Keys in use or done with, the newest last.
    keys: Vec<InUse>,
    destroyed: usize,
}

/// A key that was put in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InUse {
    pub(crate) kid: Kid,
    pub(crate) from: NumericDate,
    to: Option<NumericDate>,
}

impl<'h> Rotation<'h> {
    pub(crate) fn new(desk: Desk<'h>, lead: u32) -> Self {
        let csca = DevelopmentCsca::new(KeyPair::generate().unwrap(), COUNTRY.parse().unwrap(), now()).unwrap();
        Self { desk, csca, lead, made: 0, keys: Vec::new(), destroyed: 0 }
    }

    /// Puts a new key in use from a moment on, and retires the one before it: every other time at that moment, else two seconds
    /// later. What is retired and over is destroyed.
    pub(crate) async fn next(&mut self) -> InUse {
        let key = self.activate().await;
        if let [.., before, _] = self.keys.as_mut_slice() {
            let (kid, at) = (before.kid, key.from.plus_seconds(i64::from(self.made % 2) * 2));
            before.to = Some(at);
            self.desk.carry_out(Change::Retire { kid, at }, None).await;
        }
        self.destroy_retired().await;
        key
    }

    /// Puts a new key in use beside those that are; its window has an end of its own, or none but its certificate's.
    pub(crate) async fn activate(&mut self) -> InUse {
        let kid = self.prepare().await;
        let from = now().plus_seconds(i64::from(self.lead) + 2);
        let to = self.made.is_multiple_of(2).then(|| from.plus_seconds(86_400));
        let activation = Activation { kid, from, to, types: CertificateTypes::ANY, weight: 1 };
        self.desk.carry_out(Change::Activate(activation), None).await;
        let key = InUse { kid, from, to: None };
        self.keys.push(key);
        key
    }

    /// Has a key made, certified and published.
    async fn prepare(&mut self) -> Kid {
        self.made += 1;
        let name = format!("dsc-{}", self.made);
        let generation = Change::Generate(Generation {
            label: label(&name),
            token: label("softhsm"),
            key: KeyKind::P256,
            subject: Subject { country: COUNTRY.parse().unwrap(), organization: None, common_name: name.parse().unwrap() },
            types: CertificateTypes::ANY,
        });
        let made = self.desk.carry_out(generation, None).await;
        let request = made.certificate_request.expect("a token that made a key asks for its certificate");
        let certificate = self.certificate(&name, &request);
        let kid = Kid::of_der(&certificate);
        let import = v1::ImportCheck { cscas: vec![self.csca.der().to_vec().into()], trust_list: None };
        let certification = Change::Certify(Certification { label: label(&name), certificate });
        self.desk.carry_out(certification, Some(import)).await;
        self.desk.carry_out(Change::Publish { kid, at: now() }, None).await;
        kid
    }

    fn certificate(&self, name: &str, request: &[u8]) -> Vec<u8> {
        let request = CertReq::from_der(request).unwrap();
        let point = request.info.public_key.subject_public_key.raw_bytes().try_into().unwrap();
        let not_before = now().plus_seconds(-60);
        let not_after = not_before.plus_seconds(2 * 365 * 86_400);
        let wanted = DscRequest { common_name: name.to_owned(), types: Vec::new(), not_before, not_after };
        self.csca.issue(&PublicKey::P256 { point }, &wanted).unwrap()
    }

    /// Has every key destroyed whose window is over.
    pub(crate) async fn destroy_retired(&mut self) {
        while let Some(key) = self.keys.get(self.destroyed).copied()
            && key.to.is_some_and(|to| now() > to)
        {
            self.desk.carry_out(Change::Destroy(KeyName::Kid(key.kid)), None).await;
            self.destroyed += 1;
        }
    }

    /// How many keys were destroyed.
    pub(crate) const fn destroyed(&self) -> usize {
        self.destroyed
    }
}

impl InUse {
    /// Waits until it signs.
    pub(crate) async fn begins(&self) {
        while now() < self.from {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn now() -> NumericDate {
    SystemClock.now()
}
