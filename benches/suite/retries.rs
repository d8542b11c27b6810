//! What it costs that an item is claimed before it is signed, and kept after: a batch of 500 in a ledger that is full, as it is
//! under bulk work, so that each item that is kept has an older one forgotten.

use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use futures_util::FutureExt;
use sceau::domain::{Algorithm, CallerId, Digest, ItemId, Kid, NumericDate, Signature};
use sceau::ledger::{Claim, Expiry, ItemKey, Kept, Ledger, MemoryLedger, OpenIntent, Retention, SignedItem, Ticket};

const ITEMS: usize = 500;
const FULL: usize = 200_000;

struct Line {
    ledger: MemoryLedger,
    caller: CallerId,
    kept: Kept,
    next: usize,
}

impl Line {
    fn full() -> Self {
        let retention = Retention { keep: Duration::from_secs(3_600), max_items: NonZeroUsize::new(FULL).expect("it is not 0") };
        let kept = Kept {
            digest: Digest::of(b"one certificate"),
            signature: Signature::new(vec![7; 64]),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Es256,
            issued_at: NumericDate::from_seconds(0),
            expires_at: NumericDate::from_seconds(1),
            expiry: Expiry::OfProfile,
            profile: "dcc".into(),
        };
        let mut line = Self { ledger: MemoryLedger::new(retention), caller: CallerId::new("bench"), kept, next: 0 };
        for _ in 0..FULL / ITEMS {
            let (ids, kept) = line.batch();
            let tickets = line.claim(&ids);
            line.settle(tickets, kept);
        }
        line
    }

    /// New items, and what is to be kept of them.
    fn batch(&mut self) -> (Vec<ItemId>, Vec<Kept>) {
        let numbers = self.next..self.next + ITEMS;
        self.next += ITEMS;
        let id = |number| ItemId::new(&format!("nc-{number:09}")).expect("the form is right");
        (numbers.map(id).collect(), vec![self.kept.clone(); ITEMS])
    }

    fn claim(&self, ids: &[ItemId]) -> Vec<Ticket> {
        let keys = ids.iter().map(|id| ItemKey::new(&self.caller, id)).collect();
        let claims = self.ledger.claim(keys).now_or_never().expect("memory answers at once");
        let ticket = |claim| if let Ok(Claim::Free(ticket)) = claim { ticket } else { panic!("a new item is free") };
        claims.into_iter().map(ticket).collect()
    }

    fn settle(&self, tickets: Vec<Ticket>, kept: Vec<Kept>) {
        let signed = |keep| SignedItem { keep: Some(keep), entry: None };
        let signed = tickets.into_iter().zip(kept).map(signed).collect();
        let settled = self.ledger.settle(OpenIntent::unrecorded(), signed);
        assert!(settled.now_or_never().expect("memory answers at once").iter().all(Result::is_ok));
    }
}

fn retries(criterion: &mut Criterion) {
    let mut line = Line::full();
    let mut group = criterion.benchmark_group("retries");
    group.throughput(Throughput::Elements(ITEMS as u64));
    group.bench_function(format!("claim_and_settle/{ITEMS}"), |bencher| {
        // The batch is made outside the time; what is claimed is new each time.
        let line = std::cell::RefCell::new(&mut line);
        bencher.iter_batched(
            || line.borrow_mut().batch(),
            |(ids, kept)| {
                let line = line.borrow();
                let tickets = line.claim(&ids);
                line.settle(tickets, kept);
            },
            BatchSize::LargeInput,
        );
    });
    let known: Vec<ItemKey> = {
        let (ids, kept) = line.batch();
        let tickets = line.claim(&ids);
        line.settle(tickets, kept);
        ids.iter().map(|id| ItemKey::new(&line.caller, id)).collect()
    };
    group.bench_function(format!("claim_kept/{ITEMS}"), |bencher| {
        bencher.iter(|| {
            let claims = line.ledger.claim(known.clone()).now_or_never().expect("memory answers at once");
            assert!(claims.iter().all(|claim| matches!(claim, Ok(Claim::Kept { .. }))));
            claims
        });
    });
    group.finish();
}

criterion_group!(benches, retries);
