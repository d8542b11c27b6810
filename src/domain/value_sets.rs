//! The EU value sets: which codes a certificate may hold, and which of them go together.
//!
//! Built in is eu-dcc-valuesets 2.12.0 (2023-05). [`ValueSets::replace_from_json`] takes a newer
//! file; reading the file is the caller's. A replaced set is replaced whole: a code the new file
//! does not list is unknown from then on.
//!
//! # Rapid test devices
//! **The built-in device list is an example**: the 88 ids the EU package ships (state of
//! 2021-07-01), so that tests and trials work without a network. The list in force is the JRC's; an
//! issuer of rapid tests loads it daily.
//!
//! # Source
//! ehn-dcc-development/eu-dcc-valuesets 2.12.0; device list:
//! covid-19-diagnostics.jrc.ec.europa.eu/devices.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use thiserror::Error;

/// `valueSetId` of the file that says which manufacturer and prophylaxis codes belong to a product.
pub const ENCODING_INSTRUCTIONS_ID: &str = "vaccines-covid-19-encoding-instructions";

/// Name of that file in the EU package.
pub const ENCODING_INSTRUCTIONS_FILE: &str = "vaccine-encoding-instructions.json";

/// What a value set says of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeStatus {
    /// For use in new certificates.
    Active,
    /// Valid in old certificates, not for new ones.
    Inactive,
    /// Not in the set.
    Unknown,
}

/// The value sets a certificate's coded fields refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueSet {
    /// `co`: ISO 3166-1 alpha-2, and XK.
    Country,
    /// `tg`: SNOMED CT.
    DiseaseAgent,
    /// `v.vp`: SNOMED CT, formerly ATC.
    Prophylaxis,
    /// `v.mp`: number of the EU marketing authorisation, or a name.
    Product,
    /// `v.ma`: EMA organisation id, or a name.
    Manufacturer,
    /// `t.tt`: LOINC.
    TestType,
    /// `t.tr`: SNOMED CT.
    TestResult,
    /// `t.ma`: JRC device id.
    TestDevice,
}

impl ValueSet {
    /// Every set, in the order of the variants.
    pub const ALL: [Self; 8] = [
        Self::Country,
        Self::DiseaseAgent,
        Self::Prophylaxis,
        Self::Product,
        Self::Manufacturer,
        Self::TestType,
        Self::TestResult,
        Self::TestDevice,
    ];

    /// The EU's `valueSetId`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Country => "country-2-codes",
            Self::DiseaseAgent => "disease-agent-targeted",
            Self::Prophylaxis => "sct-vaccines-covid-19",
            Self::Product => "vaccines-covid-19-names",
            Self::Manufacturer => "vaccines-covid-19-auth-holders",
            Self::TestType => "covid-19-lab-test-type",
            Self::TestResult => "covid-19-lab-result",
            Self::TestDevice => "covid-19-lab-test-manufacturer-and-name",
        }
    }

    /// The file's name in the EU package (2.12.0 calls the device list `test-manf-example.json`,
    /// others `test-manf.json`).
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Country => "country-2-codes.json",
            Self::DiseaseAgent => "disease-agent-targeted.json",
            Self::Prophylaxis => "vaccine-prophylaxis.json",
            Self::Product => "vaccine-medicinal-product.json",
            Self::Manufacturer => "vaccine-mah-manf.json",
            Self::TestType => "test-type.json",
            Self::TestResult => "test-result.json",
            Self::TestDevice => "test-manf.json",
        }
    }

    /// What one code of the set is, for messages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Country => "country code",
            Self::DiseaseAgent => "disease agent code",
            Self::Prophylaxis => "vaccine prophylaxis code",
            Self::Product => "vaccine product code",
            Self::Manufacturer => "vaccine manufacturer code",
            Self::TestType => "test type code",
            Self::TestResult => "test result code",
            Self::TestDevice => "rapid test device id",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.id() == id)
    }
}

/// What a vaccine product demands of the other coded fields of its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coherence {
    manufacturer: Cow<'static, str>,
    prophylaxis: Vec<Cow<'static, str>>,
}

impl Coherence {
    /// The one `ma` that belongs to the product.
    #[must_use]
    pub fn manufacturer(&self) -> &str {
        &self.manufacturer
    }

    /// The `vp` codes that may stand with the product; never empty.
    pub fn prophylaxis(&self) -> impl Iterator<Item = &str> {
        self.prophylaxis.iter().map(AsRef::as_ref)
    }

    /// Whether `vp` may be `code`. The deprecated `J07BX03` goes with no product.
    #[must_use]
    pub fn allows_prophylaxis(&self, code: &str) -> bool {
        self.prophylaxis().any(|allowed| allowed == code)
    }
}

/// What [`ValueSets::replace_from_json`] has put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The set; `None`: the encoding instructions.
    pub set: Option<ValueSet>,
    /// The EU's `valueSetId`.
    pub id: &'static str,
    /// Date of the file as it stands there, mostly `YYYY-MM-DD`.
    pub date: String,
    /// How many codes (encoding instructions: products) there are now, at least 1.
    pub codes: usize,
    /// How many of these are for use in new certificates; for the encoding instructions by the
    /// product set in place now.
    pub active: usize,
}

/// Why a value set file was refused. The sets stay as they were.
#[derive(Debug, Error)]
pub enum ValueSetError {
    /// Not JSON, or not of the EU's shape.
    #[error(
        "malformed value set file ({detail}); \
         it needs valueSetId, valueSetDate and valueSetValues, \
         or the JRC's extracted_on and deviceList"
    )]
    Malformed {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// JSON, but with no id to tell what it is.
    #[error("the file has neither valueSetId nor deviceList, so it is no EU value set")]
    NoId,
    /// A value set this issuer has no use for.
    #[error("unknown value set {id:?}; known are {}", known_ids())]
    UnknownId {
        /// The file's `valueSetId`.
        id: String,
    },
    /// The file lists nothing; to take it would refuse every certificate.
    #[error("value set {id:?} is empty; it needs at least one code")]
    Empty {
        /// The file's `valueSetId`.
        id: &'static str,
    },
    /// A code no certificate could match.
    #[error("value set {id:?} has the code {code:?}; a code is not empty and has no blank at its ends")]
    BadCode {
        /// The file's `valueSetId`.
        id: &'static str,
        /// The code as it stands there.
        code: String,
    },
    /// Two entries speak of one code.
    #[error("value set {id:?} has two entries for {code:?}; it needs one")]
    Duplicate {
        /// The file's `valueSetId`.
        id: &'static str,
        /// The code both have.
        code: String,
    },
    /// A product that no `vp` would satisfy.
    #[error("value set {id:?} has no sct-codes for {code:?}; it needs at least one")]
    NoProphylaxis {
        /// The file's `valueSetId`.
        id: &'static str,
        /// The product's code.
        code: String,
    },
}

fn known_ids() -> String {
    let mut ids = ValueSet::ALL.map(ValueSet::id).to_vec();
    ids.push(ENCODING_INSTRUCTIONS_ID);
    ids.join(", ")
}

/// The keys come from tables and officers' files, never from a payload: a hash that resists floods is not needed.
type Codes = FxHashMap<Cow<'static, str>, bool>;
type CoherenceTable = FxHashMap<Cow<'static, str>, Coherence>;

/// All value sets in force, and the coherence table.
///
/// About 30 KiB; share it (`Arc`), and replace in a copy when new files come.
#[derive(Clone, Debug)]
pub struct ValueSets {
    /// By `ValueSet as usize`; the value is the EU's `active`.
    codes: [Codes; ValueSet::ALL.len()],
    coherence: CoherenceTable,
}

impl ValueSets {
    /// The sets of eu-dcc-valuesets 2.12.0.
    #[must_use]
    pub fn builtin() -> Self {
        Self { codes: ValueSet::ALL.map(builtin_codes), coherence: COHERENCE.iter().map(builtin_coherence).collect() }
    }

    /// What `set` says of `code`, which is compared exactly (case counts, nothing is trimmed).
    ///
    /// O(1), one hash, no allocation.
    #[must_use]
    pub fn status(&self, set: ValueSet, code: &str) -> CodeStatus {
        match self.codes[set as usize].get(code) {
            Some(true) => CodeStatus::Active,
            Some(false) => CodeStatus::Inactive,
            None => CodeStatus::Unknown,
        }
    }

    /// What the product `mp` demands of `ma` and `vp`; `None` if the EU's encoding instructions do
    /// not list it.
    ///
    /// Inactive products are listed too: ask [`ValueSets::status`] first. O(1), no allocation.
    #[must_use]
    pub fn coherence(&self, product: &str) -> Option<&Coherence> {
        self.coherence.get(product)
    }

    /// Replaces the one set that `text` holds: an EU value set file, the EU's encoding
    /// instructions, or the JRC's own device list (`deviceList`; its `hsc_common_list` is what the
    /// EU calls active). Members not named by the EU's schema are passed over.
    ///
    /// # Errors
    /// [`ValueSetError`] says what is wrong with the file; nothing is replaced then.
    pub fn replace_from_json(&mut self, text: &str) -> Result<Replaced, ValueSetError> {
        let header: Header = parse(text)?;
        match header.id {
            Some(id) if id == ENCODING_INSTRUCTIONS_ID => self.replace_coherence(text),
            Some(id) => match ValueSet::from_id(&id) {
                Some(set) => self.replace_set(set, text),
                None => Err(ValueSetError::UnknownId { id }),
            },
            None if header.devices.is_some() => self.replace_devices(text),
            None => Err(ValueSetError::NoId),
        }
    }

    fn replace_set(&mut self, set: ValueSet, text: &str) -> Result<Replaced, ValueSetError> {
        let file: File<Code> = parse(text)?;
        let entries = file.values.into_iter().map(|(code, entry)| (code, entry.active));
        self.put(set, file.date, entries)
    }

    fn replace_devices(&mut self, text: &str) -> Result<Replaced, ValueSetError> {
        let file: DeviceFile = parse(text)?;
        let entries = file.devices.into_iter().map(|device| (device.id, device.common_list));
        self.put(ValueSet::TestDevice, file.date, entries)
    }

    fn put(
        &mut self,
        set: ValueSet,
        date: String,
        entries: impl Iterator<Item = (String, bool)>,
    ) -> Result<Replaced, ValueSetError> {
        let codes = collect(set.id(), entries)?;
        let active = codes.values().filter(|active| **active).count();
        let replaced = Replaced { set: Some(set), id: set.id(), date, codes: codes.len(), active };
        self.codes[set as usize] = codes;
        Ok(replaced)
    }

    fn replace_coherence(&mut self, text: &str) -> Result<Replaced, ValueSetError> {
        let id = ENCODING_INSTRUCTIONS_ID;
        let file: File<Instruction> = parse(text)?;
        let entries = file.values.into_values().map(Instruction::split).collect::<Result<Vec<_>, _>>()?;
        let table = collect(id, entries.into_iter())?;
        let active = table.keys().filter(|code| self.status(ValueSet::Product, code) == CodeStatus::Active).count();
        let replaced = Replaced { set: None, id, date: file.date, codes: table.len(), active };
        self.coherence = table;
        Ok(replaced)
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ValueSetError> {
    let text = text.trim_start_matches('\u{FEFF}');
    serde_json::from_str(text).map_err(|error| ValueSetError::Malformed { detail: error.to_string() })
}

/// A table of what a file lists, each code once.
fn collect<V>(
    id: &'static str,
    entries: impl Iterator<Item = (String, V)>,
) -> Result<FxHashMap<Cow<'static, str>, V>, ValueSetError> {
    let mut table = FxHashMap::default();
    for (code, value) in entries {
        if code.is_empty() || code.trim() != code {
            return Err(ValueSetError::BadCode { id, code });
        }
        if table.contains_key(code.as_str()) {
            return Err(ValueSetError::Duplicate { id, code });
        }
        table.insert(Cow::Owned(code), value);
    }
    if table.is_empty() { Err(ValueSetError::Empty { id }) } else { Ok(table) }
}

/// Enough of a file to tell what it is.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "valueSetId")]
    id: Option<String>,
    #[serde(rename = "deviceList")]
    devices: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "V: DeserializeOwned"))]
struct File<V> {
    #[serde(rename = "valueSetDate")]
    date: String,
    #[serde(rename = "valueSetValues")]
    values: BTreeMap<String, V>,
}

#[derive(Deserialize)]
struct Code {
    active: bool,
}

/// The list as the JRC publishes it.
#[derive(Deserialize)]
struct DeviceFile {
    #[serde(rename = "extracted_on")]
    date: String,
    #[serde(rename = "deviceList")]
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "id_device")]
    id: String,
    #[serde(rename = "hsc_common_list")]
    common_list: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Instruction {
    vaccine_code: String,
    vaccine_manufacturer: String,
    sct_codes: Vec<String>,
}

impl Instruction {
    /// Product code and what it demands.
    ///
    /// Three entries of 2.12.0 write ` (deprecated)` after the code; the product set has the bare
    /// code.
    fn split(self) -> Result<(String, Coherence), ValueSetError> {
        let bare = self.vaccine_code.strip_suffix(" (deprecated)");
        let code = bare.unwrap_or(&self.vaccine_code).to_owned();
        if self.sct_codes.is_empty() {
            return Err(ValueSetError::NoProphylaxis { id: ENCODING_INSTRUCTIONS_ID, code });
        }
        let manufacturer = self.vaccine_manufacturer.into();
        let prophylaxis = self.sct_codes.into_iter().map(Cow::Owned).collect();
        Ok((code, Coherence { manufacturer, prophylaxis }))
    }
}

fn builtin_codes(set: ValueSet) -> Codes {
    let table = table(set);
    let active = table.active.split_ascii_whitespace().map(|code| (Cow::Borrowed(code), true));
    let inactive = table.inactive.split_ascii_whitespace().map(|code| (Cow::Borrowed(code), false));
    active.chain(inactive).collect()
}

fn builtin_coherence(row: &(&'static str, &'static str, &[&'static str])) -> (Cow<'static, str>, Coherence) {
    let (product, manufacturer, prophylaxis) = *row;
    let prophylaxis = prophylaxis.iter().copied().map(Cow::Borrowed).collect();
    (product.into(), Coherence { manufacturer: manufacturer.into(), prophylaxis })
}

const fn table(set: ValueSet) -> Table {
    match set {
        ValueSet::Country => COUNTRIES,
        ValueSet::DiseaseAgent => Table { active: "840539006", inactive: "" },
        ValueSet::Prophylaxis => PROPHYLAXIS,
        ValueSet::Product => PRODUCTS,
        ValueSet::Manufacturer => MANUFACTURERS,
        ValueSet::TestType => Table { active: "LP217198-3 LP6464-4", inactive: "" },
        ValueSet::TestResult => Table { active: "260373001 260415000", inactive: "" },
        ValueSet::TestDevice => TEST_DEVICES,
    }
}

/// Codes between blanks, in byte order, each in one of the two only. No EU code holds a blank.
struct Table {
    active: &'static str,
    inactive: &'static str,
}

/// country-2-codes.json of 2019-11-01: 250. Greece is GR, the United Kingdom GB, Kosovo XK.
const COUNTRIES: Table = Table {
    active: "\
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM \
        BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX \
        CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG \
        GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
        IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV \
        LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE \
        NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO \
        RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF \
        TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF \
        WS XK YE YT ZA ZM ZW",
    inactive: "",
};

/// vaccine-prophylaxis.json of 2023-01-25: 9. France wrote the ATC code J07BX03 until 2022.
const PROPHYLAXIS: Table = Table {
    active: "\
        1119305005 1119349007 1157024006 1162643001 1187593009 28531000087107 \
        29061000087103 30141000087107",
    inactive: "J07BX03",
};

/// vaccine-medicinal-product.json of 2022-11-30: 39.
const PRODUCTS: Table = Table {
    active: "\
        AZD2816 Abdala BBIBP-CorV CVnCoV Convidecia CoronaVac Covaxin CoviVac \
        Covid-19-adsorvida-inativada Covid-19-recombinant Covifenz Covishield Covovax \
        EU/1/20/1507 EU/1/20/1525 EU/1/20/1528 EU/1/21/1529 EU/1/21/1580 EU/1/21/1618 \
        EU/1/21/1624 EU/1/22/1709 EpiVacCorona EpiVacCorona-N Hayat-Vax MVC-COV1901 \
        NVSI-06-08 R-COVI SCTV01C Soberana-02 Soberana-Plus Sputnik-Light Sputnik-M \
        Sputnik-V WIBP-CorV YS-SC2-010",
    inactive: "Inactivated-SARS-CoV-2-Vero-Cell NVX-CoV2373 VLA2001 Vidprevtyn",
};

/// vaccine-mah-manf.json of 2022-01-26: 31.
const MANUFACTURERS: Table = Table {
    active: "\
        Bharat-Biotech CIGB Chumakov-Federal-Scientific-Center Finlay-Institute Fiocruz \
        Gamaleya-Research-Institute Instituto-Butantan NVSI ORG-100000788 ORG-100001417 \
        ORG-100001699 ORG-100001981 ORG-100006270 ORG-100007893 ORG-100008549 \
        ORG-100010771 ORG-100013793 ORG-100020693 ORG-100023050 ORG-100024420 \
        ORG-100026614 ORG-100030215 ORG-100031184 ORG-100032020 ORG-100033914 \
        ORG-100036422 ORG-100036914 Sinopharm-WIBP Sinovac-Biotech Vector-Institute \
        Yisheng-Biopharma",
    inactive: "",
};

/// test-manf-example.json of 2021-07-01: 88, an example (see the head of this file).
const TEST_DEVICES: Table = Table {
    active: "\
        1097 1114 1144 1162 1173 1180 1190 1199 1201 1215 1218 1223 1225 1232 1236 1244 \
        1253 1257 1263 1266 1267 1268 1271 1278 1295 1296 1304 1319 1331 1333 1341 1343 \
        1360 1363 1365 1375 1392 1420 1437 1443 1456 1466 1468 1481 1484 1489 1490 1501 \
        1574 1604 1606 1654 1736 1747 1763 1764 1767 1769 1815 1822 1833 1844 1870 1884 \
        1906 1919 1934 2010 2017 2029 2074 2098 2101 2103 2104 2108 2109 2116 2128 2130 \
        2139 2183 308 344 345 768",
    inactive: "1065 1242",
};

/// "COVID-19 vaccine", which every product may have.
const ANY: &str = "28531000087107";
const UNSPECIFIED: &[&str] = &[ANY];
const MRNA: &[&str] = &["1119349007", ANY];
const VECTOR: &[&str] = &[ANY, "29061000087103"];
const PROTEIN: &[&str] = &[ANY, "1162643001"];
const INACTIVATED: &[&str] = &[ANY, "1157024006"];

/// vaccine-encoding-instructions.json of 2023-05-05: product, manufacturer, prophylaxis codes.
const COHERENCE: &[(&str, &str, &[&str])] = &[
    ("AZD2816", "ORG-100001699", VECTOR),
    ("Abdala", "CIGB", UNSPECIFIED),
    ("BBIBP-CorV", "ORG-100020693", INACTIVATED),
    ("CVnCoV", "ORG-100006270", MRNA),
    ("Convidecia", "ORG-100013793", VECTOR),
    ("CoronaVac", "Sinovac-Biotech", INACTIVATED),
    ("Covaxin", "Bharat-Biotech", INACTIVATED),
    ("CoviVac", "Chumakov-Federal-Scientific-Center", INACTIVATED),
    ("Covid-19-adsorvida-inativada", "Instituto-Butantan", INACTIVATED),
    ("Covid-19-recombinant", "Fiocruz", VECTOR),
    ("Covifenz", "ORG-100008549", UNSPECIFIED),
    ("Covishield", "ORG-100001981", VECTOR),
    ("Covovax", "ORG-100001981", PROTEIN),
    ("EU/1/20/1507", "ORG-100031184", MRNA),
    ("EU/1/20/1525", "ORG-100001417", VECTOR),
    ("EU/1/20/1528", "ORG-100030215", MRNA),
    ("EU/1/21/1529", "ORG-100001699", VECTOR),
    ("EU/1/21/1580", "ORG-100000788", UNSPECIFIED),
    ("EU/1/21/1618", "ORG-100032020", PROTEIN),
    ("EU/1/21/1624", "ORG-100036422", UNSPECIFIED),
    ("EU/1/22/1709", "ORG-100036914", UNSPECIFIED),
    ("EpiVacCorona", "Vector-Institute", PROTEIN),
    ("EpiVacCorona-N", "Vector-Institute", PROTEIN),
    ("Hayat-Vax", "ORG-100023050", INACTIVATED),
    ("Inactivated-SARS-CoV-2-Vero-Cell", "ORG-100010771", INACTIVATED),
    ("MVC-COV1901", "ORG-100033914", PROTEIN),
    ("NVSI-06-08", "NVSI", UNSPECIFIED),
    ("NVX-CoV2373", "ORG-100032020", PROTEIN),
    ("R-COVI", "ORG-100007893", VECTOR),
    ("SCTV01C", "ORG-100026614", UNSPECIFIED),
    ("Soberana-02", "Finlay-Institute", UNSPECIFIED),
    ("Soberana-Plus", "Finlay-Institute", UNSPECIFIED),
    ("Sputnik-Light", "Gamaleya-Research-Institute", VECTOR),
    ("Sputnik-M", "Gamaleya-Research-Institute", VECTOR),
    ("Sputnik-V", "Gamaleya-Research-Institute", VECTOR),
    ("VLA2001", "ORG-100036422", UNSPECIFIED),
    ("Vidprevtyn", "ORG-100000788", UNSPECIFIED),
    ("WIBP-CorV", "Sinopharm-WIBP", INACTIVATED),
    ("YS-SC2-010", "Yisheng-Biopharma", UNSPECIFIED),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn list(codes: &'static str) -> Vec<&'static str> {
        codes.split_ascii_whitespace().collect()
    }

    fn replaced(text: &str) -> (ValueSets, Result<Replaced, ValueSetError>) {
        let mut sets = ValueSets::builtin();
        let result = sets.replace_from_json(text);
        (sets, result)
    }

    fn message(text: &str) -> String {
        replaced(text).1.expect_err("a faulty file").to_string()
    }

    #[test]
    fn every_table_is_sorted_and_free_of_repeats() {
        for set in ValueSet::ALL {
            let (active, inactive) = (list(table(set).active), list(table(set).inactive));
            assert!(!active.is_empty(), "{set:?}");
            assert!(active.is_sorted_by(|a, b| a < b), "{set:?}");
            assert!(inactive.is_sorted_by(|a, b| a < b), "{set:?}");
            assert!(inactive.iter().all(|code| !active.contains(code)), "{set:?}");
        }
        assert!(COHERENCE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_tables_have_the_sizes_of_the_eu_package() {
        let sizes = ValueSet::ALL.map(|set| (list(table(set).active).len(), list(table(set).inactive).len()));
        assert_eq!(sizes, [(250, 0), (1, 0), (8, 1), (35, 4), (31, 0), (2, 0), (2, 0), (86, 2)]);
        assert_eq!(COHERENCE.len(), 39);
    }

    #[test]
    fn variants_index_their_own_table() {
        for (index, set) in ValueSet::ALL.into_iter().enumerate() {
            assert_eq!(set as usize, index);
            assert_eq!(ValueSet::from_id(set.id()), Some(set));
        }
    }

    #[test]
    fn codes_are_active_inactive_or_unknown() {
        use CodeStatus::{Active, Inactive, Unknown};
        let sets = ValueSets::builtin();
        for (set, code, status) in [
            (ValueSet::Country, "FR", Active),
            (ValueSet::Country, "NC", Active),
            (ValueSet::Country, "XK", Active),
            (ValueSet::Country, "GR", Active),
            (ValueSet::Country, "EL", Unknown),
            (ValueSet::Country, "GB", Active),
            (ValueSet::Country, "UK", Unknown),
            (ValueSet::Country, "fr", Unknown),
            (ValueSet::DiseaseAgent, "840539006", Active),
            (ValueSet::Prophylaxis, "1119349007", Active),
            (ValueSet::Prophylaxis, "J07BX03", Inactive),
            (ValueSet::Product, "EU/1/20/1528", Active),
            (ValueSet::Product, "NVX-CoV2373", Inactive),
            (ValueSet::Product, "EU/1/20/1528 ", Unknown),
            (ValueSet::Manufacturer, "ORG-100030215", Active),
            (ValueSet::Manufacturer, "EU/1/20/1528", Unknown),
            (ValueSet::TestType, "LP6464-4", Active),
            (ValueSet::TestResult, "260415000", Active),
            (ValueSet::TestDevice, "1833", Active),
            (ValueSet::TestDevice, "1065", Inactive),
            (ValueSet::TestDevice, "AUTRE", Unknown),
            (ValueSet::TestDevice, "", Unknown),
        ] {
            assert_eq!(sets.status(set, code), status, "{set:?} {code:?}");
        }
    }

    #[test]
    fn comirnaty_demands_its_manufacturer_and_an_mrna_or_general_code() {
        let sets = ValueSets::builtin();
        let coherence = sets.coherence("EU/1/20/1528").expect("a listed product");
        assert_eq!(coherence.manufacturer(), "ORG-100030215");
        assert_eq!(coherence.prophylaxis().collect::<Vec<_>>(), ["1119349007", "28531000087107"]);
        assert!(coherence.allows_prophylaxis("1119349007"));
        assert!(!coherence.allows_prophylaxis("J07BX03"));
        assert!(sets.coherence("Comirnaty").is_none());
    }

    #[test]
    fn every_product_has_coherence_with_known_codes() {
        let sets = ValueSets::builtin();
        for product in sets.codes[ValueSet::Product as usize].keys() {
            let coherence = sets.coherence(product).expect("a listed product");
            assert_eq!(sets.status(ValueSet::Manufacturer, coherence.manufacturer()), CodeStatus::Active);
            for code in coherence.prophylaxis() {
                assert_eq!(sets.status(ValueSet::Prophylaxis, code), CodeStatus::Active);
            }
        }
    }

    const NEW_PRODUCTS: &str = r#"{"valueSetId": "vaccines-covid-19-names", "valueSetDate": "2024-01-31", "valueSetValues": {
        "EU/1/20/1528": {"display": "Comirnaty", "lang": "en", "active": false, "system": "", "version": ""},
        "EU/1/99/0001": {"display": "Specimen", "lang": "en", "active": true, "system": "", "version": ""}}}"#;

    #[test]
    fn a_newer_file_replaces_its_set_whole_and_no_other() {
        let (sets, result) = replaced(NEW_PRODUCTS);
        let Replaced { set, id, date, codes, active } = result.expect("a sound file");
        assert_eq!((set, id), (Some(ValueSet::Product), "vaccines-covid-19-names"));
        assert_eq!((date.as_str(), codes, active), ("2024-01-31", 2, 1));
        assert_eq!(sets.status(ValueSet::Product, "EU/1/20/1528"), CodeStatus::Inactive);
        assert_eq!(sets.status(ValueSet::Product, "EU/1/99/0001"), CodeStatus::Active);
        assert_eq!(sets.status(ValueSet::Product, "EU/1/20/1507"), CodeStatus::Unknown);
        assert_eq!(sets.status(ValueSet::Manufacturer, "ORG-100030215"), CodeStatus::Active);
    }

    #[test]
    fn encoding_instructions_are_recognised_and_lose_the_deprecated_mark() {
        let (sets, result) = replaced(
            r#"{"valueSetId": "vaccines-covid-19-encoding-instructions", "valueSetDate": "2023-05-05", "valueSetValues": {
            "VLA2001": {"vaccine-code": "VLA2001 (deprecated)", "vaccine-manufacturer": "ORG-1", "sct-codes": ["7"], "note": "-"}}}"#,
        );
        let replaced = result.expect("a sound file");
        assert_eq!((replaced.set, replaced.codes, replaced.active), (None, 1, 0));
        assert_eq!(sets.coherence("VLA2001").expect("a listed product").manufacturer(), "ORG-1");
        assert!(sets.coherence("EU/1/20/1528").is_none());
    }

    #[test]
    fn the_device_list_is_taken_as_the_eu_and_as_the_jrc_publish_it() {
        let eu = r#"{"valueSetId": "covid-19-lab-test-manufacturer-and-name", "valueSetDate": "2022-02-02",
            "valueSetValues": {"1": {"active": true}, "2": {"active": false}}}"#;
        let jrc = r#"{"extracted_on": "2022-02-02 01:00:00 CET", "deviceList": [
            {"id_device": "1", "commercial_name": "A", "hsc_common_list": true},
            {"id_device": "2", "commercial_name": "B", "hsc_common_list": false}]}"#;
        for text in [eu, jrc] {
            let (sets, result) = replaced(text);
            assert_eq!(result.expect("a sound file").set, Some(ValueSet::TestDevice));
            assert_eq!(sets.status(ValueSet::TestDevice, "1"), CodeStatus::Active);
            assert_eq!(sets.status(ValueSet::TestDevice, "2"), CodeStatus::Inactive);
            assert_eq!(sets.status(ValueSet::TestDevice, "1833"), CodeStatus::Unknown);
        }
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_known_ones() {
        let text = r#"{"valueSetId": "clinical-trials", "valueSetDate": "", "valueSetValues": {}}"#;
        let message = message(text);
        assert!(message.contains("clinical-trials"), "{message}");
        for id in ValueSet::ALL.map(ValueSet::id).into_iter().chain([ENCODING_INSTRUCTIONS_ID]) {
            assert!(message.contains(id), "{message}");
        }
    }

    #[test]
    fn faulty_files_are_refused_with_the_fault_named() {
        let set = |values: &str| {
            format!(r#"{{"valueSetId": "country-2-codes", "valueSetDate": "2019-11-01", "valueSetValues": {values}}}"#)
        };
        let instructions = |values: &str| {
            format!(r#"{{"valueSetId": "{ENCODING_INSTRUCTIONS_ID}", "valueSetDate": "", "valueSetValues": {values}}}"#)
        };
        for (text, fault) in [
            (String::new(), "malformed"),
            ("[]".to_owned(), "malformed"),
            ("{}".to_owned(), "neither valueSetId nor deviceList"),
            (r#"{"valueSetId": "country-2-codes"}"#.to_owned(), "valueSetDate"),
            (set("{}"), "is empty"),
            (set(r#"{"FR": {}}"#), "missing field `active`"),
            (set(r#"{"FR ": {"active": true}}"#), "blank"),
            (set(r#"{"": {"active": true}}"#), "blank"),
            (instructions(r#"{"a": {"vaccine-code": "A", "vaccine-manufacturer": "M", "sct-codes": []}}"#), "sct-codes"),
            (
                instructions(
                    r#"{"a": {"vaccine-code": "A", "vaccine-manufacturer": "M", "sct-codes": ["1"]},
                        "b": {"vaccine-code": "A (deprecated)", "vaccine-manufacturer": "N", "sct-codes": ["1"]}}"#,
                ),
                "two entries",
            ),
            (r#"{"extracted_on": "", "deviceList": []}"#.to_owned(), "is empty"),
        ] {
            assert!(message(&text).contains(fault), "{text}: {}", message(&text));
        }
    }

    #[test]
    fn a_refused_file_changes_nothing() {
        let (sets, result) = replaced(&NEW_PRODUCTS.replace("EU/1/99/0001", " "));
        assert!(result.is_err());
        assert_eq!(sets.status(ValueSet::Product, "EU/1/20/1528"), CodeStatus::Active);
    }
}
