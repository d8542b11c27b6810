//! Prometheus' text format, read.

/// One line of a value: `name{label="value",…} 1.5`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series<'t> {
    pub(super) name: &'t str,
    labels: &'t str,
    pub(super) value: f64,
}

impl<'t> Series<'t> {
    /// Those of a text; what is none is left out.
    pub(super) fn all(text: &'t str) -> impl Iterator<Item = Self> {
        text.lines().filter(|line| !line.starts_with('#')).filter_map(Self::parse)
    }

    fn parse(line: &'t str) -> Option<Self> {
        // A value of a label may have spaces in it, the number behind has none.
        let (series, value) = line.trim_end().rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        Some(Self { name, labels, value: value.parse().ok()? })
    }

    /// The value of a label, as it stands there. No label of Sceau has a value that needs escaping.
    pub(super) fn label(&self, name: &str) -> Option<&'t str> {
        let mut rest = self.labels;
        while let Some((key, behind)) = rest.split_once("=\"") {
            let (value, next) = behind.split_once('"')?;
            if key == name {
                return Some(value);
            }
            rest = next.strip_prefix(',')?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_values_are_read_and_others_left_out() {
        let text = "# HELP a b\n# TYPE a counter\na 1\n\nb{x=\"1\",y=\"two words, {and}\"} 2.5\nc{x=\"\"} NaN\nbroken{ 1\nd x\n";
        let series: Vec<Series<'_>> = Series::all(text).collect();
        assert_eq!(series.iter().map(|series| series.name).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((series[0].value, series[1].value), (1.0, 2.5));
        assert_eq!(series[1].label("x"), Some("1"));
        assert_eq!(series[1].label("y"), Some("two words, {and}"));
        assert_eq!((series[1].label("z"), series[0].label("x"), series[2].label("x")), (None, None, Some("")));
        assert!(series[2].value.is_nan());
    }
}
