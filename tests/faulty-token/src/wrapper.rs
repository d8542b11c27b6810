//! The real module with faults around it: what every call goes through.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use cryptoki_sys::{
    CK_FUNCTION_LIST, CK_RV, CK_SESSION_HANDLE, CKR_BUFFER_TOO_SMALL, CKR_OK, CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID,
};
use libloading::os::unix::Library;

use crate::armed::{Armed, Fault, Verdict};
use crate::clock::{now_ns, wait_until};
use crate::codes;
use crate::function::Function;
use crate::output::Output;
use crate::processor::Processor;
use crate::script::{Effect, Script};
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::shared::Shelf;
use crate::tally::{self, Facts, Tally, count};
use crate::watch::ScriptFile;

/// The real module and everything that is known of its use.
#[derive(Debug)]
pub(crate) struct Wrapper {
    pub(crate) settings: Settings,
    pub(crate) sessions: Sessions,
    pub(crate) script_file: Mutex<ScriptFile>,
    pub(crate) shelf: Shelf,
    pub(crate) processor: Processor,
    real: CK_FUNCTION_LIST,
    tally: Tally,
    armed: ArcSwap<Armed>,
    /// Whether calls need a second look: there is a script that changes something, or sessions may be lost.
    loud: AtomicBool,
    absent: AtomicBool,
    /// Held by who opens a session while a script is in force, so that `max_sessions` holds among threads.
    opening: Mutex<()>,
    generation: AtomicU64,
    errors: AtomicU64,
}

/// A call, as far as faults are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) target: Target,
    /// Whether it asks only how long its answer would be.
    pub(crate) length_query: bool,
    pub(crate) output: Option<Output>,
}

/// What a call addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Library,
    /// A token by its slot.
    Slot,
    Session(CK_SESSION_HANDLE),
}

static WRAPPER: OnceLock<Option<Wrapper>> = OnceLock::new();

impl Wrapper {
    /// The process's own; loads the real module at the first call. `None` if that failed, which stderr has the reason of.
    pub(crate) fn get() -> Option<&'static Self> {
        let wrapper = WRAPPER.get_or_init(|| Self::load().map_err(|error| complain(&error)).ok());
        wrapper.as_ref()
    }

    fn load() -> Result<Self, String> {
        let settings = Settings::from_environment()?;
        let real = load_module(&settings.module)?;
        let shelf = Shelf::open(settings.state.as_deref()).map_err(|error| {
            format!("SCEAU_FAULTY_STATE: {}: {error}", settings.state.as_deref().unwrap_or(Path::new("")).display())
        })?;
        let quiet = Armed::new(Script::default(), Path::new(""), shelf.counters(0, 0)).expect("it has no log to open");
        let wrapper = Self {
            sessions: Sessions::new(),
            script_file: Mutex::new(ScriptFile::default()),
            shelf,
            processor: Processor::new(),
            real,
            tally: Tally::new(),
            armed: ArcSwap::from_pointee(quiet),
            loud: AtomicBool::new(false),
            absent: AtomicBool::new(false),
            opening: Mutex::new(()),
            generation: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            settings,
        };
        wrapper.look_at_script();
        Ok(wrapper)
    }

    /// Takes a call through everything: counters, the script, the real module.
    pub(crate) fn call(&self, call: Call, real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
        let counter = self.tally.of(call.function);
        count(if call.length_query { &counter.length_queries } else { &counter.calls });
        if self.loud.load(Relaxed) { self.play(call, real) } else { self.pass(call, real) }
    }

    /// Hands a call to the real module, unless its session is lost.
    fn pass(&self, call: Call, real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
        let Target::Session(session) = call.target else { return real(&self.real) };
        let _inside = self.sessions.enter(session);
        if self.sessions.is_lost(session) { self.answer_lost(call.function, session) } else { real(&self.real) }
    }

    /// The same under a script.
    fn play(&self, call: Call, real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
        let armed = self.armed.load(); // kept while the call lasts, if need be for ever: it holds nobody up
        match call.target {
            Target::Slot if self.is_absent() => {
                let code = armed.script.token.absent_result;
                return self.refuse(&armed, call.function, code, None);
            }
            Target::Session(_) if self.is_absent() => return self.pass(call, real),
            _ if call.length_query => return self.pass(call, real),
            _ => {}
        }
        let began = now_ns();
        let Verdict { fault, delay_ns } = armed.decide(call.function, began);
        if delay_ns != 0 {
            count(&self.tally.of(call.function).delayed);
        }
        match fault {
            Some(fault) if !fault.spoils_answer() => self.fail(&armed, call, fault, began + delay_ns, real),
            spoilt => self.perform(&armed, call, spoilt, (began, delay_ns), real),
        }
    }

    /// A call that does not reach the real module, or only in so far as its operation ends there.
    fn fail(
        &self,
        armed: &Armed,
        call: Call,
        fault: Fault,
        deadline_ns: u64,
        real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV,
    ) -> CK_RV {
        let (function, rule) = (call.function, Some(fault.rule));
        match fault.effect {
            Effect::Hang => {
                self.withhold(armed, function, "hang", rule);
                loop {
                    std::thread::park();
                }
            }
            Effect::Abort => {
                wait_until(deadline_ns);
                self.withhold(armed, function, "abort", rule);
                self.write_stats();
                std::process::abort();
            }
            Effect::LoseSession => {
                if let Target::Session(session) = call.target {
                    self.close_real(session);
                }
                wait_until(deadline_ns);
                self.refuse(armed, function, CKR_SESSION_HANDLE_INVALID, rule)
            }
            Effect::Result(code) => {
                let ends = function.ends_operation() && code != CKR_BUFFER_TOO_SMALL && !fault.leave_operation;
                if ends && self.end_operation(call, real) == CKR_BUFFER_TOO_SMALL {
                    return CKR_BUFFER_TOO_SMALL; // the caller's own mistake; its operation goes on
                }
                wait_until(deadline_ns);
                self.refuse(armed, function, code, rule)
            }
            Effect::FlipBit | Effect::ShortSignature => unreachable!("those that spoil an answer are performed"),
        }
    }

    /// A call that the real module answers: in its turn, with its limits, its answer spoilt, in its time.
    fn perform(
        &self,
        armed: &Armed,
        call: Call,
        spoilt: Option<Fault>,
        (began_ns, delay_ns): (u64, u64),
        real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV,
    ) -> CK_RV {
        let turn_ns = if call.function.signs() { armed.turn_ns(began_ns) } else { began_ns };
        if turn_ns > began_ns {
            count(&self.tally.of(call.function).delayed);
            wait_until(turn_ns);
        }
        let code =
            if call.function == Function::C_OpenSession { self.open_session(armed, call, real) } else { self.pass(call, real) };
        if let (CKR_OK, Some(fault), Some(output)) = (code, spoilt, call.output) {
            self.spoil(armed, call.function, fault, output);
        }
        if delay_ns != 0 {
            wait_until(turn_ns + delay_ns);
        }
        code
    }

    fn open_session(&self, armed: &Armed, call: Call, real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        for session in self.sessions.take_lost_idle() {
            self.real_close(session);
        }
        if armed.script.token.max_sessions.is_some_and(|max| self.sessions.count() >= max) {
            return self.refuse(armed, call.function, CKR_SESSION_COUNT, None);
        }
        self.pass(call, real)
    }

    fn spoil(&self, armed: &Armed, function: Function, fault: Fault, output: Output) {
        let what = if fault.effect == Effect::FlipBit { "flip_bit" } else { "short_signature" };
        self.record(armed, function, what, Some(fault.rule));
        if fault.effect == Effect::FlipBit {
            // SAFETY: the real module has just answered CKR_OK, and the call has not returned.
            unsafe { output.flip_bit(fault.lot) };
        } else {
            // SAFETY: as above.
            unsafe { output.shorten() };
        }
    }

    /// Has the real module end the operation that a failure is to end, and keeps what it gives from the caller.
    fn end_operation(&self, call: Call, real: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
        let Target::Session(session) = call.target else { return CKR_OK };
        let _inside = self.sessions.enter(session);
        if self.sessions.is_lost(session) {
            return CKR_OK;
        }
        let code = real(&self.real);
        if let (CKR_OK, Some(output)) = (code, call.output) {
            // SAFETY: the real module has just answered CKR_OK, and the call has not returned.
            unsafe { output.wipe() };
        }
        code
    }

    /// What a call on a lost session answers; the first one closes it in the real module.
    fn answer_lost(&self, function: Function, session: CK_SESSION_HANDLE) -> CK_RV {
        self.close_real(session);
        let armed = self.armed.load();
        let code = if self.is_absent() { armed.script.token.absent_result } else { CKR_SESSION_HANDLE_INVALID };
        self.refuse(&armed, function, code, None)
    }

    fn close_real(&self, session: CK_SESSION_HANDLE) {
        if self.sessions.forget(session).is_some() {
            self.real_close(session);
        }
    }

    fn real_close(&self, session: CK_SESSION_HANDLE) {
        self.processor.forget(session);
        if let Some(close) = self.real.C_CloseSession {
            // SAFETY: the real module's own function, loaded and initialised, with a handle that it gave and that this
            // module has just forgotten, so that nobody else closes it.
            unsafe { close(session) };
        }
    }

    fn refuse(&self, armed: &Armed, function: Function, code: CK_RV, rule: Option<usize>) -> CK_RV {
        self.withhold(armed, function, &codes::name(code), rule);
        code
    }

    /// A fault by which a call does not reach the real module.
    fn withhold(&self, armed: &Armed, function: Function, what: &str, rule: Option<usize>) {
        count(&self.tally.of(function).withheld);
        self.record(armed, function, what, rule);
    }

    fn record(&self, armed: &Armed, function: Function, what: &str, rule: Option<usize>) {
        count(&self.tally.of(function).faults);
        armed.write_log(now_ns(), function, what, rule);
    }

    // What the script says of the token as a whole.

    pub(crate) fn is_absent(&self) -> bool {
        self.absent.load(SeqCst)
    }

    /// Whether it has a processor of its own.
    pub(crate) fn computes(&self) -> bool {
        self.armed.load().script.token.own_signatures
    }

    pub(crate) fn max_sessions(&self) -> Option<usize> {
        self.armed.load().script.token.max_sessions
    }

    /// Whether the token is absent changes with time.
    pub(crate) fn look_at_absence(&self) {
        let absent = self.armed.load().is_absent(now_ns());
        if absent && !self.absent.swap(true, SeqCst) {
            self.sessions.lose_all();
            self.processor.forget_keys();
        }
        if !absent {
            self.absent.store(false, SeqCst);
        }
    }

    /// Looks whether the script has changed, and takes it up if it has.
    pub(crate) fn look_at_script(&self) {
        let Some(path) = &self.settings.script else { return };
        let mut file = self.script_file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = file.changed(path) else { return };
        match found.and_then(|found| self.arm(path, &found.text, found.key)) {
            Ok(()) => count(&self.generation),
            Err(error) => {
                count(&self.errors);
                complain(&format!("{}: {error}\nthe former script stays in force", path.display()));
            }
        }
        self.write_stats();
    }

    fn arm(&self, path: &Path, text: &str, key: u64) -> Result<(), String> {
        let script = Script::parse(text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let armed = Armed::new(script, folder, self.shelf.counters(key, now_ns())).map_err(|error| format!("log: {error}"))?;
        let quiet = armed.script.is_quiet();
        self.armed.store(Arc::new(armed));
        self.look_at_absence();
        self.loud.store(!quiet || self.sessions.epoch() != 0, SeqCst);
        Ok(())
    }

    /// Writes the stats, if they are wanted. An error is a line on stderr.
    pub(crate) fn write_stats(&self) {
        let Some(path) = &self.settings.stats else { return };
        static WRITING: Mutex<()> = Mutex::new(());
        let _one: MutexGuard<'_, ()> = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = Facts {
            generation: self.generation.load(Relaxed),
            errors: self.errors.load(Relaxed),
            absent: self.is_absent(),
            sessions: self.sessions.count(),
        };
        if let Err(error) = tally::replace(path, &self.tally.to_json(facts)) {
            complain(&format!("SCEAU_FAULTY_STATS: {}: {error}", path.display()));
        }
    }
}

impl Fault {
    fn spoils_answer(self) -> bool {
        matches!(self.effect, Effect::FlipBit | Effect::ShortSignature)
    }
}

fn complain(what: &str) {
    eprintln!("sceau-faulty-token: {what}");
}

/// Loads the real module for good: vendors' libraries do not survive that they are unloaded.
fn load_module(path: &Path) -> Result<CK_FUNCTION_LIST, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot load the real module {}: {error}", path.display());
    // SAFETY: loading runs the module's constructors; that is what the operator has asked for.
    let library = unsafe { Library::open(Some(path), libc::RTLD_NOW | libc::RTLD_LOCAL) }.map_err(|error| cannot(&error))?;
    type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
    // SAFETY: PKCS#11 gives the symbol this type.
    let symbol = unsafe { library.get::<GetFunctionList>(b"C_GetFunctionList\0") }.map_err(|error| cannot(&error))?;
    let get: GetFunctionList = *symbol;
    std::mem::forget(library);
    if std::ptr::fn_addr_eq(get, crate::special::C_GetFunctionList as GetFunctionList) {
        return Err(cannot(&"it is the faulty token itself"));
    }
    let mut list = std::ptr::null_mut();
    // SAFETY: the module's own function, and a place for its answer.
    let code = unsafe { get(&mut list) };
    if code != CKR_OK || list.is_null() {
        return Err(cannot(&format!("C_GetFunctionList answers {}", codes::name(code))));
    }
    // SAFETY: CKR_OK says that it is the module's list, which stays as long as the module; a 3.x list begins with this one.
    Ok(unsafe { *list })
}
