//! Names in machine-readable form: from any of the scripts of Europe and the Arab world to `A-Z`
//! and `<`.
//!
//! Used where the source gives no `nam.fnt` / `nam.gnt`. **What the source gives is kept**: states
//! differ (the French CNAM writes Mäel MAEL, here it is MAEEL), and a person's certificates must
//! agree with one another.
//!
//! # Choices
//! ICAO leaves some letters open; these are fixed here: Ä AE, Ö OE, Ü UE, Å AA, Ñ N. Nothing
//! depends on a language, so Г is G (not the H of Ukraine) and Х is KH (not the H of Serbia).
//! Scripts not listed at [`transliterate`], and Cyrillic letters outside ICAO's table (Kazakh Қ, Ө
//! ...), are refused rather than guessed.
//!
//! # Source
//! ICAO Doc 9303-3, eighth edition, section 6, tables A (Latin), B (Cyrillic), C (Arabic); Greek:
//! ELOT 743 (ISO 843 type 2, UN 1987), as Doc 9303 has no table for it; Georgian: the national
//! system of 2002, apostrophes left out.

use thiserror::Error;
use unicode_normalization::char::{compose, decompose_canonical, is_combining_mark};

/// A character that no table has.
///
/// Its message names the character and nothing else of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "no transliteration for the character U+{:04X} at position {position}; \
     give the transliterated form (nam.fnt / nam.gnt) yourself",
    u32::from(*character)
)]
pub struct Untransliterable {
    /// The character as it stands in the name.
    pub character: char,
    /// Index of its code point in the name, from 0.
    pub position: usize,
}

/// Writes `name` as ICAO Doc 9303-3 section 6 has it in the machine-readable zone.
///
/// # Shapes and units
/// `name`: Latin, Greek, Cyrillic, Georgian or Arabic, composed (NFC) or decomposed (NFD), any
/// case; the two forms give the same. Out comes `A-Z` and `<` only, no `<` at either end nor two in
/// a row; it may be longer than `name` (Щ is SHCH), and empty. **The limit of 80 characters is the
/// caller's matter.** What comes out, put in again, stays as it is.
///
/// - spaces, hyphens, commas, slashes, middle dots and the like: one `<` for a run of them;
/// - apostrophes, quotes, full stops, digits and invisible characters: left out, so that `D'Arc` is
///   `DARC` and `J. P.` is `J<P`;
/// - vowel signs of Arabic are left out, a shadda doubles; ة is XAH at the end of a word, XTA
///   elsewhere.
///
/// Plain ASCII costs one allocation, all else two as a rule.
///
/// # Errors
/// [`Untransliterable`] for the first character no table has (Chinese, emoji, `@` ...).
pub fn transliterate(name: &str) -> Result<String, Untransliterable> {
    if name.is_ascii() { ascii(name) } else { scripts(name) }
}

fn ascii(name: &str) -> Result<String, Untransliterable> {
    let mut line = Line::for_name(name);
    for (position, byte) in name.bytes().enumerate() {
        let character = char::from(byte);
        if byte.is_ascii_alphabetic() {
            line.letter(byte.to_ascii_uppercase());
            continue;
        }
        match class(character) {
            Class::Filler => line.filler(),
            Class::Dropped => {}
            Class::Other => {
                return Err(Untransliterable { character, position });
            }
        }
    }
    Ok(line.text)
}

fn scripts(name: &str) -> Result<String, Untransliterable> {
    let glyphs = glyphs(name);
    let mut line = Line::for_name(name);
    for (index, glyph) in glyphs.iter().enumerate() {
        if glyph.is_filler() {
            line.filler();
            continue;
        }
        let spelling = spell(&glyphs, index).ok_or(Untransliterable { character: glyph.source, position: glyph.position })?;
        let times = if glyph.doubled { 2 } else { 1 };
        (0..times).flat_map(|_| spelling.bytes()).for_each(|letter| line.letter(letter));
    }
    Ok(line.text)
}

/// The line under way: a filler is written only once a letter follows, which trims and joins runs.
struct Line {
    text: String,
    filler_due: bool,
}

impl Line {
    fn for_name(name: &str) -> Self {
        Self { text: String::with_capacity(name.len()), filler_due: false }
    }

    fn letter(&mut self, letter: u8) {
        if self.filler_due && !self.text.is_empty() {
            self.text.push('<');
        }
        self.filler_due = false;
        self.text.push(char::from(letter));
    }

    const fn filler(&mut self) {
        self.filler_due = true;
    }
}

/// A letter with its marks taken off, or a filler.
#[derive(Clone, Copy)]
struct Glyph {
    /// Upper case, without marks, unless a table has the marked letter itself (Ä).
    letter: char,
    /// Any mark: in Greek, an accent on the first of two vowels parts them.
    marked: bool,
    /// A diaeresis, which parts two Greek vowels.
    diaeresis: bool,
    /// An Arabic shadda.
    doubled: bool,
    /// The character it comes from, and where that stood.
    source: char,
    position: usize,
}

impl Glyph {
    const fn new(letter: char, source: char, position: usize) -> Self {
        Self { letter, marked: false, diaeresis: false, doubled: false, source, position }
    }

    fn is_filler(&self) -> bool {
        matches!(class(self.letter), Class::Filler)
    }

    fn mark(&mut self, mark: char) {
        self.marked |= mark != '\u{0345}';
        self.diaeresis |= mark == '\u{0308}';
        self.doubled |= mark == '\u{0651}';
        if let Some(composed) = compose(self.letter, mark).filter(|c| single(*c).is_some()) {
            self.letter = composed;
        }
    }
}

/// The name's glyphs; dropped characters leave none, so neighbours see across them.
fn glyphs(name: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(name.len());
    for (position, source) in name.chars().enumerate() {
        decompose_canonical(source, |part| push_part(&mut glyphs, part, source, position));
    }
    ela_geminada(&mut glyphs);
    glyphs
}

/// `part`: one character of the canonical decomposition of `source`.
fn push_part(glyphs: &mut Vec<Glyph>, part: char, source: char, position: usize) {
    if is_combining_mark(part) {
        if let Some(glyph) = glyphs.last_mut() {
            glyph.mark(part);
        }
        return;
    }
    let capitals = upper_case(part).filter(|letter| !matches!(class(*letter), Class::Dropped));
    glyphs.extend(capitals.map(|letter| Glyph::new(letter, source, position)));
}

/// Capitals of `part`; for Georgian the everyday letters, which the table has, in place of
/// Unicode's capitals.
fn upper_case(part: char) -> impl Iterator<Item = char> {
    part.to_uppercase().map(|capital| match capital {
        '\u{1C90}'..='\u{1CBF}' => capital.to_lowercase().next().unwrap_or(capital),
        _ => capital,
    })
}

/// Catalan writes one long l as `l·l`: there the dot is no word's end (`Gal·la` is GALLA, as
/// `Gaŀla` is).
fn ela_geminada(glyphs: &mut Vec<Glyph>) {
    let is = |glyph: Option<&Glyph>, letter| glyph.is_some_and(|glyph| glyph.letter == letter);
    let mut index = 1;
    while index < glyphs.len() {
        let between = is(glyphs.get(index - 1), 'L') && is(glyphs.get(index + 1), 'L');
        if between && glyphs[index].letter == '·' {
            glyphs.remove(index);
        }
        index += 1;
    }
}

enum Class {
    /// Parts two words.
    Filler,
    /// Leaves no trace.
    Dropped,
    /// A letter, or nothing we know.
    Other,
}

fn class(character: char) -> Class {
    match character {
        '<' | '-' | ',' | ';' | '/' | '\\' | '(' | ')' | '_' | '&' | '+' => Class::Filler,
        '·' | '•' | '‧' | '∙' | '・' | '،' | '־' | '−' | '﹘' | '﹣' | '－' => Class::Filler,
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2E3A}' | '\u{2E3B}' => Class::Filler,
        c if c.is_whitespace() => Class::Filler,
        '.' | '0'..='9' | '\u{0660}'..='\u{0669}' | '\u{06F0}'..='\u{06F9}' => Class::Dropped,
        '\'' | '`' | '´' | '"' | '“' | '”' | '„' | '«' | '»' | '‹' | '›' => Class::Dropped,
        '‘' | '’' | '‚' | '‛' | '′' | '＇' | '\u{0384}' | '\u{1FBD}' | '\u{1FBF}' => Class::Dropped,
        // Modifier letters in use as apostrophe, okina, ain and hamza.
        '\u{02B9}'..='\u{02BF}' | '\u{02C8}' | '\u{02CA}' | '\u{02CB}' | '\u{A78B}' | '\u{A78C}' => Class::Dropped,
        // Invisible: soft hyphen, tatweel, zero width, direction.
        '\u{00AD}' | '\u{0640}' | '\u{061C}' | '\u{FEFF}' => Class::Dropped,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' => Class::Dropped,
        _ => Class::Other,
    }
}

/// Letters for the glyph at `index`, with regard to its neighbours; `None`: no table has it.
fn spell(glyphs: &[Glyph], index: usize) -> Option<&'static str> {
    greek_in_context(glyphs, index).or_else(|| match glyphs[index].letter {
        'ة' if ends_word(glyphs, index) => Some("XAH"),
        letter => single(letter),
    })
}

/// ELOT 743 where two letters are read as one: ου, αυ, ευ, ηυ, γγ, γξ, γχ, and μπ at either end of
/// a word.
fn greek_in_context(glyphs: &[Glyph], index: usize) -> Option<&'static str> {
    let next = || glyphs.get(index + 1).map(|glyph| glyph.letter);
    match glyphs[index].letter {
        'Υ' => upsilon(glyphs, index),
        'Γ' => next().filter(|next| "ΓΞΧ".contains(*next)).map(|_| "N"),
        'Μ' if is_outer_mp(glyphs, index) => Some("B"),
        'Π' if index > 0 && is_outer_mp(glyphs, index - 1) => Some(""),
        _ => None,
    }
}

/// The second half of a digraph: V before a voiced sound, F before others and at the end; ΟΥ is OU.
fn upsilon(glyphs: &[Glyph], index: usize) -> Option<&'static str> {
    let first = glyphs.get(index.checked_sub(1)?)?;
    if first.marked || glyphs[index].diaeresis {
        return None;
    }
    let voiced = || glyphs.get(index + 1).is_some_and(|next| "ΑΒΓΔΕΖΗΙΛΜΝΟΡΥΩ".contains(next.letter));
    match first.letter {
        'Ο' => Some("U"),
        'Α' | 'Ε' | 'Η' if voiced() => Some("V"),
        'Α' | 'Ε' | 'Η' => Some("F"),
        _ => None,
    }
}

/// Whether ΜΠ begins at `index` and stands at the beginning or the end of its word.
fn is_outer_mp(glyphs: &[Glyph], index: usize) -> bool {
    let is_mp = glyphs[index].letter == 'Μ' && glyphs.get(index + 1).is_some_and(|next| next.letter == 'Π');
    is_mp && (begins_word(glyphs, index) || ends_word(glyphs, index + 1))
}

fn begins_word(glyphs: &[Glyph], index: usize) -> bool {
    index.checked_sub(1).is_none_or(|before| glyphs[before].is_filler())
}

fn ends_word(glyphs: &[Glyph], index: usize) -> bool {
    glyphs.get(index + 1).is_none_or(Glyph::is_filler)
}

/// Letters for one glyph by itself: O(log n) in its script's table.
fn single(letter: char) -> Option<&'static str> {
    if letter.is_ascii_uppercase() {
        let at = usize::from(letter as u8 - b'A');
        return ALPHABET.get(at..=at);
    }
    let table = match letter {
        '\u{0080}'..='\u{02AF}' | '\u{1E00}'..='\u{1EFF}' => LATIN,
        '\u{0370}'..='\u{03FF}' => GREEK,
        '\u{0400}'..='\u{04FF}' => CYRILLIC,
        '\u{0600}'..='\u{06FF}' => ARABIC,
        '\u{10D0}'..='\u{10FF}' => GEORGIAN,
        _ => return None,
    };
    let at = table.binary_search_by_key(&letter, |row| row.0).ok()?;
    Some(table[at].1)
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

type Table = &'static [(char, &'static str)];

/// Table A, and the ordinals of Mª and Nº. Letters with marks that are not here lose the marks; ß
/// and ŉ are already SS and ʼN by their capitals.
#[rustfmt::skip]
const LATIN: Table = &[
    ('ª', "A"), ('º', "O"),
    ('Ä', "AE"), ('Å', "AA"), ('Æ', "AE"), ('Ð', "D"), ('Ö', "OE"), ('Ø', "OE"), ('Ü', "UE"), ('Þ', "TH"),
    ('Đ', "D"), ('Ħ', "H"), ('Ĳ', "IJ"), ('ĸ', "Q"), ('Ŀ', "L"), ('Ł', "L"), ('Ŋ', "N"), ('Œ', "OE"), ('Ŧ', "T"),
    ('ẞ', "SS"),
];

/// ELOT 743, one letter at a time.
#[rustfmt::skip]
const GREEK: Table = &[
    ('Α', "A"), ('Β', "V"), ('Γ', "G"), ('Δ', "D"), ('Ε', "E"), ('Ζ', "Z"), ('Η', "I"), ('Θ', "TH"), ('Ι', "I"),
    ('Κ', "K"), ('Λ', "L"), ('Μ', "M"), ('Ν', "N"), ('Ξ', "X"), ('Ο', "O"), ('Π', "P"), ('Ρ', "R"), ('Σ', "S"),
    ('Τ', "T"), ('Υ', "Y"), ('Φ', "F"), ('Χ', "CH"), ('Ψ', "PS"), ('Ω', "O"),
];

/// Table B. Ё Ѓ Й Ќ Ў Ї are spelled like the letters they carry a mark on (Е Г И К У І), so they
/// need no row.
#[rustfmt::skip]
const CYRILLIC: Table = &[
    ('Ђ', "D"), ('Є', "IE"), ('Ѕ', "DZ"), ('І', "I"), ('Ј', "J"), ('Љ', "LJ"), ('Њ', "NJ"), ('Ћ', "C"), ('Џ', "DZ"),
    ('А', "A"), ('Б', "B"), ('В', "V"), ('Г', "G"), ('Д', "D"), ('Е', "E"), ('Ж', "ZH"), ('З', "Z"), ('И', "I"),
    ('К', "K"), ('Л', "L"), ('М', "M"), ('Н', "N"), ('О', "O"), ('П', "P"), ('Р', "R"), ('С', "S"), ('Т', "T"),
    ('У', "U"), ('Ф', "F"), ('Х', "KH"), ('Ц', "TS"), ('Ч', "CH"), ('Ш', "SH"), ('Щ', "SHCH"), ('Ъ', "IE"), ('Ы', "Y"),
    ('Ь', ""), ('Э', "E"), ('Ю', "IU"), ('Я', "IA"), ('Ѫ', "U"), ('Ѵ', "Y"), ('Ґ', "G"), ('Ғ', "G"), ('Һ', "C"),
];

/// The national system of Georgia, 2002.
#[rustfmt::skip]
const GEORGIAN: Table = &[
    ('ა', "A"), ('ბ', "B"), ('გ', "G"), ('დ', "D"), ('ე', "E"), ('ვ', "V"), ('ზ', "Z"), ('თ', "T"), ('ი', "I"),
    ('კ', "K"), ('ლ', "L"), ('მ', "M"), ('ნ', "N"), ('ო', "O"), ('პ', "P"), ('ჟ', "ZH"), ('რ', "R"), ('ს', "S"),
    ('ტ', "T"), ('უ', "U"), ('ფ', "P"), ('ქ', "K"), ('ღ', "GH"), ('ყ', "Q"), ('შ', "SH"), ('ჩ', "CH"), ('ც', "TS"),
    ('ძ', "DZ"), ('წ', "TS"), ('ჭ', "CH"), ('ხ', "KH"), ('ჯ', "J"), ('ჰ', "H"),
];

/// Table C, by code point because the script runs the other way. X marks a letter with no Latin
/// equal. U+0629 (teh marbuta) is for within a word.
#[rustfmt::skip]
const ARABIC: Table = &[
    ('\u{0621}', "XE"), ('\u{0622}', "XAA"), ('\u{0623}', "XAE"), ('\u{0624}', "U"), ('\u{0625}', "I"),
    ('\u{0626}', "XI"), ('\u{0627}', "A"), ('\u{0628}', "B"), ('\u{0629}', "XTA"), ('\u{062A}', "T"),
    ('\u{062B}', "XTH"), ('\u{062C}', "J"), ('\u{062D}', "XH"), ('\u{062E}', "XKH"), ('\u{062F}', "D"),
    ('\u{0630}', "XDH"), ('\u{0631}', "R"), ('\u{0632}', "Z"), ('\u{0633}', "S"), ('\u{0634}', "XSH"),
    ('\u{0635}', "XSS"), ('\u{0636}', "XDZ"), ('\u{0637}', "XTT"), ('\u{0638}', "XZZ"), ('\u{0639}', "E"),
    ('\u{063A}', "G"), ('\u{0641}', "F"), ('\u{0642}', "Q"), ('\u{0643}', "K"), ('\u{0644}', "L"),
    ('\u{0645}', "M"), ('\u{0646}', "N"), ('\u{0647}', "H"), ('\u{0648}', "W"), ('\u{0649}', "XAY"),
    ('\u{064A}', "Y"), ('\u{0671}', "XXA"), ('\u{0679}', "XXT"), ('\u{067C}', "XRT"), ('\u{067E}', "P"),
    ('\u{0681}', "XKE"), ('\u{0685}', "XXH"), ('\u{0686}', "XC"), ('\u{0688}', "XXD"), ('\u{0689}', "XDR"),
    ('\u{0691}', "XXR"), ('\u{0693}', "XRR"), ('\u{0696}', "XRX"), ('\u{0698}', "XJ"), ('\u{069A}', "XXS"),
    ('\u{06A9}', "XKK"), ('\u{06AB}', "XXK"), ('\u{06AD}', "XNG"), ('\u{06AF}', "XGG"), ('\u{06BA}', "XNN"),
    ('\u{06BC}', "XXN"), ('\u{06BE}', "XDO"), ('\u{06C0}', "XYH"), ('\u{06C1}', "XXG"), ('\u{06C2}', "XGE"),
    ('\u{06C3}', "XTG"), ('\u{06CC}', "XYA"), ('\u{06CD}', "XXY"), ('\u{06D0}', "Y"), ('\u{06D2}', "XYB"),
    ('\u{06D3}', "XBE"),
];

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn assert_all(pairs: &[(&str, &str)]) {
        for (name, expected) in pairs {
            assert_eq!(transliterate(name).as_deref(), Ok(*expected), "{name}");
            let decomposed: String = name.nfd().collect();
            assert_eq!(transliterate(&decomposed).as_deref(), Ok(*expected), "{name}, decomposed");
            let composed: String = name.nfc().collect();
            assert_eq!(transliterate(&composed).as_deref(), Ok(*expected), "{name}, composed");
        }
    }

    fn is_line(text: &str) -> bool {
        let letters = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'<');
        letters && !text.contains("<<") && !text.starts_with('<') && !text.ends_with('<')
    }

    #[test]
    fn words_are_parted_by_one_filler() {
        assert_all(&[
            ("", ""),
            ("Dupont", "DUPONT"),
            ("Jean-Pierre Marcel", "JEAN<PIERRE<MARCEL"),
            ("STARK ", "STARK"),
            ("  Marie \u{00A0} Anne\t", "MARIE<ANNE"),
            ("Martin - Durand", "MARTIN<DURAND"),
            ("Le\u{2010}Guen\u{2013}Morvan", "LE<GUEN<MORVAN"),
            ("Dupont,Jean/Luc", "DUPONT<JEAN<LUC"),
            ("SMITH<<JOHN<", "SMITH<JOHN"),
            ("- -", ""),
        ]);
    }

    #[test]
    fn apostrophes_stops_and_digits_leave_no_filler() {
        assert_all(&[
            ("D'Arc", "DARC"),
            ("d’Estaing", "DESTAING"),
            ("O´Brien O`Neil", "OBRIEN<ONEIL"),
            ("'t Achternaam", "T<ACHTERNAAM"),
            ("J. P.", "J<P"),
            ("PREZIME01", "PREZIME"),
            ("Anne\u{00AD}Marie", "ANNEMARIE"),
        ]);
    }

    #[test]
    fn french_names() {
        assert_all(&[
            ("théoule sur mer", "THEOULE<SUR<MER"),
            ("Gérard Lefèvre", "GERARD<LEFEVRE"),
            ("Françoise Lecœur", "FRANCOISE<LECOEUR"),
            ("Lætitia L'Haÿ", "LAETITIA<LHAY"),
            ("Benoît Noël-Würtz", "BENOIT<NOEL<WUERTZ"),
        ]);
    }

    #[test]
    fn kanak_and_polynesian_names() {
        assert_all(&[
            ("Wéa", "WEA"),
            ("Tjibaou", "TJIBAOU"),
            ("Hnawang", "HNAWANG"),
            ("ʻOtuafi", "OTUAFI"),
            ("\u{A78C}Otuafi", "OTUAFI"),
            ("Fa'aoa", "FAAOA"),
            ("Fa’aoa Māhina", "FAAOA<MAHINA"),
            ("Pidjo-d'Arsøns", "PIDJO<DARSOENS"),
        ]);
    }

    #[test]
    fn names_of_the_north_and_the_middle_of_europe() {
        assert_all(&[
            ("Musterfrau-Gößinger", "MUSTERFRAU<GOESSINGER"),
            ("GROẞ", "GROSS"),
            ("Matti Kari Yrjänä", "MATTI<KARI<YRJAENAE"),
            ("Lövström Ångström", "LOEVSTROEM<AANGSTROEM"),
            ("Þórður Guðmundsdóttir", "THORDUR<GUDMUNDSDOTTIR"),
            ("Væåëýþÿüïöœœäßðèéùúĳðøáéóúí", "VAEAAEYTHYUEIOEOEOEAESSDEEUUIJDOEAEOUI"),
            ("Petrovič Lužičinský", "PETROVIC<LUZICINSKY"),
            ("Ķelpis Mārtiņš", "KELPIS<MARTINS"),
            ("Łukasz Żółć", "LUKASZ<ZOLC"),
            ("Đorđe Ħaż-Żebbuġ", "DORDE<HAZ<ZEBBUG"),
            ("Őry Űrhajós", "ORY<URHAJOS"),
            ("Sámi Ŋiŋŋá Ŧ ĸ ŉ", "SAMI<NINNA<T<Q<N"),
        ]);
    }

    #[test]
    fn names_of_the_south_and_of_other_latin_alphabets() {
        assert_all(&[
            ("Romero Muñoz", "ROMERO<MUNOZ"),
            ("Mª Concepción", "MA<CONCEPCION"),
            ("Gal·la Gaŀla Sant·Pau", "GALLA<GALLA<SANT<PAU"),
            ("Marilù João Ștefan", "MARILU<JOAO<STEFAN"),
            ("Işıl İnönü Çağ", "ISIL<INOENUE<CAG"),
            ("Nguyễn Thị Ưng", "NGUYEN<THI<UNG"),
        ]);
    }

    #[test]
    fn more_marks_do_not_hide_the_letters_of_the_table() {
        assert_all(&[("Ǟ Ǻ Ǿ Ǘ", "AE<AA<OE<UE"), ("a\u{0323}\u{0308}", "AE"), ("\u{212B}", "AA"), ("\u{0301}", "")]);
    }

    #[test]
    fn cyrillic_names() {
        assert_all(&[
            ("Ткаченко", "TKACHENKO"),
            ("Мар'яна", "MARIANA"),
            ("Юлия Щеглова", "IULIIA<SHCHEGLOVA"),
            ("Сергей Йовкёв", "SERGEI<IOVKEV"),
            ("Ольга Съезд Эмилия", "OLGA<SIEEZD<EMILIIA"),
            ("Їжак Євген Ґудзь", "IZHAK<IEVGEN<GUDZ"),
            ("Ђорђе Ћирић Љиљана Њего Џон", "DORDE<CIRIC<LJILJANA<NJEGO<DZON"),
            ("Ѓорѓи Ќосе Ѕвезда Јован Ўладзімір", "GORGI<KOSE<DZVEZDA<JOVAN<ULADZIMIR"),
        ]);
    }

    #[test]
    fn greek_names() {
        assert_all(&[
            ("Μενεξές Μάριος", "MENEXES<MARIOS"),
            ("ΜΕΝΕΞΕΣ", "MENEXES"),
            ("επώνυμο", "EPONYMO"),
            ("Παπαδοπούλου", "PAPADOPOULOU"),
            ("Παύλος Ευαγγελία", "PAVLOS<EVANGELIA"),
            ("Ευτυχία Αυτός", "EFTYCHIA<AFTOS"),
            ("Ηυ", "IF"),
            ("Μπαμπάς Λάμπρος", "BAMPAS<LAMPROS"),
            ("Ζιμπ-Μπόν", "ZIB<BON"),
            ("Άγχος Σφίγξ Αγκών", "ANCHOS<SFINX<AGKON"),
            ("Χρήστος Ψαθάς Θωμάς", "CHRISTOS<PSATHAS<THOMAS"),
            ("Ταΰγετος Άυλος", "TAYGETOS<AYLOS"),
            ("ᾨδή Ἀθηνᾶ", "ODI<ATHINA"),
        ]);
    }

    #[test]
    fn georgian_names_in_either_case() {
        assert_all(&[("ვაჟა", "VAZHA"), ("ეზუგბაია", "EZUGBAIA"), ("ᲕᲐᲟᲐ", "VAZHA"), ("წყალი ჭყონია", "TSQALI<CHQONIA")]);
    }

    #[test]
    fn arabic_names_go_by_table_c() {
        assert_all(&[
            ("الاسم الاخير", "ALASM<ALAXKHYR"),
            ("الاسم الأول", "ALASM<ALXAEWL"),
            ("فاطمة", "FAXTTMXAH"),
            ("فاطمة بنت", "FAXTTMXAH<BNT"),
            ("فِضَّة", "FXDZXDZXAH"),
            ("هبةالله", "HBXTAALLH"),
            ("محـمد", "MXHMD"),
            ("پرویز", "PRWXYAZ"),
        ]);
    }

    #[test]
    fn what_no_table_has_is_named_by_code_point_and_place() {
        for (name, character, position) in [
            ("王芳", '王', 0),
            ("Jean 😀", '😀', 5),
            ("e\u{0301}e\u{0301}日", '日', 4),
            ("a@b", '@', 1),
            ("한글", '한', 0),
            ("Қазақ", 'Қ', 0),
            ("a\0", '\0', 1),
        ] {
            assert_eq!(transliterate(name), Err(Untransliterable { character, position }), "{name}");
        }
    }

    #[test]
    fn the_message_tells_the_remedy_and_not_the_name() {
        let message = transliterate("Dupont 王").expect_err("no table has Chinese").to_string();
        assert!(message.contains("U+738B at position 7"), "{message}");
        assert!(message.contains("nam.fnt / nam.gnt"), "{message}");
        assert!(!message.contains("Dupont") && !message.contains('王'), "{message}");
    }

    #[test]
    fn tables_are_sorted_for_binary_search_and_hold_letters_only() {
        for table in [LATIN, GREEK, CYRILLIC, GEORGIAN, ARABIC] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            assert!(table.iter().all(|row| single(row.0) == Some(row.1)));
            assert!(table.iter().all(|row| row.1.bytes().all(|byte| byte.is_ascii_uppercase())));
        }
    }

    #[test]
    fn every_character_gives_letters_or_an_error_alike_in_both_forms() {
        for character in '\0'..='\u{1FFFF}' {
            let text = format!("A{character}B");
            let line = transliterate(&text);
            assert!(line.as_deref().is_ok_and(is_line) || line.is_err(), "{character:?}");
            let decomposed: String = text.nfd().collect();
            assert_eq!(line.ok(), transliterate(&decomposed).ok(), "{character:?}");
        }
    }

    #[test]
    fn any_mix_of_characters_gives_a_line_that_stays_as_it_is() {
        let pool: Vec<char> = "aZ -'.9<·lLäßΜΠπΑυΓξΟΎΆйЩћვᲕةخّ\u{0308}\u{0301}\u{0345}\u{0654}ا,/ʻ\u{200D}ŉﬁ".chars().collect();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let text: String = (0..12).map(|_| pool[step(&mut state) % pool.len()]).collect();
            if let Ok(line) = transliterate(&text) {
                assert!(is_line(&line), "{text:?}");
                assert_eq!(transliterate(&line), Ok(line), "{text:?}");
            }
        }
    }

    /// A linear congruential generator (Knuth's constants): fixed, so that a failure comes again.
    fn step(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 40).unwrap_or(0)
    }
}
