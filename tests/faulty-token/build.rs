//! Makes the module one that `dlclose` leaves in place: its thread and the real module's outlive the caller's handle.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
