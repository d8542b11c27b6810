//! Common names of New Caledonia's people and visitors, by origin. NFC.

/// Names that go together.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) surnames: &'static [&'static str],
    pub(super) women: &'static [&'static str],
    pub(super) men: &'static [&'static str],
    /// Percent of people with two surnames, and what stands between these.
    pub(super) double_surnames: u32,
    pub(super) surname_joint: &'static str,
    /// French first names are as common as the origin's own.
    pub(super) with_french: bool,
}

/// By weight, in percent.
pub(super) const ORIGINS: [(u32, &Origin); 8] =
    [(36, &FRENCH), (30, &KANAK), (9, &POLYNESIAN), (11, &WALLISIAN), (4, &IBERIAN), (4, &GERMANIC), (3, &NORDIC), (3, &EASTERN)];

#[rustfmt::skip]
pub(super) const FRENCH: Origin = Origin {
    surnames: &[
        "Martin", "Lefèvre", "Bézier", "Guérin", "d'Estrée", "de La Tour", "Le Gall", "L'Hostis",
        "Saint-Aubin", "Du Bois", "Chaumeil", "Noël", "Boëldieu", "Châtelain", "Forêt", "Maître",
        "Besançon", "François", "Lecœur", "Œillet", "Beauchêne", "Hénin", "de Saint-Rémy",
        "d'Aubigné", "Renaud", "Rivière", "Mercier", "Blanchet", "Girard", "Devaux", "Lacôte",
        "Perraud", "Collin", "Août", "Crépin", "Hervé", "Le Bihan", "Pélissier", "Magnin", "Faÿ",
        "Barthélemy", "Gonnet", "Vautrin", "Tissot", "Caillard", "Bouvier", "Lemaître",
        "Delhommeau", "Sauvêtre",
    ],
    women: &[
        "Marie", "Hélène", "Zoé", "Chloé", "Anaïs", "Loïse", "Maëlys", "Françoise", "Geneviève",
        "Solène", "Agnès", "Inès", "Marie-Thérèse", "Anne-Sophie", "Marie-José", "Lætitia",
        "Cécile", "Éloïse", "Jeanne d'Arc", "Aurélie", "Noémie", "Camille", "Sandrine", "Valérie",
        "Léa", "Manon", "Océane", "Joëlle", "Emmanuelle", "Rose-Aimée",
    ],
    men: &[
        "Jean", "René", "Gaël", "Loïc", "Noël", "Benoît", "Jérôme", "François", "Jean-Noël",
        "Jean-François", "Raphaël", "Mickaël", "Étienne", "Léo", "Théo", "Hervé", "Grégory",
        "Sébastien", "Aimé", "Honoré", "Anaël", "Pierre-Yves", "Paul-Émile", "Louis", "Maxime",
        "Antoine", "Stéphane", "Cédric", "Rémi", "Hugo",
    ],
    double_surnames: 6,
    surname_joint: "-",
    with_french: false,
};

#[rustfmt::skip]
pub(super) const KANAK: Origin = Origin {
    surnames: &[
        "Wahnapo", "Hnawia", "Waminya", "Xozame", "Qenenoj", "Trupit", "Wadra", "Haocas",
        "Nekiriaï", "Poigoune", "Poédi", "Boaouva", "Gowé", "Teïn", "Diémène", "Ouckewen", "Ihage",
        "Kaudré", "Sipa", "Siwéné", "Upa", "Ukeiwë", "Kaloï", "Wapotro", "Hnaïja", "Waheo",
        "Luepak", "Wénéhoua", "Bealo", "Poadaé", "Mwatéapöö", "Pwärä", "Kasarhérou", "Nonmeu",
        "Göröwirijaa", "Iékawé", "Wéjièmè", "Kaïna-Bwé", "Tiaou", "Hmaloko", "Zéoula", "Wassaumi",
        "Cawidrone", "Jewiné",
    ],
    women: &[
        "Waïma", "Hnamano", "Wassissi", "Kapoéri", "Néa", "Wanaë", "Ixöle", "Péwé", "Hnadrië",
        "Drikona", "Trohmë", "Wazié", "Kaléba", "Zéna", "Dawano", "Mélëwe",
    ],
    men: &[
        "Jémès", "Wakolo", "Téâ", "Käpwé", "Wië", "Hnaëj", "Ipézë", "Drawilo", "Wamo", "Kötr",
        "Poïndi", "Gohé", "Bwaé", "Wasé", "Qalu", "Hmejë",
    ],
    double_surnames: 3,
    surname_joint: "-",
    with_french: true,
};

#[rustfmt::skip]
pub(super) const POLYNESIAN: Origin = Origin {
    surnames: &[
        "Tetuanui", "Teriitehau", "Maraetefau", "Tauraa", "Tehei", "Teihotu", "Fa’atau",
        "Ha'amoura", "Taputu", "Mā'ohi", "Tāvae", "Pōroi", "Hōata", "Temauri", "Raihauti", "Mahuta",
        "Tēvero", "Vairaaroa", "Utia", "Tūfariua", "Puarai",
    ],
    women: &[
        "Hinano", "Vaitiare", "Moeata", "Hereiti", "Tiarē", "Poerava", "Māeva", "Vaihere",
        "Hina'ora", "Tehani", "Rā'iri", "Turere",
    ],
    men: &[
        "Teva", "Manarii", "Ra'ihau", "Tāne", "Heimana", "Tamatoa", "Hōtu", "Teiki", "Ariitea",
        "Manu'ura", "Tūnui", "Keanu",
    ],
    double_surnames: 4,
    surname_joint: " ",
    with_french: true,
};

#[rustfmt::skip]
pub(super) const WALLISIAN: Origin = Origin {
    surnames: &[
        "Falakiko", "Takasi", "Tu'ulaki", "Fiafialoto", "Likuvalu", "Muliava", "Vakauliafa",
        "Hoatau", "Lakalaka", "Moefana", "Manufekai", "Taofifénua", "Tagata-Manogi", "Pagatele",
        "Selui", "Keletaona", "Polelei", "Ma'afu", "Lavelua-Toa", "Fotutata", "Sako", "Uhila'aho",
    ],
    women: &[
        "Malia", "Sesilia", "Losa", "Falakika", "Kalala", "Ana Malia", "Sosefina", "Tu'ufaga",
        "Sela", "Pipiena", "Ma'ata", "Loselia",
    ],
    men: &[
        "Sosefo", "Petelo", "Mikaele", "Atonio", "Kapeliele", "Visesio", "Soane", "Sole'o", "Paulo",
        "Tomasi", "Lafaele", "Mu'a",
    ],
    double_surnames: 2,
    surname_joint: " ",
    with_french: true,
};

#[rustfmt::skip]
const IBERIAN: Origin = Origin {
    surnames: &[
        "Núñez", "Muñoz", "Ibáñez", "García", "Peña", "Güell", "Gonçalves", "da Conceição",
        "Simões", "dos Santos", "Araújo", "Magalhães", "Puig i Serra", "Etxeberría", "de la Cruz",
    ],
    women: &[
        "María José", "Begoña", "Conceição", "Núria", "Inês", "Ángela", "Lucía", "Assunção", "Íria",
        "Montserrat",
    ],
    men: &[
        "José Luís", "Íñigo", "João", "Andrés", "Joaquín", "Sebastião", "Gonçalo", "Óscar", "Rubén",
        "Raül",
    ],
    double_surnames: 45,
    surname_joint: " ",
    with_french: false,
};

#[rustfmt::skip]
const GERMANIC: Origin = Origin {
    surnames: &[
        "Müller", "Weiß", "Köhler", "von Brühl", "Schäfer", "Größing", "Jäger-Roth", "van der Meer",
        "van 't Hof", "de Vries", "IJsselstein", "ten Böhmer", "Zürcher", "O'Sullivan", "MacNéill",
        "Ní Bhriain", "D'Hondt", "Coëme",
    ],
    women: &[
        "Käthe", "Jördis", "Änne", "Zoë", "Fenne", "Sinéad", "Gráinne", "Ursula", "Rosemarie",
        "Liesbeth",
    ],
    men: &[
        "Jürgen", "Björn", "Götz", "Daniël", "Maarten", "Séamus", "Pádraig", "Karl-Heinz",
        "Matthäus", "Wout",
    ],
    double_surnames: 4,
    surname_joint: "-",
    with_french: false,
};

#[rustfmt::skip]
const NORDIC: Origin = Origin {
    surnames: &[
        "Sørensen", "Kjær", "Åkerström", "Öberg", "Mäkinen", "Hyvönen", "Þórðarson",
        "Guðmundsdóttir", "Bjørnstad", "Ångström", "Højgård", "Tõnisson", "Saarväli", "Lindqvist",
    ],
    women: &[
        "Åse", "Sólveig", "Þórunn", "Päivi", "Kajsa", "Märta", "Ræna", "Guðrún", "Õnne",
        "Anne-Grethe",
    ],
    men: &[
        "Søren", "Håkon", "Jón Þór", "Väinö", "Göran", "Pål", "Ægir", "Davíð", "Tõnu", "Lars-Erik",
    ],
    double_surnames: 6,
    surname_joint: " ",
    with_french: false,
};

#[rustfmt::skip]
const EASTERN: Origin = Origin {
    surnames: &[
        "Wiśniewska-Zając", "Łukasik", "Dvořák", "Škoda", "Szabó", "Kőszegi", "Ștefănescu",
        "Țăranu", "Đurić", "Žukauskas", "Bērziņš", "Hrubý", "Ćosić", "Kovačič", "Farruġia",
        "Żammit",
    ],
    women: &[
        "Małgorzata", "Zdeňka", "Erzsébet", "Ilinca-Ștefania", "Živa", "Jūratė", "Līga", "Ġulja",
        "Anđela", "Božena",
    ],
    men: &[
        "Łukasz", "Jiří", "Győző", "Răzvan", "Željko", "Žygimantas", "Jānis", "Ġorġ", "Tomáš",
        "Bogusław",
    ],
    double_surnames: 4,
    surname_joint: "-",
    with_french: false,
};
