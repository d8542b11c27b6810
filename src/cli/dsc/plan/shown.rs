//! The calendar, as it is printed.

use std::io::{self, Write};

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::custody::plan::{Due, Existing, Gap, Plan, Row, Step};
use crate::sign::Profile;

/// A profile's calendar.
pub(super) struct Shown<'p> {
    pub(super) profile: &'p Profile,
    pub(super) plan: &'p Plan,
    pub(super) months: u16,
    /// The DSCs that stand in the configuration, which alone takes them out.
    pub(super) of_file: &'p [Existing],
}

/// What a DSC is called that nobody has made yet.
const NEW: &str = "to be made";

impl Shown<'_> {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (profile, plan) = (self.profile, self.plan);
        let (name, algorithm, issuer) = (&profile.name, profile.algorithm, profile.issuer);
        let there = plan.rows.iter().filter(|row| row.name.is_some()).count();
        let (months, made) = (counted(self.months.into(), "month"), plan.rows.len() - there);
        writeln!(out, "Profile {name} ({algorithm}, {issuer}), {months} from {} on", plan.today)?;
        writeln!(out, "{} there, {made} to be made by {}\n", counted(there, "DSC"), plan.until)?;
        let types = plan.rows.iter().map(|row| row.types.to_string().len()).max().unwrap_or(0).max(5);
        writeln!(
            out,
            "{:16}  {:types$}  {:10}  {:10}  {:10}  {:10}  {:10}  notAfter",
            "DSC", "types", "generate", "certify", "publish", "activate", "retire"
        )?;
        for row in &plan.rows {
            let steps = [row.generate, row.certify, row.publish, row.activate].map(cell);
            let [generate, certify, publish, activate] = steps;
            let retire = row.window.map_or_else(|| "unusable".to_owned(), |window| window.to.to_string());
            let (name, of) = (row.name.as_deref().unwrap_or(NEW), row.types.to_string());
            let rest = format!("{certify:10}  {publish:10}  {activate:10}  {retire:10}  {}", row.not_after);
            writeln!(out, "{name:16}  {of:types$}  {generate:10}  {rest}")?;
        }
        self.write_missing(out)
    }

    fn write_missing(&self, out: &mut impl Write) -> io::Result<()> {
        let mut is_well = true;
        for (row, step, day) in self.plan.due() {
            if std::mem::take(&mut is_well) {
                writeln!(out, "\nDue:")?;
            }
            writeln!(out, "  {}", self.due_text(row, step, day))?;
        }
        let mut is_first = true;
        for Gap { kind, days } in &self.plan.gaps {
            if std::mem::take(&mut is_first) {
                writeln!(out, "\nNO DSC, where each is retired as it is due:")?;
            }
            writeln!(out, "  {kind} certificates from {} up to {}", days.from, days.to)?;
        }
        if is_well && is_first {
            writeln!(out, "\nNothing is due today, and each type can be signed on each day.")?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let plan = self.plan;
        let due = |(row, step, day): (&Row, Step, Date)| {
            json!({
                "dsc": row.name, "types": types(row), "step": step.to_string(), "since": day.to_string(),
                "what": self.due_text(row, step, day),
            })
        };
        let gap = |gap: &Gap| json!({ "type": gap.kind, "from": gap.days.from.to_string(), "to": gap.days.to.to_string() });
        json!({
            "profile": self.profile.name,
            "algorithm": self.profile.algorithm.to_string(),
            "issuer": self.profile.issuer.to_string(),
            "today": plan.today.to_string(),
            "until": plan.until.to_string(),
            "dscs": plan.rows.iter().map(row_json).collect::<Vec<_>>(),
            "due": plan.due().map(due).collect::<Vec<_>>(),
            "gaps": plan.gaps.iter().map(gap).collect::<Vec<_>>(),
        })
    }

    fn due_text(&self, row: &Row, step: Step, day: Date) -> String {
        let types = row.types;
        let is_of_file = |name: &String| self.of_file.iter().any(|dsc| dsc.name == *name);
        let what = match (&row.name, step) {
            (None, Step::Generate) => format!("generate a key for a DSC ({types}), and send its request to the CSCA"),
            (None, _) => format!("{step} a DSC that is to be made ({types})"),
            (Some(name), Step::Retire) if is_of_file(name) => {
                format!("retire {name} ({types}): take its [[dsc]] out of the configuration as soon as another signs")
            }
            (Some(name), _) => format!("{step} {name} ({types})"),
        };
        let days = day.duration_until(self.plan.today).as_hours() / 24;
        if days == 0 { format!("{what}, today") } else { format!("{what}, since {day}: {} ago", counted_days(days)) }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn cell(due: Due) -> String {
    match due {
        Due::Done => "done".to_owned(),
        Due::On(day) => day.to_string(),
    }
}

fn counted_days(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

fn types(row: &Row) -> Vec<String> {
    row.types.iter().map(|kind| kind.to_string()).collect()
}

/// Steps that are done are null.
fn row_json(row: &Row) -> Value {
    let day = |due: Due| match due {
        Due::Done => None,
        Due::On(day) => Some(day.to_string()),
    };
    json!({
        "dsc": row.name,
        "types": types(row),
        "generate": day(row.generate),
        "certify": day(row.certify),
        "publish": day(row.publish),
        "activate": day(row.activate),
        "signs_from": row.window.map(|window| window.from.to_string()),
        "retire": row.window.map(|window| window.to.to_string()),
        "not_after": row.not_after.to_string(),
    })
}
