//! What ends soon, said in the log at start and once a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Live;
use crate::sign::Signer;

const EVERY: Duration = Duration::from_secs(24 * 3_600);

/// How long the register of keys may take to be read at first.
const PATIENCE: u32 = 30;

/// Warns of keys that end, and of types that no key will sign. Runs until it is dropped.
pub async fn warn_daily(signer: Arc<Signer>, live: Arc<Live>) {
    for _ in 0..PATIENCE {
        if signer.keyring().snapshot().is_whole() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    loop {
        let warnings = signer.keyring().snapshot().warnings(&live.profiles(), signer.clock().now());
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        sleep(EVERY).await;
    }
}
