//! The process that holds the module, the PIN and the sessions: `sceau token-worker`.
//!
//! It signs with the keys of its own configuration, for the purposes and at the rate that stand there, whoever asks. It ends
//! when its supervisor closes its stdin or kills it.
//!
//! Threads: this one reads frames and queues them; a session's thread signs a frame and writes the answer itself.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::pool::Hints;
use super::queue::{Answer, Results, lock};
use super::steward::Steward;
use super::thread::Event;
use super::wire::{Ready, SupervisorFrame, WorkerError, WorkerFrame, key_hash};
use super::{Managed, Order, Pkcs11Token, TokenError, TokenSpec, WantedKey};
use crate::domain::officers::Roster;
use crate::domain::{Clock, Digest};

/// Opens the token and signs what comes, until nothing more does.
///
/// `local`: whether the token computes on this machine, where the supervisor knows it from a worker before. `officers`: those that
/// custody begins with; without them it does nothing for officers.
///
/// # Errors
/// The token cannot be opened (the supervisor has been told), or the pipes break.
pub fn run_worker(
    spec: &TokenSpec,
    wanted: Vec<WantedKey>,
    local: Option<bool>,
    officers: Option<Roster>,
    clock: Arc<dyn Clock>,
) -> Result<(), WorkerEnd> {
    let output = Arc::new(Output::stdout()?);
    let keys = wanted.iter().map(|key| key_hash(&key.public_key)).collect();
    let events = Arc::clone(&output);
    let on_event = move |event: Event<'_>| {
        events.send(&match event {
            Event::Opening => WorkerFrame::Stage { is_proving: false },
            Event::Proving => WorkerFrame::Stage { is_proving: true },
            Event::Silent(error) => WorkerFrame::Standing(Some(error.to_string())),
            Event::Signing => WorkerFrame::Standing(None),
        });
    };
    let token = match Pkcs11Token::open_for(spec, wanted, Hints { local, has_officers: officers.is_some() }, Box::new(on_event)) {
        Ok(token) => token,
        Err(error) => {
            output.send(&WorkerFrame::Failed(WorkerError::from(&error)));
            return Err(error.into());
        }
    };
    let ready = Ready { sessions: u16::try_from(token.sessions()).unwrap_or(u16::MAX), local: token.is_local(), keys };
    output.send(&WorkerFrame::Ready(ready));
    pulse(token.longest_call(), Arc::clone(&output))?;
    let steward = Arc::new(Steward::new(spec, token.shared(), officers, clock));
    let served = serve(&token, Some(&steward), &output);
    // The supervisor has gone. A session may hang in the module, and vendor libraries crash in their exit handlers: none of it
    // is waited for, lest a process that is logged in be left behind.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::mem::forget(token);
    served.map_err(WorkerEnd::from)
}

/// How often a worker tells that it lives.
const PULSE: Duration = Duration::from_millis(50);

/// Tells the supervisor again and again how long a call has not returned.
fn pulse(longest_call: impl Fn() -> Duration + Send + 'static, output: Arc<Output>) -> io::Result<()> {
    let beat = move || loop {
        std::thread::sleep(PULSE);
        output.send(&WorkerFrame::Pulse(longest_call()));
    };
    std::thread::Builder::new().name("pulse".to_owned()).spawn(beat).map(drop)
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerEnd {
    /// The token could not be opened.
    #[error("the token does not open")]
    Token(#[from] TokenError),
    /// The conversation with the supervisor broke.
    #[error("the supervisor cannot be heard: {0}")]
    Pipe(#[from] io::Error),
}

/// What a worker's frames are handed to: an open token, or a stand-in that shows what the frames alone cost.
pub(super) trait Signatory {
    fn submit(&self, order: Order, digests: Vec<Digest>, answer: Answer);
    fn discard(&self, session: u16);
}

impl Signatory for Pkcs11Token {
    fn submit(&self, order: Order, digests: Vec<Digest>, answer: Answer) {
        Self::submit(self, order, digests, answer);
    }

    fn discard(&self, session: u16) {
        Self::discard(self, session);
    }
}

/// Reads frames until the supervisor closes its end.
///
/// What officers want done takes long, and goes on beside the signing; that a key is stopped holds for the very next frame.
pub(super) fn serve(signatory: &impl Signatory, steward: Option<&Arc<Steward>>, output: &Arc<Output>) -> io::Result<()> {
    let at_work = Arc::new(());
    let mut input = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    while let Some(frame) = SupervisorFrame::read(&mut input)? {
        match frame {
            SupervisorFrame::Sign { id, order, digests } => {
                let output = Arc::clone(output);
                let answer = move |results, spent| output.send(&signed(id, results, spent));
                signatory.submit(order, digests, Answer::Call(Box::new(answer)));
            }
            SupervisorFrame::Discard { session } => signatory.discard(session),
            SupervisorFrame::Stop { id, asked } => {
                let stopped = steward.map_or_else(nobody, |steward| steward.stop(&asked).map(|()| None));
                output.send(&answered(id, &stopped));
            }
            SupervisorFrame::Manage { id, asked } => {
                beside(id, steward, output, &at_work, move |steward| steward.manage(&asked).map(Some));
            }
            SupervisorFrame::Admit { id, place, asked } => {
                beside(id, steward, output, &at_work, move |steward| steward.admit(place, &asked).map(|()| None));
            }
        }
    }
    Ok(())
}

/// So many things for officers are in work at once: more only wait for the token's one hand.
const MOST_AT_WORK: usize = 128;

pub(super) type Done = Result<Option<Managed>, TokenError>;

/// Does something for officers on a thread of its own, and answers from there.
fn beside(
    id: u64,
    steward: Option<&Arc<Steward>>,
    output: &Arc<Output>,
    at_work: &Arc<()>,
    work: impl FnOnce(&Steward) -> Done + Send + 'static,
) {
    let Some(steward) = steward.map(Arc::clone) else { return output.send(&answered(id, &nobody())) };
    if Arc::strong_count(at_work) > MOST_AT_WORK {
        return output.send(&answered(id, &Err(TokenError::TooMany(MOST_AT_WORK))));
    }
    let (answers, at_work) = (Arc::clone(output), Arc::clone(at_work));
    let work = move || {
        answers.send(&answered(id, &work(&steward)));
        drop(at_work);
    };
    if let Err(error) = std::thread::Builder::new().name("officers".to_owned()).spawn(work) {
        let reason = format!("no thread for officers: {error}");
        output.send(&answered(id, &Err(TokenError::Binding { reason })));
    }
}

/// A stand-in for a token has no officers.
fn nobody() -> Done {
    Err(super::Denial::NoOfficers.into())
}

pub(super) fn answered(id: u64, done: &Done) -> WorkerFrame {
    let answer = match done {
        Ok(managed) => Ok(managed.clone()),
        Err(error) => Err(WorkerError::from(error)),
    };
    WorkerFrame::Answered { id, answer }
}

fn signed(id: u64, results: Results, spent: Duration) -> WorkerFrame {
    let result = |result: Result<super::Signed, TokenError>| match result {
        Ok(signed) => Ok((signed.session.session, signed.signature)),
        Err(error) => Err(WorkerError::from(&error)),
    };
    WorkerFrame::Signed { id, spent, results: results.into_iter().map(result).collect() }
}

/// The pipe to the supervisor. Whole frames go out, one thread at a time.
#[derive(Debug)]
pub(super) struct Output {
    pipe: Mutex<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    /// Not `Stdout`, which would cut frames at every byte that is a line feed.
    file: File,
    frame: Vec<u8>,
}

impl Output {
    pub(super) fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { pipe: Mutex::new(Pipe { file, frame: Vec::with_capacity(8 * 1024) }) })
    }

    /// Where nobody reads any more, the supervisor has gone, and this process is about to.
    pub(super) fn send(&self, frame: &WorkerFrame) {
        let mut pipe = lock(&self.pipe);
        let Pipe { file, frame: bytes } = &mut *pipe;
        bytes.clear();
        frame.encode(bytes);
        let _ = file.write_all(bytes);
    }
}
