//! A slot becomes a token, as two officers agreed: `sceau token-worker --initialise`, a process for that alone.
//!
//! A worker opens a token that is there; where there is none, none of them lives that officers could ask. So the supervisor starts
//! this one, gives it one frame, and ends it when it has answered. It believes no more than a worker does: it judges the
//! signatures itself, and the PINs are read here and nowhere else.
//!
//! Only a slot that its module calls uninitialised is written to. That officers agreed is noted before it is begun; what was cut
//! off is ended when it is asked for again under the same consent, and under no other.

use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::denial::Denial;
use super::founding::Founding;
use super::manage::{Managed, Management};
use super::memory::{Memory, Progress};
use super::overseer::{Act, Allowed, Order, Overseer};
use super::wire::SupervisorFrame;
use super::worker::{Output, answered};
use super::{PinSource, TokenError, TokenSpec, WorkerEnd};
use crate::domain::Clock;
use crate::domain::officers::Roster;

/// A label in PKCS#11 has so many bytes.
const LONGEST_LABEL: usize = 32;

/// Reads one order of two officers, initialises a slot as it says, answers, and ends.
///
/// `has_keys`: whether the configuration names keys on the token, which a new one cannot hold. `officers`: those that custody begins
/// with.
///
/// # Errors
/// It was not done (the supervisor has been told why), or the pipes break.
pub fn run_initialiser(
    spec: &TokenSpec,
    has_keys: bool,
    officers: Option<Roster>,
    clock: Arc<dyn Clock>,
) -> Result<(), WorkerEnd> {
    let output = Output::stdout()?;
    let Some(SupervisorFrame::Manage { id, asked }) = SupervisorFrame::read(&mut BufReader::new(io::stdin().lock()))? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no order of officers").into());
    };
    let done = Initialiser::new(spec, has_keys, officers, clock).manage(&asked).map(Some);
    output.send(&answered(id, &done));
    done.map(drop).map_err(WorkerEnd::from)
}

/// Whether a token could be initialised, as far as the configuration goes; where the SO PIN is, then.
pub(super) fn check_settings(spec: &TokenSpec, has_keys: bool) -> Result<&Path, TokenError> {
    let not = |reason: &str| Err(TokenError::NotInitialised { token: spec.name.clone(), reason: reason.to_owned() });
    if has_keys {
        return not(
            "the configuration names certificates whose keys are on it, so that it is not new: plug it in, or take them out of the \
             configuration first",
        );
    }
    if spec.serial.is_some() {
        return not("the configuration names its serial, and a new token gets one of its own: take `serial` out first");
    }
    if spec.label.len() > LONGEST_LABEL {
        return not("its label in the configuration has more than 32 bytes, which is all that a token's has");
    }
    match &spec.so_pin_file {
        Some(file) => Ok(file),
        None => not(
            "the configuration has no so_pin_file, where officers put the SO PIN that it is to have: name one, and start again",
        ),
    }
}

/// Does this one thing.
#[derive(Debug)]
struct Initialiser<'s> {
    spec: &'s TokenSpec,
    has_keys: bool,
    overseer: Overseer,
    memory: Memory,
    clock: Arc<dyn Clock>,
}

impl<'s> Initialiser<'s> {
    fn new(spec: &'s TokenSpec, has_keys: bool, first: Option<Roster>, clock: Arc<dyn Clock>) -> Self {
        let overseer = Overseer::new(spec.name.clone(), first);
        Self { spec, has_keys, overseer, memory: Memory::beside(&spec.latch), clock }
    }

    fn manage(&self, asked: &Management) -> Result<Managed, TokenError> {
        let memory = self.memory.read()?;
        let order = match self.overseer.judge(asked, &memory, self.clock.now())? {
            Allowed::Once(order) if order.act == Act::Initialise => order,
            Allowed::Once(order) => return Err(other(order.act.name())),
            Allowed::Request(_) => return Err(other("generate")),
            Allowed::Specimen { .. } => return Err(other("certify")),
        };
        if memory.progress(order.id) == Progress::Done {
            return Ok(Managed::Initialised);
        }
        // No worker logs in meanwhile, nor a second one of these.
        let _alone = self.spec.latch.alone()?;
        self.spec.latch.check()?;
        let (so_pin, pin) = self.pins()?;
        let founding = Founding::new(self.spec, &so_pin, &pin)?;
        if self.begin(&order, &founding)? == Progress::New {
            tracing::warn!(token = self.spec.name, proposal = %order.id, "officers agreed that a slot becomes the token; it is initialised");
            founding.begin()?;
        } else {
            founding.finish()?;
        }
        self.memory.update(|memory| {
            memory.finish(order.id);
            Ok(())
        })?;
        tracing::warn!(token = self.spec.name, "the token is initialised; so_pin_file is needed no more: keep it elsewhere");
        Ok(Managed::Initialised)
    }

    /// Notes that it begins, where nothing stands in the way, so that a mistake costs no consent; how far it had come before.
    fn begin(&self, order: &Order, founding: &Founding<'_>) -> Result<Progress, TokenError> {
        let now = self.clock.now();
        self.memory.update(|memory| {
            let progress = memory.progress(order.id);
            if progress == Progress::New {
                founding.check()?;
                memory.begin(order, now);
            }
            Ok(progress)
        })
    }

    fn pins(&self) -> Result<(SecretString, SecretString), TokenError> {
        let so_pin = PinSource::File(check_settings(self.spec, self.has_keys)?.to_owned()).read()?;
        Ok((so_pin, self.spec.pin.read()?))
    }
}

fn other(found: &'static str) -> TokenError {
    Denial::NotThat { found, wanted: "initialise_token" }.into()
}

#[cfg(test)]
mod tests;
