//! `sceau qr`: a certificate as the QR code that people carry.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use fast_qr::qr::{QRBuilder, QRCode, QRCodeError};
use fast_qr::{ECL, Mode};

use super::ndjson::{self, Line, Lines, Members};
use crate::domain::json::Json;
use crate::encode::hc1::PREFIX;

/// Light modules on each side (ISO/IEC 18004 section 9.1).
const QUIET_ZONE: usize = 4;
/// What version 40 holds at level Q in alphanumeric mode.
const MAX_CHARS: usize = 2420;

/// Show a certificate as a QR code.
///
/// Error correction level Q, alphanumeric mode.
/// The certificate is an HC1 text, or a line that `sceau sign` wrote. A text may end in a space, which is part of it.
/// Printed, the diagonal of the symbol is 35 to 60 mm (hcert_spec 4.2).
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  sceau qr --in signed.ndjson
      The first certificate, on the terminal.
  sceau qr --in signed.ndjson --id nc-000000042 > code.svg
      One by its id, as a picture.
  sceau qr 'HC1:6BFOXN...'
      A text; in single quotes, for it holds $ and spaces.")]
pub(crate) struct QrArgs {
    /// An HC1 text.
    #[arg(value_name = "HC1", conflicts_with_all = ["input", "id"])]
    pub(crate) text: Option<String>,

    /// Where the certificate comes from, where no text is given; `-` is standard input. Its first line counts.
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,

    /// Take the line with this id, not the first one.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// By default `terminal` on a terminal, and `svg` in a file or a pipe.
    #[arg(long, value_enum)]
    pub(crate) format: Option<QrFormat>,

    /// Without colours: blocks are the dark modules, which is right for dark text on a light ground.
    #[arg(long)]
    pub(crate) plain: bool,
}

/// How a QR code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QrFormat {
    /// Half blocks, two modules a character.
    Terminal,
    /// A picture of any size.
    Svg,
}

/// Writes the code to standard output.
///
/// # Errors
/// There is no such certificate; its text is no HC1 text, or too long for a QR code.
pub(crate) fn run(args: &QrArgs) -> anyhow::Result<ExitCode> {
    let hc1 = match &args.text {
        Some(text) => hc1_of(text)?,
        None => find(ndjson::open(&args.input)?.as_mut(), args.id.as_deref())?,
    };
    let code = QrCode::new(&hc1)?;
    let default = if io::stdout().is_terminal() { QrFormat::Terminal } else { QrFormat::Svg };
    let picture = match args.format.unwrap_or(default) {
        QrFormat::Terminal => code.to_half_blocks(args.plain),
        QrFormat::Svg => code.to_svg(),
    };
    ndjson::on_stdout(|out| {
        out.write_all(picture.as_bytes()).context("cannot write the code")?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The first certificate of an input, or the one with an id.
pub(crate) fn find(input: &mut dyn BufRead, id: Option<&str>) -> anyhow::Result<String> {
    for line in Lines::new(input) {
        let Line { number, text } = line.context("cannot read the certificates")?;
        let Some(id) = id else {
            return text.map_err(Into::into).and_then(|text| hc1_of(&text)).with_context(|| format!("line {number}"));
        };
        let has_id = |members: &mut Members<'_>| matches!(members.take("id"), Some(Json::String(found)) if found == id);
        if let Ok(text) = text
            && Members::parse(&text).is_ok_and(|mut members| has_id(&mut members))
        {
            return hc1_of(&text).with_context(|| format!("line {number}"));
        }
    }
    Err(id.map_or_else(|| anyhow!("there is no certificate on the input"), |id| anyhow!("no line has the id {id:?}")))
}

/// The text itself, or the member `hc1` of a line.
fn hc1_of(text: &str) -> anyhow::Result<String> {
    if !text.starts_with('{') {
        return Ok(text.to_owned());
    }
    match Members::parse(text)?.take("hc1") {
        Some(Json::String(hc1)) => Ok(hc1.into_owned()),
        Some(other) => bail!("hc1 is {}; it is a string", other.kind()),
        None => bail!("the line has no member hc1"),
    }
}

/// The modules of one code.
struct QrCode(QRCode);

impl QrCode {
    /// # Errors
    /// It is no HC1 text, or too long. The message quotes nothing of it.
    fn new(hc1: &str) -> anyhow::Result<Self> {
        ensure!(hc1.starts_with(PREFIX), "no {PREFIX} prefix; a QR code is made of an HC1 text");
        if let Some(index) = hc1.bytes().position(|byte| !is_alphanumeric(byte)) {
            bail!("character {} is outside base45; a QR code of an HC1 text is alphanumeric", index + 1);
        }
        QRBuilder::new(hc1).ecl(ECL::Q).mode(Mode::Alphanumeric).build().map(Self).map_err(|error| match error {
            QRCodeError::EncodedData => {
                anyhow!("{} characters; a QR code at level Q holds {MAX_CHARS} of an HC1 text", hc1.len())
            }
            QRCodeError::SpecifiedVersion => error.into(),
        })
    }

    /// Modules on each side, quiet zone included.
    const fn side(&self) -> usize {
        self.0.size + 2 * QUIET_ZONE
    }

    /// Whether a module is dark; light in the quiet zone and beyond.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|&at| at < self.0.size);
        inside(x).zip(inside(y)).is_some_and(|(x, y)| self.0[y][x].value())
    }

    /// Two rows a line: each character shows one module above another.
    fn to_half_blocks(&self, plain: bool) -> String {
        // Colours 16 and 231 of 256 are black and white whatever the theme makes of the first 16.
        let (before, after) = if plain { ("", "") } else { ("\x1b[38;5;16;48;5;231m", "\x1b[0m") };
        let mut text = String::with_capacity(self.side() * self.side() * 2);
        for y in (0..self.side()).step_by(2) {
            text.push_str(before);
            text.extend((0..self.side()).map(|x| match (self.is_dark(x, y), self.is_dark(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            }));
            text.push_str(after);
            text.push('\n');
        }
        text
    }

    /// One unit a module, one subpath a row's run of dark modules; crisp, or renderers leave hairlines between rows.
    fn to_svg(&self) -> String {
        let side = self.side();
        let mut path = String::with_capacity(side * side * 4);
        for y in 0..side {
            let mut x = 0;
            while x < side {
                let run = (x..side).take_while(|&x| self.is_dark(x, y)).count();
                if run > 0 {
                    write!(path, "M{x} {y}h{run}v1h-{run}z").expect("a String takes every character");
                }
                x += run.max(1);
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path fill=\"#000\" d=\"{path}\"/></svg>\n"
        )
    }
}

/// Base45's alphabet is that of a QR code's alphanumeric mode.
const fn is_alphanumeric(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b' ' | b'$' | b'%' | b'*' | b'+' | b'-' | b'.' | b'/' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 474 characters, as a vaccination has: version 17 of 85 modules at level Q, by ISO/IEC 18004 table 7.
    fn text() -> String {
        format!("{PREFIX}{}", "6BF $%*+-./:".repeat(39) + "A ")
    }

    fn refusal(hc1: &str) -> String {
        QrCode::new(hc1).err().unwrap().to_string()
    }

    #[test]
    fn the_code_is_alphanumeric_at_level_q() {
        assert_eq!(QrCode::new(&text()).unwrap().0.size, 17 + 4 * 17);
        let full = format!("{PREFIX}{}", "A".repeat(MAX_CHARS - PREFIX.len()));
        assert_eq!(QrCode::new(&full).unwrap().0.size, 177);
        assert!(refusal(&format!("{full}A")).contains("2421 characters; a QR code at level Q holds 2420"));
    }

    #[test]
    fn what_is_no_hc1_text_is_refused_unquoted() {
        assert!(refusal("HC2:AB").contains("no HC1: prefix"));
        assert!(refusal("HC1:ABc").contains("character 7 is outside base45"));
        assert!(refusal("HC1:é").contains("character 5"));
    }

    #[test]
    fn the_quiet_zone_is_four_modules_wide() {
        let code = QrCode::new(&text()).unwrap();
        let blocks = code.to_half_blocks(true);
        let lines: Vec<&str> = blocks.lines().collect();
        assert_eq!(lines.len(), 47);
        assert!(lines.iter().all(|line| line.chars().count() == 93 && line.starts_with("    ") && line.ends_with("    ")));
        assert!(lines[0].trim().is_empty() && lines[1].trim().is_empty() && lines[2].starts_with("    █▀▀▀▀▀█ "));
    }

    #[test]
    fn colours_are_set_and_reset_on_each_line() {
        let blocks = QrCode::new(&text()).unwrap().to_half_blocks(false);
        assert!(blocks.lines().all(|line| line.starts_with("\x1b[38;5;16;48;5;231m") && line.ends_with("\x1b[0m")));
    }

    #[test]
    fn the_picture_has_every_dark_module_once() {
        let code = QrCode::new(&text()).unwrap();
        let svg = code.to_svg();
        let runs = svg.split('h').filter_map(|part| part.strip_suffix("v1")?.parse::<usize>().ok());
        let dark = (0..93 * 93).filter(|at| code.is_dark(at % 93, at / 93)).count();
        assert_eq!(runs.sum::<usize>(), dark);
        assert!(svg.contains("viewBox=\"0 0 93 93\"") && svg.contains("M4 4h7v1h-7z"));
    }

    #[test]
    fn the_first_certificate_is_taken_or_the_one_with_the_id() {
        let lines = b"\n{\"id\":\"a\",\"hc1\":\"HC1:A \"}\nHC1:B\n{\"id\":\"c\",\"hc1\":\"HC1:C\"}\n";
        assert_eq!(find(&mut &lines[..], None).unwrap(), "HC1:A ");
        assert_eq!(find(&mut &lines[..], Some("c")).unwrap(), "HC1:C");
        assert_eq!(find(&mut &b"HC1:B \r\n"[..], None).unwrap(), "HC1:B ");
    }

    #[test]
    fn a_certificate_that_is_not_there_is_told() {
        assert!(find(&mut &b"{\"id\":\"a\"}\n"[..], Some("b")).unwrap_err().to_string().contains("no line has the id \"b\""));
        assert!(find(&mut &b"\n"[..], None).unwrap_err().to_string().contains("no certificate"));
        let error = find(&mut &b"{\"id\":\"a\"}\n"[..], None).unwrap_err();
        assert_eq!(format!("{error:#}"), "line 1: the line has no member hc1");
    }
}
