//! Certificates for TLS: a CA, a service, and clients of every kind.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use sceau::service::client::ClientTls;
use sceau::service::tls::TlsFiles;

/// A folder of PEM files under one CA.
pub(crate) struct Pki {
    dir: PathBuf,
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// What a client's certificate is like.
#[derive(Clone, Copy, Default)]
pub(crate) struct ClientCertificate<'a> {
    pub(crate) uri: Option<&'a str>,
    pub(crate) dns: Option<&'a str>,
    pub(crate) common_name: Option<&'a str>,
    pub(crate) has_expired: bool,
}

impl Pki {
    /// Writes `ca.pem`, `server.pem` and `server.key`.
    pub(crate) fn new(dir: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { dir: dir.to_owned(), ca };
        std::fs::write(pki.path("ca.pem"), pki.ca.pem()).unwrap();
        pki.renew_server();
        pki
    }

    /// Puts another certificate of the service in the place of the one before; gives its serial number's place, its DER.
    pub(crate) fn renew_server(&self) -> Vec<u8> {
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        self.write("server", params)
    }

    /// The certificate of a server at an address, and its key.
    pub(crate) fn server_at(&self, address: &str) -> [PathBuf; 2] {
        self.write("at", CertificateParams::new(vec![address.to_owned()]).unwrap());
        ["at.pem", "at.key"].map(|name| self.path(name))
    }

    /// Writes `NAME.pem` and `NAME.key`, and gives the connection with them.
    pub(crate) fn client(&self, name: &str, kind: ClientCertificate<'_>) -> ClientTls {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common_name) = kind.common_name {
            params.distinguished_name.push(DnType::CommonName, common_name);
        }
        params.subject_alt_names.extend(kind.uri.map(|uri| SanType::URI(uri.try_into().unwrap())));
        params.subject_alt_names.extend(kind.dns.map(|dns| SanType::DnsName(dns.try_into().unwrap())));
        if kind.has_expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        self.write(name, params);
        let identity = Some((self.path(&format!("{name}.pem")), self.path(&format!("{name}.key"))));
        ClientTls { ca: self.path("ca.pem"), identity, server_name: None }
    }

    /// A client that shows no certificate.
    pub(crate) fn nobody(&self) -> ClientTls {
        ClientTls { ca: self.path("ca.pem"), identity: None, server_name: None }
    }

    /// Writes `clients.crl`, which revokes clients by their names and is good until the end of a year.
    pub(crate) fn revoke(&self, names: &[&str], good_until: i32) {
        let revoked = |name: &&str| RevokedCertParams {
            serial_number: serial(name),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(good_until, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: names.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        std::fs::write(self.path("clients.crl"), list.signed_by(&self.ca).unwrap().pem().unwrap()).unwrap();
    }

    /// The same, with the revocation list.
    pub(crate) fn server_with_revocations(&self) -> TlsFiles {
        TlsFiles { client_crl: Some(self.path("clients.crl")), ..self.server() }
    }

    pub(crate) fn server(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: self.path("ca.pem"),
            client_crl: None,
            allow_tls_1_2: false,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, mut params: CertificateParams) -> Vec<u8> {
        params.serial_number = Some(serial(name));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }
}

/// A name is as good as a number, up to 20 bytes.
fn serial(name: &str) -> SerialNumber {
    SerialNumber::from_slice(name.as_bytes())
}
