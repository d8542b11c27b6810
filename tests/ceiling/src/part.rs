//! One of the processes that sign at the same time.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::Arguments;
use crate::processes::READY;
use crate::report::{Latencies, Measured};
use crate::token::{Signing, Token};

/// Until every session signs.
const WARM_UP: Duration = Duration::from_millis(500);
/// It goes on signing for so long after its own window, so that one whose window ends later is not alone in it.
const TAIL: Duration = Duration::from_millis(300);

/// Where a measurement is.
struct Phase(AtomicU8);

impl Phase {
    const WARM: u8 = 0;
    const MEASURED: u8 = 1;
    const OVER: u8 = 2;
    const END: u8 = 3;

    fn now(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// Opens its sessions, says that it is ready, signs when it is told to, and says what it measured.
///
/// # Errors
/// Whatever keeps it from signing.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let sessions = *arguments.sessions.first().context("a process needs a number of sessions")?;
    let token = Token::open(arguments, sessions)?;
    let mut out = std::io::stdout();
    writeln!(out, "{READY}")?;
    // Who does not say so any more has ended, and so do we.
    if std::io::stdin().lock().read_line(&mut String::new())? == 0 {
        return token.close();
    }
    let measured = measure(&token, arguments.seconds)?;
    token.close()?;
    writeln!(out, "{}", serde_json::to_string(&measured)?)?;
    Ok(())
}

/// All sessions at once.
fn measure(token: &Token, time: Duration) -> anyhow::Result<Measured> {
    let phase = Phase(AtomicU8::new(Phase::WARM));
    std::thread::scope(|scope| {
        let threads: Vec<_> = token.sessions().map(|session| scope.spawn(|| sign(session, &phase))).collect();
        std::thread::sleep(WARM_UP);
        let (began, cpu) = (Instant::now(), cpu_time());
        phase.set(Phase::MEASURED);
        std::thread::sleep(time);
        phase.set(Phase::OVER);
        let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), cpu_time() - cpu);
        std::thread::sleep(TAIL);
        phase.set(Phase::END);
        let mut latencies = Latencies::new()?;
        for thread in threads {
            let found = thread.join().map_err(|_| anyhow::anyhow!("a session's thread panicked"))??;
            latencies.add(&found)?;
        }
        ensure!(!latencies.is_empty(), "no signature was made in {seconds:.1} s: a longer time would be right");
        Ok(Measured { seconds, cpu_seconds, latencies })
    })
}

/// One session, until the end; each signature that ends within the window counts.
fn sign(session: Signing<'_>, phase: &Phase) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    let mut digest = [7; 32];
    let mut began = Instant::now();
    for number in 0u64.. {
        digest[..8].copy_from_slice(&number.to_be_bytes());
        session.sign(&digest)?;
        let ended = Instant::now();
        match phase.now() {
            Phase::MEASURED => latencies.record(ended - began),
            Phase::END => break,
            _ => (),
        }
        began = ended;
    }
    Ok(latencies)
}

/// What this process has had, all its threads.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
