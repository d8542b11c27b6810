//! Figures as people read them.

/// `20123` is `20,123`.
pub(super) fn count(number: u64) -> String {
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

/// Three significant digits, and no fewer before the point; thousands with commas.
pub(super) fn figure(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => count(number.round().max(0.0) as u64),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size > 0.0 => format!("{number:.2}"),
        _ => "0".to_owned(),
    }
}

/// A share of one, in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// In MB or KB of 1,000.
pub(super) fn bytes(number: u64) -> String {
    match number {
        0..1_000_000 => format!("{} KB", figure(number as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", figure(number as f64 / 1e6)),
        _ => format!("{} GB", figure(number as f64 / 1e9)),
    }
}

/// `30 s`, `10 min`, `1.5 h`.
pub(super) fn length(seconds: f64) -> String {
    let text = |number: f64, unit: &str| format!("{} {unit}", (number * 10.0).round() / 10.0);
    match seconds {
        seconds if seconds < 120.0 => text(seconds, "s"),
        seconds if seconds < 7_200.0 => text(seconds / 60.0, "min"),
        _ => text(seconds / 3_600.0, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_commas_and_three_digits() {
        assert_eq!([0, 999, 1_000, 136_900_000].map(count), ["0", "999", "1,000", "136,900,000"]);
        assert_eq!([0.0, 0.049, 1.236, 12.34, 123.4, 20_122.6].map(figure), ["0", "0.05", "1.24", "12.3", "123", "20,123"]);
        assert_eq!([500, 1_500_000, 2_500_000_000].map(bytes), ["0.50 KB", "1.50 MB", "2.50 GB"]);
        assert_eq!([30.0, 600.0, 5_400.0, 9_000.0].map(length), ["30 s", "10 min", "90 min", "2.5 h"]);
        assert_eq!(percent(0.9871), "98.7 %");
    }
}
