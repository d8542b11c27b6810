//! A stream of chunks: taken, worked on beside each other, answered in order.
//!
//! The work is done in tasks of its own and not where the answers are read: a reader that stands still would hold up what is in
//! work, and with it a place in the lane that others wait for. What waits for the reader is an answer, in a bounded number.

use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Instrument;

use super::admission::OpenStream;
use super::proto::v1::{SignBatchRequest, SignBatchResponse};
use super::signer::{Call, SignerService, WhenFull, in_time};
use super::{monitoring, status};

/// How many chunks of one stream are in work, or wait for its reader: enough that the token never waits for the network.
const CHUNKS_IN_FLIGHT: usize = 3;

type Answer = Result<SignBatchResponse, Status>;

/// The answers to a stream's chunks. With the last one gone, or this value dropped, nothing of the stream is in work any more.
pub(super) fn answers(
    service: SignerService,
    call: Call,
    open: OpenStream,
    chunks: Streaming<SignBatchRequest>,
    is_closing: watch::Receiver<bool>,
) -> impl Stream<Item = Answer> + Send {
    // One more is in the reader's hand.
    let (answers, read) = mpsc::channel(CHUNKS_IN_FLIGHT - 1);
    let reader = answers.clone();
    let work = async move {
        tokio::select! {
            () = work_off(service, call, chunks, is_closing, answers) => {}
            () = reader.closed() => {}
        }
        drop(open);
    };
    tokio::spawn(work.in_current_span());
    ReceiverStream::new(read).then(|answer: oneshot::Receiver<Answer>| async {
        answer.await.unwrap_or_else(|_| Err(Status::internal("the work on this chunk broke off")))
    })
}

/// Takes chunk after chunk until there is no more, or one cannot be taken; then waits for those in work.
async fn work_off(
    service: SignerService,
    call: Call,
    mut chunks: Streaming<SignBatchRequest>,
    mut is_closing: watch::Receiver<bool>,
    answers: mpsc::Sender<oneshot::Receiver<Answer>>,
) {
    let mut in_work = JoinSet::new();
    // A chunk is read only when the one before is in the lane, and there is room for its answer: a stream holds one that waits.
    while let Ok(room) = answers.reserve().await {
        let (answer, answered) = oneshot::channel();
        let span = monitoring::chunk();
        let next = async {
            match chunks.next().await {
                Some(chunk) => service.admit(&call, chunk?, WhenFull::Wait).instrument(span.clone()).await.map(Some),
                None => Ok(None),
            }
        };
        let next = tokio::select! {
            biased;
            // What is let in is answered before this is said.
            _ = is_closing.wait_for(|is_closing| *is_closing) => Err(status::closing()),
            next = in_time(call.deadline, next) => next,
        };
        match next {
            Ok(None) => break,
            Ok(Some(admitted)) => {
                let (service, deadline) = (service.clone(), call.deadline);
                let work = async move {
                    // Where nobody waits for it any more, the stream is gone.
                    let _ = answer.send(in_time(deadline, service.work(admitted)).await);
                };
                in_work.spawn(work.instrument(span));
                room.send(answered);
            }
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
                room.send(answered);
                break;
            }
        }
        while in_work.try_join_next().is_some() {}
    }
    while in_work.join_next().await.is_some() {}
}
