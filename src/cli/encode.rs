//! `sceau encode`: the bytes that would be signed, without a token.
//!
//! For implementers and auditors: a JSON payload in, and out come the protected header, the claims and the digest that an
//! HSM would see. Nothing is validated; every field goes in as it was given.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde::Serialize;

use super::exit;
use super::ndjson::{self, Line, Lines, Members};
use crate::domain::json::Json;
use crate::domain::{Algorithm, Kid, NumericDate};
use crate::encode::json::DeterministicJson;
use crate::encode::{ClaimsSet, ProtectedHeader};

/// Show what would be signed, without a token.
///
/// Each line is {"id", "payload", "iss", "iat", "exp", "alg", "kid"}: alg is ES256 or PS256, kid 16 hex digits, iat and exp
/// are seconds since 1970. The answer is {"id", "protected", "cwt", "tbs_sha256"}, bytes in hex:
/// deterministic CBOR, and the SHA-256 that a token would see. The payload is encoded as it
/// is given and not validated. A line that cannot be encoded gives {"line", "id", "error"} in its place.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  sceau encode --in payloads.ndjson | jq -r '.id + \" \" + .tbs_sha256'

Exit code: 0 where every line was encoded, 2 where one was not.")]
pub(crate) struct EncodeArgs {
    /// Where the lines come from; `-` is standard input.
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
}

/// Encodes the lines of the file in `args` to standard output.
///
/// # Errors
/// The input cannot be read, or the output cannot be written. A bad line is told on the output, and in the exit code.
pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<ExitCode> {
    let mut input = ndjson::open(&args.input)?;
    ndjson::on_stdout(|out| encode(input.as_mut(), out))
}

fn encode(input: &mut dyn BufRead, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next() {
        let line = line.context("cannot read the payloads")?;
        let written = match Request::read(&line) {
            Ok(request) => ndjson::write_line(out, &request.answer()),
            Err(refusal) => {
                code = ExitCode::from(exit::SOME_REFUSED);
                ndjson::write_line(out, &refusal)
            }
        };
        let flushed = written.and_then(|()| if lines.is_another_ready() { Ok(()) } else { out.flush() });
        flushed.context("cannot write the encodings")?;
    }
    Ok(code)
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    protected: String,
    cwt: String,
    tbs_sha256: String,
}

#[derive(Serialize)]
struct Refusal {
    line: u64,
    id: Option<String>,
    error: String,
}

/// One line, read.
struct Request<'a> {
    id: String,
    issuer: String,
    issued_at: NumericDate,
    expires_at: NumericDate,
    header: ProtectedHeader,
    payload: DeterministicJson<'a>,
}

const MEMBERS: [&str; 7] = ["id", "payload", "iss", "iat", "exp", "alg", "kid"];

impl<'a> Request<'a> {
    fn read(line: &'a Line) -> Result<Self, Refusal> {
        let refusal = |id, error: anyhow::Error| Refusal { line: line.number, id, error: format!("{error:#}") };
        let text = line.text.as_ref().map_err(|error| refusal(None, (*error).into()))?;
        let mut members = Members::parse(text).map_err(|error| refusal(None, error.into()))?;
        let id = text_member(&mut members, "id").map_err(|error| refusal(None, error))?;
        Self::from_members(id.clone(), members).map_err(|error| refusal(Some(id), error))
    }

    fn from_members(id: String, mut members: Members<'a>) -> anyhow::Result<Self> {
        if let Some(name) = members.unknown(&MEMBERS) {
            bail!("unknown member {name:?}; a line has {}", MEMBERS.join(", "));
        }
        let algorithm: Algorithm = parsed_member(&mut members, "alg")?;
        let kid: Kid = parsed_member(&mut members, "kid")?;
        let payload = match member(&mut members, "payload")? {
            payload @ Json::Object(_) => DeterministicJson::new(payload).context("payload")?,
            other => bail!("payload is {}; it is an object", other.kind()),
        };
        Ok(Self {
            id,
            issuer: text_member(&mut members, "iss")?,
            issued_at: time_member(&mut members, "iat")?,
            expires_at: time_member(&mut members, "exp")?,
            header: ProtectedHeader::new(algorithm, kid),
            payload,
        })
    }

    fn answer(&self) -> Answer<'_> {
        let (issued_at, expires_at) = (self.issued_at, self.expires_at);
        let claims = ClaimsSet { issuer: &self.issuer, issued_at, expires_at, payload: &self.payload }.to_cbor();
        Answer {
            id: &self.id,
            protected: hex::encode(self.header.as_bytes()),
            tbs_sha256: hex::encode(self.header.digest(&claims).as_bytes()),
            cwt: hex::encode(claims),
        }
    }
}

fn member<'a>(members: &mut Members<'a>, name: &str) -> anyhow::Result<Json<'a>> {
    members.take(name).ok_or_else(|| anyhow!("{name} is missing; a line has {}", MEMBERS.join(", ")))
}

fn text_member(members: &mut Members<'_>, name: &str) -> anyhow::Result<String> {
    match member(members, name)? {
        Json::String(text) => Ok(text.into_owned()),
        other => Err(anyhow!("{name} is {}; it is a string", other.kind())),
    }
}

fn time_member(members: &mut Members<'_>, name: &str) -> anyhow::Result<NumericDate> {
    match member(members, name)? {
        Json::Int(seconds) => Ok(NumericDate::from_seconds(seconds)),
        Json::Float(_) => Err(anyhow!("{name} is no integer; it is seconds since 1970")),
        other => Err(anyhow!("{name} is {}; it is seconds since 1970, an integer", other.kind())),
    }
}

fn parsed_member<T>(members: &mut Members<'_>, name: &'static str) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text_member(members, name)?.parse().context(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"a","payload":{"ver":"1.3.0","dob":"","x":[1]},"iss":"FR","iat":10,"exp":20,"alg":"ES256","kid":"70aaa4460b56d17c"}"#;

    fn encoded(input: &str) -> (Vec<serde_json::Value>, ExitCode) {
        let mut out = Vec::new();
        let code = encode(&mut input.as_bytes(), &mut out).unwrap();
        let lines = std::str::from_utf8(&out).unwrap().lines();
        (lines.map(|line| serde_json::from_str(line).unwrap()).collect(), code)
    }

    fn error_of(line: &str) -> String {
        let (answers, code) = encoded(line);
        assert_eq!(code, ExitCode::from(exit::SOME_REFUSED));
        answers[0]["error"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_line_gives_the_bytes_to_be_signed() {
        let (answers, code) = encoded(LINE);
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(answers[0]["id"], "a");
        assert_eq!(answers[0]["protected"], "a20126044870aaa4460b56d17c");
        let claims = "a4 01624652 0414 060a 390103a101 a3 6178 8101 63646f62 60 63766572 65312e332e30";
        assert_eq!(answers[0]["cwt"], claims.replace(' ', ""));
        let header = ProtectedHeader::new(Algorithm::Es256, "70aaa4460b56d17c".parse().unwrap());
        let digest = header.digest(&hex::decode(claims.replace(' ', "")).unwrap());
        assert_eq!(answers[0]["tbs_sha256"], hex::encode(digest.as_bytes()));
    }

    #[test]
    fn a_bad_line_is_told_in_its_place_and_the_rest_goes_on() {
        let bad = LINE.replace("ES256", "ES384").replace(r#""a""#, r#""b""#);
        let (answers, code) = encoded(&format!("{LINE}\n\n{bad}\nnonsense\n{LINE}\n"));
        assert_eq!(code, ExitCode::from(exit::SOME_REFUSED));
        assert_eq!(answers.len(), 4);
        assert_eq!((&answers[1]["line"], &answers[1]["id"]), (&3.into(), &"b".into()));
        assert_eq!((&answers[2]["line"], &answers[2]["id"]), (&4.into(), &serde_json::Value::Null));
        assert_eq!(answers[0], answers[3]);
    }

    #[test]
    fn refusals_say_what_would_be_right() {
        assert!(error_of(&LINE.replace("ES256", "ES384")).contains("alg: unknown algorithm; HCERT has ES256 and PS256"));
        assert!(error_of(&LINE.replace("70aa", "70a")).contains("kid: a kid is 8 bytes"));
        assert!(error_of(&LINE.replace(r#""iss""#, r#""issuer""#)).contains("a line has id, payload, iss, iat, exp, alg, kid"));
        assert!(error_of(&LINE.replace("\"iat\":10,", "")).starts_with("iat is missing"));
        assert!(error_of(&LINE.replace("10", "10.5")).contains("iat is no integer"));
        assert!(error_of(&LINE.replace("10", "\"10\"")).contains("iat is a string; it is seconds"));
        assert!(error_of(&LINE.replace("\"x\"", "\"dob\"")).contains("payload: a member's name stands twice"));
    }

    #[test]
    fn a_payload_is_an_object() {
        let line = LINE.replace(r#"{"ver":"1.3.0","dob":"","x":[1]}"#, "[]");
        assert!(error_of(&line).contains("payload is an array; it is an object"));
    }
}
