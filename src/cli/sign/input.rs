//! Reading items in chunks, on a thread of its own, ahead of the service by a bounded number.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::cli::ndjson::{self, Line, Lines};
use crate::domain::NumericDate;
use crate::service::client::ClientItem;

/// Chunks that are read and wait: enough that the service never waits for the disk.
const CHUNKS_AHEAD: usize = 4;

/// Some lines, in order.
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    /// How much of the input is read when this chunk is.
    pub(super) input_bytes: u64,
}

/// One line.
pub(super) struct Entry {
    pub(super) line: u64,
    pub(super) item: Result<ClientItem, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputLine<'a> {
    id: String,
    #[serde(borrow)]
    payload: &'a RawValue,
    expires_at: Option<i64>,
}

/// Reads chunks of `size` items from behind line `after` on. Dropping the receiver ends the reading.
pub(super) fn read(
    path: &Path,
    after: u64,
    start_bytes: u64,
    size: usize,
) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Chunk>>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let reading = Reading { path: path.to_owned(), after, read_bytes: start_bytes, size };
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || reading.run(&sender))
        .context("cannot start a thread for the input")?;
    Ok(receiver)
}

struct Reading {
    path: PathBuf,
    after: u64,
    read_bytes: u64,
    size: usize,
}

impl Reading {
    fn run(mut self, sender: &mpsc::Sender<anyhow::Result<Chunk>>) {
        if let Err(error) = self.send_chunks(sender) {
            // Where nobody takes it, the job has ended by another error.
            let _ = sender.blocking_send(Err(error));
        }
    }

    fn send_chunks(&mut self, sender: &mpsc::Sender<anyhow::Result<Chunk>>) -> anyhow::Result<()> {
        let mut input = ndjson::open(&self.path)?;
        let mut entries = Vec::with_capacity(self.size);
        for line in Lines::new(&mut *input) {
            let line = line.with_context(|| format!("cannot read {}", self.path.display()))?;
            if line.number <= self.after {
                continue;
            }
            self.read_bytes += line.text.as_ref().map_or(0, |text| text.len() as u64 + 1);
            entries.push(entry(line));
            if entries.len() == self.size && !self.send(sender, &mut entries) {
                return Ok(());
            }
        }
        if !entries.is_empty() {
            self.send(sender, &mut entries);
        }
        Ok(())
    }

    /// Whether somebody still takes chunks.
    fn send(&self, sender: &mpsc::Sender<anyhow::Result<Chunk>>, entries: &mut Vec<Entry>) -> bool {
        let entries = std::mem::replace(entries, Vec::with_capacity(self.size));
        sender.blocking_send(Ok(Chunk { entries, input_bytes: self.read_bytes })).is_ok()
    }
}

fn entry(line: Line) -> Entry {
    let item = line.text.map_err(|error| error.to_string()).and_then(|text| item(&text));
    Entry { line: line.number, item }
}

fn item(text: &str) -> Result<ClientItem, String> {
    let line: InputLine<'_> = serde_json::from_str(text).map_err(|error| {
        format!("{}; a line is {{\"id\": text, \"payload\": {{DCC JSON}}}}, and may hold \"expires_at\"", describe(&error))
    })?;
    Ok(ClientItem {
        item_id: line.id,
        payload: Bytes::copy_from_slice(line.payload.get().as_bytes()),
        expires_at: line.expires_at.map(NumericDate::from_seconds),
    })
}

/// What serde_json says, without the values that it quotes: they may be a person's.
fn describe(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            format!("a member of another name or type, or a missing one, before column {}", error.column())
        }
        _ => format!("not JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_goes_out_byte_for_byte() {
        let item = item(r#"{"payload": {"a" : 1, "a":2} , "id":"x"}"#).unwrap();
        assert_eq!((item.item_id.as_str(), item.payload.as_ref()), ("x", &br#"{"a" : 1, "a":2}"#[..]));
    }

    #[test]
    fn a_bad_line_is_described_without_its_values() {
        for line in
            [r#"{"id":"x"}"#, r#"{"id":7,"payload":{}}"#, r#"{"id":"Dupont","payload":{},"more":"Dupont"}"#, r#"{"id":"Dupont""#]
        {
            let error = item(line).unwrap_err();
            assert!(error.contains("a line is") && !error.contains("Dupont"), "{error}");
        }
    }
}
