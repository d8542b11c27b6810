//! Connections, opened as they are needed. A work that fails takes its own with it, and those that lie idle: what comes next
//! connects anew.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{PostgresUrl, StoreError, of_sqlx};

/// Connections beside the writer's.
const MOST: usize = 8;

/// How long a call may take, with what it waits for and the connecting. A connection that was cut says nothing: so it is noticed.
const ANSWER: Duration = Duration::from_secs(5);

/// What every session begins with. The server gives up before the client does. Every statement here goes by a key: a plan that
/// was made while a table was empty would not do when it is full, and nothing is worth compiling. A commit is on disk, also where
/// the server does without.
const SESSION: &str = "SELECT set_config(name, value, false) FROM (VALUES
    ('statement_timeout', '4s'), ('lock_timeout', '4s'), ('idle_in_transaction_session_timeout', '5s'),
    ('default_transaction_isolation', 'read committed'),
    ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off'),
    ('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END)
    ) AS wanted (name, value)";

#[derive(Debug)]
pub(super) struct Connections {
    url: PostgresUrl,
    idle: Mutex<Vec<PgConnection>>,
    room: Semaphore,
}

impl Connections {
    pub(super) const fn new(url: PostgresUrl) -> Self {
        Self { url, idle: Mutex::new(Vec::new()), room: Semaphore::const_new(MOST) }
    }

    pub(super) const fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// Does a work; it waits for one of few connections.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_patience(ANSWER, work).await
    }

    /// Does a work that may take longer.
    pub(super) async fn with_patience<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let waiting = async {
            let _room = self.room.acquire().await.expect("the semaphore is never closed");
            self.work(work).await
        };
        self.in_time(patience, waiting).await
    }

    /// Does a work of a chain's writer, which waits for nobody.
    pub(super) async fn writing<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.in_time(ANSWER, self.work(work)).await
    }

    async fn in_time<T>(&self, patience: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = || StoreError::Database { reason: format!("{} did not answer within {} s", self.url, patience.as_secs()) };
        let done = timeout(patience, work).await.unwrap_or_else(|_| Err(late()));
        if done.as_ref().is_err_and(is_broken) {
            self.idle().clear();
        }
        done
    }

    async fn work<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.url).await?,
        };
        let done = work(&mut connection).await;
        if !done.as_ref().is_err_and(is_broken) {
            self.idle().push(connection);
        }
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection may be in a state that nobody knows.
const fn is_broken(error: &StoreError) -> bool {
    !matches!(error, StoreError::Held { .. } | StoreError::Lost { .. })
}

async fn connect(url: &PostgresUrl) -> Result<PgConnection, StoreError> {
    let mut connection = PgConnection::connect_with(url.options()).await.map_err(of_sqlx)?;
    connection.execute(SESSION).await.map_err(of_sqlx)?;
    Ok(connection)
}
