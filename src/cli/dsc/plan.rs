//! `sceau dsc plan`: the rotation calendar of a profile, and what is missing today.

mod register;
mod shown;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::civil::Date;

use crate::cli::exit::SOME_REFUSED;
use crate::cli::open::read_certificate;
use crate::cli::two_officers::parse_types;
use crate::config::Config;
use crate::custody::plan::{Existing, Policy, Series, Stage, plan};
use crate::domain::{CertificateType, CertificateTypes, Clock, SystemClock};
use crate::sign::Profile;
use crate::token::Purpose;

/// Print the rotation calendar of a profile: which DSCs it needs, when each step of each is due, and what is missing today.
///
/// What there is: the keys of the register, which the running service is asked for over its admin socket where the configuration has
/// a [custody], and the [[dsc]] of the configuration; of both, those that are of the profile's algorithm and issuer. A [[dsc]] signs
/// from its certificate's notBefore on, for as long as it stands there. No token is opened, no PIN tried.
///
/// A DSC signs for --use-months, or until the longest certificate of the profile would not end within its validity any more,
/// whichever comes first. Days are those of UTC, and begin with their first instant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc plan --config /etc/sceau/sceau.toml
  sceau dsc plan --config sceau.toml --profile fr --months 24
  sceau dsc plan --config sceau.toml --series v --series t,r --every-weeks 4
  sceau dsc plan --config sceau.toml --offline                       # before the service runs
  sceau dsc plan --config sceau.toml --json | jq '.due[], .gaps[]'

Exit codes:
  0   nothing is due today, and each type can be signed on each day
  2   a step is due, or there are days without a DSC
  78  the configuration is wrong, or no calendar keeps such lengths")]
pub(super) struct PlanArgs {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Ask no service: count the [[dsc]] of the configuration alone
    #[arg(long)]
    offline: bool,
    /// The profile; the first one, where it is left out
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How far ahead, in months (1 to 120)
    #[arg(long, value_name = "N", default_value_t = 12)]
    months: u16,
    /// DSCs that follow one another: `any`, or the types that they sign, like `t,r`; may be given several times. Left out: one for each
    /// set of types that the present DSCs are for
    #[arg(long, value_name = "TYPES", value_parser = parse_types)]
    series: Vec<CertificateTypes>,
    /// The day that counts as today, like 2026-01-31
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    today: Option<Date>,
    /// For how long the CSCA makes a DSC valid, in years
    #[arg(long, value_name = "N", default_value_t = Policy::default().validity_years, help_heading = "How DSCs are rolled")]
    validity_years: u8,
    /// For how long a DSC signs, in months
    #[arg(long, value_name = "N", default_value_t = Policy::default().use_months, help_heading = "How DSCs are rolled")]
    use_months: u8,
    /// A new one begins to sign so many weeks after the one before
    #[arg(long, value_name = "N", default_value_t = Policy::default().every_weeks, help_heading = "How DSCs are rolled")]
    every_weeks: u8,
    /// … and so many days, at the least, before the last one ceases
    #[arg(long, value_name = "N", default_value_t = Policy::default().overlap_days, help_heading = "How DSCs are rolled")]
    overlap_days: u16,
    /// How many days the CSCA needs to certify
    #[arg(long, value_name = "N", default_value_t = Policy::default().certify_days, help_heading = "How DSCs are rolled")]
    certify_days: u16,
    /// How many days the gateway and the verifiers need until they have a new DSC
    #[arg(long, value_name = "N", default_value_t = Policy::default().publish_days, help_heading = "How DSCs are rolled")]
    publish_days: u16,
    /// A successor is generated so many days, at the latest, before the last one ceases
    #[arg(long, value_name = "N", default_value_t = Policy::default().renew_days, help_heading = "How DSCs are rolled")]
    renew_days: u16,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

fn parse_day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day like 2026-01-31".to_owned())
}

/// Lengths that no calendar can keep.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NoCalendar(#[from] crate::custody::plan::PolicyFault);

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let profile = args.profile(&config)?;
    let of_file = of_file(&config, profile)?;
    let mut existing = of_file.clone();
    if config.custody.is_some() && !args.offline {
        for key in register::ask(&config)? {
            existing.extend(register::existing(&key, profile)?);
        }
    }
    let series = args.series(profile, &existing);
    let today = match args.today {
        Some(day) => day,
        None => SystemClock.now().utc_date().context("this machine's clock is past the calendar's end")?,
    };
    let plan = plan(&args.policy(), &series, &existing, today, args.months).map_err(NoCalendar)?;
    let shown = shown::Shown { profile, plan: &plan, months: args.months, of_file: &of_file };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", shown.json())?;
    } else {
        shown.write(&mut out)?;
    }
    let is_well = plan.due().next().is_none() && plan.gaps.is_empty();
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}

/// The DSCs of the configuration that a profile signs under. What such a key's window is stands nowhere: it signs while it is there.
fn of_file(config: &Config, profile: &Profile) -> anyhow::Result<Vec<Existing>> {
    let mut existing = Vec::new();
    for file in config.dscs.iter().filter(|file| file.purpose == Purpose::Certificate) {
        let dsc = read_certificate(file)?;
        if dsc.algorithm() == profile.algorithm && dsc.country() == Some(profile.issuer) {
            let stage = Stage::Active { not_after: dsc.not_after(), from: dsc.not_before(), to: None };
            existing.push(Existing { name: dsc.kid().to_string(), types: dsc.types(), stage });
        }
    }
    Ok(existing)
}

impl PlanArgs {
    fn profile<'c>(&self, config: &'c Config) -> anyhow::Result<&'c Profile> {
        let Some(name) = &self.profile else {
            return config.profiles.first().map(AsRef::as_ref).context("the configuration has no profile");
        };
        let found = config.profiles.iter().find(|profile| profile.name == *name);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let names: Vec<&str> = config.profiles.iter().map(|profile| profile.name.as_str()).collect();
            anyhow!("there is no profile {name:?} in {}; there are {}", self.config.display(), names.join(", "))
        })
    }

    /// As they were asked for; else one for each set of types that there is, and one for the types that are in none.
    fn series(&self, profile: &Profile, existing: &[Existing]) -> Vec<Series> {
        let mut sets = self.series.clone();
        if sets.is_empty() {
            for dsc in existing {
                if !sets.contains(&dsc.types) {
                    sets.push(dsc.types);
                }
            }
            let is_in_none = |kind: &CertificateType| !sets.iter().any(|types| types.allows(*kind));
            let rest: Vec<CertificateType> = CertificateType::ALL.into_iter().filter(is_in_none).collect();
            if !rest.is_empty() {
                sets.push(rest.into_iter().collect());
            }
        }
        sets.into_iter().map(|types| Series::new(types, &profile.durations)).collect()
    }

    const fn policy(&self) -> Policy {
        Policy {
            validity_years: self.validity_years,
            use_months: self.use_months,
            every_weeks: self.every_weeks,
            overlap_days: self.overlap_days,
            certify_days: self.certify_days,
            publish_days: self.publish_days,
            renew_days: self.renew_days,
        }
    }
}
