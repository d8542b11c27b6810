//! What a run wants of the service besides its address.

use clap::Args;

/// What is asked of the service, and how it is looked into.
#[derive(Clone, Debug, Args)]
pub(super) struct ServiceArgs {
    /// The profile; the service's default where absent
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) profile: String,
    /// The service's Prometheus endpoint, like http://127.0.0.1:9464: shows its stages and tokens
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Option<String>,
}
