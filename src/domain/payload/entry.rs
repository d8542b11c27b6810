//! The entries of `v`, `t` and `r`.

use std::borrow::Cow;
use std::num::NonZeroU32;

use jiff::civil::Date;

use super::super::hcert::{CertificateType, Entry, Issue, Recovery, Test, Vaccination};
use super::super::json::Json;
use super::super::text::exceeds_chars;
use super::super::time::{DateText, SampleTime, is_future_date, is_future_instant};
use super::super::uvci::UvciFault;
use super::super::value_sets::{CodeStatus, ValueSet};
use super::super::{Rule, Uvci};
use super::reader::{MAX_TEXT_CHARS, Members, Place, Reader, shown};

/// What an entry needs from outside of it.
pub(super) struct Context<M> {
    /// The first day that the date of birth can mean.
    pub(super) birth: Option<Date>,
    /// Makes the identifier where the entry brings none.
    pub(super) make_uvci: M,
}

impl<M> Context<M> {
    pub(super) fn once(self) -> Context<Option<M>> {
        Context { birth: self.birth, make_uvci: Some(self.make_uvci) }
    }
}

/// The test type whose device is named by its number in the JRC list.
const RAPID_TEST: &str = "LP217198-3";

/// A test is positive from day 0; a recovery certificate begins on day 11 and ends on day 180.
const RECOVERY_FIRST_DAY: i64 = 11;
const RECOVERY_LAST_DAY: i64 = 180;

impl<'a> Reader<'_> {
    pub(super) fn entry<M: FnOnce() -> Uvci>(
        &mut self,
        kind: CertificateType,
        path: &'static str,
        object: Json<'a>,
        context: Context<Option<M>>,
    ) -> Option<Entry<'a>> {
        match kind {
            CertificateType::Vaccination => self.vaccination(path, object, context).map(Entry::Vaccination),
            CertificateType::Test => self.test(path, object, context).map(Entry::Test),
            CertificateType::Recovery => self.recovery(path, object, context).map(Entry::Recovery),
        }
    }

    fn vaccination<M: FnOnce() -> Uvci>(
        &mut self,
        path: &'static str,
        object: Json<'a>,
        context: Context<Option<M>>,
    ) -> Option<Vaccination<'a>> {
        let mut members = self.members(path, ["tg", "vp", "mp", "ma", "dn", "sd", "dt", "co", "is", "ci"], object)?;
        let birth = context.birth;
        let vp = self.required_code(&mut members, "vp", ValueSet::Prophylaxis);
        let mp = self.required_code(&mut members, "mp", ValueSet::Product);
        let ma = self.required_code(&mut members, "ma", ValueSet::Manufacturer);
        let dn = self.dose_count(&mut members, "dn");
        let sd = self.dose_count(&mut members, "sd");
        let dt = self.date(&mut members, "dt");
        let issue = self.issue(&mut members, context);
        if let (Some(vp), Some(mp), Some(ma)) = (&vp, &mp, &ma) {
            self.vaccine_coherence(path, vp, mp, ma);
        }
        if let Some(dt) = &dt {
            self.event_date(members.place("dt"), dt.date(), birth);
        }
        Some(Vaccination { issue: issue?, vp: vp?, mp: mp?, ma: ma?, dn: dn?, sd: sd?, dt: dt? })
    }

    fn test<M: FnOnce() -> Uvci>(
        &mut self,
        path: &'static str,
        object: Json<'a>,
        context: Context<Option<M>>,
    ) -> Option<Test<'a>> {
        let mut members = self.members(path, ["tg", "tt", "nm", "ma", "sc", "tr", "tc", "co", "is", "ci"], object)?;
        let birth = context.birth;
        let tt = self.required_code(&mut members, "tt", ValueSet::TestType);
        let nm = self.given_text(&mut members, "nm");
        let ma = self.given_text(&mut members, "ma");
        let sc = self.sample_time(&mut members, birth);
        let tr = self.required_code(&mut members, "tr", ValueSet::TestResult);
        let tc = self.given_text(&mut members, "tc");
        let issue = self.issue(&mut members, context);
        if let (Some(RAPID_TEST), Some(ma)) = (tt.as_deref(), &ma) {
            self.rapid_test_device(members.place("ma"), ma.as_deref());
        }
        Some(Test { issue: issue?, tt: tt?, nm: nm?, ma: ma?, sc: sc?, tr: tr?, tc: tc? })
    }

    fn recovery<M: FnOnce() -> Uvci>(
        &mut self,
        path: &'static str,
        object: Json<'a>,
        context: Context<Option<M>>,
    ) -> Option<Recovery<'a>> {
        let mut members = self.members(path, ["tg", "fr", "co", "is", "df", "du", "ci"], object)?;
        let birth = context.birth;
        let fr = self.date(&mut members, "fr");
        let df = self.date(&mut members, "df");
        let du = self.date(&mut members, "du");
        let issue = self.issue(&mut members, context);
        if let Some(fr) = &fr {
            self.event_date(members.place("fr"), fr.date(), birth);
        }
        if let (Some(fr), Some(df), Some(du)) = (&fr, &df, &du) {
            self.recovery_dates(&members, fr, df, du);
        }
        Some(Recovery { issue: issue?, fr: fr?, df: df?, du: du? })
    }

    /// `tg`, `co`, `is`, `ci`.
    fn issue<M: FnOnce() -> Uvci, const N: usize>(
        &mut self,
        members: &mut Members<'a, N>,
        context: Context<Option<M>>,
    ) -> Option<Issue<'a>> {
        let tg = self.required_code(members, "tg", ValueSet::DiseaseAgent);
        let co = self.country(members);
        let is = self.required_text(members, "is");
        if let Some(is) = &is {
            self.not_blank(members, "is", is);
        }
        let ci = self.uvci(members, context.make_uvci);
        Some(Issue { tg: tg?, co: co?, is: is?, ci: ci? })
    }

    fn country<const N: usize>(&mut self, members: &mut Members<'a, N>) -> Option<Cow<'a, str>> {
        let value = self.required(members, "co")?;
        let code = self.raw_text(members, "co", value)?;
        if !(1..=10).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.fault(
                members.path("co"),
                Rule::SchemaPattern,
                format!("{}; a country is its code in capitals, like FR", shown(&code)),
            );
            return None;
        }
        self.check_code(members.path_of_object(), "co", ValueSet::Country, &code);
        Some(code)
    }

    /// `ci`, byte for byte as given, or a new one.
    fn uvci<M: FnOnce() -> Uvci, const N: usize>(
        &mut self,
        members: &mut Members<'a, N>,
        make: Option<M>,
    ) -> Option<Cow<'a, str>> {
        if !members.is_present("ci") {
            return make.map(|make| Cow::Owned(make().into_string()));
        }
        let value = members.take("ci")?;
        let ci = self.raw_text(members, "ci", value)?;
        if exceeds_chars(&ci, MAX_TEXT_CHARS) {
            self.fault(
                members.path("ci"),
                Rule::SchemaLength,
                format!("{} characters; at most {MAX_TEXT_CHARS}", ci.chars().count()),
            );
            return None;
        }
        if ci.trim().is_empty() {
            self.fault(members.path("ci"), Rule::UvciGiven, "blank; leave ci out to have one made");
            return None;
        }
        self.check_uvci(members.place("ci"), &ci);
        Some(ci)
    }

    fn check_uvci(&mut self, path: Place, ci: &str) {
        match Uvci::check_form(ci) {
            Err(fault) => return self.fault(path, Rule::UvciForm, fault.to_string()),
            Ok(country) if self.rulebook.value_sets.status(ValueSet::Country, country.as_str()) != CodeStatus::Active => {
                self.fault(
                    path,
                    Rule::UvciCountry,
                    format!("{} is no country of value set {}", shown(country.as_str()), ValueSet::Country.id()),
                );
            }
            Ok(_) => {}
        }
        if Uvci::check_checksum(ci).is_err() {
            self.fault(path, Rule::UvciChecksum, UvciFault::Checksum.to_string());
        }
    }

    fn dose_count<const N: usize>(&mut self, members: &mut Members<'a, N>, name: &str) -> Option<NonZeroU32> {
        let count = match self.required(members, name)? {
            Json::Int(count) => u32::try_from(count).ok().and_then(NonZeroU32::new),
            Json::BigInt(_) => None,
            other => {
                self.wrong_type(members.path(name), "a whole number, written without point or exponent", &other);
                return None;
            }
        };
        if count.is_none() {
            self.fault(
                members.path(name),
                Rule::SchemaMinimum,
                "out of range; a dose count is a whole number from 1 to 4294967295",
            );
        }
        count
    }

    fn date<const N: usize>(&mut self, members: &mut Members<'a, N>, name: &str) -> Option<DateText<'a>> {
        let value = self.required(members, name)?;
        let text = self.raw_text(members, name, value)?;
        let date = DateText::parse(text);
        if date.is_none() {
            self.fault(members.path(name), Rule::DateReal, "not a date of the calendar; write YYYY-MM-DD, without a time");
        }
        date
    }

    fn sample_time<const N: usize>(&mut self, members: &mut Members<'a, N>, birth: Option<Date>) -> Option<SampleTime<'a>> {
        let value = self.required(members, "sc")?;
        let text = self.raw_text(members, "sc", value)?;
        let Some(time) = SampleTime::parse(text) else {
            let wanted = "not a date and time of the calendar; write YYYY-MM-DDThh:mm:ss with an offset (Z or +11:00)";
            self.fault(members.path("sc"), Rule::DateTimeForm, wanted);
            return None;
        };
        if is_future_instant(time.instant(), self.now) {
            self.fault(members.path("sc"), Rule::EventFuture, "in the future; check the date, and the offset of the time");
        }
        self.after_birth(members.place("sc"), time.local_date(), birth);
        Some(time)
    }

    /// A text that may be absent, but not blank.
    #[expect(clippy::option_option, reason = "as `optional_text`: absent is fine, faulty is not")]
    fn given_text<const N: usize>(&mut self, members: &mut Members<'a, N>, name: &str) -> Option<Option<Cow<'a, str>>> {
        let text = self.optional_text(members, name)?;
        if let Some(text) = &text {
            self.not_blank(members, name, text);
        }
        Some(text)
    }

    fn vaccine_coherence(&mut self, path: &str, vp: &str, mp: &str, ma: &str) {
        if !self.applies(Rule::VaccineCoherence) {
            return;
        }
        let rulebook = self.rulebook;
        let Some(wanted) = rulebook.value_sets.coherence(mp) else { return };
        if wanted.manufacturer() != ma {
            let message = format!("{} does not make {}; its ma is {}", shown(ma), shown(mp), wanted.manufacturer());
            self.fault(format!("{path}.ma"), Rule::VaccineCoherence, message);
        }
        if !wanted.allows_prophylaxis(vp) {
            let message = format!(
                "{} is not the prophylaxis of {}; its vp is {}",
                shown(vp),
                shown(mp),
                wanted.prophylaxis().collect::<Vec<_>>().join(" or ")
            );
            self.fault(format!("{path}.vp"), Rule::VaccineCoherence, message);
        }
    }

    fn rapid_test_device(&mut self, path: Place, device: Option<&str>) {
        match device.filter(|device| !device.trim().is_empty()) {
            None => {
                self.fault(path, Rule::TestDeviceGiven, "missing; a rapid test names its device by its number in the JRC list")
            }
            Some(device) => {
                let why = match self.rulebook.value_sets.status(ValueSet::TestDevice, device) {
                    CodeStatus::Active => return,
                    CodeStatus::Inactive => "is no longer in the common list",
                    CodeStatus::Unknown => "is not in the list of devices that this service has loaded",
                };
                let message = format!("{} {why}; take the number of a listed device (JRC database)", shown(device));
                self.fault(path, Rule::TestDeviceListed, message);
            }
        }
    }

    fn recovery_dates<const N: usize>(
        &mut self,
        members: &Members<'_, N>,
        fr: &DateText<'_>,
        df: &DateText<'_>,
        du: &DateText<'_>,
    ) {
        let (begins, ends) = (df.days_since(fr), du.days_since(fr));
        if begins < 0 {
            self.fault(
                members.path("df"),
                Rule::RecoveryOrder,
                "before fr; a recovery certificate begins after the first positive test",
            );
        }
        if ends < begins {
            self.fault(members.path("du"), Rule::RecoveryOrder, "before df; a recovery certificate ends after it begins");
        }
        if (0..RECOVERY_FIRST_DAY).contains(&begins) {
            let message = format!("{begins} days after fr; a recovery certificate is valid from day {RECOVERY_FIRST_DAY} on");
            self.fault(members.path("df"), Rule::RecoveryWindow, message);
        }
        if ends > RECOVERY_LAST_DAY {
            let message = format!("{ends} days after fr; a recovery certificate is valid to day {RECOVERY_LAST_DAY} at most");
            self.fault(members.path("du"), Rule::RecoveryWindow, message);
        }
    }

    fn event_date(&mut self, path: Place, date: Date, birth: Option<Date>) {
        if is_future_date(date, self.now) {
            self.fault(path, Rule::EventFuture, "in the future; check the year");
        }
        self.after_birth(path, date, birth);
    }

    fn after_birth(&mut self, path: Place, date: Date, birth: Option<Date>) {
        if birth.is_some_and(|birth| date < birth) {
            self.fault(path, Rule::EventBeforeBirth, "before the date of birth; check both");
        }
    }
}
