//! `ver`, `nam` and `dob`.

use std::borrow::Cow;

use super::super::hcert::PersonName;
use super::super::time::{DateOfBirth, is_future_date};
use super::super::{Rule, transliterate};
use super::reader::{MAX_TEXT_CHARS, Members, Reader, shown};

/// `ver`, with its three numbers.
pub(super) struct Version<'a> {
    pub(super) text: Cow<'a, str>,
    numbers: [u32; 3],
}

impl<'a> Reader<'_> {
    pub(super) fn version(&mut self, members: &mut Members<'a, 6>) -> Option<Version<'a>> {
        let text = self.required_text(members, "ver")?;
        let Some(numbers) = version_numbers(&text).filter(|numbers| numbers[0] == 1) else {
            self.fault(
                "ver",
                Rule::VerForm,
                format!("{}; a version is three numbers with dots, of schema 1, like 1.3.0", shown(&text)),
            );
            return None;
        };
        if !((1, 3, 0)..=(1, 3, 3)).contains(&numbers.into()) {
            self.fault("ver", Rule::VerCurrent, format!("{}; new certificates are of 1.3.0 to 1.3.3", shown(&text)));
        }
        Some(Version { text, numbers })
    }

    pub(super) fn person_name(&mut self, members: &mut Members<'a, 6>, version: Option<&Version<'_>>) -> Option<PersonName<'a>> {
        let value = self.required(members, "nam")?;
        let mut nam = self.members("nam", ["fn", "gn", "fnt", "gnt"], value)?;
        let family = self.optional_text(&mut nam, "fn");
        let given = self.optional_text(&mut nam, "gn");
        let family_transliterated = self.transliterated(&mut nam, "fnt", "fn", family.as_ref());
        let given_transliterated = self.transliterated(&mut nam, "gnt", "gn", given.as_ref());
        if family_transliterated == Some(None) && given_transliterated == Some(None) {
            self.fault("nam", Rule::SchemaRequired, "neither fnt nor gnt; at least one is required, or fn or gn to make it from");
        } else if family_transliterated == Some(None) && version.is_some_and(|version| version.numbers < [1, 3, 2]) {
            self.fault("nam.fnt", Rule::VerFnt, "missing; schemas before 1.3.2 require it: give fnt, or set ver to 1.3.2");
        }
        let name = PersonName {
            family: family?,
            given: given?,
            family_transliterated: family_transliterated?,
            given_transliterated: given_transliterated?,
        };
        self.check_given(&name);
        Some(name)
    }

    /// `fnt` or `gnt`: kept where given, made from `fn` or `gn` where absent.
    #[expect(clippy::option_option, reason = "as `optional_text`: absent is fine, faulty is not")]
    fn transliterated(
        &mut self,
        nam: &mut Members<'a, 4>,
        field: &'static str,
        source: &'static str,
        written: Option<&Option<Cow<'a, str>>>,
    ) -> Option<Option<Cow<'a, str>>> {
        if nam.is_present(field) {
            let text = self.optional_text(nam, field)??;
            return self.machine_readable(nam.path(field), text).map(Some);
        }
        let Some(written) = written? else { return Some(None) };
        let made = transliterate(written).map_err(|reason| reason.to_string()).and_then(|text| {
            let is_lost = text.is_empty() && !written.trim().is_empty();
            if is_lost { Err(format!("nothing of it is a letter; give {field}")) } else { Ok(text) }
        });
        match made {
            Ok(mut text) => {
                text.truncate(MAX_TEXT_CHARS);
                text.truncate(text.trim_end_matches('<').len());
                Some(Some(Cow::Owned(text)))
            }
            Err(reason) => {
                self.fault(
                    nam.path(field),
                    Rule::NameTransliteration,
                    format!("missing, and cannot be made from {source}: {reason}"),
                );
                None
            }
        }
    }

    fn machine_readable(&mut self, path: String, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
        if text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'<') {
            return Some(text);
        }
        self.fault(
            path,
            Rule::SchemaPattern,
            "a character other than A-Z and <; a transliterated name has < for each space or hyphen",
        );
        None
    }

    fn check_given(&mut self, name: &PersonName<'_>) {
        let mut given =
            [&name.family, &name.given, &name.family_transliterated, &name.given_transliterated].into_iter().flatten();
        if given.clone().next().is_some() && given.all(|part| part.trim().is_empty()) {
            self.fault("nam", Rule::NameGiven, "every part is empty; a certificate names its holder");
        }
    }

    pub(super) fn date_of_birth(&mut self, members: &mut Members<'a, 6>) -> Option<DateOfBirth<'a>> {
        let value = self.required(members, "dob")?;
        let text = self.raw_text(members, "dob", value)?;
        let in_pattern = text.is_empty() || text.starts_with("19") || text.starts_with("20");
        let Some(dob) = DateOfBirth::parse(text).filter(|_| in_pattern) else {
            self.fault(
                "dob",
                Rule::DateReal,
                "not a date of the calendar; write YYYY-MM-DD, YYYY-MM or YYYY from 1900 on, or leave it empty",
            );
            return None;
        };
        if dob.earliest().is_some_and(|date| is_future_date(date, self.now)) {
            self.fault("dob", Rule::EventFuture, "in the future; check the year");
        }
        Some(dob)
    }
}

/// Three numbers of at most four digits, without zeros before them.
fn version_numbers(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.');
    let mut numbers = [0; 3];
    for number in &mut numbers {
        let part = parts.next()?;
        if part.is_empty()
            || part.len() > 4
            || (part.len() > 1 && part.starts_with('0'))
            || !part.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
