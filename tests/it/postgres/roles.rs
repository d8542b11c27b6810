//! The roles that the handbook makes: the owner makes the tables, and the service has what it needs and no more.

use sceau::ledger::store::postgres::PostgresStore;

use super::replica::{Start, chain};
use super::server::Server;

const HANDBOOK: &str = include_str!("../../../hsm-config/README.md");

/// The handbook's statements, for roles and a database of other names: the test's server has a `sceau`.
fn statements() -> String {
    let from = HANDBOOK.find("    CREATE ROLE sceau_owner").expect("the handbook makes roles");
    let block = HANDBOOK[from..].lines().take_while(|line| line.starts_with("    "));
    block.map(|line| format!("{}\n", line.trim())).collect::<String>().replace("sceau", "clinic").replace('…', "hush")
}

#[tokio::test]
async fn with_the_roles_of_the_handbook_the_service_writes_and_changes_no_table() {
    let server = Server::shared();
    let database = server.run_script(&statements(), "clinic");
    let url_of = |user: &str| database.url_text().replace("sceau@", &format!("{user}@")).parse().unwrap();
    PostgresStore::migrate(&url_of("clinic_owner")).await.unwrap();
    let north = Start::of("north").on(url_of("clinic")).await;
    north.sign(north.ticket(1).await, 1).await.unwrap();
    north.end().await;
    assert_eq!(chain(url_of("clinic"), "north").await.len(), 3);
    let may = |what: &str| database.ask(&format!("SET ROLE clinic; SELECT {what}"));
    assert_eq!(may("has_schema_privilege('public', 'CREATE')"), "f");
    assert_eq!(may("has_table_privilege('record', 'TRUNCATE') OR has_table_privilege('record', 'TRIGGER')"), "f");
}
