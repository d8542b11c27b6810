//! `sceau plan` as it is typed; and what it takes a certificate to weigh, against real ones.

use prost::Message;
use sceau::bench::capacity::Costs;
use sceau::service::Limits;
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use serde_json::Value;

use crate::support::{LocalServer, Ran, TestDsc, run, sceau};

fn plan(arguments: &str) -> Ran {
    run(sceau().arg("plan").args(arguments.split(' ')))
}

#[test]
fn a_national_peak_is_planned_with_its_arithmetic() {
    let ran = plan("--certificates 136.9M --within 10h --interactive 20 --token-rate 3000 --token-latency 5ms");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in [
        "136,900,000 certificates within 10 h",
        "3,803/s  = 136,900,000 certificates / 36,000 s",
        "15  = 3,000/s x 5 ms, rounded up",
        "sessions = 15",
        &Costs::built_in().source,
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn a_peak_of_the_field_is_planned_by_its_name() {
    let ran = plan("--scenario it-record --token-rate 100 --token-latency 20ms");
    assert!(ran.stdout.contains("77.01/s") && ran.stdout.contains("Italy, 23 December 2021"), "{}", ran.stdout);
    assert!(plan("--scenario it-record --interactive 0").stdout.contains("77.01/s at the peak"));
    assert_eq!(plan("--scenario nowhere").code, Some(64));
}

#[test]
fn the_same_plan_is_one_json_document() {
    let ran = plan("--certificates 20M --within 2d --token-latency 1ms --token-sessions 16 --headroom 50% --json");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["question"]["certificates"], 20_000_000);
    assert_eq!(document["plan"]["tokens"]["count"], 2);
    assert_eq!(document["plan"]["arithmetic"][0]["steps"][0]["result"], "115.7/s");
}

#[test]
fn what_cannot_be_is_wrong_usage_and_an_outage_without_spares_is_2() {
    for arguments in [
        "--certificates 20M --within 10h --peak 24",
        "--certificates 20M --within 10h --headroom 100%",
        "--certificates 20M --within 10h --headroom 30",
        "--certificates 0 --within 10h",
        "--certificates 20M --within 10",
        "--certificates 20M --within 10h --token-rate 0",
    ] {
        let ran = plan(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{arguments}: {}", ran.stderr);
    }
    assert_eq!(plan("--certificates 1100 --within 8h --spare 0").code, Some(2));
    assert_eq!(plan("--certificates 1100 --within 8h --from /nowhere.json").code, Some(66));
}

/// A thousand samples through the service: what the plan multiplies by.
#[tokio::test]
async fn a_certificate_weighs_on_the_wire_what_the_plan_takes_it_to() {
    let (server, _) = LocalServer::with_dscs(&[TestDsc::default()], Limits::default()).await;
    let samples = run(sceau().args(["sample", "--count", "1000", "--until", "2021-10-15"])).stdout;
    let item = |line: &str| {
        let (id, payload) = line.split_once(r#","payload":"#).unwrap();
        let payload = payload.strip_suffix('}').unwrap().to_owned();
        v1::Item {
            item_id: id.trim_start_matches(r#"{"id":""#).trim_end_matches('"').to_owned(),
            payload_json: payload.into(),
            expires_at: None,
        }
    };
    let request =
        v1::SignBatchRequest { lane: v1::Lane::Bulk.into(), items: samples.lines().map(item).collect(), ..Default::default() };
    let asked = request.encoded_len();
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let answer = client.sign_batch(request).await.unwrap().into_inner();
    let signed =
        answer.results.iter().filter(|result| matches!(result.outcome, Some(v1::result::Outcome::Certificate(_)))).count();
    assert_eq!(signed, 1_000);
    let taken = Costs::built_in().bulk;
    for (bytes, taken) in [(asked, taken.request_bytes), (answer.encoded_len(), taken.answer_bytes)] {
        let bytes = bytes as f64 / 1_000.0;
        assert!((bytes / taken - 1.0).abs() < 0.05, "{bytes} bytes, and the plan takes {taken}");
    }
}
