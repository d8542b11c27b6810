use super::fixture::result;
use super::*;

fn page(report: &Report<'_>) -> String {
    report.html()
}

fn one(result: &LoadResult) -> String {
    page(&Report { title: "Load".to_owned(), verdict: None, runs: vec![(String::new(), result)] })
}

#[test]
fn the_json_comes_back_as_it_was() {
    let result = result();
    let text = serde_json::to_string_pretty(&result).unwrap();
    assert!(
        text.contains("\"schema\": 1") && text.contains("\"p99_9_ms\"") && text.contains("\"latency_from\": \"intended_start\"")
    );
    assert_eq!(serde_json::from_str::<LoadResult>(&text).unwrap(), result);
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = one(&result());
    for outside in ["src=", "href", "url(", "@import", "<script", "<link", "<iframe", "xmlns", "//cdn", "https://"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // What stands there as text is what was typed.
    assert_eq!(page.matches("http://").count(), 2, "the command's endpoint and the metrics");
}

#[test]
fn what_a_service_says_is_text_and_no_markup() {
    let page = one(&result());
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    let mut result = result();
    result.service.as_mut().unwrap().tokens[0].token = "<b>".to_owned();
    result.machine.cpu = "<i>cpu".to_owned();
    let html = page_of(&result, "<u>title");
    for markup in ["<b>t", "<i>cpu", "<u>title", "<td><b>"] {
        assert!(!html.contains(markup), "{markup}");
    }
}

fn page_of(result: &LoadResult, title: &str) -> String {
    page(&Report { title: title.to_owned(), verdict: None, runs: vec![(String::new(), result)] })
}

#[test]
fn a_page_has_its_charts_tables_and_conditions() {
    let page = one(&result());
    for part in [
        "Throughput, bulk",
        "Throughput, interactive",
        "Latency by percentile",
        "Token utilisation",
        "Time in each stage",
        "Where work is",
        "RESOURCE_EXHAUSTED",
        "How it was measured",
        "2 cores, Test CPU",
        "2026-01-02T03:04:05Z",
        "sceau bench load",
        "99.9 %",
        "prefers-color-scheme: dark",
        "bulk reached 95 % of its planned 10,000/s",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "no figure is none");
}

#[test]
fn a_page_without_metrics_says_how_to_get_them() {
    let page = one(&LoadResult { service: None, ..result() });
    assert!(page.contains("--metrics http://127.0.0.1:9464") && !page.contains("Token utilisation"));
}

#[test]
fn a_run_of_nothing_is_a_page_too() {
    let mut empty = result();
    empty.seconds = 0.0;
    for lane in &mut empty.lanes {
        lane.per_second.clear();
        lane.latency_curve.clear();
        lane.service_time_curve.clear();
        lane.items = crate::bench::result::ItemCounts::default();
        lane.latency = crate::bench::result::Latency::default();
    }
    let service = empty.service.as_mut().unwrap();
    service.per_second.clear();
    service.stages.clear();
    service.seconds = 0.0;
    let page = one(&empty);
    assert!(page.contains("</html>") && !page.contains("NaN"));
}

#[test]
fn several_runs_stand_under_their_headings_and_a_verdict_above() {
    let result = result();
    let verdict = |is_met| Verdict {
        is_met,
        headline: "3,803/s for 10 h".to_owned(),
        reasons: vec!["136,900,000 / 36,000 s = 3,803/s".to_owned()],
    };
    let runs = vec![("one token".to_owned(), &result), ("two tokens".to_owned(), &result)];
    let met = page(&Report { title: "Night".to_owned(), verdict: Some(verdict(true)), runs: runs.clone() });
    for part in ["✓ met", "one token", "two tokens", "136,900,000 / 36,000 s"] {
        assert!(met.contains(part), "{part}");
    }
    assert!(page(&Report { title: "Night".to_owned(), verdict: Some(verdict(false)), runs }).contains("✗ not met"));
}
