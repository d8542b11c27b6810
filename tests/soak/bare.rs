//! What a token gives where nobody does anything but sign: a thread a session, `C_SignInit` and `C_Sign` in a loop.
//!
//! In a process of its own, which is this program again: PKCS#11 modules take their settings from the environment.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use crate::service::{NetworkHsms, SESSIONS, faulty_module};

/// The child's token folder. Without it the child's test does nothing.
const FOLDER: &str = "SCEAU_SOAK_BARE_FOLDER";
/// The child's module.
const MODULE: &str = "SCEAU_SOAK_BARE_MODULE";
/// Before each rate, for the test harness writes lines of its own.
const MARK: &str = "bare loop: ";
const WARM_UP: Duration = Duration::from_millis(500);

/// A child that signs when it is told to; it ends with this value.
pub(crate) struct BareLoop {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl BareLoop {
    pub(crate) fn start(hsms: &NetworkHsms, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["bare::the_process_of_the_bare_loop", "--exact", "--ignored", "--nocapture"]);
        command.envs(hsms.environment(name)).env(FOLDER, hsms.folder(name)).env(MODULE, faulty_module());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it sign for some time.
    pub(crate) fn begin(&mut self, time: Duration) {
        writeln!(self.input, "{}", time.as_millis()).unwrap();
    }

    /// Its signatures a second in that time.
    pub(crate) fn rate(&mut self) -> f64 {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the bare loop ended; its stderr says why");
            if let Some((_, rate)) = line.split_once(MARK) {
                return rate.trim().parse().unwrap();
            }
        }
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "it is no run: the network-HSM runs start it in a process of its own"]
fn the_process_of_the_bare_loop() {
    let (Some(folder), Some(module)) = (variable(FOLDER), variable(MODULE)) else { return };
    let module = Pkcs11::new(module).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let mut sessions = open_sessions(&module, &folder);
    for line in std::io::stdin().lines() {
        let time = Duration::from_millis(line.unwrap().parse().unwrap());
        println!("{MARK}{}", sign_for(&mut sessions, time));
    }
}

#[expect(clippy::disallowed_methods, reason = "the parent tells its child what to load; no boot hands it down")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn open_sessions(module: &Pkcs11, folder: &Path) -> Vec<(Session, ObjectHandle)> {
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let pin = std::fs::read_to_string(folder.join("user.pin")).unwrap();
    let sessions: Vec<Session> = (0..SESSIONS).map(|_| module.open_ro_session(slot).unwrap()).collect();
    sessions[0].login(UserType::User, Some(&AuthPin::from(pin.trim()))).unwrap();
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"dsc-es256".to_vec())];
    let with_key = |session: Session| {
        let key = session.find_objects(&template).unwrap()[0];
        (session, key)
    };
    sessions.into_iter().map(with_key).collect()
}

/// Signatures a second, of all sessions at once.
fn sign_for(sessions: &mut [(Session, ObjectHandle)], time: Duration) -> f64 {
    let (signed, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (session, key) in sessions {
            let (signed, ended) = (&signed, &ended);
            scope.spawn(move || {
                let digest = [7; 32];
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(session.sign(&Mechanism::Ecdsa, *key, &digest).unwrap().len(), 64);
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(WARM_UP);
        let (began, before) = (Instant::now(), signed.load(Ordering::Relaxed));
        std::thread::sleep(time);
        let (took, count) = (began.elapsed(), signed.load(Ordering::Relaxed) - before);
        ended.store(true, Ordering::Relaxed);
        count as f64 / took.as_secs_f64()
    })
}
