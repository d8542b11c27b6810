//! Where a PostgreSQL is, and how it is spoken to.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Parameters that are known; sqlx would pass over the others and log them with their values.
const PARAMETERS: [&str; 11] =
    ["application_name", "dbname", "host", "options", "password", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "user"];

/// A URL such as `postgres://sceau@db.example:5432/sceau?sslrootcert=/etc/sceau/db-ca.pem`. Its password is shown nowhere.
///
/// Where the server is another machine and `sslmode` is not named, it is `verify-full`. What the URL leaves open is as libpq has
/// it: `PGPASSWORD`, `~/.pgpass`.
#[derive(Clone)]
pub struct PostgresUrl {
    text: String,
    options: PgConnectOptions,
}

/// A text that is no such URL. It is not shown: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPostgresUrl {
    /// It is something else.
    #[error("it is no URL of a PostgreSQL, such as postgres://sceau@db.example/sceau?sslrootcert=/etc/sceau/db-ca.pem: {reason}")]
    Form {
        /// What is wrong with it.
        reason: String,
    },
    /// It has a parameter that means nothing here.
    #[error("it has an unknown parameter {name:?}; there are: {}", PARAMETERS.join(", "))]
    Parameter {
        /// Its name.
        name: String,
    },
    /// The server's certificate cannot be checked.
    #[error("it names no sslrootcert to check the server's certificate by (PEM); sslmode=disable or require do without")]
    NoRoot,
}

impl PostgresUrl {
    /// The same with a password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { options: self.options.password(password), ..self }
    }

    /// What whoever is on the way to the server could do, where it is another machine and its certificate is not checked; nothing
    /// otherwise.
    #[must_use]
    pub fn risk(&self) -> Option<&'static str> {
        if is_local(&self.options) {
            return None;
        }
        match self.options.get_ssl_mode() {
            PgSslMode::Disable => {
                Some("what goes to the database is not encrypted: whoever is on the way reads it and changes it")
            }
            PgSslMode::Allow | PgSslMode::Prefer | PgSslMode::Require => {
                Some("the database's certificate is not checked: whoever is on the way can take its place")
            }
            PgSslMode::VerifyCa | PgSslMode::VerifyFull => None,
        }
    }

    pub(super) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidPostgresUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPostgresUrl> {
        let form = |reason: &str| InvalidPostgresUrl::Form { reason: reason.to_owned() };
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(form("it does not begin with postgres://"));
        }
        let names = parameters(text);
        if let Some(name) = names.iter().find(|name| !PARAMETERS.contains(*name)) {
            return Err(InvalidPostgresUrl::Parameter { name: (*name).to_owned() });
        }
        let mut options = PgConnectOptions::from_str(text).map_err(|error| form(&error.to_string()))?;
        if options.get_application_name().is_none() {
            options = options.application_name("sceau");
        }
        if !names.contains(&"sslmode") && !is_local(&options) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        let is_checked = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull | PgSslMode::VerifyCa);
        if is_checked && !names.contains(&"sslrootcert") {
            return Err(InvalidPostgresUrl::NoRoot);
        }
        Ok(Self { text: text.to_owned(), options })
    }
}

/// The names of a URL's parameters.
fn parameters(text: &str) -> Vec<&str> {
    let query = text.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or(query));
    query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()).collect()
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let is_loopback = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

/// As they were written, a password that was given apart left out.
impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PostgresUrl {}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.options.get_socket().map_or_else(|| self.options.get_host().into(), |socket| socket.to_string_lossy());
        let (user, port) = (self.options.get_username(), self.options.get_port());
        write!(f, "postgres://{user}@{host}:{port}/{}", self.options.get_database().unwrap_or(user))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        let url: PostgresUrl = "postgres://sceau:hush@localhost:5433/ledger".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://sceau@localhost:5433/ledger");
        assert!(!format!("{url:?}").contains("hush"));
        for wrong in ["mysql://sceau:hush@db", "postgres://sceau:hush@db:port", "postgres://sceau:hush@db?passwd=hush"] {
            let error = wrong.parse::<PostgresUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_certificate_of_another_machine_is_checked_where_nothing_else_is_wanted() {
        assert_eq!("postgres://sceau@db.example/l".parse::<PostgresUrl>().unwrap_err(), InvalidPostgresUrl::NoRoot);
        let mode = |text: &str| format!("{:?}", text.parse::<PostgresUrl>().unwrap().options().get_ssl_mode());
        assert_eq!(mode("postgres://sceau@db.example/l?sslrootcert=/ca.pem"), "VerifyFull");
        assert_eq!(mode("postgres://sceau@db.example/l?sslmode=require"), "Require");
        let risk = |text: &str| text.parse::<PostgresUrl>().unwrap().risk().unwrap_or_default();
        assert!(risk("postgres://sceau@db.example/l?sslmode=disable").contains("not encrypted"));
        assert!(risk("postgres://sceau@db.example/l?sslmode=require&sslrootcert=/ca.pem").contains("not checked"));
        assert_eq!(risk("postgres://sceau@db.example/l?sslrootcert=/ca.pem"), "");
        assert_eq!(risk("postgres://sceau@%2Frun%2Fpg/l"), "");
        for local in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpg"] {
            assert_eq!(mode(&format!("postgres://sceau@{local}/l")), "Prefer", "{local}");
        }
    }
}
