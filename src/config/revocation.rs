//! `[revocation]`: whose lists are signed, and with which key.

use super::KeyFile;
use super::check::Check;
use super::file::RevocationSection;
use crate::token::{Purpose, TokenSpec};

impl Check<'_> {
    pub(super) fn revocation(&mut self, section: RevocationSection, tokens: &[TokenSpec]) -> KeyFile {
        self.known_key(self.upload_key(section), tokens)
    }

    pub(super) fn upload_key(&self, section: RevocationSection) -> KeyFile {
        let certificate = self.dir().join(section.certificate);
        KeyFile { certificate, tokens: section.token.into_names(), purpose: Purpose::Upload }
    }
}
