//! Where the incident log lies: decided from the configuration, the environment and a look at what can be written.

use std::path::{Path, PathBuf};

use super::store::StoreError;
use crate::signals::Roots;
use crate::signals::incident::config::IncidentConfig;

/// Name of the log in its folder.
pub const FILE_NAME: &str = "incidents.db";

/// What the environment says about where a user's state belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// `XDG_STATE_HOME`; used only when absolute, as its specification says.
    pub state_home: Option<PathBuf>,
    /// The home folder.
    pub home: Option<PathBuf>,
}

impl Env {
    /// Of this process.
    pub fn here() -> Env {
        Env {
            state_home: std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from),
            home: std::env::home_dir().filter(|h| !h.as_os_str().is_empty()),
        }
    }
}

/// The log's path; `None` when there is neither a setting nor a shared folder nor a home.
///
/// 1. `configured`: a file, or a folder when it ends in `/`; `~/` is the home.
/// 2. The shared folder (`/var/lib/warroom`), when `writable` says that it is a folder one may write to.
/// 3. The user's state folder: `$XDG_STATE_HOME/warroom`, else `~/.local/state/warroom`.
pub fn decide(
    configured: Option<&Path>,
    shared: &Path,
    env: &Env,
    writable: impl FnOnce(&Path) -> bool,
) -> Option<PathBuf> {
    if let Some(path) = configured {
        let path = match (path.strip_prefix("~"), &env.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        };
        let is_folder = configured.is_some_and(|p| p.as_os_str().as_encoded_bytes().ends_with(b"/"));
        return Some(if is_folder { path.join(FILE_NAME) } else { path });
    }
    if writable(shared) {
        return Some(shared.join(FILE_NAME));
    }
    let state = match (&env.state_home, &env.home) {
        (Some(dir), _) if dir.is_absolute() => dir.clone(),
        (_, Some(home)) => home.join(".local/state"),
        _ => return None,
    };
    Some(state.join("warroom").join(FILE_NAME))
}

/// [`decide`] for this process.
pub fn log_path(config: &IncidentConfig, roots: &Roots) -> Result<PathBuf, StoreError> {
    decide(config.path.as_deref(), &roots.var_lib.join("warroom"), &Env::here(), is_writable_folder)
        .ok_or(StoreError::NoPlace)
}

/// Whether `dir` is a folder in which this process may create files, by its effective user.
fn is_writable_folder(dir: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    dir.is_dir() && accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_lies_where_it_was_set_then_in_the_shared_folder_then_in_the_users_state() {
        let home = Env { state_home: None, home: Some("/home/anna".into()) };
        let xdg = Env { state_home: Some("/srv/state".into()), ..home.clone() };
        let relative = Env { state_home: Some("state".into()), ..home.clone() };
        let nobody = Env::default();
        let shared = "/var/lib/warroom/incidents.db";
        for (configured, env, writable, path) in [
            (Some("/data/log.db"), &home, true, Some("/data/log.db")),
            (Some("/data/"), &home, true, Some("/data/incidents.db")),
            (Some("~/log.db"), &home, true, Some("/home/anna/log.db")),
            (Some("~/log.db"), &nobody, true, Some("~/log.db")),
            (None, &home, true, Some(shared)),
            (None, &nobody, true, Some(shared)),
            (None, &home, false, Some("/home/anna/.local/state/warroom/incidents.db")),
            (None, &xdg, false, Some("/srv/state/warroom/incidents.db")),
            (None, &relative, false, Some("/home/anna/.local/state/warroom/incidents.db")),
            (None, &nobody, false, None),
        ] {
            let got = decide(configured.map(Path::new), Path::new("/var/lib/warroom"), env, |_| writable);
            assert_eq!(got.as_deref(), path.map(Path::new), "{configured:?} {env:?} {writable}");
        }
    }

    #[test]
    fn a_file_or_nothing_in_place_of_the_shared_folder_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(is_writable_folder(dir.path()));
        assert!(!is_writable_folder(&dir.path().join("file")));
        assert!(!is_writable_folder(&dir.path().join("absent")));
    }
}
