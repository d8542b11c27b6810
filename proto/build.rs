//! Compiles the protocol with protox, so that no protoc is needed, and keeps the descriptors for reflection.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = ["signer", "admin", "auditor", "custody"].map(|name| format!("sceau/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("sceau.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".sceau.v1")
        .codec_path("crate::service::codec::SizedCodec")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
