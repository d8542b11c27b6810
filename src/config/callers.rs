//! Who may connect, and what each may ask.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;

use super::check::Check;
use super::file::{CallerSection, PersonWord, ServerSection, TlsSection};
use crate::domain::{CertificateType, CertificateTypes, Lane};
use crate::service::access::{CallerSettings, Identity, Lanes, PersonDemand, Role, Roles};
use crate::service::tls::TlsFiles;

/// What holds for every caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerBounds {
    /// Whether callers come in plain text.
    pub(super) is_plain: bool,
    /// The most items of a batch.
    pub(super) max_batch_items: usize,
}

impl Check<'_> {
    /// Where the service listens, and behind which certificate.
    pub(super) fn transport(&mut self, server: &ServerSection) -> Option<TlsFiles> {
        match &server.tls {
            Some(_) if server.plain_text_on_loopback => {
                self.problem("server.plain_text_on_loopback is true and there is a [server.tls]; one of them goes");
            }
            None if !server.plain_text_on_loopback => self.problem(
                "there is no [server.tls], so callers could not be told apart: give it, or for development set \
                 server.plain_text_on_loopback = true",
            ),
            None if !server.listen.ip().is_loopback() => self.problem(format!(
                "server.listen is {}; plain text is for loopback only, like 127.0.0.1:7443: give a [server.tls]",
                server.listen
            )),
            _ => {}
        }
        let files = self.tls_files(server.tls.as_ref()?);
        if let Err(error) = files.load() {
            self.problem(format!("[server.tls] {error}"));
        }
        Some(files)
    }

    fn tls_files(&self, section: &TlsSection) -> TlsFiles {
        let beside = |path: &Path| self.dir().join(path);
        TlsFiles {
            certificate: beside(&section.certificate),
            key: beside(&section.key),
            client_ca: beside(&section.client_ca),
            client_crl: section.client_crl.as_deref().map(beside),
            allow_tls_1_2: section.allow_tls_1_2,
        }
    }

    /// The callers; in plain text one is there without being named, which may have anything signed.
    pub(super) fn callers(
        &mut self,
        sections: Vec<CallerSection>,
        profiles: &[String],
        server: ServerBounds,
        has_person: bool,
    ) -> Vec<CallerSettings> {
        if sections.is_empty() {
            if server.is_plain {
                return vec![CallerSettings::loopback()];
            }
            self.problem("there is no [[caller]], so nobody could call: name those that may, with the role \"issuer\"");
        }
        let callers: Vec<CallerSettings> =
            sections.into_iter().filter_map(|section| self.caller(section, profiles, server)).collect();
        self.check_identities(&callers);
        for caller in callers.iter().filter(|caller| caller.person != PersonDemand::None && !has_person) {
            self.problem(format!(
                "caller {:?}: its calls bring a person, and there is no [person] that says how one is known",
                caller.name
            ));
        }
        callers
    }

    fn caller(&mut self, section: CallerSection, profiles: &[String], server: ServerBounds) -> Option<CallerSettings> {
        let name = section.name;
        let mut identities = Vec::new();
        for text in &section.identities {
            match text.parse::<Identity>() {
                Ok(Identity::Loopback) if !server.is_plain => self.problem(format!(
                    "caller {name:?}: the identity \"loopback\" is for plain text; with [server.tls] a caller has a certificate's name"
                )),
                Ok(identity) => identities.push(identity),
                Err(error) => self.problem(format!("caller {name:?}: identities: {error}")),
            }
        }
        if section.identities.is_empty() {
            self.problem(format!("caller {name:?}: identities is empty; it names the certificates by which the caller is known"));
        }
        let mut roles = Vec::new();
        for role in &section.roles {
            match role.parse::<Role>() {
                Ok(role) => roles.push(role),
                Err(error) => self.problem(format!("caller {name:?}: roles: {error}")),
            }
        }
        if section.roles.is_empty() {
            self.problem(format!("caller {name:?}: roles is empty; one of issuer, officer, auditor, operator is there"));
        }
        for profile in section.profiles.iter().flatten().filter(|profile| !profiles.contains(profile)) {
            self.problem(format!("caller {name:?}: there is no profile {profile:?}; there are {}", profiles.join(", ")));
        }
        let types =
            section.types.map_or(CertificateTypes::ANY, |keys| self.certificate_types(&format!("caller {name:?}: types"), &keys));
        let lanes = section.lanes.map_or(Lanes::ALL, |lanes| Lanes {
            interactive: lanes.contains(&Lane::Interactive),
            bulk: lanes.contains(&Lane::Bulk),
        });
        if lanes == (Lanes { interactive: false, bulk: false }) {
            self.problem(format!("caller {name:?}: lanes is empty; \"interactive\", \"bulk\", or both"));
        }
        let own = section.max_batch_items.map(NonZeroUsize::get);
        let largest = own.map_or(server.max_batch_items, |own| own.min(server.max_batch_items));
        for (key, bound) in [("items_per_second", section.items_per_second), ("items_per_day", section.items_per_day)] {
            if let Some(bound) = bound.filter(|bound| largest > bound.get() as usize) {
                let whose = if own == Some(largest) { "max_batch_items" } else { "server.max_batch_items" };
                self.problem(format!(
                    "caller {name:?}: {whose} is {largest}, more than {key} ({bound}): such a batch would never be taken; set the \
                     caller's max_batch_items to {bound} or fewer"
                ));
            }
        }
        let person = match section.person {
            PersonWord::None => PersonDemand::None,
            PersonWord::Optional => PersonDemand::Optional,
            PersonWord::Required => PersonDemand::Required,
        };
        Some(CallerSettings {
            name,
            identities,
            roles: Roles::of(&roles),
            profiles: section.profiles,
            types,
            lanes,
            items_per_second: section.items_per_second,
            items_per_day: section.items_per_day,
            max_batch_items: section.max_batch_items,
            person,
        })
    }

    /// Certificate types by their keys, `v`, `t` and `r`.
    pub(super) fn certificate_types(&mut self, place: &str, keys: &[String]) -> CertificateTypes {
        let mut types = Vec::new();
        for key in keys {
            match CertificateType::ALL.into_iter().find(|kind| kind.key() == key) {
                Some(kind) => types.push(kind),
                None => {
                    self.problem(format!("{place} has {key:?}; a type is \"v\" (vaccination), \"t\" (test) or \"r\" (recovery)"))
                }
            }
        }
        types.into_iter().collect()
    }

    /// Two callers of one identity could not be told apart.
    fn check_identities(&mut self, callers: &[CallerSettings]) {
        self.check_names(callers.iter().map(|caller| caller.name.as_str()), "caller");
        let mut owners: HashMap<&Identity, &str> = HashMap::new();
        for caller in callers {
            for identity in &caller.identities {
                if let Some(other) = owners.insert(identity, &caller.name).filter(|other| *other != caller.name) {
                    self.problem(format!(
                        "callers {other:?} and {:?} both have the identity {identity}; it is one caller's",
                        caller.name
                    ));
                }
            }
        }
    }
}
