//! Who reads the handbook: its blocks of commands, one shell in which they are typed, and a machine with SoftHSM and a service manager.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::custody::read_independently;
use crate::revocation::python;
use crate::shared::processes::{children_of, send};
use crate::softhsm::lines;
use crate::support::{Ran, run, sceau};
use crate::testdata::{read, testdata};

/// A block of commands: its chapter, whether something has to have come before it, its lines.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) chapter: String,
    waits: bool,
    commands: String,
}

/// How far ahead keys are activated here; in the handbook it is hours.
const START: Duration = Duration::from_secs(4);

/// Guards against hanging; nothing here is about speed.
const BOUND: Duration = Duration::from_secs(90);

/// The blocks of the handbook that are to be run, in its order.
pub(super) fn blocks() -> Vec<Block> {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/README.md"));
    let (mut blocks, mut open) = (Vec::new(), None::<(usize, Block)>);
    for line in text.lines() {
        let bare = line.trim_start();
        match open.take() {
            None => {
                let Some(fence) = bare.strip_prefix("```") else { continue };
                let (chapter, waits) = attributes(fence);
                open = Some((line.len() - bare.len(), Block { chapter, waits, commands: String::new() }));
            }
            Some((_, block)) if bare == "```" => blocks.push(block),
            Some((indent, mut block)) => {
                let line = line.get(indent..).unwrap_or_default();
                block.commands.extend([line, "\n"]);
                open = Some((indent, block));
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// `sh handbook=CHAPTER`, and perhaps `wait=START`.
fn attributes(fence: &str) -> (String, bool) {
    let words: Vec<&str> = fence.split(' ').collect();
    let ["sh", chapter, rest @ ..] = &words[..] else { panic!("the block {fence:?} is not run; it has to be `sh handbook=…`") };
    let chapter = chapter.strip_prefix("handbook=").unwrap_or_else(|| panic!("{fence:?} names no chapter"));
    assert!(rest.is_empty() || rest == ["wait=START"], "{fence:?}");
    (chapter.to_owned(), !rest.is_empty())
}

/// One shell in which the handbook is typed, and a machine with SoftHSM and a service manager.
pub(super) struct Reader {
    home: TempDir,
    shell: Child,
    typed: ChildStdin,
    said: Receiver<String>,
    pub(super) left: Vec<Block>,
    step: usize,
}

/// What stands for the service manager of an installation: `systemctl start|stop|restart sceau`.
const SYSTEMCTL: &str = r#"#!/bin/bash
set -eu
stop() {
    [[ -e $STATE/pid ]] || return 0
    kill "$(cat "$STATE/pid")" && while kill -0 "$(cat "$STATE/pid")" 2>/dev/null; do sleep 0.05; done
    rm "$STATE/pid"
}
start() {
    rm -f "$STATE/out"
    sceau serve --config "$CONFIG" --listen 127.0.0.1:0 > "$STATE/out" 2>> "$STATE/log" < /dev/null &
    echo $! > "$STATE/pid"
    until grep -q '^listening' "$STATE/out"; do
        kill -0 "$(cat "$STATE/pid")" || { cat "$STATE/log" && exit 1; }
        sleep 0.05
    done
}
[[ $2 == sceau ]]
case $1 in start) start ;; stop) stop ;; restart) stop && start ;; *) exit 2 ;; esac
"#;

impl Reader {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for folder in ["bin", "etc", "tokens", "sticks", "manager"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", at("tokens").display());
        fs::write(at("softhsm2.conf"), conf).unwrap();
        fs::write(at("bin/systemctl"), SYSTEMCTL).unwrap();
        fs::set_permissions(at("bin/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_sceau")).parent().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail"]).current_dir(home.path()).env("SCEAU_LOG", "warn").env("HOME", home.path());
        shell.env("PATH", format!("{}:{}:/usr/bin:/bin", at("bin").display(), program.display()));
        shell.env("SOFTHSM2_CONF", at("softhsm2.conf")).env("STATE", at("manager")).env("CONFIG", at("etc/sceau.toml"));
        shell.env("DESK", at("desk")).env("MODULE", module(home.path())).env("START", format!("+{}s", START.as_secs()));
        for officer in ["ada", "grace", "hedy", "joan"] {
            let (name, key) = (officer.to_uppercase(), at(&format!("sticks/{officer}.key")));
            // There is no terminal to be asked at.
            let words =
                format!("--config {} --officer {officer} --officer-key {} --yes", at("etc/sceau.toml").display(), key.display());
            shell.env(format!("{name}_KEY"), key).env(name, words);
        }
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut typed = shell.stdin.take().unwrap();
        typed.write_all(b"exec 2>&1\n").unwrap();
        let (out, (sender, said)) = (BufReader::new(shell.stdout.take().unwrap()), mpsc::channel());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { home, shell, typed, said, left: blocks(), step: 0 }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn desk(&self, name: &str) -> PathBuf {
        self.at("desk").join(name)
    }

    /// Types lines, and waits until they are done; gives what is said. Where one fails, so does the test.
    #[track_caller]
    pub(super) fn types(&mut self, lines: &str) -> String {
        self.step += 1;
        let (file, end) = (self.at(&format!("block-{}", self.step)), format!("=== {} is done", self.step));
        fs::write(&file, lines).unwrap();
        // What the commands might ask is not answered from the rest of the handbook.
        self.typed.write_all(format!(". {} < /dev/null\necho; echo '{end}'\n", file.display()).as_bytes()).unwrap();
        let mut said = String::new();
        loop {
            match self.said.recv_timeout(BOUND) {
                Ok(line) if line == end => return said,
                Ok(line) => said.extend([&line, "\n"]),
                Err(_) => panic!("this failed, or hung:\n{lines}\nIt said:\n{said}\nThe service:\n{}", self.log()),
            }
        }
    }

    /// The blocks of a chapter, from the first that was not run yet, as they stand there; what each said.
    #[track_caller]
    pub(super) fn reads(&mut self, chapter: &str) -> Vec<String> {
        let (mine, left) = std::mem::take(&mut self.left).into_iter().partition(|block| block.chapter == chapter);
        self.left = left;
        self.again(&mine)
    }

    #[track_caller]
    pub(super) fn again(&mut self, blocks: &[Block]) -> Vec<String> {
        assert!(!blocks.is_empty(), "the handbook has no such chapter");
        let mut said = Vec::new();
        for block in blocks {
            if block.waits {
                std::thread::sleep(START + Duration::from_millis(500));
            }
            said.push(self.types(&block.commands));
        }
        said
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("manager/log")).unwrap_or_default()
    }

    /// What an officer types beside the handbook, which may well fail.
    pub(super) fn sceau(&self, words: &str) -> Ran {
        let mut command = sceau();
        command.current_dir(self.desk("")).env("SOFTHSM2_CONF", self.at("softhsm2.conf")).args(words.split(' '));
        run(command.arg("--config").arg(self.at("etc/sceau.toml")))
    }

    pub(super) fn show(&self, label: &str) -> Value {
        let ran = self.sceau(&format!("dsc show --json --label {label}"));
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
    }

    pub(super) fn kid(&self, label: &str) -> String {
        self.show(label)["kid"].as_str().unwrap().to_owned()
    }

    /// Signs samples through the service; the kids under which, and the file. Where nothing signs: none.
    pub(super) fn signs(&self, count: u32) -> (BTreeSet<String>, PathBuf) {
        let name = format!("{}-{count}", self.step);
        let (input, out) = (self.at(&format!("{name}.ndjson")), self.at(&format!("{name}.signed")));
        let sampled =
            run(sceau().args(["sample", "--count", &count.to_string(), "--id-prefix", &format!("{name}-"), "--out"]).arg(&input));
        assert_eq!(sampled.code, Some(0), "{}", sampled.stderr);
        let endpoint = read(&self.at("manager/out")).trim().strip_prefix("listening on ").unwrap().to_owned();
        let ran = run(sceau().args(["sign", "--endpoint", &endpoint, "--in"]).arg(&input).arg("--out").arg(&out));
        let signed = if out.exists() { lines(&out) } else { Vec::new() };
        assert!(signed.len() == count as usize || signed.is_empty(), "{}", ran.stderr);
        (signed.iter().map(|line| line["kid"].as_str().unwrap().to_owned()).collect(), out)
    }

    /// The trust list of this moment.
    fn trust_list(&self) -> PathBuf {
        let file = self.at(&format!("trust-list-{}.json", self.step));
        if !file.exists() {
            let ran = self.sceau(&format!("dsc trust-list --out {}", file.display()));
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
        file
    }

    /// Samples are signed under one key alone, and verify under the trust list: for us, and for the independent verifier.
    #[track_caller]
    pub(super) fn signs_under(&self, label: &str) {
        let ((kids, signed), list) = (self.signs(40), self.trust_list());
        assert_eq!(kids, BTreeSet::from([self.kid(label)]), "{}", self.log());
        let ran = run(sceau().args(["verify", "--strict", "--summary", "--trust"]).arg(&list).arg("--in").arg(&signed));
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        let (Some(data), Some(mut verifier)) = (testdata(), python()) else { return };
        verifier.arg(data.join("verify_hc1.py")).args(["--brief", "--deterministic-payload", "--country", "FR"]).arg(&list);
        let ran = run(verifier.stdin(Stdio::from(fs::File::open(&signed).unwrap())));
        assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 40), "{}{}", ran.stdout, ran.stderr);
    }

    /// OpenSSL and the independent reader take a key's request, its upload, and the trust list that has it alone.
    pub(super) fn papers_are_read_by_others(&self, label: &str) {
        let openssl = |arguments: &str| {
            let ran = run(Command::new("openssl").args(arguments.split(' ')).current_dir(self.desk("")));
            assert_eq!(ran.code, Some(0), "openssl {arguments}: {}", ran.stderr);
            ran.stdout + &ran.stderr
        };
        assert!(openssl(&format!("req -verify -noout -subject -in {label}.csr")).contains(&format!("CN = DSC {label}")));
        openssl(&format!("x509 -in from-csca/{label}.pem -outform DER -out {label}.der"));
        let upload = STANDARD.decode(read(&self.desk(&format!("{label}.upload.cms.b64")))).unwrap();
        fs::write(self.desk("upload.der"), upload).unwrap();
        let trust = "-CAfile from-csca/upload-a.pem -partial_chain -purpose any -nointern -certfile from-csca/upload-a.pem";
        openssl(&format!("cms -verify -inform DER -in upload.der -binary -out content.der {trust}"));
        assert_eq!(fs::read(self.desk("content.der")).unwrap(), fs::read(self.desk(&format!("{label}.der"))).unwrap());
        let list: Value = serde_json::from_str(&read(&self.trust_list())).unwrap();
        fs::write(self.desk("listed.der"), STANDARD.decode(list[0]["rawData"].as_str().unwrap()).unwrap()).unwrap();
        assert!(openssl("x509 -inform DER -in listed.der -noout -subject").contains(&format!("CN = DSC {label}")));

        let Some(asked) = read_independently("request", &[], &[&self.desk(&format!("{label}.csr"))]) else { return };
        assert!(
            asked.stdout.contains("Example issuer") && asked.stdout.contains("secp256r1"),
            "{}{}",
            asked.stdout,
            asked.stderr
        );
        let certificate = self.desk("from-csca/upload-a.pem");
        let arguments = ["--upload-certificate", certificate.to_str().unwrap()];
        let upload = read_independently("upload", &arguments, &[&self.desk(&format!("{label}.upload.cms.b64"))]).unwrap();
        assert!(upload.stdout.starts_with(&format!("\"{}", self.kid(label))), "{}{}", upload.stdout, upload.stderr);
        let listed = read_independently("list", &[], &[&self.trust_list(), &self.desk(&format!("{label}.der"))]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&listed.stdout).unwrap(), [self.kid(label)], "{}", listed.stderr);
    }

    #[track_caller]
    pub(super) fn refused(&self, words: &str, officer: &str, reason: &str) {
        let key = self.at(&format!("sticks/{officer}.key"));
        let ran = self.sceau(&format!("{words} --yes --officer {officer} --officer-key {}", key.display()));
        assert_eq!(ran.code, Some(64), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        // The service, whose parent was the shell's child, ends with its home.
        let Ok(pid) = fs::read_to_string(self.at("manager/pid")) else { return };
        if let Ok(pid) = pid.trim().parse() {
            let workers = children_of(pid);
            send("-KILL", pid);
            workers.into_iter().for_each(|worker| send("-KILL", worker));
        }
    }
}

/// Where `sceau dev` finds SoftHSM.
fn module(home: &Path) -> String {
    let dev = home.join("dev");
    let ran = run(sceau().args(["dev", "--init-only", "--dir"]).arg(&dev));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let config = read(&dev.join("sceau.toml"));
    let line = config.lines().find(|line| line.starts_with("module")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}
