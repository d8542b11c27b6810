//! Quantities on a command line: times, counts and shares, with their units.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// A time like `72h`, `1d`, `1h 30m`, `5ms`; a day has 24 hours.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time like 72h, 5d, 90min or 5ms".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(time).map_err(|_| wrong())
}

/// A count like `20123`, `20,123`, `200k`, `136.9M`.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let wrong = || "a whole number like 20123, 200k or 136.9M".to_owned();
    let (digits, scale) = match text.char_indices().last() {
        Some((at, 'k')) => (&text[..at], 1e3),
        Some((at, 'M')) => (&text[..at], 1e6),
        Some((at, 'G')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    let digits = digits.replace([',', '_'], "");
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let value = digits.parse::<f64>().map_err(|_| wrong())? * scale;
    // 136.9 million is 136,900,000.00000001 as a product.
    let whole = value.round();
    if (value - whole).abs() > 1e-3 || whole > 1e15 {
        return Err(wrong());
    }
    Ok(whole as u64)
}

/// A share like `30%`, as 0.3.
pub(crate) fn parse_percent(text: &str) -> Result<f64, String> {
    let wrong = || "a share in percent, like 30%".to_owned();
    let percent: f64 = text.strip_suffix('%').ok_or_else(wrong)?.trim_end().parse().map_err(|_| wrong())?;
    if percent.is_finite() { Ok(percent / 100.0) } else { Err(wrong()) }
}

/// A rate like `3803`, `3,803` or `0.5`, with or without `/s`.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || "a number a second, like 3803 or 0.5".to_owned();
    let digits = text.strip_suffix("/s").unwrap_or(text).replace([',', '_'], "");
    let rate: f64 = digits.parse().map_err(|_| wrong())?;
    if rate.is_finite() && rate >= 0.0 { Ok(rate) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_a_day_has_24_hours() {
        let times = ["72h", "1d", "2w", "1h 30m", "5ms", "250us", "10 min"].map(|text| parse_time(text).unwrap().as_micros());
        assert_eq!(times, [259_200_000_000, 86_400_000_000, 1_209_600_000_000, 5_400_000_000, 5_000, 250, 600_000_000]);
        for wrong in ["", "72", "-1h", "1 month", "tomorrow", "1e9h"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_take_thousands_and_millions() {
        let counts = ["20123", "20,123", "136_900_000", "136.9M", "200k", "1.7G"].map(|text| parse_count(text).unwrap());
        assert_eq!(counts, [20_123, 20_123, 136_900_000, 136_900_000, 200_000, 1_700_000_000]);
        for wrong in ["", "M", "many", "1.5", "-3", "1e6", "NaN", "1..2", "9999999999999G"] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_says_percent_so_that_0_3_is_not_taken_for_30() {
        assert_eq!(["30%", "12.5 %", "0%"].map(|text| parse_percent(text).unwrap()), [0.3, 0.125, 0.0]);
        for wrong in ["0.3", "30", "%", "NaN%", "thirty%"] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!(["3,803/s", "0.5"].map(|text| parse_rate(text).unwrap()), [3_803.0, 0.5]);
        assert!(["-1", "inf", "max", ""].iter().all(|wrong| parse_rate(wrong).is_err()));
    }
}
