//! Cores that stay awake while somebody waits for a certificate.
//!
//! A certificate by itself changes threads a dozen times, mostly to a core that has nothing to do and sleeps. To wake a core takes a
//! virtual machine 50 µs and more, all of them together a third of what the certificate takes. Linux keeps every core awake as long as
//! a process wants an answer within no time at all, and this one wants it while an interactive call is in work, and no longer: a core
//! that is awake takes power, and time from whoever shares the machine.
//!
//! # Source
//! Documentation/power/pm_qos_interface.rst in the Linux kernel.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::domain::Lane;

/// How long a core may take to wake, in microseconds, as a file holds it: no longer than 0, which none that sleeps can.
const AWAKE: i32 = 0;
/// As long as it likes: the kernel's own default, 2,000 seconds.
const ASLEEP: i32 = 2_000_000_000;

/// How long the cores stay awake for one call: a device in the network signs within that. A call that waits longer waits for
/// something else, a token that is away, say, and some microseconds more are nothing to it.
const LONGEST: Duration = Duration::from_millis(50);

/// Asks for the machine's cores to stay awake, where it may. Clones ask together.
#[derive(Clone, Debug, Default)]
pub struct Cores(Option<Arc<Mutex<Request>>>);

/// What this process wants of the kernel; it ends with the file.
#[derive(Debug)]
struct Request {
    file: File,
    /// Calls in work that want it.
    calls: usize,
}

impl Cores {
    /// Where Linux takes such wishes. It is root's, as a rule; README.md says how the service may have it.
    pub const DEVICE: &str = "/dev/cpu_dma_latency";

    /// Takes part; nothing is asked for yet.
    ///
    /// # Errors
    /// Where the device is missing, or is not this user's to write.
    pub fn open(device: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(device)?;
        Ok(Self(Some(Arc::new(Mutex::new(Request { file, calls: 0 })))))
    }

    /// Does the work of a call; the cores stay awake meanwhile where the lane is interactive.
    pub(super) async fn awake_during<T>(&self, lane: Lane, work: impl Future<Output = T>) -> T {
        let Some(awake) = self.0.as_ref().filter(|_| lane == Lane::Interactive).map(Awake::begin) else { return work.await };
        let mut work = pin!(work);
        if let Ok(done) = timeout(LONGEST, &mut work).await {
            return done;
        }
        drop(awake);
        work.await
    }
}

/// A call that wants it.
struct Awake(Arc<Mutex<Request>>);

impl Awake {
    fn begin(request: &Arc<Mutex<Request>>) -> Self {
        lock(request).begin();
        Self(Arc::clone(request))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        lock(&self.0).end();
    }
}

impl Request {
    fn begin(&mut self) {
        self.calls += 1;
        if self.calls == 1 {
            self.want(AWAKE);
        }
    }

    fn end(&mut self) {
        self.calls -= 1;
        if self.calls == 0 {
            self.want(ASLEEP);
        }
    }

    /// A wish that is not heard costs a call some hundred microseconds, nothing else.
    fn want(&mut self, latency: i32) {
        let _ = self.file.write_all(&latency.to_ne_bytes());
    }
}

fn lock(request: &Mutex<Request>) -> MutexGuard<'_, Request> {
    request.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::sleep;

    use super::*;

    /// A file that keeps what the kernel would hear.
    fn device() -> (NamedTempFile, Cores) {
        let device = NamedTempFile::new().unwrap();
        let cores = Cores::open(device.path()).unwrap();
        (device, cores)
    }

    fn heard(device: &NamedTempFile) -> Vec<i32> {
        let bytes = std::fs::read(device.path()).unwrap();
        bytes.chunks(4).map(|chunk| i32::from_ne_bytes(chunk.try_into().unwrap())).collect()
    }

    #[tokio::test]
    async fn cores_are_awake_from_the_first_call_in_work_to_the_end_of_the_last() {
        let (device, cores) = device();
        let (end_first, first) = oneshot::channel::<()>();
        let (end_second, second) = oneshot::channel::<()>();
        let ends = async {
            end_first.send(()).unwrap();
            yield_now().await;
            assert_eq!(heard(&device), [AWAKE]);
            end_second.send(()).unwrap();
        };
        let (first, second, ()) =
            tokio::join!(cores.awake_during(Lane::Interactive, first), cores.awake_during(Lane::Interactive, second), ends);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(heard(&device), [AWAKE, ASLEEP]);
        cores.awake_during(Lane::Interactive, yield_now()).await;
        assert_eq!(heard(&device), [AWAKE, ASLEEP, AWAKE, ASLEEP]);
    }

    #[tokio::test]
    async fn a_call_that_waits_long_goes_on_with_cores_that_may_sleep() {
        let (device, cores) = device();
        let work = async {
            while heard(&device) != [AWAKE, ASLEEP] {
                sleep(Duration::from_millis(10)).await;
            }
            7
        };
        let done = timeout(Duration::from_secs(10), cores.awake_during(Lane::Interactive, work)).await;
        assert_eq!(done, Ok(7));
        assert_eq!(heard(&device), [AWAKE, ASLEEP]);
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_wakes_nobody_any_more() {
        let (device, cores) = device();
        let call = timeout(Duration::from_millis(1), cores.awake_during(Lane::Interactive, std::future::pending::<()>()));
        assert!(call.await.is_err());
        assert_eq!(heard(&device), [AWAKE, ASLEEP]);
    }

    #[tokio::test]
    async fn bulk_work_keeps_nobody_awake_and_without_a_device_nothing_is_asked() {
        let (device, cores) = device();
        assert_eq!(cores.awake_during(Lane::Bulk, async { 1 }).await, 1);
        assert_eq!(heard(&device), [0; 0]);
        assert_eq!(Cores::default().awake_during(Lane::Interactive, async { 2 }).await, 2);
        assert!(Cores::open(Path::new("/nonexistent/device")).is_err());
    }
}
