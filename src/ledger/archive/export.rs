//! Exports every chain of a store.

use std::io::{self, Write};

use super::writer::ExportWriter;
use crate::ledger::store::{Store, StoreError};

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

/// Writes every chain of a store, up to where each ends when it begins; the trailer is still to be written.
///
/// # Errors
/// [`ExportError`] says whose fault it is.
pub async fn export<W: Write>(store: &dyn Store, out: W) -> Result<ExportWriter<W>, ExportError> {
    let chains = store.chains().await?;
    let instances: Vec<String> = chains.iter().map(|chain| chain.instance.clone()).collect();
    let mut writer = ExportWriter::begin(out, &instances)?;
    for state in &chains {
        let mut next = 1;
        while next <= state.head.seq {
            let rows = store.rows(state.chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            for row in rows.iter().filter(|row| row.seq <= state.head.seq) {
                writer.write(&state.instance, row)?;
            }
            next = last + 1;
        }
    }
    Ok(writer)
}
