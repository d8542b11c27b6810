use super::*;

fn lane(max_items: usize, max_in_work: usize) -> Arc<LaneQueue> {
    LaneQueue::new(LaneLimits { max_items, max_in_work, max_wait: Duration::from_secs(3_600) })
}

fn caller(name: &str) -> CallerId {
    CallerId::new(name)
}

/// As a call comes: refused, or taken in.
fn enter(lane: &Arc<LaneQueue>, name: &str, items: usize) -> Result<Waiting, Refusal> {
    lane.check(&caller(name), items, None).map(|()| lane.enter(&caller(name), items))
}

/// A lane that has signed so many items in the last second.
fn lane_of_pace(items: usize, max_wait: Duration) -> Arc<LaneQueue> {
    let lane = LaneQueue::new(LaneLimits { max_items: 10_000, max_in_work: 100, max_wait });
    lane.lock().pace.begin(Instant::now() - Duration::from_secs(1));
    lane.lock().pace.finish(items, false, Instant::now());
    lane
}

fn place(waiting: &mut Waiting) -> Option<Place> {
    waiting.0.try_recv().ok()
}

#[test]
fn a_full_lane_refuses_at_once_and_room_lets_in_again() {
    let lane = lane(10, 100);
    let mut first = enter(&lane, "a", 10).unwrap();
    assert_eq!(enter(&lane, "a", 1).unwrap_err().full, Full::Items);
    drop(place(&mut first).unwrap());
    assert!(enter(&lane, "a", 1).is_ok());
}

#[test]
fn a_caller_with_one_batch_goes_before_the_rest_of_anothers_many() {
    let lane = lane(1_000, 10);
    let mut many: Vec<Waiting> = (0..5).map(|_| enter(&lane, "many", 10).unwrap()).collect();
    let mut one = enter(&lane, "one", 10).unwrap();
    let working = place(&mut many[0]).unwrap();
    assert!(place(&mut one).is_none());
    drop(working);
    assert!(place(&mut many[1]).is_none());
    drop(place(&mut one).unwrap());
    assert!(place(&mut many[1]).is_some());
}

#[test]
fn a_caller_has_a_share_of_a_queue_that_others_have_filled() {
    let lane = lane(100, 10);
    let many: Vec<Waiting> = (0..10).map(|_| enter(&lane, "many", 10).unwrap()).collect();
    assert_eq!(enter(&lane, "many", 10).unwrap_err().full, Full::Items);
    let few = [enter(&lane, "few", 25).unwrap(), enter(&lane, "few", 25).unwrap()];
    assert_eq!(enter(&lane, "few", 1).unwrap_err().full, Full::Items);
    drop((many, few));
}

#[test]
fn what_nobody_waits_for_any_more_takes_no_place() {
    let lane = lane(1_000, 10);
    let mut first = enter(&lane, "a", 10).unwrap();
    let gone: Vec<Waiting> = (0..50).map(|_| enter(&lane, "a", 10).unwrap()).collect();
    let mut last = enter(&lane, "a", 10).unwrap();
    drop(gone);
    drop(place(&mut first).unwrap());
    drop(place(&mut last).unwrap());
    assert_eq!(lane.load(), (0, 0));
    assert!(lane.lock().callers.is_empty());
}

#[test]
fn a_batch_larger_than_what_may_be_in_work_works_alone() {
    let lane = lane(1_000, 10);
    let mut large = enter(&lane, "a", 500).unwrap();
    let mut small = enter(&lane, "b", 1).unwrap();
    let large = place(&mut large).unwrap();
    assert!(place(&mut small).is_none());
    drop(large);
    assert!(place(&mut small).is_some());
}

#[test]
fn a_queue_that_takes_too_long_is_full_and_says_for_how_long() {
    let lane = lane_of_pace(100, Duration::from_secs(1));
    let waiting: Vec<Waiting> = (0..2).map(|_| enter(&lane, "a", 90).unwrap()).collect();
    let refusal = enter(&lane, "a", 90).unwrap_err();
    assert_eq!(refusal.full, Full::Time);
    assert!(refusal.come_again > Duration::from_millis(500) && refusal.come_again < Duration::from_secs(2));
    let hasty = lane.check(&caller("b"), 1, Some(Duration::from_millis(10))).unwrap_err();
    assert_eq!(hasty.full, Full::Deadline);
    drop(waiting);
}

#[test]
fn a_caller_that_has_filled_the_lane_by_time_does_not_shut_out_another() {
    let lane = lane_of_pace(100, Duration::from_secs(1));
    let many: Vec<Waiting> = (0..2).map(|_| enter(&lane, "many", 90).unwrap()).collect();
    assert_eq!(enter(&lane, "many", 1).unwrap_err().full, Full::Time);
    // 90 are in work; half a second of its own is its share.
    let few = [enter(&lane, "few", 1).unwrap(), enter(&lane, "few", 45).unwrap()];
    assert_eq!(enter(&lane, "few", 90).unwrap_err().full, Full::Time);
    // It is next, so a deadline that is too short for all that is there is long enough for it.
    assert!(lane.check(&caller("other"), 1, Some(Duration::from_millis(1_500))).is_ok());
    drop((many, few));
}

#[test]
fn what_was_not_signed_does_not_quicken_the_pace() {
    let lane = lane_of_pace(100, Duration::from_secs(1));
    let before = lane.lock().pace.time_for(100).unwrap();
    for _ in 0..50 {
        // Cancelled, and done without a signature.
        drop(place(&mut enter(&lane, "a", 90).unwrap()).unwrap());
        place(&mut enter(&lane, "a", 90).unwrap()).unwrap().done(0);
    }
    assert_eq!(lane.lock().pace.time_for(100), Some(before));
    place(&mut enter(&lane, "a", 90).unwrap()).unwrap().done(90);
    assert!(lane.lock().pace.time_for(100).unwrap() < before);
}

#[tokio::test]
async fn streams_are_held_back_at_their_callers_share_and_others_are_let_in() {
    let lane = lane(100, 1_000);
    let chunk = |name: &'static str| {
        let lane = Arc::clone(&lane);
        tokio::spawn(async move { lane.enter_within_share(&caller(name), 30).await })
    };
    let mut chunks: Vec<_> = (0..10).map(|_| chunk("many")).collect();
    tokio::task::yield_now().await;
    assert_eq!(lane.load(), (0, 90), "what is held back counts for nothing");
    // Two callers: half of the lane each.
    let few = enter(&lane, "few", 50).unwrap();
    let mut first = chunks.remove(0).await.unwrap();
    drop(place(&mut first));
    tokio::task::yield_now().await;
    assert_eq!(lane.load(), (0, 110), "the caller has more than its share yet");
    drop(few);
    for chunk in chunks {
        drop(place(&mut chunk.await.unwrap()));
    }
    assert_eq!(lane.load(), (0, 0));
}
