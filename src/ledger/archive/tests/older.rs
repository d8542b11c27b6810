//! An older export is as good as a new one, but to whoever knows of the new one.

use super::*;

fn expecting(heads: Vec<PinnedHead>, not_before: Option<i64>) -> Expectations {
    Expectations { heads, not_before: not_before.map(instant) }
}

#[test]
fn a_whole_older_export_is_told_by_a_pinned_head_and_by_time_alone() {
    let auditor = Auditor::new();
    let north = chain("north", &auditor, 200);
    let head = north.head();
    for length in [1, 2, 50, 117, 199] {
        let mut older = north.clone();
        older.rows.truncate(length);
        let older = lines(&[&older], &auditor);
        assert!(
            audit(&older, &auditor, Expectations::default())
                .findings
                .listed()
                .iter()
                .all(|finding| finding.flaw == Flaw::Forgotten)
        );
        let pinned = audit(&older, &auditor, expecting(vec![pin("north", head)], None));
        assert!(found(&pinned).last().unwrap().contains(&format!("records {} to 200: cut off", length + 1)) || length == 199);
        assert!(!pinned.is_intact());
        let dated = audit(&older, &auditor, expecting(Vec::new(), Some(north.now())));
        assert!(found(&dated).last().unwrap().starts_with("the export: older: the export was made at"), "{:?}", found(&dated));
    }
}

#[test]
fn a_newer_export_holds_every_head_that_was_pinned_before() {
    let auditor = Auditor::new();
    let north = chain("north", &auditor, 200);
    let heads = north.rows.iter().map(|row| pin("north", Head { seq: row.seq, link: row.link })).collect();
    let report = audit(&lines(&[&north], &auditor), &auditor, expecting(heads, Some(north.now())));
    assert_eq!(found(&report), [""; 0]);
}

#[test]
fn another_history_is_told_by_a_pinned_head() {
    let auditor = Auditor::new();
    let (one, other) = (chain("north", &auditor, 50), chain("north", &auditor, 60));
    let report = audit(&lines(&[&other], &auditor), &auditor, expecting(vec![pin("north", one.head())], None));
    assert_eq!(found(&report), ["north, record 50 (line 51): not pinned: the link here is not the pinned one"]);
    let report = audit(&lines(&[&other], &auditor), &auditor, expecting(vec![pin("south", one.head())], None));
    assert_eq!(found(&report), ["south: cut off: the export has no such chain, of which a head is pinned"]);
}

#[test]
fn a_head_is_read_as_it_is_printed() {
    let head = Head { seq: 7, link: Octets([0xab; 32]) };
    let text = format!("a:b:7:{}", head.link);
    assert_eq!(text.parse(), Ok(pin("a:b", head)));
    for text in ["", "north", "north:7", "north:x:00", &text[..text.len() - 1]] {
        assert_eq!(text.parse::<PinnedHead>(), Err(InvalidPinnedHead), "{text}");
    }
}
