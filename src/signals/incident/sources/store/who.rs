//! Who writes: login name and host, read once.

/// Author and host that go into every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Login name; through sudo the one behind it.
    pub author: String,
    /// Host name.
    pub host: String,
}

impl Who {
    /// Of this process. On a box where everybody is `root` the author tells people apart only if it is set
    /// (`incident.author`, `--author`) or if they came through sudo.
    pub fn here() -> Who {
        let named = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let author = named("WARROOM_AUTHOR")
            .or_else(|| named("SUDO_USER"))
            .or_else(|| named("USER"))
            .or_else(|| named("LOGNAME"))
            .unwrap_or_else(|| format!("uid {}", rustix::process::geteuid().as_raw()));
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|h| h.trim().to_owned());
        Who { author, host: host.filter(|h| !h.is_empty()).or_else(|| named("HOSTNAME")).unwrap_or_default() }
    }
}
