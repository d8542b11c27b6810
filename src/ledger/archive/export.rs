//! Exports every chain of a store.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::writer::{ExportWriter, UnsignedExport};
use crate::ledger::store::{ChainState, Store, StoreError};

/// How many rows are read at a time.
const ROWS_AT_ONCE: usize = 256;

/// Why a store could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It did not answer, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The export could not be written.
    #[error("the export cannot be written")]
    Io(#[from] io::Error),
}

/// An export of every chain of a store, up to where each ends when it begins. It goes on as far as it is asked to.
#[derive(Debug)]
pub struct Export<'s, W> {
    store: &'s dyn Store,
    /// Those that are not whole yet.
    chains: VecDeque<ChainState>,
    /// The next record of the first of them.
    next: u64,
    writer: ExportWriter<W>,
}

impl<'s, W: Write> Export<'s, W> {
    /// Begins one.
    ///
    /// # Errors
    /// [`ExportError`] says whose fault it is.
    pub async fn begin(store: &'s dyn Store, out: W) -> Result<Self, ExportError> {
        let chains = store.chains().await?;
        let instances: Vec<String> = chains.iter().map(|chain| chain.instance.clone()).collect();
        Ok(Self { store, chains: chains.into(), next: 1, writer: ExportWriter::begin(out, &instances)? })
    }

    /// Writes the next rows; says whether there may be more.
    ///
    /// # Errors
    /// [`ExportError`] says whose fault it is.
    pub async fn step(&mut self) -> Result<bool, ExportError> {
        let Some(state) = self.chains.front() else { return Ok(false) };
        let rows = match self.next <= state.head.seq {
            true => self.store.rows(state.chain, self.next, ROWS_AT_ONCE).await?,
            false => Vec::new(),
        };
        for row in rows.iter().filter(|row| row.seq <= state.head.seq) {
            self.writer.write(&state.instance, row)?;
        }
        match rows.last() {
            Some(last) => self.next = last.seq + 1,
            None => {
                self.chains.pop_front();
                self.next = 1;
            }
        }
        Ok(true)
    }

    /// Where it is written to.
    pub const fn out(&mut self) -> &mut W {
        self.writer.out()
    }

    /// Ends it at an instant, in milliseconds since 1970; the trailer is still to be signed.
    pub fn end(self, at: i64) -> UnsignedExport<W> {
        self.writer.end(at)
    }
}
