//! The functions of the list as values: names, sets of them, and what the standard says of each.

use serde::Deserialize;

use crate::table::pkcs11_functions;

macro_rules! is_output {
    () => {
        false
    };
    ($out:ident $len:ident) => {
        true
    };
}

macro_rules! is_session {
    (session) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! functions {
    ($($scope:ident $name:ident($($arg:ident: $type:ty),*) $(=> $out:ident $out_len:ident)? $(?$list:ident)?;)*) => {
        /// A function of the v2.40 list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(non_camel_case_types, reason = "the standard's own names")]
        #[allow(clippy::enum_variant_names, reason = "likewise")]
        pub(crate) enum Function {
            $($name),*
        }

        impl Function {
            /// In the order of `CK_FUNCTION_LIST`.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),*
                }
            }

            /// Whether it is called on a session.
            pub(crate) fn takes_session(self) -> bool {
                match self {
                    $(Self::$name => is_session!($scope)),*
                }
            }

            /// Whether it writes bytes that a fault can change.
            pub(crate) fn writes_bytes(self) -> bool {
                match self {
                    $(Self::$name => is_output!($($out $out_len)?)),*
                }
            }
        }
    };
}

pkcs11_functions!(functions);

/// How many functions are forwarded.
pub(crate) const FUNCTIONS: usize = Function::ALL.len();

impl Function {
    /// Whether its failure ends the session's operation, so that the next `..Init` is not `CKR_OPERATION_ACTIVE`.
    ///
    /// Those in several parts end theirs by a failed `..Update` too; that is not imitated, `..Final` has to follow.
    ///
    /// # Source
    /// PKCS#11 v2.40 section 5.11 (`C_Sign`) and the like sections of the others.
    pub(crate) fn ends_operation(self) -> bool {
        use Function::*;
        let encrypts = matches!(self, C_Encrypt | C_EncryptFinal | C_Decrypt | C_DecryptFinal);
        let digests = matches!(self, C_Digest | C_DigestFinal);
        let verifies = matches!(self, C_Verify | C_VerifyFinal | C_VerifyRecover);
        encrypts || digests || verifies || self.signs()
    }

    /// Whether it makes a signature, which is what `signatures_per_second` counts.
    pub(crate) fn signs(self) -> bool {
        matches!(self, Self::C_Sign | Self::C_SignFinal | Self::C_SignRecover)
    }
}

/// A set of functions, in a script: a name, several in a list, or `"*"`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "toml::Value")]
pub(crate) struct FunctionSet(u128);

const _: () = assert!(FUNCTIONS <= 128, "one bit a function");

impl FunctionSet {
    pub(crate) const EVERY: Self = Self(u128::MAX >> (128 - FUNCTIONS));

    pub(crate) fn has(self, function: Function) -> bool {
        self.0 & 1 << function as u8 != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Function> {
        Function::ALL.iter().copied().filter(move |function| self.has(*function))
    }

    fn of_name(name: &str) -> Result<Self, String> {
        if name == "*" {
            return Ok(Self::EVERY);
        }
        let known = Function::ALL.iter().find(|function| function.name() == name);
        known.map(|function| Self(1 << *function as u8)).ok_or_else(|| {
            let nearest = nearest(name, Function::ALL.iter().map(|function| function.name()));
            format!("there is no function {name:?}; did you mean {nearest}?")
        })
    }
}

impl TryFrom<toml::Value> for FunctionSet {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let usage = || r#"a function is "C_...", "*" or a list of names"#.to_owned();
        match value {
            toml::Value::String(name) => Self::of_name(&name),
            toml::Value::Array(names) if !names.is_empty() => names
                .iter()
                .try_fold(Self::default(), |set, name| Ok(set.union(Self::of_name(name.as_str().ok_or_else(usage)?)?))),
            _ => Err(usage()),
        }
    }
}

/// Of the known names the one that is most like this.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known.min_by_key(|known| strsim::levenshtein(name, known)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_standards_list() {
        assert_eq!(FUNCTIONS, 67); // 68 with C_GetFunctionList
        let list = size_of::<cryptoki_sys::CK_FUNCTION_LIST>() / size_of::<fn()>();
        assert_eq!(list, 68 + 1); // the version and its padding before them
    }

    #[test]
    fn a_set_is_a_name_a_list_or_all() {
        let set = |value: toml::Value| FunctionSet::try_from(value);
        assert!(set("C_Sign".into()).unwrap().iter().eq([Function::C_Sign]));
        let two = set(toml::Value::Array(vec!["C_Sign".into(), "C_SignInit".into()])).unwrap();
        assert!(two.iter().eq([Function::C_SignInit, Function::C_Sign]));
        assert_eq!(set("*".into()).unwrap().iter().count(), FUNCTIONS);
        assert_eq!(set("C_Sing".into()).unwrap_err(), r#"there is no function "C_Sing"; did you mean C_Sign?"#);
        assert!(set(toml::Value::Array(vec![])).is_err() && set(3.into()).is_err());
    }

    #[test]
    fn a_signature_is_bytes_and_ends_its_operation() {
        assert!(Function::C_Sign.writes_bytes() && Function::C_Sign.ends_operation() && Function::C_Sign.signs());
        assert!(!Function::C_SignInit.writes_bytes() && !Function::C_SignInit.ends_operation());
        assert!(!Function::C_GetSlotList.writes_bytes());
    }
}
