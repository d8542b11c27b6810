//! The rooms of src/lib.rs: who may know whom, and who alone may name a library.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by layer, the innermost first; rooms of one layer do not know each other.
const LAYERS: [&[&str]; 8] =
    [&["domain"], &["encode"], &["token", "ledger"], &["sign"], &["custody"], &["service"], &["bench", "config"], &["cli"]];

/// A library, and the rooms that may name it.
const LIBRARIES: [(&str, &[&str]); 24] = [
    ("p256", &["domain"]),
    ("sqlx", &["ledger"]),
    ("cryptoki", &["token"]),
    ("metrics", &["ledger", "sign", "service"]),
    ("metrics_exporter_prometheus", &["service"]),
    ("axum", &["service"]),
    ("opentelemetry", &["service"]),
    ("tracing_opentelemetry", &["service"]),
    ("tonic", &["service"]),
    ("prost", &["service"]),
    ("tower", &["service"]),
    ("tokio_rustls", &["service"]),
    ("jsonwebtoken", &["service"]),
    ("hyper", &["service"]),
    ("rustls", &["service"]),
    ("hdrhistogram", &["bench"]),
    ("indicatif", &["cli"]),
    ("rcgen", &["custody"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
    ("sd_notify", &["cli"]),
    ("strsim", &["config"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

#[test]
fn no_room_knows_one_further_out() {
    let mut breaches = Vec::new();
    for (room, file, line) in code_lines() {
        for other in named_rooms(&line) {
            if layer(&room) < layer(&other) || (layer(&room) == layer(&other) && room != other) {
                breaches.push(format!("{}: {room} names {other}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_library_is_named_in_its_room_alone() {
    let mut breaches = Vec::new();
    // A room's own tests.rs may use what it needs.
    for (room, file, line) in code_lines().into_iter().filter(|(_, file, _)| !file.ends_with("tests.rs")) {
        for (library, rooms) in LIBRARIES {
            if names_crate(&line, library) && !rooms.contains(&room.as_str()) {
                breaches.push(format!("{}: {library} belongs to {rooms:?}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn every_room_has_a_layer_and_every_layer_has_its_rooms() {
    let rooms: std::collections::BTreeSet<String> = code_lines().into_iter().map(|(room, _, _)| room).collect();
    let layered: std::collections::BTreeSet<String> = LAYERS.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(rooms, layered);
}

#[test]
fn the_library_and_the_binary_forbid_unsafe_code() {
    for file in ["lib.rs", "bin/sceau.rs"] {
        let text = fs::read_to_string(src().join(file)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{file}");
    }
}

#[test]
fn the_software_token_is_in_no_release_binary() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\ndefault = []\n"), "software-token is not a default feature");
    let outside = code_lines().into_iter().filter(|(room, _, line)| room != "token" && line.contains("software"));
    assert_eq!(outside.map(|(_, file, _)| file).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn layer(room: &str) -> usize {
    LAYERS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("the room {room} has no layer"))
}

/// Every line of code (comments left out) with its room and file.
fn code_lines() -> Vec<(String, PathBuf, String)> {
    let mut lines = Vec::new();
    for file in rust_files(&src()) {
        let inside = file.strip_prefix(src()).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        if room == "lib" || room == "bin" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|line| (room.clone(), inside.to_owned(), line.to_owned())));
    }
    lines
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rooms behind `crate::` in a line, also in a group `crate::{a, b}`.
fn named_rooms(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, prefix) in line.match_indices("crate::") {
        let rest = &line[at + prefix.len()..];
        let names = rest.strip_prefix('{').map_or(rest, |group| group.split('}').next().unwrap_or(group));
        let first_of =
            |name: &str| name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
        let names: Vec<String> =
            if rest.starts_with('{') { names.split(',').map(first_of).collect() } else { vec![first_of(names)] };
        rooms.extend(names.into_iter().filter(|name| LAYERS.concat().contains(&name.as_str())));
    }
    rooms
}

fn names_crate(line: &str, library: &str) -> bool {
    let code = line.trim_start();
    code.contains(&format!("{library}::")) || code.starts_with(&format!("use {library}"))
}
