//! Where keys of custody sign: a token that takes keys while it works.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::custody::register::{Papers, StopOrder};
use crate::sign::Station;
use crate::token::{TokenError, TokenKey};

/// A token that takes keys while it works. It judges the papers itself.
pub trait KeyHolder: Send + Sync + fmt::Debug {
    /// Lets a key sign, from now on and after each restart of its workers; the same papers again give the same key.
    fn admit(&self, papers: Papers) -> Holding<TokenKey>;

    /// Lets a key sign no more, in every worker, whatever was asked of them before; the same order again changes nothing.
    fn stop(&self, order: StopOrder) -> Holding<()>;
}

/// A token's answer to come.
pub type Holding<T> = Pin<Box<dyn Future<Output = Result<T, TokenError>> + Send>>;

/// A token of the configuration: where it takes keys, and where batches count their work.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where it takes keys.
    pub holder: Arc<dyn KeyHolder>,
    /// Where batches count their work.
    pub station: Arc<Station>,
}
