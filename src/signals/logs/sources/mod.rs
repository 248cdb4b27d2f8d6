//! Where logs come from: files, patterns of files, commands, standard input.

pub mod batch;
pub mod command;
pub mod file;
pub mod glob;
pub mod hints;
pub mod lines;
mod missed;
mod open;
pub mod packed;
pub mod resume;
pub mod seed;
pub mod stdin;
pub mod tail;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tail::TailOptions;

use super::config::{LogSourceConfig, LogsConfig};
use super::store::packed::EXTENSIONS;
use crate::signals::{Declared, Roots, Source};
use crate::timeline::{SourceDecl, SourceId, SourceKind};

/// The sources that the configuration asks for. Paths below `/var/log` are looked up below the root given for it.
pub fn sources(config: &LogsConfig, roots: &Roots) -> Vec<Declared> {
    if !config.enabled {
        return Vec::new();
    }
    let mut wanted: Vec<LogSourceConfig> = config
        .files
        .iter()
        .map(|path| LogSourceConfig { path: Some(path.clone()), ..LogSourceConfig::default() })
        .collect();
    wanted.extend(config.sources.iter().cloned());
    let mut out = Vec::new();
    for w in &wanted {
        let options = TailOptions {
            seed: config.seed,
            format: w.format.clone(),
            request_id: w.request_id.iter().map(|s| s.as_str().into()).collect(),
            from_start: false,
        };
        if let Some(command) = &w.command {
            let name = if w.name.is_empty() { command_name(command) } else { w.name.clone() };
            out.push(declared(name, command, command::CommandSource::new(command, options)));
        } else if let Some(path) = &w.path {
            let path = rooted(path, roots);
            let found = glob::expand(&path);
            let pattern = glob::is_pattern(&path) && !Path::new(&path).is_file();
            for file in &found {
                let name = if w.name.is_empty() || found.len() > 1 { stem(file) } else { w.name.clone() };
                let detail = file.to_string_lossy();
                out.push(of_file(name, &detail, file.clone(), options.clone()));
            }
            if pattern {
                let name = if w.name.is_empty() { pattern_name(&path) } else { w.name.clone() };
                out.push(declared(name, &path, glob::GlobSource::new(&path, options, found)));
            }
        }
    }
    name_apart(&mut out);
    out
}

/// One file, followed: for the command line.
pub fn file(path: impl Into<PathBuf>) -> Declared {
    let path = path.into();
    let options = TailOptions { seed: LogsConfig::default().seed, ..TailOptions::default() };
    of_file(stem(&path), &path.to_string_lossy(), path.clone(), options)
}

/// Followed, or only read where it is packed.
fn of_file(name: String, detail: &str, path: PathBuf, options: TailOptions) -> Declared {
    if packed::is_packed(&path) {
        return declared(name, detail, packed::PackedSource::new(path, options));
    }
    declared(name, detail, file::FileSource::new(path, options))
}

/// A command, followed. An empty name is made from its first words.
pub fn command(name: &str, command: &str) -> Declared {
    let options = TailOptions { seed: LogsConfig::default().seed, ..TailOptions::default() };
    let name = if name.is_empty() { command_name(command) } else { name.to_owned() };
    declared(name, command, command::CommandSource::new(command, options))
}

/// A stream read to its end: standard input.
pub fn stdin(reader: Box<dyn Read + Send>) -> Declared {
    declared("stdin".into(), "standard input", stdin::StdinSource::new(reader))
}

/// Makes doubled names of file sources differ by their parent folders, and what is left by a number.
pub fn name_apart(all: &mut [Declared]) {
    let count = |all: &[Declared]| {
        let mut n: BTreeMap<String, usize> = BTreeMap::new();
        all.iter().for_each(|d| *n.entry(d.decl.name.clone()).or_default() += 1);
        n
    };
    let doubled = count(all);
    for d in all.iter_mut().filter(|d| doubled[&d.decl.name] > 1) {
        if let Some(parent) = Path::new(&d.decl.detail).parent().and_then(Path::file_name) {
            d.decl.name = format!("{}/{}", parent.to_string_lossy(), d.decl.name);
        }
    }
    let doubled = count(all);
    let mut number: BTreeMap<String, usize> = BTreeMap::new();
    for d in all.iter_mut().filter(|d| doubled[&d.decl.name] > 1) {
        let n = number.entry(d.decl.name.clone()).or_default();
        *n += 1;
        if *n > 1 {
            d.decl.name = format!("{}#{n}", d.decl.name);
        }
    }
}

/// The name of a file as a source: without its folder and `.log`.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let plain = EXTENSIONS.iter().find_map(|e| name.strip_suffix(e)?.strip_suffix('.'));
    let name = plain.unwrap_or(&name);
    let stem = [".log", ".jsonl", ".ndjson", ".json", ".txt"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name);
    if stem.is_empty() { name.to_owned() } else { stem.to_owned() }
}

fn pattern_name(pattern: &str) -> String {
    let path = Path::new(pattern);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.parent().and_then(Path::file_name) {
        Some(parent) => format!("{}/{name}", parent.to_string_lossy()),
        None => name.into_owned(),
    }
}

/// The words of a command that say what it is: `kubectl logs -f deploy/api` is `kubectl:deploy/api`.
fn command_name(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().filter(|w| !w.starts_with(['-', '{'])).collect();
    let tool = words.first().map_or("command", |w| w.rsplit('/').next().unwrap_or(w));
    match words.last() {
        Some(last) if words.len() > 1 => format!("{tool}:{last}"),
        _ => tool.to_owned(),
    }
}

fn rooted(path: &str, roots: &Roots) -> String {
    match path.strip_prefix("/var/log/") {
        Some(rest) => roots.var_log.join(rest).to_string_lossy().into_owned(),
        None => path.to_owned(),
    }
}

fn declared(name: String, detail: &str, source: impl Source) -> Declared {
    let decl = SourceDecl { id: SourceId(0), kind: SourceKind::Logs, name, detail: detail.to_owned() };
    Declared { decl, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_by_their_stem_and_doubled_ones_by_their_folder() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["shop", "cart"] {
            std::fs::create_dir(dir.path().join(d)).unwrap();
            std::fs::write(dir.path().join(d).join("access.log"), "").unwrap();
        }
        let config =
            LogsConfig { files: vec![format!("{}/*/access.log", dir.path().display())], ..LogsConfig::default() };
        let names: Vec<_> = sources(&config, &Roots::default()).into_iter().map(|d| d.decl.name).collect();
        assert_eq!(names[..2], ["cart/access", "shop/access"]);
        assert_eq!(command_name("kubectl logs -f deploy/api"), "kubectl:deploy/api");
    }
}
