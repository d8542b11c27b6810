//! The peaks, and their sources.

use super::Scenario;

/// The name of the one that is a queue.
pub(super) const BACKLOG: &str = "nc-backlog";

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "nc-day",
        what: "New Caledonia, a day of October 2021",
        certificates: 1_100,
        days: 1,
        hours_a_day: 8,
        peak: 1.0,
        interactive_per_second: 1.0,
        source: "the territory's leaflet of 20 October 2021: 1,100 passes a day; one person a second who waits is assumed",
    },
    Scenario {
        name: BACKLOG,
        what: "New Caledonia, every request until 20 October 2021, within a day",
        certificates: 20_123,
        days: 1,
        hours_a_day: 8,
        peak: 1.0,
        interactive_per_second: 1.0,
        source: "the territory's leaflet of 20 October 2021: 11,571 passes, 57.5 % of the requests received, 3 days' delay; one \
                 person a second who waits is assumed",
    },
    Scenario {
        name: "ch-launch",
        what: "Switzerland, Monday 14 June 2021",
        certificates: 200_000,
        days: 1,
        hours_a_day: 8,
        peak: 1.0,
        interactive_per_second: 7.0,
        source: "nau.ch 65946185: over 200,000 on that day; that they came in 8 h, and as many single ones, is assumed",
    },
    Scenario {
        name: "it-record",
        what: "Italy, 23 December 2021",
        certificates: 1_663_340,
        days: 1,
        hours_a_day: 24,
        peak: 4.0,
        interactive_per_second: 20.0,
        source: "punto-informatico.it: 1,663,340 on that day; a busy hour of 4 times the mean, and 20 single ones a second, are assumed",
    },
    Scenario {
        name: "de-launch",
        what: "Germany, 15 to 20 June 2021",
        certificates: 15_700_000,
        days: 5,
        hours_a_day: 12,
        peak: 1.0,
        interactive_per_second: 36.0,
        source: "finanznachrichten 53156884, apotheke-adhoc 22.06.2021: from 6.6 to 22.3 million; days of 12 h, and its mean over 24 h, 36 a \
                 second, as single ones, are assumed",
    },
    Scenario {
        name: "dsc-withdrawn-8m",
        what: "a country of 8 million withdraws its DSC: 2.5 certificates a person within two days",
        certificates: 20_000_000,
        days: 2,
        hours_a_day: 24,
        peak: 1.0,
        interactive_per_second: 7.0,
        source: "arithmetic: 8 million x 2.5; single ones as on the Swiss launch day are assumed",
    },
    Scenario {
        name: "fr-reissue-72h",
        what: "France signs its stock of October 2021 anew within three days",
        certificates: 136_900_000,
        days: 3,
        hours_a_day: 24,
        peak: 1.0,
        interactive_per_second: 20.0,
        source: "fr.wikipedia, Passe sanitaire européen: 136,901,354 on 13 October 2021; 20 single ones a second, Italy's record, are assumed",
    },
    Scenario {
        name: "fr-reissue-night",
        what: "France signs its stock of October 2021 anew in one night",
        certificates: 136_900_000,
        days: 1,
        hours_a_day: 10,
        peak: 1.0,
        interactive_per_second: 20.0,
        source: "fr.wikipedia, Passe sanitaire européen: 136,901,354 on 13 October 2021; a night of 10 h, and \
                 20 single ones a second, are assumed",
    },
];
