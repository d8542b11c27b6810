//! Laying the calendar: first what there is, then what is to come.

use jiff::ToSpan;
use jiff::civil::Date;

use super::policy::{Policy, PolicyFault, Series};
use super::row::{Due, Existing, Gap, Row, Stage, Step, Window};
use crate::domain::{CertificateType, NumericDate};

/// A calendar, from today up to a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The day for which it was made.
    pub today: Date,
    /// The first day after it.
    pub until: Date,
    /// The DSCs, by the day of their activation. Each that is to be generated in this time is among them.
    pub rows: Vec<Row>,
    /// The days on which a type cannot be signed though all goes as planned.
    pub gaps: Vec<Gap>,
}

impl Plan {
    /// What is missing today: steps whose day has come.
    pub fn due(&self) -> impl Iterator<Item = (&Row, Step, Date)> {
        let steps = |row| Row::steps(row).map(move |(step, date)| (row, step, date));
        self.rows.iter().flat_map(steps).filter(|(_, _, date)| *date <= self.today)
    }
}

/// Makes the calendar of some months from a day on.
///
/// A DSC that there is belongs to the first series of its types; one of no series is listed until its end and has no successor.
///
/// # Errors
/// [`PolicyFault`], where the policy's lengths do not fit together.
pub fn plan(policy: &Policy, series: &[Series], existing: &[Existing], today: Date, months: u16) -> Result<Plan, PolicyFault> {
    policy.check()?;
    if !(1..=120).contains(&months) {
        return Err(PolicyFault::Months { months });
    }
    let until = today.checked_add(i64::from(months).months())?;
    let mut rows = Vec::new();
    for one in series {
        let of_series = existing.iter().filter(|dsc| dsc.types == one.types);
        let mut calendar = Calendar { policy, series: one, today, rows: Vec::new() };
        calendar.lay_existing(of_series)?;
        calendar.lay_new(until)?;
        rows.extend(calendar.rows);
    }
    for dsc in existing.iter().filter(|dsc| series.iter().all(|one| one.types != dsc.types)) {
        rows.push(of_no_series(policy, series, dsc, today)?);
    }
    rows.sort_by_key(|row| (row.window.map(|window| window.from), row.name.is_none()));
    let gaps = gaps(&rows, series, today, until);
    Ok(Plan { today, until, rows, gaps })
}

/// A DSC that the policy has no series for, with the longest certificate of the types that it may sign.
fn of_no_series(policy: &Policy, series: &[Series], dsc: &Existing, today: Date) -> Result<Row, PolicyFault> {
    let touching = series.iter().filter(|one| one.types.iter().any(|kind| dsc.types.allows(kind)));
    let longest_seconds = touching.map(|one| one.longest_seconds).max().unwrap_or_default();
    let own = Series { types: dsc.types, longest_seconds };
    Calendar { policy, series: &own, today, rows: Vec::new() }.existing(dsc)
}

/// The calendar of one series.
struct Calendar<'a> {
    policy: &'a Policy,
    series: &'a Series,
    today: Date,
    rows: Vec<Row>,
}

impl Calendar<'_> {
    /// The nearest to signing first, so that each takes the next place; of equal ones, the one that ends first.
    fn lay_existing<'e>(&mut self, existing: impl Iterator<Item = &'e Existing>) -> Result<(), PolicyFault> {
        let mut existing: Vec<&Existing> = existing.collect();
        existing.sort_by_key(|dsc| (dsc.stage.order(), dsc.stage.not_after()));
        for dsc in existing {
            let row = self.existing(dsc)?;
            self.rows.push(row);
        }
        Ok(())
    }

    fn existing(&self, dsc: &Existing) -> Result<Row, PolicyFault> {
        match dsc.stage {
            Stage::Active { not_after, from, to } => self.active(dsc, not_after, from, to),
            Stage::Published { not_after, at } => {
                let at_verifiers = date(at)?.checked_add(self.policy.publish())?;
                self.waiting(dsc, not_after, at_verifiers)
            }
            Stage::Certified { not_after } => self.waiting(dsc, not_after, self.today.checked_add(self.policy.publish())?),
            // At the earliest it is certified today.
            Stage::Generated => self.waiting(dsc, self.end_of_validity(self.today)?, self.earliest()?),
        }
    }

    fn active(
        &self,
        dsc: &Existing,
        not_after: NumericDate,
        from: NumericDate,
        to: Option<NumericDate>,
    ) -> Result<Row, PolicyFault> {
        let from = date(from)?;
        let to = match to {
            Some(to) => date(to)?.min(self.last_use(not_after)?),
            None => self.end_of_use(from, not_after)?,
        };
        let activate = if from <= self.today { Due::Done } else { Due::On(from) };
        let (done, window) = (Due::Done, Window::new(from, to));
        self.row(Some(dsc), [done, done, done, activate], window, not_after)
    }

    /// A DSC that takes the next place, once it is at the verifiers.
    fn waiting(&self, dsc: &Existing, not_after: NumericDate, at_verifiers: Date) -> Result<Row, PolicyFault> {
        let from = self.next_place(at_verifiers.max(self.today))?;
        let window = Window::new(from, self.end_of_use(from, not_after)?);
        let published = Due::On(from.checked_sub(self.policy.publish())?);
        let by_stage = match dsc.stage {
            Stage::Generated => [Due::Done, published, published],
            Stage::Certified { .. } => [Due::Done, Due::Done, published],
            Stage::Published { .. } | Stage::Active { .. } => [Due::Done; 3],
        };
        let [generate, certify, publish] = by_stage;
        let steps = [generate, certify, publish, Due::On(from)];
        self.row(Some(dsc), if window.is_some() { steps } else { [Due::Done; 4] }, window, not_after)
    }

    /// New ones, as long as one has to be generated before a day.
    fn lay_new(&mut self, until: Date) -> Result<(), PolicyFault> {
        loop {
            let from = self.next_place(self.earliest()?)?;
            let published = from.checked_sub(self.policy.publish())?;
            let generate = self.generation(published)?;
            if generate >= until {
                return Ok(());
            }
            let not_after = self.end_of_validity(generate)?;
            let window = self.useful(generate, from, not_after)?;
            let steps = [Due::On(generate), Due::On(published), Due::On(published), Due::On(from)];
            let row = self.row(None, steps, Some(window), not_after)?;
            self.rows.push(row);
        }
    }

    /// When a key is generated: in time for the CSCA, before what signs then is to be renewed, and not in the past.
    fn generation(&self, published: Date) -> Result<Date, PolicyFault> {
        let in_time = published.checked_sub(self.policy.certify())?;
        let renewed = match self.covered_from(published) {
            Some(end) => in_time.min(end.checked_sub(self.policy.renew())?),
            None => in_time,
        };
        Ok(renewed.max(self.today))
    }

    /// The window of a new one, which has to be longer than the overlap: or the next one would be no later.
    fn useful(&self, generate: Date, from: Date, not_after: NumericDate) -> Result<Window, PolicyFault> {
        let to = self.end_of_use(from, not_after)?;
        let days = to.duration_since(from).as_hours() / 24;
        let window = Window::new(from, to).filter(|_| days > i64::from(self.policy.overlap_days));
        window.ok_or_else(|| PolicyFault::TooShort {
            types: self.series.types,
            validity_years: self.policy.validity_years,
            from: generate,
            days,
            longest_days: self.series.longest_days(),
            overlap_days: self.policy.overlap_days,
        })
    }

    /// Where the next one begins, from a day on: by the policy's weeks, and an overlap before what there is leaves a gap.
    fn next_place(&self, earliest: Date) -> Result<Date, PolicyFault> {
        let last_begin = self.windows().map(|window| window.from).max();
        let (Some(begin), Some(end)) = (last_begin, self.covered_from(earliest)) else { return Ok(earliest) };
        let place = begin.checked_add(self.policy.every())?.min(end.checked_sub(self.policy.overlap())?);
        Ok(place.max(earliest))
    }

    /// The end of the time, from a day on, on each day of which one signs; nothing where none does on that day.
    fn covered_from(&self, day: Date) -> Option<Date> {
        let mut windows: Vec<Window> = self.windows().collect();
        windows.sort_unstable();
        let end = windows.iter().fold(day, |end, window| if window.from <= end { end.max(window.to) } else { end });
        (end > day).then_some(end)
    }

    fn windows(&self) -> impl Iterator<Item = Window> {
        self.rows.iter().filter_map(|row| row.window)
    }

    /// The first day on which a key that is generated today signs.
    fn earliest(&self) -> Result<Date, PolicyFault> {
        Ok(self.today.checked_add(self.policy.certify())?.checked_add(self.policy.publish())?)
    }

    /// The last second of validity of a DSC that is certified on a day, the earliest day that it can be.
    fn end_of_validity(&self, certified: Date) -> Result<NumericDate, PolicyFault> {
        let end = certified.checked_add(self.policy.validity())?;
        let midnight = jiff::tz::Offset::UTC.to_timestamp(end.to_datetime(jiff::civil::Time::midnight()))?;
        Ok(NumericDate::from_seconds(midnight.as_second() - 1))
    }

    /// The first day on which it does not sign any more.
    fn end_of_use(&self, from: Date, not_after: NumericDate) -> Result<Date, PolicyFault> {
        Ok(from.checked_add(self.policy.in_use())?.min(self.last_use(not_after)?))
    }

    /// The first day on whose evening a longest certificate would not fit in any more.
    ///
    /// What is signed before a day begins at d, so iat <= d - 1 s, expires by d - 1 s + longest: within notAfter for the day of
    /// notAfter + 1 s - longest, or before it.
    fn last_use(&self, not_after: NumericDate) -> Result<Date, PolicyFault> {
        date(not_after.plus_seconds(1).plus_seconds(-self.series.longest_seconds))
    }

    fn row(
        &self,
        dsc: Option<&Existing>,
        steps: [Due; 4],
        window: Option<Window>,
        not_after: NumericDate,
    ) -> Result<Row, PolicyFault> {
        let [generate, certify, publish, activate] = steps;
        let (name, types) = (dsc.map(|dsc| dsc.name.clone()), self.series.types);
        Ok(Row { name, types, generate, certify, publish, activate, window, not_after: date(not_after)? })
    }
}

fn date(instant: NumericDate) -> Result<Date, PolicyFault> {
    instant.utc_date().ok_or_else(|| PolicyFault::Calendar(instant.to_string()))
}

/// The days without a DSC, for each type that a series is for.
fn gaps(rows: &[Row], series: &[Series], today: Date, until: Date) -> Vec<Gap> {
    let wanted = |kind: &CertificateType| series.iter().any(|one| one.types.allows(*kind));
    let of_kind = |kind: CertificateType| {
        let mut windows: Vec<Window> = rows.iter().filter(|row| row.types.allows(kind)).filter_map(|row| row.window).collect();
        windows.sort_unstable();
        uncovered(&windows, today, until).into_iter().map(move |days| Gap { kind, days })
    };
    CertificateType::ALL.into_iter().filter(wanted).flat_map(of_kind).collect()
}

/// What windows, in order of their beginning, leave of a time.
fn uncovered(windows: &[Window], today: Date, until: Date) -> Vec<Window> {
    let (mut covered, mut gaps) = (today, Vec::new());
    for window in windows {
        gaps.extend(Window::new(covered, window.from.min(until)));
        covered = covered.max(window.to);
    }
    gaps.extend(Window::new(covered, until));
    gaps
}
