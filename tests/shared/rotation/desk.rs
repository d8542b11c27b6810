//! Officers at their desks: each change is proposed at one replica and approved at the next.

use sceau::domain::officers::{ChainHead, Change, Decision, ProposalId, SignedText};
use sceau::domain::{NumericDate, Octets};
use sceau::service::proto::v1;
use sceau::service::proto::v1::custody_client::CustodyClient;
use tonic::transport::{Channel, Endpoint};

use super::{House, Replica};
use crate::shared::officers::{Officers, Seen};

/// ada proposes, grace approves.
pub(crate) struct Desk<'h> {
    officers: &'h Officers,
    replicas: Vec<CustodyClient<Channel>>,
    turn: usize,
}

impl<'h> Desk<'h> {
    /// By the admin sockets of replicas.
    pub(crate) async fn at(house: &'h House, replicas: &[Replica]) -> Self {
        let mut desks = Vec::new();
        for replica in replicas {
            let endpoint = Endpoint::from_shared(format!("unix:{}", replica.socket().display())).unwrap();
            desks.push(CustodyClient::new(endpoint.connect().await.unwrap()));
        }
        Self { officers: &house.officers, replicas: desks, turn: 0 }
    }

    /// The replica whose turn it is.
    pub(crate) fn next(&mut self) -> CustodyClient<Channel> {
        self.turn += 1;
        self.replicas[self.turn % self.replicas.len()].clone()
    }

    pub(crate) async fn show(&mut self) -> v1::ShowCustodyResponse {
        show(&mut self.next()).await
    }

    /// Proposes, has approved, and sees that it was done.
    pub(crate) async fn carry_out(&mut self, change: Change, import: Option<v1::ImportCheck>) -> v1::Executed {
        let name = change.name();
        let (mut one, mut other) = (self.next(), self.next());
        let (id, text) = self.proposal(change, Self::seen(&mut one).await);
        let request = v1::ProposeRequest { proposal: Some(text), dry_run: false, import: import.clone() };
        one.propose(request).await.unwrap_or_else(|status| panic!("{name} is proposed: {status}"));
        let verdict = self.officers.decide("grace", Decision::Approve, id, Self::seen(&mut other).await);
        let request = v1::DecideRequest { verdict: Some(text_of(&verdict)), dry_run: false, import };
        let decided = other.decide(request).await.unwrap_or_else(|status| panic!("{name} is approved: {status}")).into_inner();
        decided.executed.clone().unwrap_or_else(|| panic!("{name} is done: {decided:?}"))
    }

    /// A change as ada proposes it, and its name.
    pub(crate) fn proposal(&self, change: Change, seen: Seen) -> (ProposalId, v1::SignedText) {
        let proposal = self.officers.propose("ada", change, seen);
        (proposal.id(), text_of(proposal.signed()))
    }

    /// What an officer signs upon, as a replica shows it.
    pub(crate) async fn seen(replica: &mut CustodyClient<Channel>) -> Seen {
        let shown = show(replica).await;
        let head = shown.head.unwrap();
        let head = ChainHead { seq: head.seq, link: Octets(head.link.as_ref().try_into().unwrap()) };
        Seen { now: NumericDate::from_seconds(shown.now), roster: shown.roster.unwrap().number, head }
    }
}

async fn show(custody: &mut CustodyClient<Channel>) -> v1::ShowCustodyResponse {
    let request = v1::ShowCustodyRequest { at: None, with_ended: false };
    custody.show_custody(request).await.unwrap_or_else(|status| panic!("the register is shown: {status}")).into_inner()
}

fn text_of(signed: &SignedText) -> v1::SignedText {
    v1::SignedText { text: signed.text.clone(), signature: signed.signature.as_ref().to_vec().into() }
}
