//! Figures as people read them, and as they can be put into a calculator again.

use std::time::Duration;

/// `20,123`
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is worked out: of four digits where it is below 1,000, and whole from there on: `0.03819`, `38.19`, `3,803`; below 0.001 `3.82e-6`.
#[must_use]
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 999.5 {
        return format!("{}{}", if value < 0.0 { "-" } else { "" }, count(magnitude.round() as u64));
    }
    if magnitude > 0.0 && magnitude < 0.001 {
        return format!("{value:.2e}");
    }
    let decimals = match magnitude {
        m if m >= 100.0 => 1,
        m if m >= 10.0 => 2,
        m if m >= 1.0 => 3,
        m if m >= 0.1 => 4,
        m if m >= 0.01 => 5,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What was measured, which has no more than three digits: `3,803`, `12.3`, `0.05`; as wide below each other.
#[must_use]
pub fn measured(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => count(value.round().max(0.0) as u64),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size > 0.0 => format!("{value:.2}"),
        _ => "0".to_owned(),
    }
}

/// `3,803/s`
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// A share, in percent: `97.5 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    if share >= 10.0 {
        return format!("{} %", count((share * 100.0).round() as u64));
    }
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// In units of 1,000, as disks are sold: `41.1 GB`.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    let units = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes >= *unit).unwrap_or((1.0, "bytes"));
    let scaled = bytes / unit;
    let decimals = usize::from(scaled < 100.0 && unit > 1.0);
    format!("{scaled:.decimals$} {name}")
}

/// `72 h`, `6 h 58 min`, `5 ms`: the two largest units, the second rounded.
#[must_use]
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.9995 {
        return format!("{} ms", number(seconds * 1e3));
    }
    if seconds < 99.95 {
        return format!("{} s", number((seconds * 10.0).round() / 10.0));
    }
    let minutes = (seconds / 60.0).round() as u64;
    if minutes < 120 {
        return format!("{minutes} min");
    }
    let (hours, rest) = (minutes / 60, minutes % 60);
    if hours < 100 {
        return if rest == 0 { format!("{hours} h") } else { format!("{hours} h {rest} min") };
    }
    let hours = (seconds / 3_600.0).round() as u64;
    let (days, rest) = (hours / 24, hours % 24);
    if rest == 0 { format!("{} days", count(days)) } else { format!("{} days {rest} h", count(days)) }
}

/// Seconds as a time; what no [`Duration`] holds is the longest.
#[must_use]
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let shown = [0.0, 0.038_194, 0.5, 7.0, 38.194, 528.2, 999.4, 3_802.8, 136_900_000.0].map(number);
        assert_eq!(shown, ["0", "0.03819", "0.5", "7", "38.19", "528.2", "999.4", "3,803", "136,900,000"]);
        assert_eq!(number(0.000_003_82), "3.82e-6");
        assert_eq!(number(-1_234.0), "-1,234");
        assert_eq!([0.0, 0.049, 1.236, 12.34, 123.4, 20_122.6].map(measured), ["0", "0.05", "1.24", "12.3", "123", "20,123"]);
    }

    #[test]
    fn shares_bytes_and_times_have_their_units() {
        assert_eq!([0.98, 0.3, 0.975, 24.9].map(percent), ["98 %", "30 %", "97.5 %", "2,490 %"]);
        assert_eq!([300.0, 41_070_000_000.0, 257e6].map(bytes), ["300 bytes", "41.1 GB", "257 MB"]);
        let times = [0.005, 1.5, 90.0, 900.0, 36_000.0, 25_080.0, 259_200.0, 864_000.0].map(|s| time(seconds(s)));
        assert_eq!(times, ["5 ms", "1.5 s", "90 s", "15 min", "10 h", "6 h 58 min", "72 h", "10 days"]);
        assert_eq!(seconds(f64::INFINITY), Duration::MAX);
    }
}
