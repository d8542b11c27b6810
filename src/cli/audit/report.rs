//! The report of an audit, for a person and for a program.

use std::io::{self, Write};

use serde_json::json;

use super::shown::{field, line, time};
use crate::ledger::archive::{ChainSummary, Report};

/// As one JSON document.
pub(super) fn write_json(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let document = json!({
        "intact": report.is_intact(),
        "findings": report.findings.listed(),
        "findings_count": report.findings.count(),
        "made_at": report.made_at,
        "signed_by": report.signed_by,
        "chains": report.chains,
    });
    writeln!(out, "{document:#}")
}

/// As a text: what was found, what is in it, and the verdict.
pub(super) fn write_text(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let findings = &report.findings;
    findings.listed().iter().try_for_each(|finding| line(out, &finding.to_string()))?;
    let unlisted = findings.count() - findings.listed().len() as u64;
    if unlisted > 0 {
        writeln!(out, "and {unlisted} more")?;
    }
    report.chains.iter().try_for_each(|chain| write_chain(out, chain))?;
    if let (Some(at), Some(by)) = (report.made_at, &report.signed_by) {
        line(out, &format!("Made at {}, signed by {by}", time(at)))?;
    }
    match findings.count() {
        0 => writeln!(out, "Intact."),
        count => writeln!(out, "NOT INTACT: {count} finding{}.", plural(count)),
    }
}

fn write_chain(out: &mut dyn Write, chain: &ChainSummary) -> io::Result<()> {
    line(out, &format!("Chain {}", chain.instance))?;
    let span = match (chain.first_at, chain.last_at) {
        (Some(first), Some(last)) => format!(", from {} to {}", time(first), time(last)),
        _ => String::new(),
    };
    let forgotten = if chain.forgotten > 0 { format!(" and {} forgotten", chain.forgotten) } else { String::new() };
    field(out, "records", &format!("{}{forgotten}{span}", chain.records))?;
    field(out, "certificates", &format!("{}, revoked {}", chain.certificates, chain.revoked))?;
    field(out, "seals", &seals(chain))?;
    write_doubts(out, chain)?;
    if chain.open > 0 {
        field(out, "in work", &format!("{} intent{} when the export was made", chain.open, plural(chain.open)))?;
    }
    field(out, "head", &format!("{}:{}:{}", chain.instance, chain.head.seq, chain.head.link))
}

fn seals(chain: &ChainSummary) -> String {
    match chain.sealed {
        None => "none; the trailer alone vouches for the chain".to_owned(),
        Some((seq, at)) => {
            let behind = chain.head.seq.saturating_sub(seq);
            format!(
                "{}, the last of record {seq} at {}; for the {behind} after it the trailer alone vouches",
                chain.seals,
                time(at)
            )
        }
    }
}

fn write_doubts(out: &mut dyn Write, chain: &ChainSummary) -> io::Result<()> {
    let count = chain.in_doubt_count;
    let what =
        if count == 0 { "nothing".to_owned() } else { format!("{count} intent{}; no certificate of theirs left", plural(count)) };
    field(out, "in doubt", &what)?;
    for doubt in &chain.in_doubt {
        let certificates = u64::from(doubt.certificates);
        let (kid, caller, at) = (doubt.kid, &doubt.caller, time(doubt.at));
        let text = format!("{certificates} certificate{} under kid {kid}, for {caller}, at {at}", plural(certificates));
        field(out, &format!("  record {}", doubt.seq), &text)?;
    }
    Ok(())
}

const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
