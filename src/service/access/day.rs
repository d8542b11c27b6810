//! What callers have used up today, kept on disk: a restart gives nobody a second day.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::caller::Access;
use super::quota::Today;
use crate::sign::StateFile;

/// The file of the day's counts: the items of each caller, by its name.
#[derive(Debug)]
pub struct DayCounts {
    file: StateFile,
    /// What it says.
    written: Counts,
}

type Counts = BTreeMap<String, Count>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    day: i64,
    items: u64,
}

/// Why the day's counts are not known: whoever was near a bound would begin anew.
#[derive(Debug, thiserror::Error)]
pub enum DayCountsError {
    /// The file is there and cannot be read.
    #[error("cannot go on with the day's counts in {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not say what this program writes.
    #[error("{} holds no counts of a day: {reason}; remove it, and every caller's day begins anew", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl DayCounts {
    /// Reads the file, which is made when it is needed.
    ///
    /// # Errors
    /// [`DayCountsError`].
    pub fn read(path: PathBuf) -> Result<Self, DayCountsError> {
        let file = StateFile::at(path.clone());
        match file.read() {
            Ok(None) => Ok(Self { file, written: Counts::new() }),
            Ok(Some(text)) => match serde_json::from_slice(&text) {
                Ok(written) => Ok(Self { file, written }),
                Err(error) => Err(DayCountsError::Form { path, reason: error.to_string() }),
            },
            Err(source) => Err(DayCountsError::Read { path, source }),
        }
    }

    /// Lets callers go on from what an earlier process had counted.
    pub fn resume(&self, access: &Access) {
        let today = |(name, Count { day, items }): (&String, &Count)| (name.clone(), Today { day: *day, items: *items });
        access.resume(self.written.iter().map(today).collect());
    }

    /// Writes the counts where one has changed since they were written, durably: it waits for the disk.
    ///
    /// # Errors
    /// It cannot be written; the next time it is tried again.
    pub fn save(&mut self, access: &Access) -> io::Result<()> {
        let used = access.used_today();
        // Those of days before are over.
        let day = used.values().map(|today| today.day).max().unwrap_or_default();
        let used = used.into_iter().filter(|(_, today)| today.day == day && today.items > 0);
        let counts: Counts = used.map(|(name, Today { day, items })| (name, Count { day, items })).collect();
        if counts != self.written {
            self.file.replace(&serde_json::to_vec(&counts)?)?;
            self.written = counts;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroU32;
    use std::path::Path;

    use super::super::CallerSettings;
    use super::*;
    use crate::domain::NumericDate;

    fn settings() -> Vec<CallerSettings> {
        vec![CallerSettings { items_per_day: NonZeroU32::new(100), ..CallerSettings::loopback() }]
    }

    fn take(access: &Access, items: usize) -> bool {
        let now = NumericDate::from_rfc3339("2021-10-20T12:00:00Z").unwrap();
        access.iter().next().unwrap().quota().take(items, now).is_ok()
    }

    /// A start of the service.
    fn start(path: &Path, settings: Vec<CallerSettings>) -> (DayCounts, Access) {
        let (counts, access) = (DayCounts::read(path.to_owned()).unwrap(), Access::new(settings));
        counts.resume(&access);
        (counts, access)
    }

    #[test]
    fn a_restart_goes_on_with_the_days_count() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/day-counts.json");
        let (mut counts, before) = start(&path, settings());
        assert!(take(&before, 70));
        counts.save(&before).unwrap();
        let (_, after) = start(&path, settings());
        assert!(!take(&after, 31) && take(&after, 30));
    }

    #[test]
    fn a_caller_that_was_away_goes_on_with_its_day() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("day-counts.json");
        let (mut counts, access) = start(&path, settings());
        assert!(take(&access, 70));
        let without = access.succeeded_by(Vec::new());
        assert!(!take(&without.succeeded_by(settings()), 31), "after two reloads");
        counts.save(&without).unwrap();
        let (_, restarted) = start(&path, Vec::new());
        assert!(!take(&restarted.succeeded_by(settings()), 31), "after a restart and a reload");
    }

    #[test]
    fn what_could_not_be_written_is_written_the_next_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/day-counts.json");
        let (mut counts, access) = start(&path, settings());
        assert!(take(&access, 70));
        fs::write(home.path().join("state"), "in the way").unwrap();
        assert!(counts.save(&access).is_err());
        fs::remove_file(home.path().join("state")).unwrap();
        counts.save(&access).unwrap();
        assert!(!take(&start(&path, settings()).1, 31));
    }

    #[test]
    fn a_file_that_is_not_the_services_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("day-counts.json");
        for text in ["", "{"] {
            fs::write(&path, text).unwrap();
            let error = DayCounts::read(path.clone()).unwrap_err();
            assert!(matches!(error, DayCountsError::Form { .. }), "{error}");
        }
    }
}
