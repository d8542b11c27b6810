//! The DSCs of the register, as the calendar has to know them.

use anyhow::Context;

use crate::cli::runtime;
use crate::cli::two_officers::{dsc_of, types_of};
use crate::config::Config;
use crate::custody::plan::{Existing, Stage};
use crate::domain::{Algorithm, NumericDate};
use crate::service::admin::AdminClient;
use crate::service::proto::v1;
use crate::sign::Profile;

/// Asks the running service, over its admin socket.
pub(super) fn ask(config: &Config) -> anyhow::Result<Vec<v1::CustodyKey>> {
    let asked = runtime()?.block_on(async {
        let mut custody = AdminClient::connect(&config.admin_socket).await?.custody();
        custody.show(v1::ShowCustodyRequest::default()).await
    });
    Ok(asked.context("the register of keys is the service's; with --offline only the [[dsc]] of the file are counted")?.keys)
}

/// A key of the register, where a profile signs under it, or may yet.
pub(super) fn existing(key: &v1::CustodyKey, profile: &Profile) -> anyhow::Result<Option<Existing>> {
    let algorithm = if key.key == "p256" { Algorithm::Es256 } else { Algorithm::Ps256 };
    if algorithm != profile.algorithm || key.country != profile.issuer.as_str() {
        return Ok(None);
    }
    let dsc = dsc_of(key)?;
    let types = match (&key.r#use, &dsc) {
        (Some(used), _) => types_of(&used.types),
        (None, Some(dsc)) => dsc.types(),
        (None, None) => types_of(&key.types_asked_for),
    };
    let Some(stage) = stage(key, dsc.map(|dsc| dsc.not_after())) else { return Ok(None) };
    Ok(Some(Existing { name: key.label.clone(), types, stage }))
}

/// A window that ends with its certificate has no end of its own: the calendar sets one.
fn stage(key: &v1::CustodyKey, not_after: Option<NumericDate>) -> Option<Stage> {
    use v1::KeyState::{Active, Certified, Generated, Published};

    match (key.state(), not_after, &key.r#use) {
        (Published | Active, Some(not_after), Some(used)) => {
            let (from, to) = (NumericDate::from_seconds(used.from), NumericDate::from_seconds(used.to));
            Some(Stage::Active { not_after, from, to: (to <= not_after).then_some(to) })
        }
        (Published, Some(not_after), None) => {
            Some(Stage::Published { not_after, at: NumericDate::from_seconds(key.published_at?) })
        }
        (Certified, Some(not_after), None) => Some(Stage::Certified { not_after }),
        (Generated, ..) => Some(Stage::Generated),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: NumericDate = NumericDate::from_seconds(1_000);

    fn key(state: v1::KeyState, window: Option<(i64, i64)>) -> v1::CustodyKey {
        let used = window.map(|(from, to)| v1::KeyUse { from, to, types: vec!["v".to_owned()], weight: 1 });
        v1::CustodyKey { state: state.into(), published_at: Some(5), r#use: used, ..v1::CustodyKey::default() }
    }

    #[test]
    fn a_key_counts_from_its_making_until_it_is_retired() {
        use v1::KeyState::{Active, Certified, Compromised, Destroyed, Generated, Published, Retired};

        let at = |seconds| NumericDate::from_seconds(seconds);
        let of = |state, window| stage(&key(state, window), Some(END));
        assert_eq!(stage(&key(Generated, None), None), Some(Stage::Generated));
        assert_eq!(of(Certified, None), Some(Stage::Certified { not_after: END }));
        assert_eq!(of(Published, None), Some(Stage::Published { not_after: END, at: at(5) }));
        let ended = Some(Stage::Active { not_after: END, from: at(10), to: Some(at(20)) });
        assert_eq!([of(Published, Some((10, 20))), of(Active, Some((10, 20)))], [ended, ended]);
        assert_eq!(of(Active, Some((10, 1_001))), Some(Stage::Active { not_after: END, from: at(10), to: None }));
        assert!([Retired, Destroyed, Compromised].into_iter().all(|state| of(state, Some((10, 20))).is_none()));
    }
}
