//! The EU's codes, and made-up places to go with them.
//!
//! # Source
//! eu-dcc-valuesets 2.12.0, active codes only; (mp, ma, vp) after its vaccine-encoding-instructions.json.

use jiff::civil::{Date, date};

/// COVID-19.
pub(super) const TARGET: &str = "840539006";
pub(super) const NAAT: &str = "LP6464-4";
pub(super) const RAPID: &str = "LP217198-3";
pub(super) const NOT_DETECTED: &str = "260415000";
pub(super) const DETECTED: &str = "260373001";
pub(super) const MRNA: &str = "1119349007";
pub(super) const VIRAL_VECTOR: &str = "29061000087103";

#[derive(Debug)]
pub(super) struct Vaccine {
    pub(super) mp: &'static str,
    pub(super) ma: &'static str,
    pub(super) vp: &'static str,
    pub(super) since: Date,
    pub(super) doses: Doses,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Doses {
    /// 1/2, 2/2, and 3/3 as a booster.
    TwoAndBooster,
    /// 1/2, 2/2.
    Two,
    /// 1/1, and 2/1 as a booster.
    One,
}

pub(super) const COMIRNATY: Vaccine =
    Vaccine { mp: "EU/1/20/1528", ma: "ORG-100030215", vp: MRNA, since: date(2021, 1, 1), doses: Doses::TwoAndBooster };
pub(super) const SPIKEVAX: Vaccine =
    Vaccine { mp: "EU/1/20/1507", ma: "ORG-100031184", vp: MRNA, since: date(2021, 1, 12), doses: Doses::TwoAndBooster };
pub(super) const VAXZEVRIA: Vaccine =
    Vaccine { mp: "EU/1/21/1529", ma: "ORG-100001699", vp: VIRAL_VECTOR, since: date(2021, 2, 6), doses: Doses::Two };
pub(super) const JCOVDEN: Vaccine =
    Vaccine { mp: "EU/1/20/1525", ma: "ORG-100001417", vp: VIRAL_VECTOR, since: date(2021, 4, 24), doses: Doses::One };

/// Comirnaty was New Caledonia's vaccine; the others are those of travellers and the mainland.
pub(super) const VACCINES: [(u32, &Vaccine); 4] = [(88, &COMIRNATY), (4, &SPIKEVAX), (3, &VAXZEVRIA), (5, &JCOVDEN)];
/// Where a vaccination was given; the rest are doses given abroad and written again at home.
pub(super) const COUNTRIES: [(u32, &str); 11] =
    [(184, "FR"), (3, "AU"), (3, "NZ"), (2, "BE"), (2, "DE"), (1, "CH"), (1, "ES"), (1, "IT"), (1, "NL"), (1, "PT"), (1, "JP")];
pub(super) const VACCINATION_ISSUERS: [(u32, &str); 2] = [(75, "DASS-NC"), (25, "CNAM")];

pub(super) const NAAT_NAMES: [&str; 6] = [
    "Allplex SARS-CoV-2 Assay",
    "cobas SARS-CoV-2 Qualitative",
    "RT-PCR multiplex N/ORF1ab",
    "TaqPath COVID-19 Combo Kit",
    "Test moléculaire rapide SARS-CoV-2",
    "Xpert Xpress SARS-CoV-2",
];
/// JRC devices: COVID-VIRO, Panbio, Flowflex, BIOSYNEX Ag BSS.
pub(super) const RAPID_DEVICES: [&str; 4] = ["1833", "1232", "1468", "1223"];

pub(super) const CENTRES_NC: [&str; 7] = [
    "Laboratoire du Récif, Nouméa",
    "Centre de dépistage de la baie des Tortues",
    "Pharmacie des Niaoulis, Dumbéa",
    "Dispensaire de l'Île aux Bancouliers",
    "Poste médical de Tiéréa-les-Pins",
    "Laboratoire Grand Sud, Païta",
    "Drive du stade, Koné",
];
pub(super) const CENTRES_FR: [&str; 5] = [
    "Laboratoire des Quatre-Chênes, Lyon",
    "Pharmacie de l'Écluse, Rennes",
    "Centre de dépistage de l'aérogare, Roissy",
    "Biologie Vieux-Port, Marseille",
    "Laboratoire du Sacré-Cœur, Orléans",
];
