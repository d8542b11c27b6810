//! A PostgreSQL of Debian's packages, on a socket in a folder of its own. It goes with this value, or with the test's process.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sceau::ledger::store::postgres::{PostgresStore, PostgresUrl};

/// Where Debian puts each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// What is not tested takes no time.
const FAST: [&str; 4] = ["-c", "fsync=off", "-c", "full_page_writes=off"];

pub(crate) struct Server {
    folder: PathBuf,
    bin: PathBuf,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

/// tests/it/postgres/keep.sh; it ends when its input does.
struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A database of its own.
pub(crate) struct Database {
    pub(crate) name: String,
    socket: PathBuf,
    bin: PathBuf,
}

impl Server {
    /// The one that tests share which leave it alone.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&FAST))
    }

    /// One that loses nothing when it crashes.
    pub(crate) fn durable() -> Self {
        Self::start(&[])
    }

    /// One for a test that stops it.
    pub(crate) fn own() -> Self {
        Self::start(&FAST)
    }

    /// One that is reached over TLS, and over nothing else but its socket.
    pub(crate) fn with_tls([certificate, key]: &[PathBuf; 2], addresses: &[&str]) -> Self {
        let folder = new_folder();
        for (from, name) in [(certificate, "server.pem"), (key, "server.key")] {
            fs::copy(from, folder.join(name)).unwrap();
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(folder.join("hba"), "local all all trust\nhostssl all all 127.0.0.0/8 trust\n").unwrap();
        let file = |option: &str, name: &str| format!("{option}={}", folder.join(name).display());
        let options = [
            "ssl=on".to_owned(),
            file("ssl_cert_file", "server.pem"),
            file("ssl_key_file", "server.key"),
            file("hba_file", "hba"),
            format!("listen_addresses={}", addresses.join(",")),
        ];
        let options: Vec<&str> = options.iter().flat_map(|option| ["-c", option]).collect();
        Self::start_in(folder.clone(), &[&FAST, &*options].concat())
    }

    fn start(options: &[&str]) -> Self {
        Self::start_in(new_folder(), options)
    }

    fn start_in(folder: PathBuf, options: &[&str]) -> Self {
        let bin = newest_bin();
        let mut command = as_ordinary_user(&folder);
        command.args(["sh", "-c", include_str!("keep.sh"), "keep.sh"]).arg(&bin).arg(&folder).args(options);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut keeper = Keeper { orders: child.stdin.take(), child, answers };
        keeper.is_ready(&folder);
        Self { folder, bin, keeper: Mutex::new(keeper), databases: AtomicU32::new(0) }
    }

    /// Ends every connection, and the server.
    pub(crate) fn stop(&self) {
        self.tell("stop");
    }

    /// As if the machine had lost power.
    pub(crate) fn crash(&self) {
        self.tell("crash");
    }

    /// Again, after either.
    pub(crate) fn start_again(&self) {
        self.tell("start");
    }

    fn tell(&self, order: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.orders.as_mut().unwrap(), "{order}").unwrap();
        keeper.is_ready(&self.folder);
    }

    /// A database without tables.
    pub(crate) fn empty_database(&self) -> Database {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut create = Command::new(self.bin.join("createdb"));
        let created = create.arg("-h").arg(&self.folder).args(["-U", "sceau", "-T", "template0", &name]).output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        Database { name, socket: self.folder.clone(), bin: self.bin.clone() }
    }

    /// The database that a script for psql makes.
    pub(crate) fn run_script(&self, script: &str, name: &str) -> Database {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.arg("-h").arg(&self.folder).args(["-U", "sceau", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]);
        let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
        psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(psql.wait().unwrap().success(), "{script}");
        Database { name: name.to_owned(), socket: self.folder.clone(), bin: self.bin.clone() }
    }

    /// A database with a ledger.
    pub(crate) async fn database(&self) -> Database {
        let database = self.empty_database();
        PostgresStore::migrate(&database.url()).await.unwrap();
        database
    }
}

impl Keeper {
    fn is_ready(&mut self, folder: &Path) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(keeper.orders.take());
        let _ = keeper.child.wait();
    }
}

impl Database {
    pub(crate) fn url(&self) -> PostgresUrl {
        self.url_text().parse().unwrap()
    }

    /// As a configuration has it.
    pub(crate) fn url_text(&self) -> String {
        format!("postgres://sceau@{}/{}", self.socket.to_str().unwrap().replace('/', "%2F"), self.name)
    }

    /// Where the server listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.join(".s.PGSQL.5432")
    }

    /// What a statement gives: rows by line, columns with `|` between.
    pub(crate) fn ask(&self, statement: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.arg("-h").arg(&self.socket).args(["-U", "sceau", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]);
        let ran = psql.arg(&self.name).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// As its owner copies it.
    pub(crate) fn dump(&self, file: &Path) {
        self.run("pg_dump", &["--format=custom", "--file", file.to_str().unwrap(), &self.name]);
    }

    /// As if its disk were lost; with `pg_restore` it comes back into an empty one.
    pub(crate) fn lose(&self) {
        self.run("dropdb", &["--force", &self.name]);
        self.run("createdb", &["-T", "template0", &self.name]);
    }

    pub(crate) fn put_back(&self, file: &Path) {
        self.run("pg_restore", &["--exit-on-error", "--dbname", &self.name, file.to_str().unwrap()]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.bin.join(program));
        let ran = command.arg("-h").arg(&self.socket).args(["-U", "sceau"]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// As if the leases of all who hold a chain had run out.
    pub(crate) fn end_leases(&self) {
        self.ask("UPDATE chain SET until = '-infinity'");
    }
}

/// Whoever runs it owns the folder, and the tests reach its socket.
fn new_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("sceau-pg-").tempdir().unwrap().keep();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    folder
}

fn newest_bin() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|path| path.join("bin/initdb").exists()).max_by_key(version);
    newest.unwrap_or_else(|| panic!("no PostgreSQL in {VERSIONS}: `apt-get install postgresql`")).join("bin")
}

/// PostgreSQL refuses to run as root: then it is the user of Debian's packages.
fn as_ordinary_user(folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new("env");
    }
    let owned = Command::new("chown").args(["-R", "postgres:"]).arg(folder).status().unwrap();
    assert!(owned.success(), "there is a user postgres");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    command
}
