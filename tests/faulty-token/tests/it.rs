//! The faulty token over SoftHSM, through the cryptoki crate: each kind of fault.
//!
//! A PKCS#11 module is one to a process, so each test runs itself again in a child with a token and a script of its own.
#![expect(clippy::unwrap_used, reason = "the helpers are tests too")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, thread};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Limit, Slot};
use cryptoki::types::AuthPin;

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]; // OID 1.2.840.10045.3.1.7, DER
const CHILD: &str = "FAULTY_TOKEN_TEST";
const FOLDER: &str = "FAULTY_TOKEN_FOLDER";
/// A script is taken up after two looks of 10 ms; the rest is for a busy machine.
const TAKEN_UP: Duration = Duration::from_secs(10);

// The ways in which a test runs.

/// Runs the test's body in a child under a script. The child ends without exit handlers, which SoftHSM's can crash in.
fn under(script: &str, test: &str, body: impl FnOnce(&Rehearsal)) {
    if env::var(CHILD).is_ok_and(|name| name == test) {
        let rehearsal = Rehearsal::start();
        body(&rehearsal);
        fs::write(rehearsal.folder.join("done"), "").unwrap();
        // SAFETY: ends the process; nothing of it is used afterwards.
        unsafe { libc::_exit(0) };
    }
    let folder = Folder::new(script);
    let status = folder.child(test).arg("--include-ignored").stdout(Stdio::null()).status().unwrap();
    assert!(status.success() && folder.path("done").exists(), "the child of {test} ended with {status}");
}

/// A token's folder: SoftHSM's files, the script, the stats.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(script: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("tokens")).unwrap();
        fs::write(folder.path("softhsm2.conf"), format!("directories.tokendir = {}\n", folder.path("tokens").display())).unwrap();
        fs::write(folder.path("script.toml"), script).unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "rehearsal", "--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", folder.path("softhsm2.conf"))
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("softhsm2-util is installed").success());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn child(&self, test: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, test).env(FOLDER, self.0.path());
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).env("SCEAU_FAULTY_MODULE", SOFTHSM);
        command.env("SCEAU_FAULTY_SCRIPT", self.path("script.toml"));
        command.env("SCEAU_FAULTY_STATS", self.path("stats.json"));
        command
    }
}

/// In the child: the module, the token, a key.
struct Rehearsal {
    folder: PathBuf,
    module: Pkcs11,
    slot: Slot,
    /// Logged in, and used by nobody else.
    anchor: Session,
}

impl Rehearsal {
    fn start() -> Self {
        let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
        let module = Pkcs11::new(faulty_module()).unwrap();
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slots = module.get_slots_with_token().unwrap();
        let labelled = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|token| token.label() == "rehearsal");
        let slot = slots.into_iter().find(labelled).unwrap();
        let anchor = module.open_rw_session(slot).unwrap();
        Self { folder, module, slot, anchor }
    }

    /// Logs in and makes a key.
    fn key(&self) -> ObjectHandle {
        self.anchor.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        let public = [Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)];
        let private = [Attribute::Token(true), Attribute::Sign(true)];
        self.anchor.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap().1
    }

    fn key_pair(&self) -> (ObjectHandle, ObjectHandle) {
        self.anchor.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        let public = [Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)];
        self.anchor.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &[Attribute::Sign(true)]).unwrap()
    }

    fn session(&self) -> Session {
        self.module.open_ro_session(self.slot).unwrap()
    }

    /// Changes the script and waits until it is in force.
    fn script(&self, text: &str) {
        let before = self.stat("script_generation");
        self.write_script(text);
        self.wait_for(|| self.stat("script_generation") > before);
    }

    fn write_script(&self, text: &str) {
        fs::write(self.folder.join("script.toml"), text).unwrap();
    }

    fn wait_for(&self, happens: impl Fn() -> bool) {
        let began = Instant::now();
        while !happens() {
            assert!(began.elapsed() < TAKEN_UP, "it has not happened");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stats(&self) -> serde_json::Value {
        stats(&self.folder).unwrap_or_default()
    }

    fn stat(&self, name: &str) -> u64 {
        self.stats()[name].as_u64().unwrap_or(0)
    }
}

fn stats(folder: &Path) -> Option<serde_json::Value> {
    let text = fs::read_to_string(folder.join("stats.json")).ok()?;
    Some(serde_json::from_str(&text).expect("it is replaced whole"))
}

/// The cdylib that cargo has built beside this test.
fn faulty_module() -> PathBuf {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let places = [deps.join("libsceau_faulty_token.so"), deps.join("../libsceau_faulty_token.so")];
    let built = places.into_iter().filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)));
    built.max().expect("cargo has built the module").1
}

fn sign(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, Error> {
    session.sign(&Mechanism::Ecdsa, key, &[7; 32])
}

/// Just the code of a failure; `None` if it did not fail.
fn code<T>(result: Result<T, Error>) -> Option<RvError> {
    match result {
        Ok(_) => None,
        Err(Error::Pkcs11(code, _)) => Some(code),
        Err(other) => panic!("{other}"),
    }
}

fn took<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

// Results.

#[test]
fn without_a_script_the_module_is_the_real_one() {
    under("", "without_a_script_the_module_is_the_real_one", |rehearsal| {
        let (public, private) = rehearsal.key_pair();
        let signature = sign(&rehearsal.anchor, private).unwrap();
        assert_eq!(signature.len(), 64);
        rehearsal.anchor.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature).unwrap();
        assert!(rehearsal.module.get_library_info().unwrap().manufacturer_id().contains("SoftHSM"));
    });
}

#[test]
fn a_result_comes_always() {
    under("", "a_result_comes_always", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\nresult = \"CKR_DEVICE_ERROR\"");
        for _ in 0..3 {
            // Each time the same: the operation has ended in the real module too.
            assert_eq!(code(sign(&rehearsal.anchor, key)), Some(RvError::DeviceError));
        }
        rehearsal.script("");
        sign(&rehearsal.anchor, key).unwrap();
    });
}

#[test]
fn a_result_comes_once() {
    let script = "[[fault]]\nfunction = \"C_Login\"\nresult = \"CKR_PIN_INCORRECT\"\nwhen = \"once\"";
    under(script, "a_result_comes_once", |rehearsal| {
        let login = || rehearsal.anchor.login(UserType::User, Some(&AuthPin::from(PIN)));
        assert_eq!(code(login()), Some(RvError::PinIncorrect));
        assert_eq!(code(login()), None);
        // Without waiting: a login is in the stats when it returns.
        assert_eq!(rehearsal.stats()["functions"]["C_Login"]["calls"], 2);
        assert_eq!(rehearsal.stats()["functions"]["C_Login"]["forwarded"], 1);
    });
}

#[test]
fn a_result_comes_every_nth_time() {
    under("", "a_result_comes_every_nth_time", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\nresult = \"0x80000007\"\nwhen = { every = 4 }");
        let failed: Vec<u32> = (1..=12).filter(|_| sign(&rehearsal.anchor, key).is_err()).collect();
        assert_eq!(failed, [4, 8, 12]); // a length query before each signature is not one
    });
}

#[test]
fn a_result_comes_for_a_time() {
    under("", "a_result_comes_for_a_time", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_SignInit\"\nresult = \"CKR_DEVICE_MEMORY\"\nwhen = { for_ms = 2000 }");
        assert_eq!(code(sign(&rehearsal.anchor, key)), Some(RvError::DeviceMemory));
        rehearsal.wait_for(|| sign(&rehearsal.anchor, key).is_ok());
    });
}

#[test]
fn a_call_that_fails_before_the_module_can_leave_its_operation_active() {
    under("", "a_call_that_fails_before_the_module_can_leave_its_operation_active", |rehearsal| {
        let key = rehearsal.key();
        let once = "[[fault]]\nfunction = \"C_Sign\"\nresult = \"CKR_FUNCTION_FAILED\"\nwhen = \"once\"\nleave_operation = true";
        rehearsal.script(once);
        assert_eq!(code(sign(&rehearsal.anchor, key)), Some(RvError::FunctionFailed));
        assert_eq!(code(sign(&rehearsal.anchor, key)), Some(RvError::OperationActive));
    });
}

#[test]
fn any_function_can_fail() {
    under("", "any_function_can_fail", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"*\"\nresult = \"CKR_GENERAL_ERROR\"");
        let all = Some(RvError::GeneralError);
        assert_eq!(code(rehearsal.module.get_library_info()), all);
        assert_eq!(code(rehearsal.module.get_token_info(rehearsal.slot)), all);
        assert_eq!(code(rehearsal.module.open_ro_session(rehearsal.slot)), all);
        assert_eq!(code(rehearsal.anchor.find_objects(&[])), all);
        assert_eq!(code(sign(&rehearsal.anchor, key)), all);
        assert_eq!(code(rehearsal.anchor.generate_random_vec(8)), all);
        rehearsal.script("");
        sign(&rehearsal.anchor, key).unwrap();
    });
}

// Time.

#[test]
fn a_delay_is_the_whole_time_of_a_call() {
    under("", "a_delay_is_the_whole_time_of_a_call", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 100");
        let times: Vec<Duration> = (0..10).map(|_| took(|| sign(&rehearsal.anchor, key).unwrap())).collect();
        // One delay each, although cryptoki calls C_Sign twice: once for the length.
        assert!(times.iter().all(|time| *time >= Duration::from_millis(100)), "{times:?}");
        assert!(*times.iter().min().unwrap() < Duration::from_millis(190), "{times:?}");
        rehearsal.wait_for(|| rehearsal.stats()["functions"]["C_Sign"]["delayed"] == 10);
        assert_eq!(rehearsal.stats()["functions"]["C_Sign"]["length_queries"], 10);
    });
}

#[test]
fn a_delay_spreads() {
    under("", "a_delay_spreads", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 50\nspread_ms = 40");
        let times: Vec<Duration> = (0..40).map(|_| took(|| sign(&rehearsal.anchor, key).unwrap())).collect();
        let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*least >= Duration::from_millis(10) && *least < Duration::from_millis(45), "{least:?}");
        assert!(*most > Duration::from_millis(65), "{most:?}");
    });
}

#[test]
fn a_failure_takes_its_time_too() {
    under("", "a_failure_takes_its_time_too", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\nresult = \"CKR_DEVICE_ERROR\"\ndelay_ms = 50");
        let time = took(|| assert_eq!(code(sign(&rehearsal.anchor, key)), Some(RvError::DeviceError)));
        assert!((Duration::from_millis(50)..TAKEN_UP).contains(&time), "{time:?}");
    });
}

#[test]
fn signatures_are_capped_over_all_sessions() {
    under("", "signatures_are_capped_over_all_sessions", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 10\n[token]\nsignatures_per_second = 200");
        let time = took(|| {
            thread::scope(|scope| {
                for _ in 0..5 {
                    let session = rehearsal.session();
                    scope.spawn(move || (0..20).for_each(|_| drop(sign(&session, key).unwrap())));
                }
            });
        });
        // 100 signatures at 200 a second, the last one's 10 ms after its turn. Five sessions alone could do 500 a second.
        assert!(time >= Duration::from_millis(500), "{time:?}");
        assert!(time < Duration::from_millis(4000), "{time:?}");
        // A call that finds nobody before it takes the round trip only.
        thread::sleep(Duration::from_millis(100));
        let alone = (0..5).map(|_| took(|| sign(&rehearsal.anchor, key).unwrap())).min().unwrap();
        assert!((Duration::from_millis(10)..Duration::from_millis(60)).contains(&alone), "{alone:?}");
    });
}

/// `cargo test --release -- --ignored --nocapture how_exact` prints what README.md states.
#[test]
#[ignore = "measures, and asserts nothing"]
fn how_exact_times_are() {
    under("", "how_exact_times_are", |rehearsal| {
        let key = rehearsal.key();
        for (script, threads) in [
            ("", 1),
            ("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5", 1),
            ("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5", 8),
            ("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5\n[token]\nsignatures_per_second = 3000", 32),
        ] {
            rehearsal.script(script);
            let sessions: Vec<Session> = (0..threads).map(|_| rehearsal.session()).collect();
            let began = Instant::now();
            let mut times: Vec<Duration> = thread::scope(|scope| {
                let timed = |session: &Session| (0..200).map(|_| took(|| sign(session, key).unwrap())).collect::<Vec<_>>();
                let signing: Vec<_> = sessions.into_iter().map(|session| scope.spawn(move || timed(&session))).collect();
                signing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let rate = times.len() as f64 / began.elapsed().as_secs_f64();
            times.sort();
            let [median, most] = [times[times.len() / 2], times[times.len() * 99 / 100]];
            eprintln!("{script:?} by {threads}: {rate:.0}/s, least {:?}, median {median:?}, 99 % within {most:?}", times[0]);
        }
    });
}

// Wrong answers.

#[test]
fn a_processor_of_its_own_signs_with_the_key_that_the_token_shows() {
    const NAME: &str = "a_processor_of_its_own_signs_with_the_key_that_the_token_shows";
    under("[token]\nown_signatures = true", NAME, |rehearsal| {
        let anchor = &rehearsal.anchor;
        anchor.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        let pair = |id: &[u8]| {
            let public = [Attribute::EcParams(P256.to_vec()), Attribute::Verify(true), Attribute::Id(id.to_vec())];
            let private = [Attribute::Sign(true), Attribute::Id(id.to_vec())];
            anchor.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap()
        };
        let (own, other) = (pair(&[9; 16]), pair(b"short"));
        for (public, private) in [own, other] {
            for digest in 0..5 {
                let signature = anchor.sign(&Mechanism::Ecdsa, private, &[digest; 32]).unwrap();
                // SoftHSM's own reading of it.
                anchor.verify(&Mechanism::Ecdsa, public, &[digest; 32], &signature).unwrap();
                assert!(anchor.verify(&Mechanism::Ecdsa, public, &[digest + 1; 32], &signature).is_err());
            }
        }
        let point = |id: &[u8]| anchor.get_attributes(pair(id).0, &[AttributeType::EcPoint]).unwrap();
        assert_eq!(point(&[9; 16]), point(&[9; 16]), "a key is its CKA_ID");
        assert_ne!(point(b"short"), point(b"short"));
        assert_eq!(code(anchor.sign(&Mechanism::Ecdsa, own.1, &[7; 31])), Some(RvError::DataLenRange));
        sign(anchor, own.1).unwrap(); // the failure has ended the operation
        anchor.logout().unwrap();
        assert!(sign(anchor, own.1).is_err(), "the key is the user's who has logged out");
    });
}

#[test]
fn a_key_from_before_the_processor_is_the_real_modules() {
    under("", "a_key_from_before_the_processor_is_the_real_modules", |rehearsal| {
        let anchor = &rehearsal.anchor;
        anchor.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        let id = Attribute::Id(vec![9; 16]);
        let public = [Attribute::EcParams(P256.to_vec()), Attribute::Verify(true), id.clone()];
        let (public, private) =
            anchor.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &[Attribute::Sign(true), id]).unwrap();
        rehearsal.script("[token]\nown_signatures = true");
        let signature = sign(anchor, private).unwrap();
        anchor.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature).unwrap();
    });
}

#[test]
fn a_flipped_bit_makes_a_signature_wrong() {
    under("", "a_flipped_bit_makes_a_signature_wrong", |rehearsal| {
        let (public, private) = rehearsal.key_pair();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\naction = \"flip_bit\"\nwhen = { every = 2 }");
        for turned in [false, true, false, true] {
            let signature = sign(&rehearsal.anchor, private).unwrap();
            assert_eq!(signature.len(), 64);
            let verified = code(rehearsal.anchor.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature));
            assert_eq!(verified, turned.then_some(RvError::SignatureInvalid));
        }
    });
}

#[test]
fn a_signature_is_a_byte_short() {
    under("", "a_signature_is_a_byte_short", |rehearsal| {
        let key = rehearsal.key();
        rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\naction = \"short_signature\"\nwhen = \"once\"");
        assert_eq!(sign(&rehearsal.anchor, key).unwrap().len(), 63);
        assert_eq!(sign(&rehearsal.anchor, key).unwrap().len(), 64);
    });
}

// The token as a whole.

#[test]
fn an_absent_token_takes_its_sessions_with_it() {
    under("", "an_absent_token_takes_its_sessions_with_it", |rehearsal| {
        let Rehearsal { module, slot, anchor, .. } = rehearsal;
        let (key, second) = (rehearsal.key(), rehearsal.session());
        rehearsal.script("[token]\nabsent = true");
        assert!(module.get_slots_with_token().unwrap().is_empty());
        assert!(!module.get_all_slots().unwrap().is_empty());
        assert!(!module.get_slot_info(*slot).unwrap().token_present());
        let absent = Some(RvError::TokenNotPresent);
        assert_eq!(code(module.get_token_info(*slot)), absent);
        assert_eq!(code(module.open_ro_session(*slot)), absent);
        assert_eq!(code(sign(anchor, key)), absent);

        rehearsal.script("");
        assert!(module.get_slots_with_token().unwrap().contains(slot));
        // The one was used while the token was absent, the other was not; both are gone, and the login with them.
        assert_eq!(code(sign(anchor, key)), Some(RvError::SessionHandleInvalid));
        let again = module.open_rw_session(*slot).unwrap();
        assert_eq!(code(again.find_objects(&[Attribute::Sign(true)]).map(|found| assert!(found.is_empty()))), None);
        again.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
        assert_eq!(code(second.get_session_info()), Some(RvError::SessionHandleInvalid));
        let key = again.find_objects(&[Attribute::Sign(true)]).unwrap()[0];
        assert_eq!(sign(&again, key).unwrap().len(), 64);
    });
}

#[test]
fn a_token_is_absent_for_a_time() {
    under("", "a_token_is_absent_for_a_time", |rehearsal| {
        rehearsal.script("[token]\nabsent = { for_ms = 2000 }\nabsent_result = \"CKR_DEVICE_REMOVED\"");
        let info = || code(rehearsal.module.get_token_info(rehearsal.slot));
        assert_eq!(info(), Some(RvError::DeviceRemoved));
        rehearsal.wait_for(|| info().is_none());
    });
}

#[test]
fn a_token_that_comes_and_goes_is_survived_under_load() {
    under("", "a_token_that_comes_and_goes_is_survived_under_load", |rehearsal| {
        rehearsal.key();
        let (module, slot) = (&rehearsal.module, rehearsal.slot);
        rehearsal.script("[token]\nabsent = { every_ms = 60, for_ms = 20 }");
        let end = Instant::now() + Duration::from_millis(1500);
        let signed: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || sign_until(end, module, slot))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(signed.iter().all(|signed| *signed > 20), "{signed:?}");
    });
}

/// Signs until then, with a new session and login whenever something fails; how often it did.
fn sign_until(end: Instant, module: &Pkcs11, slot: Slot) -> usize {
    let mut signed = 0;
    while Instant::now() < end {
        let Ok(session) = module.open_ro_session(slot) else { continue };
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN))); // another thread may have
        let found = session.find_objects(&[Attribute::Token(true), Attribute::Sign(true)]).unwrap_or_default();
        let Some(key) = found.first() else { continue };
        while Instant::now() < end && sign(&session, *key).is_ok() {
            signed += 1;
        }
    }
    signed
}

#[test]
fn a_lost_session_is_lost_for_good() {
    under("", "a_lost_session_is_lost_for_good", |rehearsal| {
        let (key, session) = (rehearsal.key(), rehearsal.session());
        rehearsal.script("[[fault]]\nfunction = \"C_SignInit\"\naction = \"lose_session\"\nwhen = \"once\"");
        assert_eq!(code(sign(&session, key)), Some(RvError::SessionHandleInvalid));
        assert_eq!(code(sign(&session, key)), Some(RvError::SessionHandleInvalid));
        assert_eq!(code(sign(&rehearsal.session(), key)), None);
    });
}

#[test]
fn sessions_are_limited() {
    under("[token]\nmax_sessions = 3", "sessions_are_limited", |rehearsal| {
        let info = rehearsal.module.get_token_info(rehearsal.slot).unwrap();
        assert!(matches!(info.max_session_count(), Limit::Max(3)));
        let opened = [rehearsal.session(), rehearsal.session()];
        assert_eq!(code(rehearsal.module.open_ro_session(rehearsal.slot)), Some(RvError::SessionCount));
        drop(opened);
        let (module, slot) = (&rehearsal.module, rehearsal.slot);
        let together: Vec<Session> = thread::scope(|scope| {
            let opening: Vec<_> = (0..8).map(|_| scope.spawn(move || module.open_ro_session(slot).ok())).collect();
            opening.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(together.len(), 2);
    });
}

// The script and the stats.

#[test]
fn a_script_changes_while_calls_are_made() {
    under("", "a_script_changes_while_calls_are_made", |rehearsal| {
        let (key, failures) = (rehearsal.key(), Arc::new(AtomicUsize::new(0)));
        let session = rehearsal.session();
        thread::scope(|scope| {
            let counted = Arc::clone(&failures);
            let signing = scope.spawn(move || {
                while counted.load(Relaxed) < 5 {
                    counted.fetch_add(usize::from(sign(&session, key).is_err()), Relaxed);
                }
            });
            thread::sleep(Duration::from_millis(50));
            assert_eq!(failures.load(Relaxed), 0);
            rehearsal.script("[[fault]]\nfunction = \"C_Sign\"\nresult = \"CKR_DEVICE_ERROR\"\nwhen = { every = 3 }");
            signing.join().unwrap();
        });
    });
}

#[test]
fn a_wrong_script_leaves_the_former_in_force() {
    let script = "[[fault]]\nfunction = \"C_GenerateRandom\"\nresult = \"CKR_RANDOM_NO_RNG\"";
    under(script, "a_wrong_script_leaves_the_former_in_force", |rehearsal| {
        let random = || code(rehearsal.anchor.generate_random_vec(8));
        assert_eq!(random(), Some(RvError::RandomNoRng));
        rehearsal.write_script("[[fault]]\nfunction = \"C_GenerateRandon\"");
        rehearsal.wait_for(|| rehearsal.stat("script_errors") == 1);
        assert_eq!(random(), Some(RvError::RandomNoRng));
        rehearsal.script("");
        assert_eq!((random(), rehearsal.stat("script_errors")), (None, 1));
        fs::remove_file(rehearsal.folder.join("script.toml")).unwrap();
        rehearsal.wait_for(|| rehearsal.stat("script_generation") == 3);
    });
}

#[test]
fn stats_and_log_tell_what_happened() {
    let script =
        "log = \"faults.log\"\n[[fault]]\nfunction = \"C_GenerateRandom\"\nresult = \"CKR_DEVICE_ERROR\"\nwhen = { first = 2 }";
    under(script, "stats_and_log_tell_what_happened", |rehearsal| {
        for _ in 0..5 {
            let _ = rehearsal.anchor.generate_random_vec(8);
        }
        let expected = serde_json::json!({"calls": 5, "length_queries": 0, "forwarded": 3, "faults": 2, "delayed": 0});
        rehearsal.wait_for(|| rehearsal.stats()["functions"]["C_GenerateRandom"] == expected);
        assert_eq!(rehearsal.stat("sessions"), 1);
        assert_eq!(rehearsal.stats()["pid"], std::process::id());
        let log = fs::read_to_string(rehearsal.folder.join("faults.log")).unwrap();
        let line = format!("pid {} C_GenerateRandom CKR_DEVICE_ERROR by fault 1", std::process::id());
        assert!(log.lines().count() == 2 && log.lines().all(|found| found.ends_with(&line)), "{log}");
    });
}

#[test]
fn finalize_writes_the_stats_and_the_module_starts_again() {
    under("", "finalize_writes_the_stats_and_the_module_starts_again", |rehearsal| {
        let module = rehearsal.module.clone();
        let info = module.get_library_info().unwrap();
        module.finalize().unwrap();
        let stats = stats(&rehearsal.folder).unwrap();
        assert_eq!((&stats["functions"]["C_Finalize"]["forwarded"], &stats["sessions"]), (&1.into(), &0.into()));
        let again = Pkcs11::new(faulty_module()).unwrap();
        again.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        assert_eq!(again.get_library_info().unwrap().manufacturer_id(), info.manufacturer_id());
    });
}

// Faults that a process does not survive.

#[test]
fn a_hang_hangs_its_call_and_no_other() {
    const NAME: &str = "a_hang_hangs_its_call_and_no_other";
    if env::var(CHILD).is_ok() {
        let rehearsal = Rehearsal::start();
        let (key, session) = (rehearsal.key(), rehearsal.session());
        rehearsal.script("log = \"faults.log\"\n[[fault]]\nfunction = \"C_Sign\"\naction = \"hang\"\nwhen = \"once\"");
        let hung = thread::spawn(move || sign(&session, key));
        rehearsal
            .wait_for(|| fs::read_to_string(rehearsal.folder.join("faults.log")).is_ok_and(|log| log.contains(" C_Sign hang ")));
        sign(&rehearsal.session(), key).unwrap();
        rehearsal.script("");
        sign(&rehearsal.session(), key).unwrap();
        thread::sleep(Duration::from_millis(300));
        assert!(!hung.is_finished());
        println!("HUNG");
        thread::sleep(Duration::from_secs(60));
    }
    let folder = Folder::new("");
    let mut child = folder.child(NAME).stdout(Stdio::piped()).spawn().unwrap();
    let said = says(&mut child, "HUNG");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said);
}

fn says(child: &mut Child, word: &str) -> bool {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().map_while(Result::ok).any(|line| line.contains(word))
}

#[test]
fn an_abort_ends_the_process_and_is_in_the_stats() {
    const NAME: &str = "an_abort_ends_the_process_and_is_in_the_stats";
    if env::var(CHILD).is_ok() {
        let rehearsal = Rehearsal::start();
        let _ = rehearsal.anchor.generate_random_vec(8);
        unreachable!("it has aborted");
    }
    let folder = Folder::new("[[fault]]\nfunction = \"C_GenerateRandom\"\naction = \"abort\"");
    let status = folder.child(NAME).stderr(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert_aborted(status);
    assert_eq!(stats(folder.0.path()).unwrap()["functions"]["C_GenerateRandom"]["faults"], 1);
}

fn assert_aborted(status: ExitStatus) {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
}

#[test]
fn processes_with_one_state_file_share_what_happens_once() {
    const NAME: &str = "processes_with_one_state_file_share_what_happens_once";
    if env::var(CHILD).is_ok() {
        let rehearsal = Rehearsal::start();
        rehearsal.anchor.generate_random_vec(8).unwrap();
        // SAFETY: ends the process; nothing of it is used afterwards.
        unsafe { libc::_exit(0) };
    }
    let folder = Folder::new("[[fault]]\nfunction = \"C_GenerateRandom\"\naction = \"abort\"\nwhen = \"once\"");
    let run = || {
        let mut child = folder.child(NAME);
        child.env("SCEAU_FAULTY_STATE", folder.path("state")).stderr(Stdio::null()).stdout(Stdio::null()).status().unwrap()
    };
    assert_aborted(run());
    assert!(run().success());
    // Written again, it counts again.
    thread::sleep(Duration::from_millis(20));
    fs::copy(folder.path("script.toml"), folder.path("same.toml")).unwrap();
    fs::rename(folder.path("same.toml"), folder.path("script.toml")).unwrap();
    assert_aborted(run());
    assert!(run().success());
}

#[test]
fn two_names_of_the_module_have_scripts_of_their_own() {
    const NAME: &str = "two_names_of_the_module_have_scripts_of_their_own";
    if env::var(CHILD).is_ok() {
        let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
        let module = Pkcs11::new(folder.join(env::var_os("NAMED").unwrap())).unwrap();
        let initialized = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        println!("{:?}", code(initialized));
        // SAFETY: ends the process; nothing of it is used afterwards.
        unsafe { libc::_exit(0) };
    }
    let folder = Folder::new("");
    fs::write(folder.path("hsm-1.toml"), "[[fault]]\nfunction = \"C_Initialize\"\nresult = \"CKR_CANT_LOCK\"").unwrap();
    for (name, answer) in [("hsm-1.so", "Some(CantLock)"), ("hsm-2.so", "None")] {
        std::os::unix::fs::symlink(faulty_module(), folder.path(name)).unwrap();
        let mut child = folder.child(NAME);
        child.env("NAMED", name).env("SCEAU_FAULTY_SCRIPT", folder.path("{name}.toml"));
        let output = child.output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(answer), "{output:?}");
    }
}

#[test]
fn without_a_real_module_the_reason_is_on_stderr() {
    const NAME: &str = "without_a_real_module_the_reason_is_on_stderr";
    if env::var(CHILD).is_ok() {
        assert_eq!(code(Pkcs11::new(faulty_module())), Some(RvError::GeneralError));
        return;
    }
    let folder = Folder::new("");
    let faulty = faulty_module();
    for (module, reason) in [
        ("", "SCEAU_FAULTY_MODULE has to name"),
        ("/nowhere.so", "cannot load the real module /nowhere.so"),
        (faulty.to_str().unwrap(), "it is the faulty token itself"),
    ] {
        let output = folder.child(NAME).env("SCEAU_FAULTY_MODULE", module).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
    }
}
