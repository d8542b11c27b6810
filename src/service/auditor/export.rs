//! An export of the ledger, in pieces: as much at a time as the auditor reads.

use tokio::sync::mpsc;
use tonic::Status;

use super::Auditing;
use crate::ledger::archive::{Export, ExportError};
use crate::service::proto::v1;
use crate::sign::AuditKey;

/// A piece, in bytes, at least.
const PIECE: usize = 256 * 1024;

/// Why an export ends early.
pub(super) enum Broken {
    /// Nobody reads it any more.
    Unheard,
    /// It cannot be made.
    Failed(Status),
}

impl From<ExportError> for Broken {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => Self::Failed(super::unavailable(&error)),
            ExportError::Io(error) => error.into(),
        }
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
    let mut export = Export::begin(&**auditing.records.store(), Vec::new()).await?;
    while export.step().await? {
        if export.out().len() >= PIECE {
            hand_over(std::mem::take(export.out()), pieces).await?;
        }
    }
    let unsigned = export.end(auditing.writer.status().head_at(auditing.clock.now()).1);
    let signature = key.sign(unsigned.digest()).await.map_err(|error| Broken::Failed(Status::unavailable(error.to_string())))?;
    hand_over(unsigned.finish(key.fingerprint(), signature.into_bytes())?, pieces).await
}

async fn hand_over(piece: Vec<u8>, pieces: &mpsc::Sender<Piece>) -> Result<(), Broken> {
    let piece = v1::ExportLedgerResponse { piece: piece.into() };
    pieces.send(Ok(piece)).await.map_err(|_| Broken::Unheard)
}
