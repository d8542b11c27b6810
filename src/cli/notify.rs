//! What a service manager hears (`sd_notify`): ready, reloading, stopping, how it goes, and that the process lives.
//!
//! Where `NOTIFY_SOCKET` is not set nothing is sent. A message that cannot be sent is no reason not to serve.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::service::Live;
use crate::sign::Signer;

/// The service takes calls, or has reloaded.
pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// A reload has begun; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
    }
}

/// The service ends.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("ending: calls in work are answered")]);
}

/// How it goes, in a line for `systemctl status`.
fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// How often the line is made anew.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Tells how many profiles can sign, whenever that changes. Runs until it is dropped.
pub(crate) async fn tell_status(signer: Arc<Signer>, live: Arc<Live>) {
    let mut told = String::new();
    loop {
        let profiles = live.profiles();
        let readiness = profiles.iter().map(|profile| (profile.name.as_str(), signer.outlook(profile).readiness()));
        let line = status_line(&readiness.collect::<Vec<_>>());
        if line != told {
            status(&line);
            told = line;
        }
        tokio::time::sleep(STATUS_EVERY).await;
    }
}

fn status_line<E: std::fmt::Display>(profiles: &[(&str, Result<(), E>)]) -> String {
    let ready = profiles.iter().filter(|(_, readiness)| readiness.is_ok()).count();
    let line = format!("serving: {ready} of {} profiles can sign", profiles.len());
    match profiles.iter().find_map(|(name, readiness)| Some((name, readiness.as_ref().err()?))) {
        Some((name, reason)) => format!("{line}; {name}: {reason}"),
        None => line,
    }
}

/// Says again and again that the process lives, where the service manager wants to hear it. Each time a task of its own has
/// gone through the runtime's queue: where every thread of the runtime hangs, nothing is said. Runs until it is dropped.
pub(crate) async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        // Half the limit is what sd_watchdog_enabled(3) advises; a third leaves room for one that is late.
        tokio::time::sleep(limit / 3).await;
        if tokio::spawn(tokio::task::yield_now()).await.is_ok() {
            send(&[NotifyState::Watchdog]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_the_profiles_and_names_one_that_cannot_sign() {
        assert_eq!(status_line::<String>(&[("a", Ok(())), ("b", Ok(()))]), "serving: 2 of 2 profiles can sign");
        let line = status_line(&[("a", Ok(())), ("b", Err("no token signs"))]);
        assert_eq!(line, "serving: 1 of 2 profiles can sign; b: no token signs");
    }
}
