//! TLS to the server: who has a certificate of the CA that is named is spoken to, and nobody else.

use sceau::ledger::store::StoreError;
use sceau::ledger::store::postgres::PostgresStore;

use super::replica::Start;
use super::server::{Database, Server};
use crate::pki::Pki;
use crate::support::{dev_folder, edit, run, sceau};

/// Loopback addresses, of which only the first stands in the server's certificate. Other tests have others.
fn addresses() -> [String; 2] {
    let [second, third] = rand::random::<[u8; 2]>().map(|byte| byte.clamp(1, 254));
    [1, 2].map(|last| format!("127.{second}.{third}.{last}"))
}

fn url(database: &Database, address: &str, more: &str) -> String {
    format!("postgres://sceau@{address}/{}?{more}", database.name)
}

async fn refusal(url: &str) -> String {
    let refused = PostgresStore::connect(url.parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Database { .. }), "{refused}");
    refused.to_string()
}

#[tokio::test]
async fn a_server_is_spoken_to_under_the_ca_that_is_named_and_its_own_name_alone() {
    let home = tempfile::tempdir().unwrap();
    let [address, unnamed] = addresses();
    let folders = ["own", "foreign"].map(|name| home.path().join(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let [own, foreign] = folders.each_ref().map(|folder| Pki::new(folder));
    let server = Server::with_tls(&own.server_at(&address), &[&address, &unnamed]);
    let database = server.database().await;
    let [ca, other_ca] = [&own, &foreign].map(|pki| format!("sslrootcert={}", pki.path("ca.pem").display()));

    let replica = Start::of("north").on(url(&database, &address, &format!("sslmode=verify-full&{ca}")).parse().unwrap()).await;
    replica.sign(replica.ticket(1).await, 1).await.unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL";
    assert_eq!(database.ask(encrypted), "t");
    replica.end().await;

    let foreign = refusal(&url(&database, &address, &format!("sslmode=verify-full&{other_ca}"))).await;
    assert!(foreign.contains("invalid peer certificate"), "{foreign}");
    let misnamed = refusal(&url(&database, &unnamed, &format!("sslmode=verify-full&{ca}"))).await;
    assert!(misnamed.contains("invalid peer certificate") && misnamed.contains("name"), "{misnamed}");
    PostgresStore::connect(url(&database, &unnamed, &format!("sslmode=verify-ca&{ca}")).parse().unwrap()).await.unwrap();
    let plain = refusal(&url(&database, &address, "sslmode=disable")).await;
    assert!(plain.contains("no encryption"), "{plain}");
}

#[test]
fn a_database_on_another_machine_without_a_check_of_its_certificate_is_warned_of() {
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    edit(
        &file,
        "[ledger.audit]",
        "[ledger]\nstore = \"postgres\"\nurl = \"postgres://sceau@db.example/l?MORE\"\n\n[ledger.audit]",
    );
    let mut before = "MORE";
    for (more, expected) in [
        ("sslmode=disable", "warning: ledger.url: what goes to the database is not encrypted"),
        ("sslmode=require", "warning: ledger.url: the database's certificate is not checked"),
        ("sslmode=verify-full", "ledger.url: it names no sslrootcert"),
    ] {
        edit(&file, before, more);
        before = more;
        let ran = run(sceau().args(["config", "check", "--config"]).arg(&file));
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains(expected), "{said}");
    }
}
