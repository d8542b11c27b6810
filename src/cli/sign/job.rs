//! The job: chunks to the service, several at a time, results out in order.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use tokio_stream::wrappers::ReceiverStream;

use super::SignArgs;
use super::input::{self, Chunk, Entry};
use super::output::Output;
use super::resume::Place;
use crate::domain::Lane;
use crate::service::client::{Client, ClientBatch, ClientError, ClientItem, ClientResult, ItemRefusal};

/// Chunks at the service at the same time.
const CHUNKS_IN_FLIGHT: usize = 4;
/// How often an item, or a call, that failed for no fault of its own is tried.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a service may ask for.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(60);

/// What this run did.
pub(super) struct Tally {
    pub(super) signed: u64,
    pub(super) refused: u64,
    elapsed: Duration,
}

impl Tally {
    /// Items a second.
    fn rate(&self) -> f64 {
        (self.signed + self.refused) as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    pub(super) fn report(&self, args: &SignArgs, place: &Place) {
        let mut err = std::io::stderr().lock();
        if place.line > 0 {
            let _ = writeln!(err, "found done: {} signed, {} refused, up to line {}", place.signed, place.refused, place.line);
        }
        if place.line > 0 && self.signed + self.refused == 0 {
            let _ = writeln!(err, "nothing was left to do");
            return;
        }
        let verb = if args.validate_only { "would be signed" } else { "signed" };
        let seconds = self.elapsed.as_secs_f64();
        let _ = writeln!(err, "{} {verb}, {} refused in {seconds:.1} s ({:.0}/s)", self.signed, self.refused, self.rate());
        if let Some(path) = args.rejects.as_ref().filter(|_| self.refused > 0) {
            let _ = writeln!(err, "why: {}", path.display());
        }
    }
}

/// Runs the job to its end, or to the first failure that is no item's fault; what is written until then is whole.
pub(super) async fn run(args: &SignArgs, place: &Place, output: &mut Output, progress: &ProgressBar) -> anyhow::Result<Tally> {
    let client = Client::connect(&args.connection.connection()).await?;
    let chunks = input::read(&args.input, place.line, place.input_bytes, args.batch as usize)?;
    let caller = Caller { client, profile: args.profile.clone(), lane: args.lane.into(), validate_only: args.validate_only };
    let started = Instant::now();
    let mut tally = Tally { signed: 0, refused: 0, elapsed: Duration::ZERO };
    let mut done = ReceiverStream::new(chunks).map(|chunk| caller.clone().sign(chunk)).buffered(CHUNKS_IN_FLIGHT);
    while let Some(chunk) = done.next().await {
        let chunk = chunk?;
        write(output, &chunk.results, &mut tally)?;
        tally.elapsed = started.elapsed();
        progress.set_position(chunk.input_bytes);
        progress.set_message(format!("{} items  {:.0}/s", tally.signed + tally.refused, tally.rate()));
        if let Some(failure) = chunk.failure {
            return Err(failure);
        }
    }
    Ok(tally)
}

fn write(output: &mut Output, results: &[LineResult], tally: &mut Tally) -> anyhow::Result<()> {
    for result in results {
        match &result.result {
            Ok(ClientResult { item_id, outcome: Ok(certificate) }) => {
                output.signed(item_id, certificate).context("cannot write the certificates")?;
                tally.signed += 1;
            }
            Ok(ClientResult { item_id, outcome: Err(refusal) }) => {
                output.refused(result.line, Some(item_id), refusal).context("cannot write the refused items")?;
                tally.refused += 1;
            }
            Err(refusal) => {
                output.refused(result.line, None, refusal).context("cannot write the refused items")?;
                tally.refused += 1;
            }
        }
    }
    output.flush()
}

/// A chunk's results, up to the first item that the service could not sign.
struct SignedChunk {
    results: Vec<LineResult>,
    input_bytes: u64,
    failure: Option<anyhow::Error>,
}

impl SignedChunk {
    /// Where no item of a chunk has a DSC, the next ones will not have one either: that is the issuer's fault, and refusing the
    /// rest of the job for it would be final.
    fn stop_without_dsc(&mut self) {
        let lacks_dsc = |line: &LineResult| {
            let refusal = line.result.as_ref().ok().and_then(|result| result.outcome.as_ref().err());
            refusal.is_some_and(|refusal| refusal.code == "FAILED_PRECONDITION")
        };
        let Some(first) = self.results.first().filter(|_| self.results.iter().all(lacks_dsc)) else { return };
        let why = first
            .result
            .as_ref()
            .ok()
            .and_then(|result| result.outcome.as_ref().err())
            .and_then(|refusal| refusal.faults.first());
        let why = why.map_or_else(String::new, |(_, _, message)| format!(": {message}"));
        self.failure = Some(anyhow::anyhow!(
            "line {}: no DSC in force for any item of this chunk{why}; load one and start again",
            first.line
        ));
        self.results.clear();
    }
}

/// What became of a line: the service's result, or why the line was no item.
struct LineResult {
    line: u64,
    result: Result<ClientResult, ItemRefusal>,
}

#[derive(Clone)]
struct Caller {
    client: Client,
    profile: String,
    lane: Lane,
    validate_only: bool,
}

impl Caller {
    async fn sign(self, chunk: anyhow::Result<Chunk>) -> anyhow::Result<SignedChunk> {
        let Chunk { entries, input_bytes } = chunk?;
        let items = entries.iter().filter_map(|entry| entry.item.as_ref().ok().cloned()).collect();
        let results = self.results(items).await?;
        let mut signed = SignedChunk { results: Vec::with_capacity(entries.len()), input_bytes, failure: None };
        let mut results = results.into_iter();
        for Entry { line, item } in entries {
            let result = match item {
                Ok(_) => Ok(results.next().expect("a call gives one result an item, or fails")),
                Err(reason) => Err(not_an_item(reason)),
            };
            if let Some(failure) = result.as_ref().ok().and_then(failure_of) {
                signed.failure = Some(anyhow::anyhow!("line {line}: {failure}; start again to go on from there"));
                break;
            }
            signed.results.push(LineResult { line, result });
        }
        signed.stop_without_dsc();
        Ok(signed)
    }

    /// Signs items; those that the service failed to sign are tried again after a pause.
    async fn results(&self, items: Vec<ClientItem>) -> Result<Vec<ClientResult>, ClientError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut results = self.call(items.clone()).await?;
        for attempt in 1..ATTEMPTS {
            let failed: Vec<usize> = (0..results.len()).filter(|&index| failure_of(&results[index]).is_some()).collect();
            if failed.is_empty() {
                break;
            }
            tokio::time::sleep(pause(attempt)).await;
            let again = self.call(failed.iter().map(|&index| items[index].clone()).collect()).await?;
            for (index, result) in failed.into_iter().zip(again) {
                results[index] = result;
            }
        }
        Ok(results)
    }

    /// One call, again after a pause where the service is busy or away.
    async fn call(&self, items: Vec<ClientItem>) -> Result<Vec<ClientResult>, ClientError> {
        let count = items.len();
        let mut attempt = 1;
        loop {
            let batch = ClientBatch {
                profile: self.profile.clone(),
                lane: self.lane,
                validate_only: self.validate_only,
                items: items.clone(),
            };
            match self.client.sign_batch(batch).await {
                Ok(results) if results.len() == count => return Ok(results),
                Ok(results) => return Err(ClientError::Count { results: results.len(), items: count }),
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    // The service knows best; but a day's quota that is used up is not waited for.
                    let asked = error.retry_delay().unwrap_or_default();
                    if asked > LONGEST_ASKED_PAUSE {
                        return Err(error);
                    }
                    tokio::time::sleep(pause(attempt).max(asked)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Why the service could not sign an item, where it was not the item's fault.
fn failure_of(result: &ClientResult) -> Option<String> {
    let refusal = result.outcome.as_ref().err()?;
    (!refusal.is_the_items_fault()).then(|| format!("{}: {}", refusal.code, refusal.message))
}

fn not_an_item(reason: String) -> ItemRefusal {
    ItemRefusal { code: "INVALID_LINE", message: reason, faults: Vec::new() }
}

fn pause(attempt: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(attempt - 1))
}
