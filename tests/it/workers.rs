//! Worker processes: who holds what, and what happens when they die, hang, or lose their supervisor.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::faulty_token::put_in_front;
use crate::modules::{reached, stats};
use crate::shared::job::Job;
use crate::shared::processes::{children_of, has_threads, ready_workers, send, wait_until};
use crate::support::{DevServer, dev_folder, edit, read_endpoint, run, sceau};
use crate::testdata::read;

fn loads_softhsm(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default().contains("libsofthsm2")
}

/// A service listens as soon as the first of its workers signs; on SoftHSM there is one for each core.
fn wait_for_all_workers(server: &DevServer) {
    wait_until("every worker is ready", || ready_workers(server.pid()).len() == sceau::token::cores());
}

/// Kills every worker, when all that were started are ready.
fn kill_all_workers(server: u32) {
    wait_until("every worker is ready", || {
        let workers = children_of(server);
        !workers.is_empty() && workers.iter().all(|worker| has_threads(*worker, "softhsm-"))
    });
    children_of(server).into_iter().for_each(|worker| send("-KILL", worker));
}

#[test]
fn only_workers_load_the_module_and_they_end_with_the_service() {
    let server = DevServer::start();
    let pid = server.pid();
    assert!(!loads_softhsm(pid), "the process that faces the network never loads the module");
    let workers = children_of(pid);
    assert!(!workers.is_empty());
    // The first signs already; the others are still starting.
    wait_until("every worker loads it", || workers.iter().all(|worker| loads_softhsm(*worker)));
    assert_eq!(server.terminate(), Some(0));
    wait_until("the workers end", || workers.iter().all(|worker| !loads_softhsm(*worker)));
}

#[test]
fn workers_of_a_service_that_is_killed_end_by_themselves() {
    let server = DevServer::start();
    let workers = children_of(server.pid());
    send("-KILL", server.pid());
    wait_until("the workers end", || workers.iter().all(|worker| !loads_softhsm(*worker)));
}

#[test]
fn killed_workers_cost_no_item() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let mut job = Job::start(&server.endpoint, home.path(), 12_000);
    let mut kills = 0;
    while kills < 10 && job.is_running() {
        let workers = ready_workers(server.pid());
        if let Some(worker) = workers.get(kills % workers.len().max(1)) {
            send("-KILL", *worker);
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(kills >= 2, "{kills} kills fell into the job");
    job.finish(&server.trust());
}

#[test]
fn a_worker_that_hangs_is_killed_and_replaced_and_costs_no_item() {
    let home = tempfile::tempdir().unwrap();
    let dev = home.path().join("dev");
    assert_eq!(run(sceau().args(["dev", "--init-only", "--dir"]).arg(&dev)).code, Some(0));
    edit(&dev.join("sceau.toml"), "label = \"sceau-dev\"", "label = \"sceau-dev\"\nworkers = 2\nhang_timeout_ms = 1500");
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dev.join("sceau.toml"));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let endpoint = read_endpoint(&mut server);
    let job = Job::start(&endpoint, home.path(), 3_000);
    wait_until("both are ready", || ready_workers(server.id()).len() == 2);
    let workers = children_of(server.id());
    workers.iter().for_each(|worker| send("-STOP", *worker));
    wait_until("both are replaced", || {
        let now = children_of(server.id());
        now.len() == 2 && now.iter().all(|worker| !workers.contains(worker))
    });
    job.finish(&dev.join("trust.pem"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_token_that_is_gone_is_refused_at_once_and_comes_back_by_itself() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = home.path().join("one.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "1", "--out"]).arg(&input)).code, Some(0));
    let (tokens, away) = (server.dir.join("tokens"), server.dir.join("away"));
    wait_for_all_workers(&server);
    fs::rename(&tokens, &away).unwrap();
    kill_all_workers(server.pid());
    let sign = |out: &str| {
        run(sceau().args(["sign", "--endpoint", &server.endpoint, "--in"]).arg(&input).arg("--out").arg(home.path().join(out)))
    };
    let refused = sign("while-away");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("UNAVAILABLE") && refused.stderr.contains("is down"), "{}", refused.stderr);
    fs::rename(&away, &tokens).unwrap();
    wait_until("it signs again", || sign("after").code == Some(0));
}

#[test]
fn a_refused_pin_latches_on_disk_until_an_officer_unlatches() {
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = home.path().join("one.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "1", "--out"]).arg(&input)).code, Some(0));
    let (pin, config) = (server.dir.join("user.pin"), server.dir.join("sceau.toml"));
    let right = read(&pin);
    wait_for_all_workers(&server);
    fs::write(&pin, "0000\n").unwrap();
    kill_all_workers(server.pid());
    let latch = server.dir.join("state/softhsm.pin-latch");
    wait_until("the latch is on", || fs::read_to_string(&latch).is_ok_and(|text| text.starts_with("refused")));
    wait_until("every worker is gone", || children_of(server.pid()).is_empty());
    fs::write(&pin, right).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(children_of(server.pid()), Vec::<u32>::new(), "no worker starts while it is on");
    let mut second = sceau();
    let restarted = run(second.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config));
    assert_eq!(restarted.code, Some(78), "{}", restarted.stderr);
    assert!(restarted.stderr.contains("sceau token unlatch"), "{}", restarted.stderr);
    let status = run(sceau().args(["token", "status", "--config"]).arg(&config));
    assert!(status.code == Some(2) && status.stdout.contains("DOES NOT SIGN"), "{}{}", status.stdout, status.stderr);
    let unlatch = || run(sceau().args(["token", "unlatch", "--token", "softhsm", "--config"]).arg(&config));
    let unlatched = unlatch();
    assert!(unlatched.code == Some(0) && unlatched.stdout.contains("unlatched: the running service"), "{}", unlatched.stderr);
    assert!(unlatch().stdout.contains("there was no latch"));
    let sign = || {
        run(sceau().args(["sign", "--endpoint", &server.endpoint, "--in"]).arg(&input).arg("--out").arg(home.path().join("out")))
    };
    wait_until("it signs again", || sign().code == Some(0));
}

#[test]
fn an_officer_sees_how_the_tokens_are() {
    use std::os::unix::fs::PermissionsExt;

    let server = DevServer::start();
    let config = server.dir.join("sceau.toml");
    wait_for_all_workers(&server);
    let status = run(sceau().args(["token", "status", "--json", "--config"]).arg(&config));
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    let token = &serde_json::from_str::<serde_json::Value>(&status.stdout).unwrap()["tokens"][0];
    assert_eq!((token["name"].as_str(), &token["trouble"]), (Some("softhsm"), &serde_json::Value::Null));
    let mut pids: Vec<u32> =
        token["workers"].as_array().unwrap().iter().map(|worker| worker["pid"].as_u64().unwrap() as u32).collect();
    let mut children = children_of(server.pid());
    pids.sort_unstable();
    children.sort_unstable();
    assert_eq!(pids, children);
    let socket = server.dir.join("state/admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn with_no_service_there_is_no_status_and_the_latch_is_taken_off_in_its_file() {
    let home = dev_folder();
    let config = home.path().join("sceau.toml");
    let absent = run(sceau().args(["token", "status", "--config"]).arg(&config));
    assert!(absent.code == Some(69) && absent.stderr.contains("no service runs here"), "{}", absent.stderr);
    fs::create_dir_all(home.path().join("state")).unwrap();
    fs::write(home.path().join("state/softhsm.pin-latch"), "refused\n").unwrap();
    let unlatched = run(sceau().args(["token", "unlatch", "--token", "softhsm", "--config"]).arg(&config));
    assert!(unlatched.stdout.contains("unlatched: no service runs"), "{}{}", unlatched.stdout, unlatched.stderr);
    assert!(!home.path().join("state/softhsm.pin-latch").exists());
}

/// A user that is not the service's, where this process may become one.
fn another_user() -> Option<nix::unistd::User> {
    nix::unistd::geteuid().is_root().then(|| nix::unistd::User::from_name("nobody").ok()?)?
}

/// Gives a file or folder, with what is in it, to a user.
fn give(path: &Path, user: &nix::unistd::User) {
    std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    for entry in fs::read_dir(path).into_iter().flatten() {
        give(&entry.unwrap().path(), user);
    }
}

#[test]
fn another_user_does_not_look_after_the_tokens() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let Some(nobody) = another_user() else { return };
    let server = DevServer::start();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // Everything but the credentials of the connection lets the other user in.
    let state = server.dir.join("state");
    for path in [server.dir.parent().unwrap(), &server.dir, &state] {
        open(path, 0o755);
    }
    open(&state.join("admin.sock"), 0o666);
    give(&server.dir.join("uvci.secret"), &nobody);
    let binary = server.dir.join("sceau");
    fs::copy(env!("CARGO_BIN_EXE_sceau"), &binary).unwrap();
    let mut command = Command::new(binary);
    command
        .args(["token", "status", "--config"])
        .arg(server.dir.join("sceau.toml"))
        .uid(nobody.uid.as_raw())
        .stdin(Stdio::null());
    let ran = run(&mut command);
    assert!(ran.stderr.contains("only the service's own user and root"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn workers_run_as_a_user_of_their_own_that_cannot_read_the_services_secret() {
    use std::os::unix::fs::PermissionsExt;

    let Some(nobody) = another_user() else { return };
    let home = dev_folder();
    let dir = home.path();
    edit(&dir.join("sceau.toml"), "label = \"sceau-dev\"", "label = \"sceau-dev\"\nuser = \"nobody\"\nworkers = 1\nsessions = 1");
    edit(&dir.join("sceau.toml"), "[server]", "[server]\nadmin_socket = \"admin.sock\"");
    let binary = dir.join("sceau");
    fs::copy(env!("CARGO_BIN_EXE_sceau"), &binary).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(dir.join("state")).unwrap();
    for name in ["sceau.toml", "user.pin", "softhsm2.conf", "tokens", "state", "dsc-es256.pem", "dsc-ps256.pem"] {
        give(&dir.join(name), &nobody);
    }
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml")).stdin(Stdio::null());
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let endpoint = read_endpoint(&mut server);
    let job = Job::start(&endpoint, dir, 50);
    let worker = children_of(server.id())[0];
    let status = read(Path::new(&format!("/proc/{worker}/status")));
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()).unwrap();
    assert_eq!(uid, nobody.uid.as_raw().to_string());
    job.finish(&dir.join("trust.pem"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn workers_keep_to_the_rate_of_their_configuration() {
    let home = dev_folder();
    let dir = home.path();
    edit(&dir.join("sceau.toml"), "label = \"sceau-dev\"", "label = \"sceau-dev\"\nworkers = 2\nmax_signatures_per_second = 200");
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml"));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let endpoint = read_endpoint(&mut server);
    let start = Instant::now();
    Job::start(&endpoint, dir, 400).finish(&dir.join("trust.pem"));
    // 200 a second, and at most a tenth of a second's more at the beginning.
    assert!(start.elapsed() >= Duration::from_millis(1_800), "{:?}", start.elapsed());
    let status = run(sceau().args(["token", "status", "--json", "--config"]).arg(dir.join("sceau.toml")));
    assert!(status.stdout.contains("\"replaced_workers\": 0"), "{}", status.stdout);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn idle_sessions_sign_now_and_then_lest_the_token_drops_them() {
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 1\nsessions = 2\nkeep_alive_seconds = 1");
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml"));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    read_endpoint(&mut server);
    // Two for all work and one that is kept for interactive work, which nobody asks for anything.
    let signed = || reached(&stats(dir), "C_SignInit");
    wait_until("each key has proven itself", || signed() >= 2);
    let before = signed();
    wait_until("each session has signed twice", || signed() >= before + 3 * 2);
    server.kill().unwrap();
    server.wait().unwrap();
}
