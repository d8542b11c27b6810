//! A change, told to a person: in this program's words, from what is signed.

use super::Scene;
use crate::domain::officers::{Activation, Certification, Change, Generation, KeyName, Revocation, RosterChange, Subject};
use crate::domain::{Dsc, Kid};

/// What an officer reads before signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The change in a line.
    pub(crate) headline: String,
    /// What it says exactly.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// Tells a change.
pub(crate) fn tell(change: &Change, scene: &Scene) -> Told {
    let (headline, facts) = match change {
        Change::Generate(generation) => generate(generation),
        Change::Certify(certification) => certify(certification),
        Change::Publish { kid, at } => {
            let headline = format!("count {} as on the trust list", named(*kid, scene));
            (headline, vec![("DSC", kid.to_string()), ("from", at.to_string())])
        }
        Change::Activate(activation) => activate(activation, scene),
        Change::Retire { kid, at } => {
            let headline = format!("let {} sign nothing any more, from an instant on", named(*kid, scene));
            (headline, vec![("DSC", kid.to_string()), ("at", at.to_string())])
        }
        Change::Compromise { kid, reason } => {
            let headline = format!("STOP {} NOW, and for good: it is compromised", named(*kid, scene));
            (headline, vec![("DSC", kid.to_string()), ("reason", reason.to_string())])
        }
        Change::Destroy(name) => destroy(name, scene),
        Change::Roster(change) => roster(change, scene),
        Change::ChangePin { token } => {
            let facts =
                vec![("token", token.to_string()), ("new PIN", "the one that its worker's configuration names".to_owned())];
            (format!("change the user PIN of the token {token}"), facts)
        }
        Change::InitialiseToken { token } => {
            let facts = vec![
                ("token", token.to_string()),
                ("label and PINs", "those of its configuration: so_pin_file has the security officer's".to_owned()),
            ];
            (format!("make a free slot the token {token}"), facts)
        }
        Change::Revoke(revocation) => revoke(revocation),
    };
    Told { headline, facts }
}

type Parts = (String, Vec<(&'static str, String)>);

fn generate(generation: &Generation) -> Parts {
    let Generation { label, token, key, subject, types } = generation;
    let facts = vec![
        ("label", label.to_string()),
        ("token", token.to_string()),
        ("key", key.to_string()),
        ("subject", subject_text(subject)),
        ("types", types.to_string()),
    ];
    (format!("make the key {label} on the token {token}"), facts)
}

fn subject_text(subject: &Subject) -> String {
    let Subject { country, organization, common_name } = subject;
    let organization = organization.as_ref().map(|organization| format!("O={organization}, ")).unwrap_or_default();
    format!("CN={common_name}, {organization}C={country}")
}

fn certify(certification: &Certification) -> Parts {
    let Certification { label, certificate } = certification;
    let mut facts = vec![("label", label.to_string())];
    match Dsc::from_der(certificate) {
        Ok(dsc) => facts.extend(certificate_facts(&dsc)),
        Err(error) => facts.push(("certificate", format!("NONE THAT CAN BE A DSC: {error}"))),
    }
    (format!("take the certificate of the key {label}"), facts)
}

/// What stands in a certificate.
pub(crate) fn certificate_facts(dsc: &Dsc) -> Vec<(&'static str, String)> {
    vec![
        ("DSC", dsc.kid().to_string()),
        ("subject", dsc.subject().to_owned()),
        ("valid from", dsc.not_before().to_string()),
        ("valid to", format!("{}, the last instant", dsc.not_after())),
        ("algorithm", dsc.algorithm().to_string()),
        ("types", dsc.types().to_string()),
    ]
}

fn activate(activation: &Activation, scene: &Scene) -> Parts {
    let Activation { kid, from, to, types, weight } = activation;
    let until = to.map_or_else(|| "retired, or its certificate ends".to_owned(), |to| format!("just before {to}"));
    let facts = vec![
        ("DSC", kid.to_string()),
        ("signs from", from.to_string()),
        ("until", until),
        ("types", types.to_string()),
        ("weight", weight.to_string()),
    ];
    (format!("let {} sign", named(*kid, scene)), facts)
}

fn destroy(name: &KeyName, scene: &Scene) -> Parts {
    let (what, facts) = match name {
        KeyName::Kid(kid) => (named(*kid, scene), vec![("DSC", kid.to_string())]),
        KeyName::Label(label) => (format!("the key {label}"), vec![("label", label.to_string())]),
    };
    (format!("DESTROY the private half of {what}: nobody can bring it back"), facts)
}

fn roster(change: &RosterChange, scene: &Scene) -> Parts {
    let RosterChange { add, remove, quorum } = change;
    let mut facts: Vec<_> =
        add.iter().map(|officer| ("comes", format!("{}, with the key {}", officer.name, officer.key))).collect();
    facts.extend(remove.iter().map(|name| ("goes", name.to_string())));
    let now = scene.roster.quorum();
    let approvals = if now == *quorum { format!("{quorum}, as now") } else { format!("{quorum}; now {now}") };
    facts.push(("approvals", approvals));
    ("change who the officers are, or how many have to approve".to_owned(), facts)
}

fn revoke(revocation: &Revocation) -> Parts {
    let Revocation { question, hash_type, reason, expect } = revocation;
    let facts = vec![
        ("question", question.to_string()),
        ("certificates", format!("{expect}, and no other number")),
        ("hashes of", hash_type.to_string()),
        ("reason", reason.to_string()),
    ];
    (format!("REVOKE {expect} certificates"), facts)
}

fn named(kid: Kid, scene: &Scene) -> String {
    scene.label_of(kid).map_or_else(|| format!("the DSC {kid}"), |label| format!("the key {label}"))
}
