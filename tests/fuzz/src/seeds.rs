//! Inputs to begin with, made by code at every start of a target.

use std::path::PathBuf;
use std::{env, fs};

/// Writes seeds into the corpus: the first folder on the command line, as libFuzzer has it. Without one there is nothing to do.
///
/// # Panics
/// Where the folder cannot be written to.
pub fn write(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let Some(corpus) = env::args().skip(1).map(PathBuf::from).find(|path| path.is_dir()) else { return };
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed).expect("the corpus is a folder that can be written to");
    }
}
