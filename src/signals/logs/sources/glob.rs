//! Patterns of paths, and files that come to match them later.
//!
//! Files that are there at the start are sources of their own. Those that appear later speak through one source per
//! pattern, each as a generation of it, because sources are declared before they speak.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::file::{emit, follow, on_thread};
use super::hints;
use super::tail::{Polled, Tail, TailOptions};
use crate::signals::{BoxFuture, Out, Source, SourceError};

/// Files followed by one pattern beyond those of the start, at most.
const MOST: usize = 256;
/// Between two looks for new files.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether `text` is a pattern rather than a path.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `name` matches one component of a pattern: `*`, `?`, `[a-z]`, `[!a-z]`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < n.len() {
        let step = match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
                continue;
            }
            Some('?') => Some(i + 1),
            Some('[') => class(&p[i..], n[j]).map(|len| i + len),
            Some(c) if *c == n[j] => Some(i + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => (i, j) = (next, j + 1),
            (None, Some((si, sj))) => {
                star = Some((si, sj + 1));
                (i, j) = (si + 1, sj + 1);
            }
            (None, None) => return false,
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

/// Length of the class at the start of `p` when `c` is in it; a bracket without an end stands for itself.
fn class(p: &[char], c: char) -> Option<usize> {
    let Some(end) = p.iter().skip(2).position(|x| *x == ']').map(|e| e + 2) else { return (c == '[').then_some(1) };
    let not = matches!(p[1], '!' | '^');
    let inner = &p[1 + usize::from(not)..end];
    let mut found = false;
    let mut i = 0;
    while i < inner.len() {
        if i + 2 < inner.len() && inner[i + 1] == '-' {
            found |= inner[i] <= c && c <= inner[i + 2];
            i += 3;
        } else {
            found |= inner[i] == c;
            i += 1;
        }
    }
    (found != not).then_some(end + 1)
}

/// Files that match, sorted. Compressed and numbered ones are left out where a wildcard would take them in: they are
/// the past of a file that is followed already.
pub fn expand(pattern: &str) -> Vec<PathBuf> {
    if !is_pattern(pattern) {
        return vec![PathBuf::from(pattern)];
    }
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let Component::Normal(name) = part else {
            found.iter_mut().for_each(|p| p.push(part));
            continue;
        };
        let name = name.to_string_lossy();
        if !is_pattern(&name) {
            found.iter_mut().for_each(|p| p.push(&*name));
            continue;
        }
        let mut next = Vec::new();
        for dir in &found {
            let here = if dir.as_os_str().is_empty() { Path::new(".") } else { dir.as_path() };
            for entry in std::fs::read_dir(here).into_iter().flatten().flatten() {
                let file = entry.file_name();
                let text = file.to_string_lossy();
                if (!text.starts_with('.') || name.starts_with('.')) && matches(&name, &text) {
                    next.push(dir.join(&file));
                }
            }
        }
        found = next;
    }
    found.retain(|p| !is_past(p) && p.metadata().is_ok_and(|m| m.is_file()));
    found.sort();
    found
}

/// `app.log.1`, `app.log.2.gz`, `app.log-20260101`.
fn is_past(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if [".gz", ".zst", ".xz", ".bz2", ".zip"].iter().any(|e| name.ends_with(e)) {
        return true;
    }
    let digits = |s: &str, least: usize| s.len() >= least && s.bytes().all(|b| b.is_ascii_digit());
    name.rsplit_once('.').is_some_and(|(_, tail)| digits(tail, 1))
        || name.rsplit_once('-').is_some_and(|(_, tail)| digits(tail, 8))
}

/// Follows the files that come to match a pattern after the start.
pub struct GlobSource {
    pattern: String,
    options: TailOptions,
    state: Option<State>,
}

struct State {
    generations: Arc<AtomicU32>,
    /// Paths and files that are followed, here or as sources of their own.
    paths: BTreeSet<PathBuf>,
    files: BTreeSet<(u64, u64)>,
    tails: Vec<Tail>,
    looked: Option<Instant>,
}

impl GlobSource {
    /// For `pattern`; `taken` are the paths that are sources of their own.
    pub fn new(pattern: &str, options: TailOptions, taken: impl IntoIterator<Item = PathBuf>) -> GlobSource {
        let paths: BTreeSet<PathBuf> = taken.into_iter().collect();
        let files = paths.iter().filter_map(|p| p.metadata().ok()).map(|m| (m.dev(), m.ino())).collect();
        let state = State { generations: Arc::default(), paths, files, tails: Vec::new(), looked: None };
        let options = TailOptions { from_start: true, ..options };
        GlobSource { pattern: pattern.to_owned(), options, state: Some(state) }
    }
}

impl State {
    /// How it went, and how many lines came.
    fn look(&mut self, pattern: &str, options: &TailOptions, out: &Out) -> (Polled, u64) {
        if self.looked.is_none_or(|t| t.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            for path in expand(pattern) {
                let Ok(meta) = path.metadata() else { continue };
                // A known file under a new name is one that was rotated away.
                if self.paths.insert(path.clone())
                    && self.files.insert((meta.dev(), meta.ino()))
                    && self.tails.len() < MOST
                {
                    self.tails.push(Tail::new(path, options.clone(), Arc::clone(&self.generations)));
                }
            }
        }
        let (mut worst, mut came) = (Polled::Fine, 0);
        for tail in &mut self.tails {
            match tail.poll(out.now(), &mut emit(out)) {
                Polled::Fine => {}
                Polled::Closed => return (Polled::Closed, came),
                trouble => worst = trouble,
            }
            came += tail.came();
            self.files.extend(tail.file_id());
        }
        if self.tails.len() >= MOST {
            worst =
                Polled::Trouble(format!("more than {MOST} files came to match {pattern}; the rest is not followed"));
        }
        (worst, came)
    }
}

impl Source for GlobSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let Some(mut state) = self.state.take() else {
                return Err(SourceError::fatal(format!("the reader of {} stopped; start again", self.pattern)));
            };
            let fixed: PathBuf = Path::new(&self.pattern)
                .components()
                .take_while(|c| !is_pattern(&c.as_os_str().to_string_lossy()))
                .collect();
            let (pattern, options, out) = (self.pattern.clone(), self.options.clone(), out.clone());
            self.state = on_thread(cancel, move |cancel| {
                let hints = hints::listen(&fixed);
                follow(&out, &cancel, &hints, |out| state.look(&pattern, &options, out));
                state
            })
            .await
            .ok();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (p, n, yes) in [
            ("*.log", "app.log", true),
            ("*.log", "app.log.1", false),
            ("a?c*", "abcdef", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("*a*b", "xxaxxb", true),
            ("[", "[", true),
        ] {
            assert_eq!(matches(p, n), yes, "{p} {n}");
        }
    }

    #[test]
    fn rotated_and_compressed_files_are_not_taken_in_by_a_wildcard() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["app.log", "app.log.1", "app.log.2.gz", "web.log", "app.log-20260101"] {
            std::fs::write(dir.path().join(name), "x\n").unwrap();
        }
        let found = expand(&format!("{}/*.log*", dir.path().display()));
        let names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["app.log", "web.log"]);
    }
}
