//! `sceau approvals`, `approve`, `reject` and `execute`: the other officer's part.

mod approve;
mod execute;
mod list;
mod reject;

pub(crate) use approve::{ApproveArgs, run as approve};
pub(crate) use execute::{ExecuteArgs, run as execute};
pub(crate) use list::{ApprovalsArgs, run as list};
pub(crate) use reject::{RejectArgs, run as reject};

use std::process::ExitCode;

use super::exit::SOME_REFUSED;
use super::ndjson;
use super::two_officers::{Decided, Desk};

fn tell(decided: &Decided, desk: &Desk, json: bool) -> anyhow::Result<ExitCode> {
    ndjson::on_stdout(|out| {
        decided.tell(&desk.scene, json, out)?;
        Ok(if decided.is_left_undone() { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS })
    })
}
