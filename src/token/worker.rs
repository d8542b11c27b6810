//! The process that holds the module, the PIN and the sessions: `sceau token-worker`.
//!
//! It signs with the keys of its own configuration and no others. It ends when its supervisor closes its stdin or kills it.

use std::io;
use std::sync::mpsc;

use super::wire::{self, Ready, SignFrame, WorkerError, WorkerFrame, key_hash};
use super::{Pkcs11Token, Token, TokenError, TokenKey, TokenSpec, WantedKey};

/// Frames that wait to be read: more are held back in the pipe.
const FRAMES_AHEAD: usize = 64;

/// Opens the token and signs what comes, until nothing more does.
///
/// # Errors
/// The token cannot be opened (the supervisor has been told), or the pipes break.
pub fn run_worker(spec: &TokenSpec, wanted: Vec<WantedKey>) -> Result<(), WorkerEnd> {
    let hashes = wanted.iter().map(|key| key_hash(&key.public_key)).collect();
    let mut bytes = Vec::new();
    let token = match Pkcs11Token::open(spec, wanted) {
        Ok(token) => token,
        Err(error) => {
            WorkerFrame::Failed(WorkerError::from(&error)).encode(&mut bytes);
            wire::send(&mut io::stdout(), &bytes)?;
            return Err(error.into());
        }
    };
    let sessions = u16::try_from(token.sessions()).unwrap_or(u16::MAX);
    WorkerFrame::Ready(Ready { sessions, local: token.is_local(), keys: hashes }).encode(&mut bytes);
    wire::send(&mut io::stdout(), &bytes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(serve(token))
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerEnd {
    /// The token could not be opened.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The conversation with the supervisor broke.
    #[error("the supervisor cannot be heard: {0}")]
    Pipe(#[from] io::Error),
}

async fn serve(token: Pkcs11Token) -> Result<(), WorkerEnd> {
    let (frames, mut incoming) = tokio::sync::mpsc::channel(FRAMES_AHEAD);
    let (outgoing, results) = mpsc::channel();
    let reader = std::thread::Builder::new().name("frames-in".to_owned()).spawn(move || read_frames(&frames))?;
    std::thread::Builder::new().name("frames-out".to_owned()).spawn(move || write_frames(&results))?;
    let signing = tokio::task::LocalSet::new();
    signing
        .run_until(async {
            while let Some(SignFrame { id, key, lane, digests }) = incoming.recv().await {
                let signed = token.sign(TokenKey(key.into()), lane, digests);
                let outgoing = outgoing.clone();
                tokio::task::spawn_local(async move {
                    let results =
                        signed.await.iter().map(|result| result.clone().map_err(|error| WorkerError::from(&error))).collect();
                    // Where nobody writes any more, the supervisor has gone and this process is about to.
                    let _ = outgoing.send(WorkerFrame::Signed { id, results });
                });
            }
        })
        .await;
    // The supervisor has gone, and a session may hang in the module: nothing waits for it.
    std::mem::forget(token);
    reader.join().unwrap_or(Ok(())).map_err(WorkerEnd::from)
}

/// Reads frames until the supervisor closes its end.
fn read_frames(frames: &tokio::sync::mpsc::Sender<SignFrame>) -> io::Result<()> {
    let mut input = io::BufReader::with_capacity(64 * 1024, io::stdin().lock());
    while let Some(frame) = SignFrame::read(&mut input)? {
        if frames.blocking_send(frame).is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes results as they come; those that are there together go out together.
fn write_frames(results: &mpsc::Receiver<WorkerFrame>) {
    let mut output = io::stdout().lock();
    let mut bytes = Vec::with_capacity(64 * 1024);
    while let Ok(frame) = results.recv() {
        bytes.clear();
        frame.encode(&mut bytes);
        results.try_iter().for_each(|frame| frame.encode(&mut bytes));
        if wire::send(&mut output, &bytes).is_err() {
            return;
        }
    }
}
