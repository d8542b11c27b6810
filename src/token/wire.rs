//! What supervisor and worker say to each other over the worker's stdin and stdout.
//!
//! ```text
//! frame    = length u32, kind u8, body                      all integers big-endian; length counts kind and body
//!
//! to the worker
//! SIGN     = 1: id u64, key u16, purpose u8, lane u8, count u16, count × 32 bytes of digest
//! DISCARD  = 2: session u16                                   it made a signature that does not verify
//! MANAGE   = 3: id u64, JSON of a Management                  officers agreed on something
//! ADMIT    = 4: id u64, key u16, JSON of an Admission         officers have a key sign: it gets this place
//! STOP     = 5: id u64, JSON of a Stop                        an officer stopped a key: no frame after this one is signed with it
//!
//! from the worker
//! READY    = 16: version u16, sessions u16, local u8, count u16, count × 32 bytes (SHA-256 of a public key)
//! FAILED   = 17: disposition u8, message utf-8                the worker could not start, and ends
//! SIGNED   = 18: id u64, spent u32, count u16, count × result       in the order of SIGN; spent: µs in C_Sign and the like
//! STAGE    = 20: proving u8                                   it is still starting: its keys sign for the first time, or not yet
//! STANDING = 19: sound u8, message utf-8                      whether any session signs; where none does, why
//! PULSE    = 21: longest u32                                  it lives; for so many ms a call into the module has not returned
//! ANSWERED = 22: id u64, answer                              to MANAGE, ADMIT or STOP
//! answer   = 0, disposition u8, message utf-8  |  1, JSON of a Managed  |  2              why not, what was done, or merely that it was
//! result   = length u16, session u16, signature  |  0xffff, disposition u8, length u16, message utf-8
//! ```
//!
//! A frame is read whole and checked whole; whatever does not fit ends the conversation.

use std::io::{self, Read};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Admission, Disposition, Managed, Management, Order, Purpose, Stop, TokenError, TokenKey};
use crate::domain::{Digest, Lane, PublicKey, Signature};

/// The version of the protocol. Both ends are the same binary; a half-finished upgrade is found by it.
pub(super) const VERSION: u16 = 6;

/// The largest frame. A full piece of PS256-4096 signatures is 17 KB; a step in the history of a roster is some 2 KB of texts,
/// and no text is longer than [`crate::domain::officers::SignedText::MAX_BYTES`], so that there is room for a thousand steps.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
const MAX_MESSAGE_BYTES: usize = 1024;

/// From the supervisor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SupervisorFrame {
    Sign { id: u64, order: Order, digests: Vec<Digest> },
    Discard { session: u16 },
    Manage { id: u64, asked: Box<Management> },
    Admit { id: u64, place: TokenKey, asked: Box<Admission> },
    Stop { id: u64, asked: Box<Stop> },
}

/// From the worker.
#[derive(Debug)]
pub(super) enum WorkerFrame {
    Ready(Ready),
    Failed(WorkerError),
    Signed {
        id: u64,
        spent: Duration,
        results: Vec<WorkerResult>,
    },
    /// How far its start is.
    Stage {
        is_proving: bool,
    },
    /// Why no session signs; nothing where one does.
    Standing(Option<String>),
    /// What came of something for officers.
    Answered {
        id: u64,
        answer: Answer,
    },
    /// It lives, and the oldest call into the module has not returned for so long.
    Pulse(Duration),
}

/// What a worker says to what officers want; `None` where there is nothing to say but that it was done.
pub(super) type Answer = Result<Option<Managed>, WorkerError>;

/// A signature with the number of its session, or why there is none.
pub(super) type WorkerResult = Result<(u16, Signature), WorkerError>;

/// A worker that can sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) sessions: u16,
    /// Whether the token computes on this machine, so that a core bounds a session.
    pub(super) local: bool,
    /// What the worker's own configuration lets it sign with.
    pub(super) keys: Vec<[u8; 32]>,
}

/// A [`TokenError`] as far as it crosses the process boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkerError {
    pub(super) disposition: Disposition,
    pub(super) message: String,
}

impl From<WorkerError> for TokenError {
    fn from(WorkerError { disposition, message }: WorkerError) -> Self {
        Self::Worker { disposition, message }
    }
}

impl From<&TokenError> for WorkerError {
    fn from(error: &TokenError) -> Self {
        Self { disposition: error.disposition(), message: error.to_string() }
    }
}

/// How a key is named on the wire.
pub(super) fn key_hash(key: &PublicKey) -> [u8; 32] {
    *match key {
        PublicKey::P256 { point } => Digest::of(point),
        PublicKey::Rsa { der, .. } => Digest::of(der),
    }
    .as_bytes()
}

const SIGN: u8 = 1;
const DISCARD: u8 = 2;
const MANAGE: u8 = 3;
const ADMIT: u8 = 4;
const STOP: u8 = 5;
const READY: u8 = 16;
const FAILED: u8 = 17;
const SIGNED: u8 = 18;
const STANDING: u8 = 19;
const STAGE: u8 = 20;
const PULSE: u8 = 21;
const ANSWERED: u8 = 22;
const ERROR_RESULT: u16 = 0xffff;

/// A request to sign, from borrowed digests.
pub(super) fn encode_sign(id: u64, order: Order, digests: &[Digest], out: &mut Vec<u8>) {
    frame(SIGN, out, |out| {
        out.extend(id.to_be_bytes());
        out.extend(count(order.key.0));
        out.push(PURPOSES.iter().position(|known| *known == order.purpose).map_or(u8::MAX, |at| at as u8));
        out.push(u8::from(order.lane == Lane::Bulk));
        out.extend(count(digests.len()));
        digests.iter().for_each(|digest| out.extend(digest.as_bytes()));
    });
}

/// A session that is to be given up.
pub(super) fn encode_discard(session: u16, out: &mut Vec<u8>) {
    frame(DISCARD, out, |out| out.extend(session.to_be_bytes()));
}

/// Something that officers want done.
pub(super) fn encode_manage(id: u64, asked: &Management, out: &mut Vec<u8>) {
    frame(MANAGE, out, |out| {
        out.extend(id.to_be_bytes());
        encode_json(asked, out);
    });
}

/// A key that officers have sign.
pub(super) fn encode_admit(id: u64, place: TokenKey, asked: &Admission, out: &mut Vec<u8>) {
    frame(ADMIT, out, |out| {
        out.extend(id.to_be_bytes());
        out.extend(count(place.0));
        encode_json(asked, out);
    });
}

/// A key that an officer stopped.
pub(super) fn encode_stop(id: u64, asked: &Stop, out: &mut Vec<u8>) {
    frame(STOP, out, |out| {
        out.extend(id.to_be_bytes());
        encode_json(asked, out);
    });
}

/// Whether a worker reads a frame of so many bytes, its length counted.
pub(super) fn check_size(frame: &[u8]) -> Result<(), TokenError> {
    if frame.len() <= MAX_FRAME_BYTES { Ok(()) } else { Err(TokenError::TooLong { bytes: frame.len(), most: MAX_FRAME_BYTES }) }
}

fn encode_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a vector takes every byte, and what officers want has a JSON form");
}

const PURPOSES: [Purpose; 4] = [Purpose::Certificate, Purpose::Proof, Purpose::Audit, Purpose::Upload];

impl SupervisorFrame {
    fn decode(kind: u8, body: &mut Body<'_>) -> Option<Self> {
        match kind {
            SIGN => {
                let (id, key) = (body.u64()?, TokenKey(body.u16()?.into()));
                let purpose = *PURPOSES.get(usize::from(body.u8()?))?;
                let lane = if body.u8()? == 0 { Lane::Interactive } else { Lane::Bulk };
                let count = body.u16()?;
                let digests = (0..count).map(|_| body.array::<32>().map(Digest::from_bytes)).collect::<Option<_>>()?;
                Some(Self::Sign { id, order: Order { key, purpose, lane }, digests })
            }
            DISCARD => Some(Self::Discard { session: body.u16()? }),
            MANAGE => Some(Self::Manage { id: body.u64()?, asked: Box::new(body.rest_json()?) }),
            ADMIT => {
                let (id, place) = (body.u64()?, TokenKey(body.u16()?.into()));
                Some(Self::Admit { id, place, asked: Box::new(body.rest_json()?) })
            }
            STOP => Some(Self::Stop { id: body.u64()?, asked: Box::new(body.rest_json()?) }),
            _ => None,
        }
    }

    /// Reads the next frame; nothing at the end of the conversation.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        read_frame(input, Self::decode)
    }
}

impl WorkerFrame {
    /// Appends the frame.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready(ready) => frame(READY, out, |out| {
                out.extend(VERSION.to_be_bytes());
                out.extend(ready.sessions.to_be_bytes());
                out.push(u8::from(ready.local));
                out.extend(count(ready.keys.len()));
                ready.keys.iter().for_each(|key| out.extend(key));
            }),
            Self::Failed(error) => frame(FAILED, out, |out| {
                out.push(disposition_code(error.disposition));
                out.extend(bounded(&error.message));
            }),
            Self::Signed { id, spent, results } => frame(SIGNED, out, |out| {
                out.extend(id.to_be_bytes());
                out.extend(u32::try_from(spent.as_micros()).unwrap_or(u32::MAX).to_be_bytes());
                out.extend(count(results.len()));
                results.iter().for_each(|result| encode_result(result, out));
            }),
            Self::Stage { is_proving } => frame(STAGE, out, |out| out.push(u8::from(*is_proving))),
            Self::Standing(trouble) => frame(STANDING, out, |out| {
                out.push(u8::from(trouble.is_none()));
                out.extend(bounded(trouble.as_deref().unwrap_or_default()));
            }),
            Self::Answered { id, answer } => frame(ANSWERED, out, |out| {
                out.extend(id.to_be_bytes());
                encode_answer(answer, out);
            }),
            Self::Pulse(longest) => frame(PULSE, out, |out| {
                out.extend(u32::try_from(longest.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
            }),
        }
    }

    fn decode(kind: u8, body: &mut Body<'_>) -> Option<Self> {
        match kind {
            READY if body.u16()? == VERSION => {
                let (sessions, local, count) = (body.u16()?, body.u8()? != 0, body.u16()?);
                let keys = (0..count).map(|_| body.array::<32>()).collect::<Option<_>>()?;
                Some(Self::Ready(Ready { sessions, local, keys }))
            }
            FAILED => {
                let disposition = disposition_of_code(body.u8()?)?;
                let message = body.rest_text()?;
                Some(Self::Failed(WorkerError { disposition, message }))
            }
            SIGNED => {
                let (id, spent, count) = (body.u64()?, Duration::from_micros(body.u32()?.into()), body.u16()?);
                let results = (0..count).map(|_| decode_result(body)).collect::<Option<_>>()?;
                Some(Self::Signed { id, spent, results })
            }
            STAGE => Some(Self::Stage { is_proving: body.u8()? != 0 }),
            STANDING => {
                let (is_sound, message) = (body.u8()? != 0, body.rest_text()?);
                Some(Self::Standing((!is_sound).then_some(message)))
            }
            ANSWERED => Some(Self::Answered { id: body.u64()?, answer: decode_answer(body)? }),
            PULSE => Some(Self::Pulse(Duration::from_millis(body.u32()?.into()))),
            _ => None,
        }
    }

    /// Reads the next frame; nothing at the end of the conversation.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        read_frame(input, Self::decode)
    }
}

fn encode_answer(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Err(error) => {
            out.extend([0, disposition_code(error.disposition)]);
            out.extend(bounded(&error.message));
        }
        Ok(Some(managed)) => {
            out.push(1);
            encode_json(managed, out);
        }
        Ok(None) => out.push(2),
    }
}

fn decode_answer(body: &mut Body<'_>) -> Option<Answer> {
    match body.u8()? {
        0 => {
            let disposition = disposition_of_code(body.u8()?)?;
            Some(Err(WorkerError { disposition, message: body.rest_text()? }))
        }
        1 => Some(Ok(Some(body.rest_json()?))),
        2 => Some(Ok(None)),
        _ => None,
    }
}

fn encode_result(result: &WorkerResult, out: &mut Vec<u8>) {
    match result {
        Ok((session, signature)) => {
            out.extend(count(signature.as_bytes().len()));
            out.extend(session.to_be_bytes());
            out.extend(signature.as_bytes());
        }
        Err(error) => {
            out.extend(ERROR_RESULT.to_be_bytes());
            out.push(disposition_code(error.disposition));
            let message = bounded(&error.message);
            out.extend(count(message.len()));
            out.extend(message);
        }
    }
}

fn decode_result(body: &mut Body<'_>) -> Option<WorkerResult> {
    let len = body.u16()?;
    if len != ERROR_RESULT {
        let session = body.u16()?;
        return Some(Ok((session, Signature::new(body.take(len.into())?.to_vec()))));
    }
    let (disposition, len) = (disposition_of_code(body.u8()?)?, body.u16()?);
    let message = std::str::from_utf8(body.take(len.into())?).ok()?.to_owned();
    Some(Err(WorkerError { disposition, message }))
}

/// The start of a message, cut at a character.
fn bounded(message: &str) -> &[u8] {
    let end = (0..=MAX_MESSAGE_BYTES.min(message.len())).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    &message.as_bytes()[..end]
}

/// Counts on the wire are of pieces, keys and signatures, all far below 65,535.
fn count(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("pieces, keys and signatures are small").to_be_bytes()
}

fn frame(kind: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.push(kind);
    body(out);
    let len = u32::try_from(out.len() - start - 4).expect("a frame is small");
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

fn read_frame<T>(input: &mut impl Read, decode: impl FnOnce(u8, &mut Body<'_>) -> Option<T>) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match input.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = u32::from_be_bytes(head) as usize;
    if !(1..=MAX_FRAME_BYTES).contains(&len) {
        return Err(malformed());
    }
    let mut bytes = vec![0; len];
    input.read_exact(&mut bytes)?;
    let mut body = Body(&bytes[1..]);
    let decoded = decode(bytes[0], &mut body).filter(|_| body.0.is_empty());
    decoded.map(Some).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame that is none, or of another version of sceau")
}

/// What is left of a frame.
struct Body<'f>(&'f [u8]);

impl<'f> Body<'f> {
    fn take(&mut self, len: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn rest_json<T: DeserializeOwned>(&mut self) -> Option<T> {
        let rest = self.take(self.0.len())?;
        serde_json::from_slice(rest).ok()
    }

    fn rest_text(&mut self) -> Option<String> {
        let rest = self.take(self.0.len())?;
        String::from_utf8(rest.to_vec()).ok()
    }
}

const DISPOSITIONS: [Disposition; 6] = [
    Disposition::ReplaceSession,
    Disposition::LogInAgain,
    Disposition::TokenGone,
    Disposition::Overloaded,
    Disposition::LatchPin,
    Disposition::StopKey,
];

fn disposition_code(disposition: Disposition) -> u8 {
    DISPOSITIONS.iter().position(|known| *known == disposition).map_or(u8::MAX, |at| at as u8)
}

fn disposition_of_code(code: u8) -> Option<Disposition> {
    DISPOSITIONS.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(frame: &WorkerFrame) -> WorkerFrame {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        WorkerFrame::read(&mut bytes.as_slice()).unwrap().unwrap()
    }

    #[test]
    fn what_the_supervisor_sends_is_what_the_worker_reads() {
        let digests = vec![Digest::of(b"a"), Digest::of(b"b")];
        let bulk = Order { key: TokenKey(1), purpose: Purpose::Certificate, lane: Lane::Bulk };
        let proof = Order { key: TokenKey(0), purpose: Purpose::Proof, lane: Lane::Interactive };
        let mut bytes = Vec::new();
        encode_sign(7, bulk, &digests, &mut bytes);
        encode_sign(8, proof, &digests[..1], &mut bytes);
        encode_discard(3, &mut bytes);
        let mut input = bytes.as_slice();
        let mut read = || SupervisorFrame::read(&mut input).unwrap();
        assert_eq!(read(), Some(SupervisorFrame::Sign { id: 7, order: bulk, digests: digests.clone() }));
        assert_eq!(read(), Some(SupervisorFrame::Sign { id: 8, order: proof, digests: digests[..1].to_vec() }));
        assert_eq!(read(), Some(SupervisorFrame::Discard { session: 3 }));
        assert_eq!(read(), None);
    }

    #[test]
    fn every_purpose_arrives_as_it_was_sent() {
        for purpose in PURPOSES {
            let (order, mut bytes) = (Order { key: TokenKey(2), purpose, lane: Lane::Interactive }, Vec::new());
            encode_sign(1, order, &[Digest::of(b"a")], &mut bytes);
            let read = SupervisorFrame::read(&mut bytes.as_slice()).unwrap();
            assert_eq!(read, Some(SupervisorFrame::Sign { id: 1, order, digests: vec![Digest::of(b"a")] }));
        }
    }

    #[test]
    fn what_the_worker_sends_is_what_the_supervisor_reads() {
        let ready = Ready { sessions: 3, local: true, keys: vec![[5; 32]] };
        assert!(matches!(read_back(&WorkerFrame::Ready(ready.clone())), WorkerFrame::Ready(read) if read == ready));
        let error = WorkerError { disposition: Disposition::LatchPin, message: "é".repeat(900) };
        let WorkerFrame::Failed(read) = read_back(&WorkerFrame::Failed(error.clone())) else { panic!("FAILED") };
        assert_eq!((read.disposition, read.message.len()), (Disposition::LatchPin, 1024));
        let results = vec![Ok((9, Signature::new(vec![1; 64]))), Err(WorkerError { message: "gone".into(), ..error })];
        let spent = Duration::from_micros(250);
        let WorkerFrame::Signed { id, spent: read_spent, results: read } =
            read_back(&WorkerFrame::Signed { id: 9, spent, results: results.clone() })
        else {
            panic!("SIGNED")
        };
        assert_eq!((id, read_spent, read), (9, spent, results));
        let stage = read_back(&WorkerFrame::Stage { is_proving: true });
        assert!(matches!(stage, WorkerFrame::Stage { is_proving: true }));
        for trouble in [None, Some("C_Sign gave DeviceRemoved".to_owned())] {
            let read = read_back(&WorkerFrame::Standing(trouble.clone()));
            assert!(matches!(read, WorkerFrame::Standing(read) if read == trouble));
        }
    }

    #[test]
    fn another_version_is_no_frame() {
        let mut bytes = Vec::new();
        WorkerFrame::Ready(Ready { sessions: 1, local: false, keys: vec![] }).encode(&mut bytes);
        bytes[6] += 1;
        assert!(WorkerFrame::read(&mut bytes.as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..22) {
            let mut framed = (bytes.len() as u32 + 1).to_be_bytes().to_vec();
            framed.push(kind);
            framed.extend(&bytes);
            for input in [&bytes, &framed] {
                let _ = SupervisorFrame::read(&mut input.as_slice());
                let _ = WorkerFrame::read(&mut input.as_slice());
            }
        }
    }
}
