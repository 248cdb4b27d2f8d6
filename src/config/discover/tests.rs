//! The whole look around, on boxes made of files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;

struct Box {
    dir: tempfile::TempDir,
}

impl Box {
    fn new() -> Box {
        Box { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, p: &str) -> PathBuf {
        self.dir.path().join(p)
    }

    fn put(&self, p: &str, text: impl AsRef<[u8]>) -> &Box {
        fs::create_dir_all(self.path(p).parent().unwrap()).unwrap();
        fs::write(self.path(p), text).unwrap();
        self
    }

    fn process(&self, pid: u32, name: &str, title: &str, cgroup: &str) -> &Box {
        let dir = format!("proc/{pid}");
        self.put(&format!("{dir}/comm"), format!("{name}\n")).put(&format!("{dir}/cmdline"), title.replace(' ', "\0"));
        fs::create_dir_all(self.path(&format!("{dir}/fd"))).unwrap();
        self.put(&format!("{dir}/cgroup"), format!("0::{cgroup}\n"))
    }

    fn fd(&self, pid: u32, n: u32, target: impl AsRef<std::path::Path>, flags: &str) -> &Box {
        symlink(target, self.path(&format!("proc/{pid}/fd/{n}"))).unwrap();
        self.put(&format!("proc/{pid}/fdinfo/{n}"), format!("pos:\t0\nflags:\t{flags}\n"))
    }

    fn look(&self) -> Found {
        look_around(&Roots::under(self.dir.path()), Instant::now() + Duration::from_secs(30))
    }
}

const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

fn tcp(local: &str, remote: &str, state: &str, inode: u32) -> String {
    format!("   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0 100\n")
}

#[test]
fn log_files_that_processes_write_and_those_in_the_usual_folders_are_found_but_nothing_binary_or_rotated() {
    let b = Box::new();
    b.put("srv/shop/app.log", "{}\n").put("srv/shop/data.json", "{}").put("var/log/nginx/access.log", "x\n");
    b.put("var/log/syslog", "x\n").put("var/log/syslog.1", "x\n").put("var/log/app.log-20260101", "x\n");
    b.put("var/log/wtmp", "x\n").put("var/log/old.log.gz", "x\n").put("var/log/blob.log", b"a\0b");
    b.process(81, "python", "python app.py", "/system.slice/shop.service");
    b.fd(81, 3, b.path("srv/shop/app.log"), "02001").fd(81, 4, b.path("srv/shop/data.json"), "0100000");
    let f = b.look();
    let mut names: Vec<_> = f.logs.iter().map(|l| (l.name.as_str(), l.writer.as_deref())).collect();
    names.sort_unstable();
    assert_eq!(names, [("nginx/access", None), ("shop/app", Some("shop.service")), ("syslog", None)]);
}

#[test]
fn of_many_logs_the_newest_are_taken_and_the_rest_are_counted() {
    let b = Box::new();
    for i in 0..60 {
        b.put(&format!("var/log/app{i:02}.log"), "x\n");
        let age = Duration::from_secs(3_600 - i * 60);
        let f = fs::File::options().write(true).open(b.path(&format!("var/log/app{i:02}.log"))).unwrap();
        f.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    let f = b.look();
    assert_eq!((f.logs.len(), f.logs_left_out, f.logs[0].name.as_str()), (40, 20, "app59"));
    assert!(f.cannot_see.iter().any(|s| s.starts_with("20 more log files")), "{:?}", f.cannot_see);
}

#[test]
fn a_sqlite_file_that_a_service_has_open_is_offered_once_and_those_of_desktops_are_not() {
    let b = Box::new();
    b.process(81, "python", "python app.py", "/system.slice/shop.service");
    b.fd(81, 3, "/srv/shop/orders.db", "02").fd(81, 4, "/srv/shop/orders.db-wal", "02");
    b.fd(81, 5, "/srv/shop/orders.db-shm", "02").fd(81, 6, "/srv/shop/cache.sqlite3", "02");
    b.process(82, "firefox", "firefox", "/user.slice").fd(82, 3, "/home/me/.mozilla/places.sqlite", "02");
    b.process(83, "warroom", "warroom", "/user.slice").fd(83, 3, "/var/lib/warroom/incident.sqlite", "02");
    let offers = b.look().databases;
    let what: Vec<&str> = offers.iter().map(|o| o.what.as_str()).collect();
    assert_eq!(what, ["sqlite /srv/shop/cache.sqlite3; not watched", "sqlite /srv/shop/orders.db; not watched"]);
    let part: crate::config::Config = toml::from_str(&offers[1].snippet).unwrap();
    assert_eq!(part.database.sqlite[0].short(), "orders.db");
}

#[test]
fn postgres_is_offered_with_what_its_process_titles_say_and_is_not_connected_to() {
    let b = Box::new();
    b.process(50, "postgres", "/usr/lib/postgresql/14/bin/postgres -D x", "/system.slice/postgresql@14-main.service");
    b.fd(50, 5, "socket:[777]", "02");
    for (i, title) in [
        "postgres: 14/main: checkpointer ",
        "postgres: 14/main: walsender repl 10.0.0.9(4000) streaming 0/1",
        "postgres: 14/main: shop orders 10.0.0.4(51234) idle in transaction",
        "postgres: shop orders [local] SELECT",
        "postgres: shop orders 10.0.0.4(51235) UPDATE waiting",
        "postgres: shop orders 10.0.0.4(51236) idle",
    ]
    .into_iter()
    .enumerate()
    {
        b.process(51 + i as u32, "postgres", title, "/system.slice/postgresql@14-main.service");
        // Titles come with blanks, not with NULs.
        b.put(&format!("proc/{}/cmdline", 51 + i), title);
    }
    b.put("proc/net/tcp", TCP.to_owned() + &tcp("0100007F:1538", "00000000:0000", "0A", 777));
    b.put("proc/net/unix", "Num RefCount\n0: 00000002 00000000 00010000 0001 01 778 /run/postgresql/.s.PGSQL.5432\n");
    let f = b.look();
    assert_eq!(f.databases.len(), 1, "{:?}", f.databases);
    b.put("etc/passwd", "root:x:0:0::/root:/bin/sh\npostgres:x:26:26::/var/lib/postgresql:/bin/sh\n");
    b.put("proc/self/status", "Name:\twarroom\nUid:\t0\t0\t0\t0\n");
    let f = b.look();
    let o = &f.databases[0];
    let what = "postgres on :5432, 4 backends, 1 idle in transaction, 1 waiting for a lock, 2 active (from process titles); not connected";
    assert_eq!(o.what, what);
    assert!(o.consent.is_none() && o.reason.starts_with("as the role of your own name"), "{}", o.reason);
    let peer = &f.databases[1];
    assert_eq!(peer.what, "postgres on :5432 as the superuser postgres");
    let consent = peer.consent.as_ref().expect("a superuser is asked about first");
    assert!(consent.lines.iter().any(|(_, text)| text.contains("superuser")), "{consent:?}");
    for o in &f.databases {
        let config = crate::config::Config::parse(&o.snippet, std::path::Path::new("offer")).expect("a configuration");
        assert_eq!(config.database.postgres[0].peer.is_some(), o.consent.is_some(), "{}", o.snippet);
    }
    assert!(peer.hindrance.is_none());
    b.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n");
    let why = b.look().databases[1].hindrance.clone();
    assert!(why.is_some_and(|w| w.contains("sudo -u postgres warroom")), "who is not root is told what to type");
    b.put("proc/self/status", "Uid:\t26\t26\t26\t26\n");
    let f = b.look();
    assert_eq!((f.databases.len(), f.databases[0].consent.is_some()), (1, true), "postgres itself has one way in");
}

#[test]
fn mysql_and_pgbouncer_are_offered_as_what_they_are_and_root_is_asked_first() {
    let b = Box::new();
    b.process(60, "mariadbd", "/usr/sbin/mariadbd", "/system.slice/mariadb.service").fd(60, 5, "socket:[777]", "02");
    b.process(61, "pgbouncer", "pgbouncer x.ini", "/system.slice/pgbouncer.service").fd(61, 5, "socket:[778]", "02");
    let table = [tcp("0100007F:0CEA", "00000000:0000", "0A", 777), tcp("0100007F:1920", "00000000:0000", "0A", 778)];
    b.put("proc/net/tcp", TCP.to_owned() + &table.concat());
    b.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n");
    let config = |o: &Offer| crate::config::Config::parse(&o.snippet, std::path::Path::new("offer")).unwrap().database;
    let f = b.look();
    let [pooler, maria] = &f.databases[..] else { panic!("{:?}", f.databases) };
    assert_eq!(config(pooler).pgbouncer[0].url.0, "postgres://localhost:6432/pgbouncer");
    assert_eq!((maria.what.as_str(), maria.consent.is_some()), ("mariadb on :3306; not connected", false));
    assert_eq!(config(maria).mysql[0].url.0, "mysql://127.0.0.1:3306/");
    b.put("proc/net/unix", "Num RefCount\n0: 00000002 00000000 00010000 0001 01 779 /run/mysqld/mysqld.sock\n");
    b.put("proc/self/status", "Uid:\t0\t0\t0\t0\n").put("proc/net/tcp", TCP);
    let f = b.look();
    let [socket] = &f.databases[..] else { panic!("{:?}", f.databases) };
    assert_eq!(socket.what, "mariadb on /run/mysqld/mysqld.sock; not connected");
    assert_eq!(config(socket).mysql[0].url.0, "mysql://localhost/?socket=/run/mysqld/mysqld.sock");
    assert!(socket.consent.as_ref().is_some_and(|c| c.question.contains("as root")));
}

#[test]
fn a_remote_that_processes_are_connected_to_is_a_peer_and_our_own_clients_are_not() {
    let b = Box::new();
    b.process(81, "python", "python app.py", "/system.slice/shop.service").fd(81, 3, "socket:[900]", "02");
    let table = [
        tcp("00000000:1F90", "00000000:0000", "0A", 800), // we listen on 8080
        tcp("0500000A:1F90", "0700000A:1389", "01", 801), // a client of ours
        tcp("0500000A:C350", "0900000A:18EB", "01", 900), // to 10.0.0.9:6379
        tcp("0500000A:C351", "0900000A:18EB", "01", 901),
        tcp("0100007F:C352", "0100007F:1538", "01", 902), // to ourselves
        tcp("0500000A:C353", "0800000A:01BB", "06", 0),   // time-wait
    ];
    b.put("proc/net/tcp", TCP.to_owned() + &table.concat());
    let mapped = "0000000000000000FFFF00000B00000A:1F91";
    b.put("proc/net/tcp6", TCP.to_owned() + &tcp("0000000000000000FFFF00000500000A:C354", mapped, "01", 903));
    let f = b.look();
    let peers: Vec<_> = f.peers.iter().map(|o| (o.what.as_str(), o.reason.as_str())).collect();
    assert_eq!(peers, [("redis at 10.0.0.9:6379", "2 connections from python"), ("10.0.0.11:8081", "1 connection")]);
    assert!(f.peers.iter().all(|o| crate::config::Config::parse(&o.snippet, std::path::Path::new("offer")).is_ok()));
}

#[test]
fn checkouts_units_and_the_journal_are_found_and_shells_deploy_nothing() {
    let b = Box::new();
    b.put("srv/shop/.git/HEAD", "ref: refs/heads/main\n").put("home/me/x/.git/HEAD", "ref: refs/heads/x\n");
    fs::create_dir_all(b.path("srv/shop/app")).unwrap();
    b.process(81, "gunicorn", "gunicorn app", "/system.slice/shop.service");
    b.process(82, "bash", "-bash", "/user.slice/user-1000.slice/session-1.scope");
    b.process(83, "sshd", "sshd", "/system.slice/ssh.service");
    symlink(b.path("srv/shop/app"), b.path("proc/81/cwd")).unwrap();
    symlink(b.path("home/me/x"), b.path("proc/82/cwd")).unwrap();
    b.put("run/log/journal/abc/system.journal", "LPKSHHRH");
    let f = b.look();
    let checkouts: Vec<_> = f.checkouts.iter().map(|c| (c.path.clone(), c.process.as_str(), c.head.as_str())).collect();
    assert_eq!(checkouts, [(b.path("srv/shop"), "gunicorn", "main")]);
    let units: Vec<_> = f.units.iter().map(|u| (u.name.as_str(), u.of_system)).collect();
    assert_eq!(units, [("shop.service", false), ("ssh.service", true)]);
    assert_eq!(f.commands[0].argv[0], "journalctl");
}

#[test]
fn no_file_here_names_an_environment_and_an_empty_box_says_what_it_cannot_see() {
    let all = [
        include_str!("procs.rs"),
        include_str!("databases.rs"),
        include_str!("logs.rs"),
        include_str!("git.rs"),
        include_str!("peers.rs"),
        include_str!("sockets.rs"),
        include_str!("units.rs"),
    ];
    assert!(all.iter().all(|s| !s.contains("environ\"")), "another process's environment holds its secrets");
    assert_eq!(Box::new().look().cannot_see.len(), 2);
}

#[test]
fn time_that_is_up_is_said() {
    let b = Box::new();
    b.process(81, "a", "a", "/").process(82, "b", "b", "/");
    let f = look_around(&Roots::under(b.dir.path()), Instant::now());
    assert!(f.cannot_see.contains(&"2 processes: not looked into, time was up".to_owned()), "{:?}", f.cannot_see);
}
