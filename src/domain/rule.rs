//! Everything that can be wrong with an item, by name.

use std::fmt;
use std::str::FromStr;

/// Declares [`Rule`] from one table: variant, name, whether a profile may switch it off, meaning, source.
macro_rules! rules {
    ($($variant:ident $name:literal $kind:ident $meaning:literal $source:literal;)+) => {
        /// One thing that is demanded of an item, with a name that stays.
        ///
        /// `sceau rules` lists them. The fixed ones follow from the schema, the calendar or the wire format; the others
        /// go beyond the schema, and a profile may switch them off by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $meaning] $variant,)+
        }

        impl Rule {
            /// Every rule, in the order in which they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name, as faults, profiles and `sceau rules` write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it demands.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// Where the demand comes from.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$variant => $source,)+ }
            }

            /// Whether a profile may switch it off.
            #[must_use]
            pub const fn is_switchable(self) -> bool {
                match self { $(Self::$variant => rules!(@$kind),)+ }
            }
        }
    };
    (@fixed) => { false };
    (@switchable) => { true };
}

rules! {
    ItemIdForm "item_id.form" fixed
        "an item_id is 1 to 64 characters of A-Z a-z 0-9 . _ : -" "Sceau's API";
    ItemIdUnique "item_id.unique" fixed
        "an item_id stands once in a batch; all copies are refused" "Sceau's API";
    ItemIdTaken "item_id.taken" fixed
        "an item_id stands for one certificate; it comes again with the same payload, profile and expires_at" "Sceau's API";
    ExpiresAt "expires_at.range" fixed
        "an item's expires_at is after the signing time and no later than the profile's duration for the type" "hcert_spec 3.3.5";
    CallerTypes "caller.types" fixed
        "a certificate's type is among those that the caller may have signed" "the configuration, [[caller]]";
    PersonTypes "person.types" fixed
        "a certificate's type is among those that the profession of the person behind the call may issue" "the configuration, [person.professions]";
    DscAvailable "dsc.available" fixed
        "a DSC of the profile's algorithm and country is in force that allows the type and outlives the certificate" "hcert_spec 3.3.5, 3.3.6, A.4; certificate governance";
    PayloadSize "payload.size" fixed
        "a payload is within the limit of bytes" "Sceau's API";
    JsonSyntax "json.syntax" fixed
        "a payload is one JSON value in UTF-8, nested at most 16 levels" "RFC 8259";
    JsonDuplicateKey "json.duplicate_key" fixed
        "a member's name stands once in its object" "RFC 7493 section 2.3";
    SchemaType "schema.type" fixed
        "a value has the JSON type that the schema gives it" "DCC schema 1.3.3";
    SchemaRequired "schema.required" fixed
        "a required member is there" "DCC schema 1.3.3";
    SchemaUnknownField "schema.unknown_field" fixed
        "no member stands outside the schema" "annex I section 4 of Implementing Decision (EU) 2021/1073";
    SchemaNull "schema.null" fixed
        "a member without a value is left out, never null" "DCC schema 1.3.3";
    SchemaOneEntry "schema.one_entry" fixed
        "exactly one of v, t and r is there, with exactly one entry" "DCC schema 1.3.3";
    SchemaLength "schema.length" fixed
        "a text has at most 80 characters, counted in code points after NFC" "DCC schema 1.3.3";
    SchemaPattern "schema.pattern" fixed
        "a text has the schema's pattern from its first to its last character" "DCC schema 1.3.3";
    SchemaMinimum "schema.minimum" fixed
        "a dose count is 1 or more" "DCC schema 1.3.3";
    TextControl "text.control" fixed
        "a text holds no control character" "hcert_spec 3.3.7; Unicode category Cc";
    VerForm "ver.form" fixed
        "ver is three numbers with dots, of schema 1.x" "DCC schema 1.3.3, anchored";
    DateReal "date.real" fixed
        "a date is in the calendar, written YYYY-MM-DD; dob may also be YYYY-MM, YYYY or empty" "DCC schema 1.3.3; ISO 8601";
    DateTimeForm "date_time.form" fixed
        "a sampling time is RFC 3339 with an offset" "DCC schema 1.3.3; RFC 3339 section 5.6";
    NameTransliteration "name.transliteration" fixed
        "fnt and gnt that are not given can be made from fn and gn" "ICAO Doc 9303-3 section 6";
    UvciGiven "uvci.given" fixed
        "a ci that is there is not blank; one that is left out is made" "hcert revocation; eHealth Network, UVCI";
    NameGiven "name.given" switchable
        "at least one part of the name is not empty" "DCC schema 1.3.3, nam";
    VerCurrent "ver.current" switchable
        "ver is that of a current schema, 1.3.0 to 1.3.3" "DCC schema, CHANGELOG";
    VerFnt "ver.fnt" switchable
        "fnt is there where ver is below 1.3.2, whose schemas required it" "DCC schema 1.3.0 to 1.3.2";
    TextGiven "text.given" switchable
        "a text that is given is not blank" "EU guide to valid DCC payloads";
    CodeKnown "code.known" switchable
        "a coded value is in its value set" "eu-dcc-valuesets 2.12.0";
    CodeActive "code.active" switchable
        "a coded value is active for new certificates" "eu-dcc-valuesets 2.12.0; schema FAQ, active flag";
    VaccineCoherence "vaccine.coherence" switchable
        "mp, ma and vp belong together" "eu-dcc-valuesets, vaccine encoding instructions";
    TestDeviceGiven "test.device_given" switchable
        "a rapid test (LP217198-3) names its device in ma" "EU guide to valid DCC payloads";
    TestDeviceListed "test.device_listed" switchable
        "a rapid test's device is in the list of devices" "EU guide to valid DCC payloads; JRC device list";
    RecoveryOrder "recovery.order" switchable
        "fr <= df <= du" "Regulation (EU) 2021/953, annex";
    RecoveryWindow "recovery.window" switchable
        "df is at least 11 days after fr, du at most 180" "Regulation (EU) 2021/953, article 7 and annex";
    EventFuture "event.future" switchable
        "no event, and no birth, is in the future" "plausibility";
    EventBeforeBirth "event.before_birth" switchable
        "no event is before the birth" "plausibility";
    UvciForm "uvci.form" switchable
        "a given ci is URN:UVCI:01:CC:... in capitals and digits, with / : as separators and # before the checksum" "eHealth Network, UVCI, annex 2";
    UvciCountry "uvci.country" switchable
        "the country in a ci is in the list of countries" "eHealth Network, UVCI, annex 2";
    UvciChecksum "uvci.checksum" switchable
        "the checksum in a ci, where there is one, is right (Luhn mod 38, prefix included)" "schema FAQ, UVCI checksum";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name).ok_or_else(|| UnknownRule { name: name.to_owned() })
    }
}

/// A name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule {name:?}; `sceau rules` lists them")]
pub struct UnknownRule {
    /// The name as given.
    pub name: String,
}

/// The rules that a profile applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleSet(u64);

const _: () = assert!(Rule::ALL.len() <= 64, "a RuleSet holds 64 rules");

impl RuleSet {
    /// Every rule.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether a rule is applied.
    #[must_use]
    pub const fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u32) != 0
    }

    /// The same set without one rule.
    ///
    /// # Errors
    /// [`FixedRule`] for one that a profile may not switch off.
    pub const fn without(self, rule: Rule) -> Result<Self, FixedRule> {
        if rule.is_switchable() { Ok(Self(self.0 & !(1 << rule as u32))) } else { Err(FixedRule { rule }) }
    }

    /// The set of the profile `eu-2021`: payloads as member states wrote them in 2021.
    ///
    /// Any `ci`, codes since gone inactive, combinations of mp, ma and vp not in today's table, `ver` from 1.0.0; never what the
    /// schema, real dates or the CBOR rules forbid.
    #[must_use]
    pub fn eu_2021() -> Self {
        EU_2021_SWITCHES_OFF.iter().fold(Self::ALL, |set, &rule| set.without(rule).expect("each of these is switchable"))
    }
}

/// What [`RuleSet::eu_2021`] leaves out. Test data of 2021 has births after the vaccination, and empty texts.
const EU_2021_SWITCHES_OFF: [Rule; 9] = [
    Rule::VerCurrent,
    Rule::TextGiven,
    Rule::CodeActive,
    Rule::VaccineCoherence,
    Rule::TestDeviceListed,
    Rule::EventBeforeBirth,
    Rule::UvciForm,
    Rule::UvciCountry,
    Rule::UvciChecksum,
];

/// A rule that follows from the schema, the calendar or the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} cannot be switched off: {}", .rule.meaning())]
pub struct FixedRule {
    /// The rule.
    pub rule: Rule,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_name() {
        for &rule in Rule::ALL {
            assert_eq!(rule.name().parse(), Ok(rule));
        }
        assert!("vaccine.coherent".parse::<Rule>().unwrap_err().to_string().contains("sceau rules"));
    }

    #[test]
    fn a_fixed_rule_stays() {
        assert!(RuleSet::ALL.without(Rule::DateReal).is_err());
        let set = RuleSet::ALL.without(Rule::VerCurrent).unwrap();
        assert!(!set.contains(Rule::VerCurrent) && set.contains(Rule::DateReal));
    }
}
