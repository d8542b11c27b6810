//! The script: which faults, as its file says. Nothing here acts; see [`crate::armed`].

use std::path::PathBuf;

use cryptoki_sys::{CK_RV, CKR_TOKEN_NOT_PRESENT};
use serde::Deserialize;

use crate::codes::Code;
use crate::function::{Function, FunctionSet};
use crate::when::{self, Times, When};

/// How many rules a script has at most: each has its counter in [`crate::shared`].
pub(crate) const MAX_RULES: usize = 64;

/// An hour, so that a slip of units does not look like a hang.
const MAX_DELAY_MS: f64 = 3_600_000.0;

/// A script that has been read and checked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// In their order: of several that hit a call, the first with an effect has it.
    pub(crate) rules: Vec<Rule>,
    pub(crate) token: Token,
    /// Where each fault gets a line.
    pub(crate) log: Option<PathBuf>,
}

/// One `[[fault]]`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RuleKeys")]
pub(crate) struct Rule {
    pub(crate) functions: FunctionSet,
    pub(crate) effect: Option<Effect>,
    pub(crate) delay: Option<Delay>,
    pub(crate) when: When,
    /// Whether an operation that the error should end is left active in the real module.
    pub(crate) leave_operation: bool,
}

/// What happens to a call, other than that it takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It fails with this, and the real module does nothing of it.
    Result(CK_RV),
    /// It does not return.
    Hang,
    /// The process ends by SIGABRT.
    Abort,
    /// The session is closed in the real module, and the call answers `CKR_SESSION_HANDLE_INVALID`.
    LoseSession,
    /// One bit of the bytes that it wrote is turned.
    FlipBit,
    /// The last of the bytes that it wrote is missing.
    ShortSignature,
}

impl Effect {
    /// Whether there is such a thing for calls of this function.
    pub(crate) fn suits(self, function: Function) -> bool {
        match self {
            Self::Result(_) | Self::Hang | Self::Abort => true,
            Self::LoseSession => function.takes_session(),
            Self::FlipBit | Self::ShortSignature => function.writes_bytes(),
        }
    }
}

/// The whole time of a call, that of the real module in it; where that takes longer, there is no delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Delay {
    pub(crate) ms: f64,
    /// Uniformly more or less by so much.
    pub(crate) spread_ms: f64,
}

/// `[token]`: limits of the token as a whole.
#[derive(Debug)]
pub(crate) struct Token {
    /// When it is absent.
    pub(crate) absent: Option<Times>,
    /// What calls on an absent token answer.
    pub(crate) absent_result: CK_RV,
    /// How many sessions this process has at most.
    pub(crate) max_sessions: Option<usize>,
    /// Capacity: so many signatures begin within a second, evenly spaced.
    pub(crate) signatures_per_second: Option<f64>,
    /// P-256 signatures are made by the module's own processor.
    pub(crate) own_signatures: bool,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Everything that TOML or the format refuses, in words for the one who wrote it, with the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys: Keys = toml::from_str(text).map_err(|error| error.to_string())?;
        if keys.fault.len() > MAX_RULES {
            return Err(format!("there are {} faults; {MAX_RULES} are the most", keys.fault.len()));
        }
        Ok(Self { rules: keys.fault, token: keys.token, log: keys.log })
    }

    /// Whether it changes nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        let Token { absent, absent_result: _, max_sessions, signatures_per_second, own_signatures } = &self.token;
        let is_limited = absent.is_some() || max_sessions.is_some() || signatures_per_second.is_some();
        self.rules.is_empty() && !is_limited && !own_signatures
    }
}

impl Default for Token {
    fn default() -> Self {
        Self {
            absent: None,
            absent_result: CKR_TOKEN_NOT_PRESENT,
            max_sessions: None,
            signatures_per_second: None,
            own_signatures: false,
        }
    }
}

// What stands in the file, before it is checked.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    fault: Vec<Rule>,
    #[serde(default)]
    token: Token,
    log: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleKeys {
    function: FunctionSet,
    result: Option<Code>,
    action: Option<Action>,
    delay_ms: Option<f64>,
    spread_ms: Option<f64>,
    #[serde(default = "When::always")]
    when: When,
    #[serde(default)]
    leave_operation: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Hang,
    Abort,
    LoseSession,
    FlipBit,
    ShortSignature,
}

impl From<Action> for Effect {
    fn from(action: Action) -> Self {
        match action {
            Action::Hang => Self::Hang,
            Action::Abort => Self::Abort,
            Action::LoseSession => Self::LoseSession,
            Action::FlipBit => Self::FlipBit,
            Action::ShortSignature => Self::ShortSignature,
        }
    }
}

impl TryFrom<RuleKeys> for Rule {
    type Error = String;

    fn try_from(keys: RuleKeys) -> Result<Self, String> {
        let effect = match (keys.result, keys.action) {
            (Some(_), Some(_)) => return Err("a fault has a result or an action, not both".to_owned()),
            (Some(code), None) => Some(Effect::Result(code.0)),
            (None, action) => action.map(Effect::from),
        };
        let delay = Delay::of_keys(keys.delay_ms, keys.spread_ms)?;
        if effect.is_none() && delay.is_none() {
            return Err("a fault has one of result, action and delay_ms".to_owned());
        }
        if effect.is_some_and(|effect| !keys.function.iter().any(|function| effect.suits(function))) {
            return Err("flip_bit and short_signature are for functions that write bytes, such as C_Sign; \
                        lose_session is for those that are called on one"
                .to_owned());
        }
        Ok(Self { functions: keys.function, effect, delay, when: keys.when, leave_operation: keys.leave_operation })
    }
}

impl Delay {
    fn of_keys(delay_ms: Option<f64>, spread_ms: Option<f64>) -> Result<Option<Self>, String> {
        let Some(ms) = delay_ms else {
            return spread_ms.map_or(Ok(None), |_| Err("spread_ms goes with delay_ms".to_owned()));
        };
        let spread_ms = spread_ms.unwrap_or(0.0);
        if !(0.0..=MAX_DELAY_MS).contains(&ms) || !(0.0..=ms).contains(&spread_ms) {
            return Err(format!("delay_ms is from 0 to {MAX_DELAY_MS}, spread_ms from 0 to delay_ms"));
        }
        Ok(Some(Self { ms, spread_ms }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenKeys {
    absent: Option<toml::Value>,
    absent_result: Option<Code>,
    max_sessions: Option<usize>,
    signatures_per_second: Option<f64>,
    #[serde(default)]
    own_signatures: bool,
}

impl TryFrom<TokenKeys> for Token {
    type Error = String;

    fn try_from(keys: TokenKeys) -> Result<Self, String> {
        if keys.signatures_per_second.is_some_and(|rate| !(0.001..=1e9).contains(&rate)) {
            return Err("signatures_per_second is from 0.001 to 1000000000".to_owned());
        }
        Ok(Self {
            absent: keys.absent.as_ref().map_or(Ok(None), when::times_of)?,
            absent_result: keys.absent_result.map_or(CKR_TOKEN_NOT_PRESENT, |code| code.0),
            max_sessions: keys.max_sessions,
            signatures_per_second: keys.signatures_per_second,
            own_signatures: keys.own_signatures,
        })
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: serde::Deserializer<'de>>(keys: D) -> Result<Self, D::Error> {
        TokenKeys::deserialize(keys)?.try_into().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let script = Script::parse(
            r#"
            log = "faults.log"
            [[fault]]
            function = "C_Sign"
            result = "CKR_DEVICE_ERROR"
            when = { every = 10 }
            leave_operation = true
            [[fault]]
            function = ["C_Sign", "C_SignInit"]
            delay_ms = 5
            spread_ms = 1.0
            [[fault]]
            function = "*"
            action = "hang"
            when = "once"
            [token]
            absent = { for_ms = 2000 }
            absent_result = "CKR_DEVICE_REMOVED"
            max_sessions = 8
            signatures_per_second = 3000
            own_signatures = true
            "#,
        )
        .unwrap();
        assert_eq!(script.rules.len(), 3);
        assert_eq!(script.rules[0].effect, Some(Effect::Result(0x30)));
        assert!(script.rules[0].leave_operation && !script.rules[1].leave_operation);
        assert_eq!(script.rules[1].delay, Some(Delay { ms: 5.0, spread_ms: 1.0 }));
        assert!(script.rules[1].functions.has(Function::C_SignInit) && !script.rules[1].functions.has(Function::C_Login));
        assert_eq!(script.rules[2].effect, Some(Effect::Hang));
        assert!(script.token.absent.is_some());
        assert_eq!(script.token.absent_result, 0x32);
        assert_eq!(script.token.max_sessions, Some(8));
        assert_eq!(script.token.signatures_per_second, Some(3000.0));
        assert!(script.token.own_signatures);
        assert_eq!(script.log, Some("faults.log".into()));
        assert!(!script.is_quiet());
    }

    #[test]
    fn an_empty_script_changes_nothing() {
        for text in ["", "# nothing\n", "[token]\nabsent = false\n"] {
            assert!(Script::parse(text).unwrap().is_quiet(), "{text}");
        }
    }

    #[test]
    fn every_action_has_its_effect() {
        let effect = |action: &str| {
            let text = format!("[[fault]]\nfunction = \"C_Sign\"\naction = \"{action}\"");
            Script::parse(&text).unwrap().rules[0].effect.unwrap()
        };
        assert_eq!(effect("hang"), Effect::Hang);
        assert_eq!(effect("abort"), Effect::Abort);
        assert_eq!(effect("lose_session"), Effect::LoseSession);
        assert_eq!(effect("flip_bit"), Effect::FlipBit);
        assert_eq!(effect("short_signature"), Effect::ShortSignature);
    }

    #[test]
    fn what_is_wrong_is_refused_in_words() {
        let fault = |keys: &str| format!("[[fault]]\n{keys}\n");
        for (text, says) in [
            ("fautl = 1".to_owned(), "unknown field `fautl`"),
            (fault(r#"function = "C_Sign""#), "one of result, action and delay_ms"),
            (fault(r#"result = "CKR_CANCEL""#), "missing field `function`"),
            (fault("function = \"C_Sing\"\ndelay_ms = 1"), "did you mean C_Sign?"),
            (fault("function = \"C_Sign\"\nresult = \"CKR_CANCLE\""), "did you mean CKR_CANCEL?"),
            (fault("function = \"C_Sign\"\nresult = \"CKR_CANCEL\"\naction = \"hang\""), "not both"),
            (fault("function = \"C_Sign\"\naction = \"hand\""), "unknown variant `hand`"),
            (fault("function = \"C_Login\"\naction = \"flip_bit\""), "functions that write bytes"),
            (fault("function = \"C_GetInfo\"\naction = \"lose_session\""), "that are called on one"),
            (fault("function = \"C_Sign\"\ndelay_ms = 1\nspread_ms = 2"), "spread_ms from 0 to delay_ms"),
            (fault("function = \"C_Sign\"\nresult = \"CKR_CANCEL\"\nspread_ms = 2"), "spread_ms goes with delay_ms"),
            (fault("function = \"C_Sign\"\ndelay_ms = 1\nwhen = { evry = 2 }"), "unknown field `evry`"),
            ("[token]\nsignatures_per_second = 0".to_owned(), "signatures_per_second is from"),
            ("[token]\nmax_sessions = -1".to_owned(), "invalid value"),
            ("[token]\nabsent = { every_ms = 5 }".to_owned(), "every_ms needs for_ms"),
            (fault("function = \"*\"\ndelay_ms = 1").repeat(65), "there are 65 faults"),
        ] {
            let error = Script::parse(&text).unwrap_err();
            assert!(error.contains(says), "{text}\n{error}");
        }
    }

    #[test]
    fn the_sample_scripts_are_scripts() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
        let samples: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(samples.len() >= 5);
        for sample in samples {
            let script = Script::parse(&std::fs::read_to_string(&sample).unwrap());
            assert!(script.is_ok_and(|script| !script.is_quiet()), "{}", sample.display());
        }
    }
}
