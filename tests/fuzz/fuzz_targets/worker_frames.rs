//! What supervisor and worker say to each other, in both directions: as a stream, and with a frame's length put before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::token::frames::{Sender, examples, rewrite};
use sceau_fuzz::seeds;

fuzz_target!(init: seeds::write(seeds()), |bytes: &[u8]| {
    let length = u32::try_from(bytes.len()).expect("an input is small");
    let framed = [&length.to_be_bytes(), bytes].concat();
    for sender in [Sender::Supervisor, Sender::Worker] {
        for stream in [bytes, &framed] {
            if let Ok(written) = rewrite(sender, stream) {
                let again = rewrite(sender, &written).expect("what was written is read");
                assert_eq!(written, again, "what was read is written as it was read");
            }
        }
    }
});

/// Every frame, with and without its length, and the whole of each conversation.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for sender in [Sender::Supervisor, Sender::Worker] {
        let frames = examples(sender);
        seeds.extend(frames.iter().map(|frame| frame[4..].to_vec()));
        seeds.push(frames.concat());
        seeds.extend(frames);
    }
    seeds
}
