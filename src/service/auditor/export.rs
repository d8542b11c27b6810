//! An export of the ledger, in pieces: as much at a time as the auditor reads.

use tokio::sync::mpsc;
use tonic::Status;

use super::Auditing;
use crate::ledger::archive::ExportWriter;
use crate::ledger::store::StoreError;
use crate::service::proto::v1;
use crate::sign::AuditKey;

/// Rows that are read together: of a bulk job, some 3 MB.
const ROWS_AT_ONCE: usize = 256;

/// A piece, in bytes, at least.
const PIECE: usize = 256 * 1024;

/// Why an export ends early.
pub(super) enum Broken {
    /// Nobody reads it any more.
    Unheard,
    /// It cannot be made.
    Failed(Status),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(super::unavailable(&error))
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(Status::internal(format!("the export: {error}")))
    }
}

pub(super) type Piece = Result<v1::ExportLedgerResponse, Status>;

/// Sends every chain, each up to where it ends now, and the trailer.
pub(super) async fn send(auditing: &Auditing, key: &AuditKey, pieces: &mpsc::Sender<Piece>) -> Result<(), Broken> {
    let store = auditing.records.store();
    let chains = store.chains().await?;
    let instances: Vec<String> = chains.iter().map(|chain| chain.instance.clone()).collect();
    let mut writer = ExportWriter::begin(Vec::new(), &instances)?;
    for state in &chains {
        let mut next = 1;
        while next <= state.head.seq {
            let rows = store.rows(state.chain, next, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { break };
            rows.iter().filter(|row| row.seq <= state.head.seq).try_for_each(|row| writer.write(&state.instance, row))?;
            next = last + 1;
            if writer.out().len() >= PIECE {
                hand_over(std::mem::take(writer.out()), pieces).await?;
            }
        }
    }
    let unsigned = writer.end(auditing.clock.now().millis());
    let signature = key.sign(unsigned.digest()).await.map_err(|error| Broken::Failed(Status::unavailable(error.to_string())))?;
    hand_over(unsigned.finish(key.fingerprint(), signature.into_bytes())?, pieces).await
}

async fn hand_over(piece: Vec<u8>, pieces: &mpsc::Sender<Piece>) -> Result<(), Broken> {
    let piece = v1::ExportLedgerResponse { piece: piece.into() };
    pieces.send(Ok(piece)).await.map_err(|_| Broken::Unheard)
}
