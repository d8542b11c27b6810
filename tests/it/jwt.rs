//! JWTs, their issuer's keys, and a server of its JWK set, for tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sceau::domain::{CertificateType, CertificateTypes, NumericDate};
use sceau::service::person::{ClaimRules, JwtAlgorithm, KeySource, Pace, PersonSettings, PersonVerifier, PseudonymMaker};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
pub(crate) const SUBJECT: &str = "f:550dc1c8:899700218896";

/// A private key of an issuer.
pub(crate) struct IssuerKey {
    pub(crate) kid: &'static str,
    private: Private,
}

enum Private {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// Making one takes a tenth of a second and more.
pub(crate) static RSA: LazyLock<IssuerKey> =
    LazyLock::new(|| IssuerKey { kid: "rsa", private: Private::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) });

impl IssuerKey {
    pub(crate) fn p256(kid: &'static str) -> Self {
        Self { kid, private: Private::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()) }
    }

    pub(crate) fn ed25519(kid: &'static str) -> Self {
        Self { kid, private: Private::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    pub(crate) fn jwk(&self) -> Value {
        match &self.private {
            Private::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kid": self.kid, "kty": "EC", "crv": "P-256", "use": "sig", "x": base64url(x), "y": base64url(y)})
            }
            Private::Ed25519(key) => {
                json!({"kid": self.kid, "kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().as_ref())})
            }
            Private::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kid": self.kid, "kty": "RSA", "n": base64url(public.n), "e": base64url(public.e)})
            }
        }
    }

    /// The key as whoever confuses a public key with a secret has it.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        match &self.private {
            Private::P256(key) => key.public_key().as_ref().to_vec(),
            Private::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Private::Rsa(key) => key.public_key().as_ref().to_vec(),
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Private::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Private::Rsa(key) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
                    if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A JWT as its header says.
    pub(crate) fn jwt(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.sign(header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", base64url(signature))
    }

    /// The usual one.
    pub(crate) fn jwt_of(&self, claims: &Value) -> String {
        self.jwt(&json!({"alg": "ES256", "kid": self.kid}), claims)
    }
}

/// Header and claims.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()))
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn jwks(keys: &[&IssuerKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

/// What Pro Santé Connect says of a doctor, with what matters here.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://id.example.org", "aud": ["other", "sceau"], "sub": SUBJECT,
        "exp": NOW.seconds() + 60, "nbf": NOW.seconds() - 60, "iat": NOW.seconds() - 60,
        "given_name": "Marie", "family_name": "Curie",
        "SubjectRefPro": {"codeCivilite": "MME", "exercices": [
            {"codeProfession": "10", "codeSavoirFaire": "SM26", "activities": [{"codeModeExercice": "L"}]},
        ]},
    })
}

pub(crate) fn rules() -> ClaimRules {
    use CertificateType::{Recovery, Test, Vaccination};
    let types = |kinds: &[CertificateType]| kinds.iter().copied().collect::<CertificateTypes>();
    ClaimRules {
        issuer: "https://id.example.org".to_owned(),
        audience: "sceau".to_owned(),
        profession_claim: "SubjectRefPro.exercices[].codeProfession".parse().unwrap(),
        subject_claim: "sub".parse().unwrap(),
        professions: [("10", &[Vaccination, Test, Recovery][..]), ("21", &[Test]), ("60", &[Vaccination])]
            .map(|(name, kinds)| (name.to_owned(), types(kinds)))
            .into(),
        pseudonyms: PseudonymMaker::new(&[7; 32]).unwrap(),
    }
}

pub(crate) fn settings(source: KeySource) -> PersonSettings {
    PersonSettings {
        source,
        pace: Pace::default(),
        max_stale: std::time::Duration::from_secs(3600),
        header: PersonSettings::DEFAULT_HEADER.to_owned(),
        algorithms: JwtAlgorithm::DEFAULT.to_vec(),
        typ: None,
        rules: rules(),
        leeway: std::time::Duration::from_secs(30),
    }
}

/// A verifier on keys in a file, which stays as long as the folder.
pub(crate) fn verifier(keys: &[&IssuerKey], change: impl FnOnce(&mut PersonSettings)) -> (PersonVerifier, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("issuer.jwks");
    std::fs::write(&file, jwks(keys)).unwrap();
    let mut settings = settings(KeySource::file(&file).unwrap());
    change(&mut settings);
    (PersonVerifier::new(settings), home)
}

/// How the issuer's server answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// With a set, and a header line.
    Jwks(String, &'static str),
    /// With a code.
    Status(u16),
    /// It takes the connection and says nothing.
    Silence,
    /// Bytes without end.
    Endless,
    /// It closes the connection.
    Closed,
}

/// An issuer's server.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
}

impl KeyServer {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::start_with(answer, None).await
    }

    pub(crate) async fn start_with(answer: Answer, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new(answer));
        let (counter, answers) = (Arc::clone(&asked), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counter, answers, tls) = (Arc::clone(&counter), Arc::clone(&answers), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &counter, &answers).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &counter, &answers).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, asked, answer }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, counter: &AtomicUsize, answers: &Mutex<Answer>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    counter.fetch_add(1, Ordering::SeqCst);
    let answer = answers.lock().unwrap().clone();
    let text = match answer {
        Answer::Jwks(text, header) => {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{header}\r\n\r\n{text}", text.len())
        }
        Answer::Status(code) => format!("HTTP/1.1 {code} So\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        Answer::Silence => std::future::pending().await,
        Answer::Closed => return,
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
