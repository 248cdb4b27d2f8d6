//! From a process's cgroup to what people call it: a systemd unit or a container.

/// The unit or container in the text of `/proc/PID/cgroup`; `None` for the root, for a login session and for v1 paths
/// that name neither.
pub fn of_cgroup(text: &str) -> Option<String> {
    // v2 and systemd's own hierarchy name units best; other v1 controllers are looked at for container ids.
    let path = |l: &str| l.splitn(3, ':').nth(2).map(str::to_owned);
    let best = text.lines().filter(|l| l.starts_with("0::") || l.contains("name=systemd"));
    let rest = text.lines().filter(|l| !l.starts_with("0::") && !l.contains("name=systemd"));
    best.chain(rest).filter_map(path).find_map(|p| of_path(&p))
}

/// The unit or container in a cgroup path, the innermost first.
pub fn of_path(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    for (i, part) in parts.iter().enumerate().rev() {
        if let Some(id) = container_id(part) {
            let engine = engine(part, if i > 0 { parts[i - 1] } else { "" }, path);
            return Some(format!("{engine} {}", &id[..12]));
        }
        if part.ends_with(".service") {
            // A user's manager holds everything that user starts; the session says no more than the user column.
            return (!part.starts_with("user@")).then(|| unescape(part));
        }
    }
    None
}

/// 64 hexadecimal digits, bare or inside `docker-….scope`, `crio-….scope`, `cri-containerd-….scope`.
fn container_id(part: &str) -> Option<&str> {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let id = bare.rsplit(['-', ':']).next()?;
    (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

fn engine(part: &str, parent: &str, path: &str) -> &'static str {
    if path.contains("kubepods") {
        "pod"
    } else if part.starts_with("libpod") || parent.starts_with("libpod") {
        "podman"
    } else if part.starts_with("docker") || parent == "docker" {
        "docker"
    } else {
        "container"
    }
}

/// systemd writes `\x2d` for a dash inside a name.
fn unescape(name: &str) -> String {
    name.replace("\\x2d", "-").replace("\\x40", "@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_containers_are_found_in_v1_and_v2() {
        let id = "1f3a9c0b2d4e".to_owned() + &"0".repeat(52);
        for (text, unit) in [
            ("0::/system.slice/checkout.service\n".to_owned(), Some("checkout.service")),
            (
                "0::/system.slice/system-postgresql.slice/postgresql@14-main.service".into(),
                Some("postgresql@14-main.service"),
            ),
            (format!("0::/system.slice/docker-{id}.scope"), Some("docker 1f3a9c0b2d4e")),
            (format!("5:memory:/docker/{id}\n1:name=systemd:/docker/{id}"), Some("docker 1f3a9c0b2d4e")),
            (
                format!("0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-{id}.scope"),
                Some("pod 1f3a9c0b2d4e"),
            ),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice".into(), None),
            ("0::/user.slice/user-1000.slice/session-3.scope".into(), None),
            ("0::/".into(), None),
            ("4:memory:/\n1:name=systemd:/system.slice/ssh.service".into(), Some("ssh.service")),
        ] {
            assert_eq!(of_cgroup(&text).as_deref(), unit, "{text}");
        }
    }
}
