//! A unit's command line in its sandbox, as far as util-linux can make it where systemd is not the first process.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What stands under [Service] in a unit; the last of several lines of a name.
pub(crate) struct Unit {
    settings: HashMap<String, String>,
}

/// Mounts in a namespace of its own, then the command: everything read-only but the two folders, an empty /tmp, no homes.
/// Folders are bound to themselves first, so that they are mounts of their own and stay writable.
const MOUNTS: &str = r#"
    set -eu
    umask "$1"; state=$2; runtime=$3; shift 3
    install -d -o sceau -g sceau -m 0700 "$runtime"
    mount --make-rprivate /
    mount --bind "$state" "$state"
    mount --bind "$runtime" "$runtime"
    mount -t tmpfs -o mode=1777,nosuid,nodev private-tmp /tmp
    for home in /home /root; do mount -t tmpfs -o ro,mode=0000 no-home "$home"; done
    mount -o remount,bind,ro /sys
    mount -o remount,bind,ro /
    cd /
    exec "$@"
"#;

impl Unit {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let service = text.split("\n[Service]\n").nth(1).unwrap().split("\n[").next().unwrap();
        let lines = service.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        Self { settings: lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap_or_else(|| panic!("the unit has {name}="))
    }

    /// `ExecStart` under `User`, `UMask`, `LimitCORE`, `ProtectSystem`, `ProtectHome`, `PrivateTmp`, `StateDirectory`,
    /// `RuntimeDirectory`, `RestrictSUIDSGID` in part, `NoNewPrivileges` and `CapabilityBoundingSet`. Left to systemd: limits that
    /// a container may not raise, system call filter, address families, devices, namespaces, `MemoryDenyWriteExecute`.
    ///
    /// The process that is started becomes the service: unshare, sh, prlimit and setpriv give way to what they start.
    pub(crate) fn command(&self) -> Command {
        for (name, value) in [("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("PrivateTmp", "yes")] {
            assert_eq!(self.setting(name), value, "{name}");
        }
        assert_eq!((self.setting("NoNewPrivileges"), self.setting("CapabilityBoundingSet")), ("yes", ""));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", MOUNTS, "sh", self.setting("UMask")]);
        command.arg(format!("/var/lib/{}", self.setting("StateDirectory")));
        command.arg(format!("/run/{}", self.setting("RuntimeDirectory")));
        command.args(["prlimit", &format!("--core={}", self.setting("LimitCORE"))]);
        command.args(setpriv(self.setting("User")));
        command.args(["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]);
        command.args(self.setting("ExecStart").split(' '));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command
    }
}

/// A command of a user, for its program and arguments to follow.
pub(crate) fn as_user(user: &str) -> Command {
    let words = setpriv(user);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn setpriv(user: &str) -> [String; 4] {
    ["setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]
}
