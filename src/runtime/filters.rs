//! Filters saved by name: one small TOML file beside the configuration, written only when asked to.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// `filters.toml` in the user's configuration folder.
pub fn path() -> Option<PathBuf> {
    crate::config::places().first()?.parent().map(|d| d.join("filters.toml"))
}

/// Name → filter. No file is no filters.
pub fn load(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .with_context(|| format!("{} is not a list of lines like: slow = \"duration>1s\"", path.display())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Adds or replaces one. A file that cannot be read is left as it is; nobody ever finds half a file.
pub fn save(path: &Path, name: &str, filter: &str) -> anyhow::Result<()> {
    let mut all = load(path)?;
    all.insert(name.to_owned(), filter.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let part = path.with_extension(format!("toml.{}", std::process::id()));
    let written = std::fs::File::create(&part)
        .and_then(|mut f| f.write_all(toml::to_string(&all).unwrap_or_default().as_bytes()).and_then(|()| f.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_back_by_name_and_a_file_somebody_broke_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("warroom/filters.toml");
        assert!(load(&path).unwrap().is_empty());
        save(&path, "slow", "duration>1s path=\"/a b\"").unwrap();
        save(&path, "bad", "level>=error").unwrap();
        save(&path, "slow", "duration>2s").unwrap();
        let all = load(&path).unwrap();
        assert_eq!((all.len(), all["slow"].as_str()), (2, "duration>2s"));
        std::fs::write(&path, "slow = [").unwrap();
        let e = save(&path, "x", "y").unwrap_err();
        assert!(format!("{e:#}").contains("filters.toml"), "{e:#}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "slow = [");
    }
}
