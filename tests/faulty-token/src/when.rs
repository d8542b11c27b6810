//! When a rule applies: to which calls of its functions, and in which time.

use serde::Deserialize;

use crate::clock::NS_PER_MS;

/// Which of a rule's calls are hit. `when = "always"`, `"once"`, or a table of these keys.
///
/// The calls that are counted are those within the times that the rule names; those of `after` first, then the others.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(try_from = "toml::Value")]
pub(crate) struct When {
    /// So many calls are let through first.
    after: u64,
    /// Of those that follow, one in so many: the `every`th, twice the `every`th, and so on.
    every: u64,
    /// So many faults at most.
    count: u64,
    /// Of those that follow, this share, chosen as by lot but the same in every run.
    share: Option<f64>,
    /// Its times.
    pub(crate) times: Times,
}

/// In which time since the script came into force. Everything in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    /// Not before.
    #[serde(default)]
    after_ms: f64,
    /// For so long; without, for ever.
    for_ms: Option<f64>,
    /// And again each so many, counted from `after_ms`.
    every_ms: Option<f64>,
}

impl Times {
    /// Whether the time is now, so long after the script came into force.
    pub(crate) fn include(self, elapsed_ns: u64) -> bool {
        let since = elapsed_ns as f64 / NS_PER_MS - self.after_ms;
        let within = self.every_ms.map_or(since, |period| since.rem_euclid(period));
        since >= 0.0 && self.for_ms.is_none_or(|lasts| within < lasts)
    }

    fn checked(self) -> Result<Self, String> {
        let given = [Some(self.after_ms), self.for_ms, self.every_ms];
        if given.iter().flatten().any(|ms| !ms.is_finite() || *ms < 0.0) {
            return Err("after_ms, for_ms and every_ms are times from 0 on".to_owned());
        }
        match (self.every_ms, self.for_ms) {
            (Some(_), None) => Err("every_ms needs for_ms: how long it lasts each time".to_owned()),
            (Some(period), Some(lasts)) if period < lasts => Err("every_ms has to be for_ms or more".to_owned()),
            _ => Ok(self),
        }
    }
}

impl When {
    /// Whether the `n`th call, from 1 on, within the times is hit.
    pub(crate) fn hits(&self, n: u64) -> bool {
        let Some(k @ 1..) = n.checked_sub(self.after) else { return false };
        if let Some(share) = self.share {
            return unit(n) < share;
        }
        k.is_multiple_of(self.every) && k / self.every <= self.count
    }

    const ALWAYS: Self =
        Self { after: 0, every: 1, count: u64::MAX, share: None, times: Times { after_ms: 0.0, for_ms: None, every_ms: None } };

    pub(crate) fn always() -> Self {
        Self::ALWAYS
    }
}

/// The keys of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    after: u64,
    every: Option<u64>,
    first: Option<u64>,
    count: Option<u64>,
    share: Option<f64>,
    #[serde(default)]
    after_ms: f64,
    for_ms: Option<f64>,
    every_ms: Option<f64>,
}

impl TryFrom<toml::Value> for When {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some("always") => return Ok(Self::ALWAYS),
            Some("once") => return Ok(Self { count: 1, ..Self::ALWAYS }),
            Some(other) => return Err(format!(r#"when is "always", "once" or a table, not {other:?}"#)),
            None => {}
        }
        let keys: Keys = value.try_into().map_err(|error: toml::de::Error| format!("when: {}", error.message()))?;
        Self::of_keys(keys)
    }
}

impl When {
    fn of_keys(keys: Keys) -> Result<Self, String> {
        if keys.first.is_some() && (keys.count.is_some() || keys.every.is_some() || keys.after != 0) {
            return Err("first goes with times only; otherwise use after, every and count".to_owned());
        }
        if keys.share.is_some() && (keys.first.is_some() || keys.count.is_some() || keys.every.is_some()) {
            return Err("share goes with after and times only".to_owned());
        }
        if keys.every == Some(0) || keys.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("every is 1 or more, share is from 0 to 1".to_owned());
        }
        let times = Times { after_ms: keys.after_ms, for_ms: keys.for_ms, every_ms: keys.every_ms }.checked()?;
        let count = keys.first.or(keys.count).unwrap_or(u64::MAX);
        Ok(Self { after: keys.after, every: keys.every.unwrap_or(1), count, share: keys.share, times })
    }
}

/// The times of a `[token]` key: `true`, `false` or a table.
pub(crate) fn times_of(value: &toml::Value) -> Result<Option<Times>, String> {
    match value {
        toml::Value::Boolean(false) => Ok(None),
        toml::Value::Boolean(true) => Ok(Some(Times::default())),
        table => {
            let times: Times =
                table.clone().try_into().map_err(|error: toml::de::Error| format!("absent: {}", error.message()))?;
            times.checked().map(Some)
        }
    }
}

/// A number from 0 to 1 that looks like chance and is the same for the same `n` (SplitMix64, fixed seed).
pub(crate) fn unit(n: u64) -> f64 {
    (scrambled(n) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `n` without any visible order.
pub(crate) fn scrambled(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> Result<When, String> {
        let table: toml::Table = toml::from_str(&format!("when = {text}")).unwrap();
        When::try_from(table["when"].clone())
    }

    /// Which of the calls 1 to 40 are hit.
    fn hit(text: &str) -> Vec<u64> {
        let when = when(text).unwrap();
        (1..=40).filter(|n| when.hits(*n)).collect()
    }

    #[test]
    fn calls_are_hit_as_the_keys_say() {
        assert_eq!(hit(r#""always""#).len(), 40);
        assert_eq!(hit(r#""once""#), [1]);
        assert_eq!(hit("{ first = 3 }"), [1, 2, 3]);
        assert_eq!(hit("{ every = 10 }"), [10, 20, 30, 40]);
        assert_eq!(hit("{ every = 10, count = 2 }"), [10, 20]);
        assert_eq!(hit("{ after = 5, count = 3 }"), [6, 7, 8]);
        assert_eq!(hit("{ after = 5, every = 10 }"), [15, 25, 35]);
        assert_eq!(hit("{ after = 38 }"), [39, 40]);
    }

    #[test]
    fn a_share_of_the_calls_is_hit_the_same_ones_each_time() {
        let tenth = when("{ share = 0.1 }").unwrap();
        let hits = || (1..=100_000).filter(|n| tenth.hits(*n)).collect::<Vec<u64>>();
        assert!((9_500..10_500).contains(&hits().len()), "{}", hits().len());
        assert_eq!(hits(), hits());
        assert_eq!(hit("{ share = 0.0 }").len(), 0);
        assert_eq!(hit("{ share = 1.0 }").len(), 40);
    }

    #[test]
    fn times_count_from_when_the_script_came_into_force() {
        let in_force = |text: &str| {
            let times = when(text).unwrap().times;
            (0..10_u64).filter(|tenths| times.include(tenths * 100_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(in_force("{ for_ms = 300 }"), [0, 1, 2]);
        assert_eq!(in_force("{ after_ms = 700 }"), [7, 8, 9]);
        assert_eq!(in_force("{ after_ms = 100, for_ms = 200 }"), [1, 2]);
        assert_eq!(in_force("{ after_ms = 100, every_ms = 400, for_ms = 200 }"), [1, 2, 5, 6, 9]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in [
            r#""sometimes""#,
            "{ evry = 10 }",
            "{ every = 0 }",
            "{ every = -1 }",
            "{ first = 1, count = 2 }",
            "{ share = 1.5 }",
            "{ share = 0.5, count = 2 }",
            "{ for_ms = -1.0 }",
            "{ every_ms = 100 }",
            "{ every_ms = 100, for_ms = 200 }",
            "7",
        ] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
        assert!(when("{ evry = 10 }").unwrap_err().contains("evry"));
    }
}
