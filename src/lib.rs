//! Sceau signs health certificates in bulk with keys that never leave an HSM.
//!
//! A backend sends DCC payloads over gRPC; Sceau validates them, encodes them (JSON -> CBOR -> CWT -> COSE_Sign1 -> zlib ->
//! base45 -> `HC1:`), has a token sign them over PKCS#11, checks every signature, and returns the certificates.
//!
//! # The rooms, in reading order
//!
//! | room | what it holds |
//! |---|---|
//! | [`domain`] | the words: `Hcert`, `Dsc`, `Kid`, `Uvci`, rules and faults; officers, and what they sign; parsed, so valid by construction; no I/O |
//! | [`encode`] | domain to bytes and back: deterministic CBOR, `Sig_structure`, COSE_Sign1, HC1; revocation lists, CMS and the request to the CSCA; pure functions |
//! | [`token`] | the HSM: worker processes and their supervisor, module, login, keys, sessions, and what officers have done on it; the only room that names cryptoki |
//! | [`ledger`] | what was signed: records in a chain of hashes, on disk before a certificate leaves; what is kept of items for retries; exports, and their audit; pruning; the only room that names sqlx |
//! | [`sign`] | the keyring snapshot and the batch on rayon: prepare -> sign -> verify -> assemble; the clock guard; what can be signed at a moment |
//! | [`custody`] | the life of a DSC: the check of what comes back from the CSCA, the upload and the trust list, the calendar; the register of keys, their states and windows, and of proposals, and the keyring that follows it; the office, which writes what officers agree on and has it done; the ceremony of the offline room; the CSCA of development; what officers revoke; the only room that names rcgen |
//! | [`service`] | the edges: monitoring, and gRPC: connections, callers, persons, admission, conversion, status codes, health; the only room that names tonic, prost, rustls, hyper and axum |
//! | [`mod@bench`] | load on a running service, measured: its schedule, its statistics, the report; whether that is enough for a peak, and what an installation for one has to be |
//! | [`config`] | TOML to a checked `Config`, or every fault at once |
//! | [`cli`] | one file or folder a subcommand |
//!
//! Direction: `domain <- encode <- {token, ledger} <- sign <- custody <- service <- {bench, config} <- cli <- bin`. tests/it/layering.rs reads the
//! sources and fails on a line that points back, or on a library that is named outside its room.
//!
//! # The way of a batch
//!
//! 1. [`service`] admits it: within the limits, with a place in its lane's bounded queue; each `item_id` well-formed and alone.
//! 2. [`sign::Signer`] takes one keyring snapshot, reads the clock once, and cuts the batch into slices, each routed to the token
//!    with the least to do.
//! 3. [`ledger`]: each item is claimed. One that was signed before gets its certificate again; one that is in work for another
//!    call is waited for, last.
//! 4. rayon, per item: payload to `Hcert`, bound to one DSC by algorithm, country, type and validity; claims, digest.
//! 5. [`ledger`]: the intent to sign a group, one DSC on one token, is durable; then [`token::Token`] signs its digests, interactive
//!    before bulk.
//! 6. rayon, per item: the signature is verified with the DSC's public key; COSE_Sign1, zlib, base45. What was not signed, or not
//!    well, goes to another token.
//! 7. [`ledger`]: what was signed is durable, with its group's Merkle root in the chain, and kept for retries.
//! 8. [`service`] answers: one result an item, in request order.
//!
//! # Invariants
//!
//! - **The domain cannot panic, whatever the input; encoding is deterministic.** tests/it/properties.rs, tests/fuzz
//! - **No signature leaves unverified, or under another certificate's kid.** A DSC, its key, its header and its check are one
//!   value; each worker proves its keys before it takes work. tests/it/service.rs, tests/it/failover.rs
//! - **A certificate's exp is within its DSC's validity, its iat not before it, its type within the key usage;** refused
//!   otherwise, never clipped. tests/it/service.rs
//! - **One item's failure never fails its neighbours; results come in request order, one each.** tests/it/service.rs
//! - **The same item of the same caller gets the same certificate, as long as it is kept; another payload under its item_id is
//!   refused.** tests/it/retries.rs, ledger/retries/tests.rs
//! - **Nothing is signed, and no certificate leaves, off the record;** where the ledger cannot be written, calls hear UNAVAILABLE at
//!   once, readiness says why, and it resumes by itself. ledger/writer/tests.rs, tests/it/full_disk.rs
//! - **A chain has one writer,** by lock or lease, and by compare-and-swap; an intent has one end: an outcome, or a doubt.
//!   ledger/writer/tests.rs
//! - **A chain's records and seals never go back in time,** whatever the clock does. ledger/writer/tests.rs
//! - **No commit waits for the index, and nothing is lost with it:** it is built anew where it is missing, broken or another
//!   ledger's. ledger/index/tests.rs
//! - **What is found and was revoked is told to be, in whichever chain and segment either stands.** ledger/index/tests.rs,
//!   tests/it/postgres/questions.rs
//! - **Nothing of a payload, and no identifier in clear, is in the ledger's file.** tests/it/ledger.rs
//! - **Replicas that share a database share claims and what is kept;** a claim that has run out settles nothing, and a chain that
//!   another process has taken is written by nobody else. tests/it/postgres
//! - **A slice that waits for another call's item holds no claim;** so no two batches wait for each other. tests/it/retries.rs
//! - **A signed revocation list is written under a signature that verifies, and believed under a trusted upload certificate of
//!   its own country alone.** encode/cms/tests.rs, tests/it/revocation.rs
//! - **A certificate that is not what was asked for is not taken:** its key, CSCA, country, use, validity and kid are checked,
//!   and what cannot be checked is refused. custody/import/tests.rs, tests/it/custody.rs
//! - **No revocation list leaves off the record,** nor one that is not made of what is on record; the record gives the same lists
//!   again. custody/revocation/tests.rs, tests/it/revoke.rs
//! - **Keys and officers change by two officers, or not at all;** one alone can stop a key. An approval counts for one text, in one
//!   role, under one roster, once. domain/officers/tests.rs, custody/register/tests
//! - **A ceremony's transcript is what was done, or is found out:** each line changed, left out, doubled and moved; two officers
//!   have signed all of it. custody/ceremony/tests.rs, tests/it/ceremony.rs
//! - **What officers agreed on is done once, whichever replica does it, and one that cannot read the custody chain, or finds it
//!   bent, knows no keys of it.** custody/office/tests, tests/it/postgres/custody.rs
//! - **A worker does for officers what two of them signed, on its own token, once, and nothing else;** a key that one of them stopped
//!   signs nothing from the next frame on, and no restart brings it back. token/overseer/tests.rs, tests/it/custody_worker.rs
//! - **A slot becomes a token when two officers agree, and one that is initialised is never written to;** what was cut off is ended
//!   under the same consent alone. tests/it/custody_worker/initialise.rs
//! - **What the officers' handbook says to type works as it stands there,** every block of it. tests/it/handbook.rs
//! - **An officer reads what is signed before it is signed,** from the text itself, whatever the service says of it; and nothing is
//!   signed unasked. cli/two_officers/tests.rs, tests/it/desk.rs
//! - **A replica that has not read the register for as long as a change takes signs with none of its keys;** each batch looks when
//!   it begins, and waits for nobody. A compromised key leaves the keyring, then its token. tests/it/duty.rs
//! - **A key's state goes forward only; its window holds its first instant and not its end,** to the second, whatever timers do:
//!   the batch's `iat` decides. custody/register/tests, tests/it/rotation.rs
//! - **Keys rotate under load and no item fails;** what a compromised key signed is not handed out again, to retries neither.
//!   tests/it/custody_rotation.rs, tests/soak/rotation.rs
//! - **A `Prepared` is not `Clone`: it is consumed by its signature.** sign/prepare.rs
//! - **The process that faces the network loads no module and holds no PIN and no key handle;** its workers do, and one that
//!   crashes or hangs is replaced without an item lost. tests/it/workers.rs, tests/it/faults.rs
//! - **A worker signs with the keys, for the purposes and at the rate of its own configuration, and with those that officers
//!   brought,** whoever asks. token/thread.rs
//! - **A session belongs to one thread; any failed call discards it; a refused PIN is never tried again.** token/
//! - **Whoever would not be let in any more makes no call,** on a connection that is open either. tests/it/access.rs
//! - **No call waits for the files of the clock and of the day's counts,** and they outlive a loss of power. sign/clock_tests.rs,
//!   sign/state_file.rs
//! - **A clock that has jumped signs nothing until an operator agrees,** across restarts too. sign/clock_guard.rs
//! - **What is forgotten is on record first,** and every digest stays; a pruning that was cut off is gone on with, and what else is
//!   missing in its ranges is found. ledger/pruning/tests.rs, ledger/archive/tests/pruned.rs, tests/it/keeping.rs
//! - **A chain that comes from elsewhere is checked link by link,** and goes only behind a beginning of its own; what is kept for
//!   retries comes with the database. ledger/moving/tests.rs, tests/it/postgres
//! - **Nothing is changed, left out, moved or added in an export without a finding,** by whoever has no audit key: each record
//!   tried in each way. ledger/archive/tests/tampering.rs
//! - **That the process lives is one thing, that a profile can sign another:** readiness comes from verified signatures.
//!   tests/it/health.rs
//! - **Every queue is bounded;** past its bound a call hears RESOURCE_EXHAUSTED with a delay, at once. tests/it/service.rs
//! - **Nothing of a payload is in a log line, a metric or a span.** tests/it/monitoring.rs
//! - **No unsafe code** in the library or the binary. tests/it/layering.rs
//!
//! Deliberately absent: a call that signs bytes or a hash of the caller's choice; a cache with a lifetime in front of the
//! keyring; personal data in any log line.

#![forbid(unsafe_code)]

pub mod bench;
pub mod cli;
pub mod config;
pub mod custody;
pub mod domain;
pub mod encode;
pub mod ledger;
pub mod service;
pub mod sign;
pub mod token;
