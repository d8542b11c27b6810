//! The transcript's file: each line is on disk before the next thing is done.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::custody::ceremony::{Chain, Line, Transcript};

/// A transcript that is being written.
#[derive(Debug)]
pub(super) struct Paper {
    file: File,
    path: PathBuf,
    chain: Chain,
}

impl Paper {
    /// Begins one. A file that is there is left alone.
    pub(super) fn begin(path: &Path, lines: &[Line]) -> anyhow::Result<Self> {
        let cannot = || format!("cannot begin the transcript {}", path.display());
        let opened = OpenOptions::new().write(true).create_new(true).open(path);
        if let Err(error) = &opened
            && error.kind() == io::ErrorKind::AlreadyExists
        {
            bail!(
                "the transcript {} is there already: `--continue` goes on with it; for another ceremony name another file",
                path.display()
            );
        }
        let mut paper = Self { file: opened.with_context(cannot)?, path: path.to_owned(), chain: Chain::EMPTY };
        paper.lock()?;
        paper.write(lines)?;
        if let Some(dir) = path.parent() {
            // The folder's entry, too. Not every file system can.
            let _ = File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }).and_then(|dir| dir.sync_all());
        }
        Ok(paper)
    }

    /// Opens one that is there, and gives what it says. A last line that was cut off is taken away.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, String, Transcript)> {
        let context = || format!("the transcript {}", path.display());
        let mut file = OpenOptions::new().read(true).write(true).open(path).with_context(context)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(context)?;
        let transcript = Transcript::read(&text).with_context(context)?;
        text.truncate(text.len() - transcript.torn_bytes());
        let mut paper = Self { file, path: path.to_owned(), chain: transcript.end() };
        paper.lock()?;
        if transcript.torn_bytes() > 0 {
            paper.file.set_len(text.len() as u64).with_context(context)?;
        }
        paper.file.seek(SeekFrom::End(0)).with_context(context)?;
        Ok((paper, text, transcript))
    }

    pub(super) const fn chain(&self) -> Chain {
        self.chain
    }

    /// Writes lines at once, and shows them.
    pub(super) fn write(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        let mut chain = self.chain;
        let written: String = lines.iter().map(|line| chain.add(line)).collect();
        let done = self.file.write_all(written.as_bytes()).and_then(|()| self.file.sync_all());
        done.with_context(|| format!("cannot write the transcript {}", self.path.display()))?;
        self.chain = chain;
        let mut out = io::stdout().lock();
        lines.iter().try_for_each(|line| writeln!(out, "{line}")).context("cannot write the output")
    }

    fn lock(&self) -> anyhow::Result<()> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(error) => {
                ensure!(!matches!(error, TryLockError::WouldBlock), "another run writes the transcript {}", self.path.display());
                Err(error).with_context(|| format!("cannot lock the transcript {}", self.path.display()))
            }
        }
    }
}
