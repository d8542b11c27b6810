//! What callers have used up today, kept on disk: a restart gives nobody a second day.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::caller::Access;
use super::quota::Today;

/// The file of the day's counts: the items of each caller, by its name.
#[derive(Clone, Debug)]
pub struct DayCounts(PathBuf);

impl DayCounts {
    /// In a file, which is made when it is needed.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Lets callers go on from what an earlier process had counted.
    ///
    /// # Errors
    /// The file is there and cannot be read: whoever was near a bound would begin anew.
    pub fn resume(&self, access: &Access) -> io::Result<()> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let counts: BTreeMap<String, Count> = serde_json::from_str(&text).map_err(io::Error::other)?;
        for caller in access.iter() {
            if let Some(Count { day, items }) = counts.get(caller.id().as_str()) {
                caller.quota().resume(Today { day: *day, items: *items });
            }
        }
        Ok(())
    }

    /// Writes the counts, where one has changed since the last time. The file is replaced whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, access: &Access) -> io::Result<()> {
        // Every caller is asked, so that none is asked about again.
        if access.iter().filter(|caller| caller.quota().take_change()).count() == 0 {
            return Ok(());
        }
        let count = |Today { day, items }| Count { day, items };
        let counts: BTreeMap<&str, Count> =
            access.iter().map(|caller| (caller.id().as_str(), count(caller.quota().used()))).collect();
        let next = self.0.with_extension("next");
        if let Some(dir) = self.0.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&next, serde_json::to_vec(&counts).map_err(io::Error::other)?)?;
        fs::rename(&next, &self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Count {
    day: i64,
    items: u64,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::CallerSettings;
    use super::*;
    use crate::domain::NumericDate;

    #[test]
    fn a_restart_goes_on_with_the_days_count() {
        let home = tempfile::tempdir().unwrap();
        let counts = DayCounts::at(home.path().join("state/day-counts.json"));
        let settings = || vec![CallerSettings { items_per_day: NonZeroU32::new(100), ..CallerSettings::loopback() }];
        let now = NumericDate::from_rfc3339("2021-10-20T12:00:00Z").unwrap();
        let take = |access: &Access, items| access.iter().next().unwrap().quota().take(items, now).is_ok();
        let before = Access::new(settings());
        counts.resume(&before).unwrap();
        assert!(take(&before, 70));
        counts.save(&before).unwrap();
        let after = Access::new(settings());
        counts.resume(&after).unwrap();
        assert!(!take(&after, 31) && take(&after, 30));
    }

    #[test]
    fn a_file_that_is_not_the_services_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("day-counts.json");
        fs::write(&path, "{").unwrap();
        assert!(DayCounts::at(path).resume(&Access::open_on_loopback()).is_err());
    }
}
