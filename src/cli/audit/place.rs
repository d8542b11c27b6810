//! A certificate by its place in the ledger.

use std::str::FromStr;

use crate::ledger::archive::Wanted;
use crate::ledger::record::Place;

/// `[INSTANCE:]SEQ:INDEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaceArg {
    instance: Option<String>,
    place: Place,
}

/// A text of another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place is SEQ:INDEX or INSTANCE:SEQ:INDEX: the number of the outcome's record, and the entry in it from 0 on")]
pub(super) struct InvalidPlace;

impl FromStr for PlaceArg {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let mut parts = text.rsplitn(3, ':');
        let mut number = || parts.next().ok_or(InvalidPlace);
        let index = number()?.parse().map_err(|_| InvalidPlace)?;
        let seq = number()?.parse().map_err(|_| InvalidPlace)?;
        Ok(Self { instance: parts.next().map(str::to_owned), place: Place { seq, index } })
    }
}

impl PlaceArg {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::Place(self.instance.clone(), self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_an_instance_where_there_are_several() {
        let place = Place { seq: 7, index: 3 };
        assert_eq!("7:3".parse(), Ok(PlaceArg { instance: None, place }));
        assert_eq!("a:b:7:3".parse(), Ok(PlaceArg { instance: Some("a:b".to_owned()), place }));
        for text in ["", "7", "7:", "7:70000", "north:7"] {
            assert_eq!(text.parse::<PlaceArg>(), Err(InvalidPlace), "{text}");
        }
    }
}
