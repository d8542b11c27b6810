//! The frames between supervisor and worker, from outside: for the fuzz targets, which have no other way in.

use std::io;
use std::time::Duration;

use super::wire::{
    Ready, SupervisorFrame, WorkerError, WorkerFrame, encode_admit, encode_discard, encode_manage, encode_sign, encode_stop,
};
use super::{Admission, Disposition, Managed, Management, Order, Purpose, Stop, Task, TokenKey};
use crate::domain::officers::{Consent, GeneratedKey, RosterHistory, SignedText};
use crate::domain::{Digest, Lane, NumericDate, Octets, Signature};

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The process that has it signed.
    Supervisor,
    /// The process that signs.
    Worker,
}

/// Reads frames to the last, and writes again what they said. What a reader passes over or cuts is gone, so that to write it
/// once more changes nothing.
///
/// # Errors
/// One of them is no frame of this sender's.
pub fn rewrite(sender: Sender, mut frames: &[u8]) -> io::Result<Vec<u8>> {
    let mut written = Vec::new();
    match sender {
        Sender::Supervisor => {
            while let Some(frame) = SupervisorFrame::read(&mut frames)? {
                match frame {
                    SupervisorFrame::Sign { id, order, digests } => encode_sign(id, order, &digests, &mut written),
                    SupervisorFrame::Discard { session } => encode_discard(session, &mut written),
                    SupervisorFrame::Manage { id, asked } => encode_manage(id, &asked, &mut written),
                    SupervisorFrame::Admit { id, place, asked } => encode_admit(id, place, &asked, &mut written),
                    SupervisorFrame::Stop { id, asked } => encode_stop(id, &asked, &mut written),
                }
            }
        }
        Sender::Worker => {
            while let Some(frame) = WorkerFrame::read(&mut frames)? {
                frame.encode(&mut written);
            }
        }
    }
    Ok(written)
}

/// A frame of each kind that a sender has.
#[must_use]
pub fn examples(sender: Sender) -> Vec<Vec<u8>> {
    match sender {
        Sender::Supervisor => supervisor_examples(),
        Sender::Worker => worker_examples(),
    }
}

fn supervisor_examples() -> Vec<Vec<u8>> {
    let proof = Order { key: TokenKey::FIRST, purpose: Purpose::Proof, lane: Lane::Interactive };
    let bulk = Order { key: TokenKey(1), purpose: Purpose::Certificate, lane: Lane::Bulk };
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = Vec::new();
        write(&mut frame);
        frame
    };
    vec![
        written(&|out| encode_sign(7, proof, &[Digest::of(b"a")], out)),
        written(&|out| encode_sign(u64::MAX, bulk, &[Digest::of(b"a"), Digest::of(b"b")], out)),
        written(&|out| encode_discard(3, out)),
        written(&|out| encode_manage(8, &managing(Task::Execute), out)),
        written(&|out| encode_manage(9, &managing(Task::ExecuteOn { certification: consent() }), out)),
        written(&|out| encode_manage(10, &managing(Task::Request), out)),
        written(&|out| encode_manage(11, &managing(Task::Specimen { iat: NumericDate::from_seconds(1_634_731_200) }), out)),
        written(&|out| encode_admit(12, TokenKey(2), &admission(), out)),
        written(&|out| encode_stop(13, &Stop { history: history(), emergency: signed() }, out)),
    ]
}

fn signed() -> SignedText {
    SignedText { text: "{\"v\":1}".to_owned(), signature: Octets([9; 64]) }
}

fn consent() -> Consent {
    Consent { proposal: signed(), approvals: vec![signed()] }
}

fn history() -> RosterHistory {
    let mut history = RosterHistory::default();
    history.push(consent());
    history
}

fn managing(task: Task) -> Management {
    Management { history: history(), consent: consent(), task }
}

fn admission() -> Admission {
    Admission { history: history(), generation: consent(), certification: consent(), activation: consent() }
}

fn worker_examples() -> Vec<Vec<u8>> {
    let error = WorkerError { disposition: Disposition::LatchPin, message: "é".repeat(9) };
    let results = vec![Ok((9, Signature::new(vec![1; 64]))), Err(error.clone()), Ok((1, Signature::new(Vec::new())))];
    let answered = |id, answer| WorkerFrame::Answered { id, answer };
    let generated = Managed::Generated { key: GeneratedKey::P256(Octets([4; 65])), request: vec![48; 9] };
    let specimen = Managed::Specimen { signature: Signature::new(vec![2; 64]) };
    let frames = [
        answered(1, Ok(None)),
        answered(2, Ok(Some(generated))),
        answered(3, Ok(Some(specimen))),
        answered(4, Ok(Some(Managed::PinChanged))),
        answered(5, Err(error.clone())),
        WorkerFrame::Ready(Ready { sessions: 3, local: true, keys: vec![[5; 32], [6; 32]] }),
        WorkerFrame::Failed(error),
        WorkerFrame::Signed { id: 9, spent: Duration::from_micros(250), results },
        WorkerFrame::Stage { is_proving: true },
        WorkerFrame::Standing(Some("C_Sign gave DeviceRemoved".to_owned())),
        WorkerFrame::Standing(None),
        WorkerFrame::Pulse(Duration::from_millis(40)),
    ];
    let written = |frame: WorkerFrame| {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes
    };
    frames.map(written).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_read_and_written_as_it_was() {
        for sender in [Sender::Supervisor, Sender::Worker] {
            let frames = examples(sender).concat();
            assert_eq!(rewrite(sender, &frames).unwrap(), frames);
        }
    }

    #[test]
    fn a_frame_is_read_from_its_own_sender_alone() {
        let frames = examples(Sender::Worker).concat();
        assert!(rewrite(Sender::Supervisor, &frames).is_err());
    }
}
