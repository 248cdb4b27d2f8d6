//! Who writes: login name and host, read once.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Longest that a directory of users may take to tell a name: while it is away notes are written all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// Author and host that go into every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Login name; through sudo the one behind it.
    pub author: String,
    /// Host name.
    pub host: String,
}

impl Who {
    /// Of this process: what the environment says, else the login name of its user. On a box where everybody is `root` the
    /// author tells people apart only if it is set (`incident.author`, `--author`) or if they came through sudo.
    pub fn here() -> Who {
        let named = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let author = named("WARROOM_AUTHOR")
            .or_else(|| named("SUDO_USER"))
            .or_else(|| named("USER"))
            .or_else(|| named("LOGNAME"))
            .unwrap_or_else(own_login);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|h| h.trim().to_owned());
        Who { author, host: host.filter(|h| !h.is_empty()).or_else(|| named("HOSTNAME")).unwrap_or_default() }
    }
}

/// The login name of this process's user, as `id -un` tells it; asked for once.
fn own_login() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let uid = rustix::process::geteuid().as_raw();
    NAME.get_or_init(|| login_name(uid).or_else(from_directory).unwrap_or_else(|| format!("uid {uid}"))).clone()
}

/// The login name of a local user.
pub fn login_name(uid: u32) -> Option<String> {
    named_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn named_in(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?;
        (parts.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The name that a directory of users (LDAP) has for this process's user.
fn from_directory() -> Option<String> {
    let (to, said) = std::sync::mpsc::channel();
    let ask = move || to.send(Command::new("id").arg("-un").stdin(Stdio::null()).stderr(Stdio::null()).output());
    std::thread::Builder::new().name("login".into()).spawn(ask).ok()?;
    let out = said.recv_timeout(PATIENCE).ok()?.ok().filter(|out| out.status.success())?;
    let name = String::from_utf8(out.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_password_database_tells() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n+::::::\nkim:x:1000:1000::/home/kim:/bin/sh\nbad\n";
        assert_eq!(named_in(passwd, 1000).as_deref(), Some("kim"));
        assert_eq!((named_in(passwd, 0).as_deref(), named_in(passwd, 7)), (Some("root"), None));
        let said = Command::new("id").arg("-un").output().expect("id runs");
        assert_eq!(own_login(), String::from_utf8_lossy(&said.stdout).trim());
    }
}
