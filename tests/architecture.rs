//! Who may use whom. Reads the `use crate::…` lines (and paths written out in full) and holds them to the table in
//! ARCHITECTURE.md. Move a wall when it is wrong: change the table, this test and the code in one commit that says why.

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the program: files whose path under `src/` begins with one of these.
struct Rule {
    part: &'static str,
    files: fn(&str) -> bool,
    may: fn(&str, &str) -> bool,
}

const SLICES: [&str; 6] = ["logs", "host", "database", "deploys", "health", "incident"];

/// The slice a file belongs to.
fn slice(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("signals/")?;
    let name = rest.split('/').next()?;
    SLICES.contains(&name).then_some(name)
}

/// Whether `file` is `signals/<slice>/<part>.rs` or lies in that folder.
fn in_part(file: &str, part: &str) -> bool {
    slice(file).is_some_and(|s| {
        let rest = &file["signals/".len() + s.len() + 1..];
        rest == format!("{part}.rs") || rest.starts_with(&format!("{part}/"))
    })
}

/// Whether `used` is the own slice of `file`, below one of `parts`.
fn own(file: &str, used: &str, parts: &[&str]) -> bool {
    let Some(s) = slice(file) else { return false };
    let Some(rest) = used.strip_prefix(&format!("signals::{s}")) else { return false };
    let part = rest.trim_start_matches("::").split("::").next().unwrap_or("");
    parts.contains(&"*") || parts.contains(&part)
}

fn is(used: &str, module: &str) -> bool {
    used == module || used.starts_with(&format!("{module}::"))
}

fn rules() -> Vec<Rule> {
    vec![
        Rule { part: "timeline", files: |f| f.starts_with("timeline/"), may: |_, u| is(u, "timeline") },
        Rule { part: "ui", files: |f| f.starts_with("ui/"), may: |_, u| is(u, "timeline") || is(u, "ui") },
        Rule {
            part: "a slice's event and history",
            files: |f| in_part(f, "event") || in_part(f, "history"),
            may: |f, u| {
                is(u, "timeline")
                    || is(u, "signals::tagged")
                    || own(f, u, &["event", "history", "verdict", "fingerprint", "kinds", "config"])
                    || own_pure(f, u)
            },
        },
        Rule {
            part: "a slice's pane",
            files: |f| in_part(f, "pane") || in_part(f, "view"),
            may: |f, u| is(u, "timeline") || is(u, "ui") || own_pure(f, u),
        },
        Rule {
            part: "a slice's sources",
            files: |f| in_part(f, "sources"),
            may: |f, u| {
                is(u, "timeline")
                    || shared_signals(u)
                    || (own(f, u, &["*"]) && !own(f, u, &["history", "pane", "view"]))
            },
        },
        Rule {
            part: "the log store",
            files: |f| in_part(f, "store"),
            may: |f, u| {
                is(u, "timeline")
                    || own(f, u, &["formats", "store", "row", "requests", "event", "config", "skew", "kinds"])
            },
        },
        Rule {
            part: "app",
            files: |f| f.starts_with("app/"),
            may: |_, u| {
                is(u, "app")
                    || is(u, "ui")
                    || is(u, "timeline")
                    || is(u, "config")
                    || (is(u, "signals") && !u.contains("::sources"))
                    || is(u, "stream::recorder::RecorderStatus")
            },
        },
        Rule {
            part: "stream",
            files: |f| f.starts_with("stream/"),
            may: |_, u| is(u, "stream") || is(u, "signals") || is(u, "timeline") || is(u, "config"),
        },
        Rule {
            part: "config",
            files: |f| f.starts_with("config/"),
            may: |_, u| is(u, "config") || is(u, "timeline") || is(u, "signals") || is(u, "app::keymap"),
        },
    ]
}

/// The pure parts of the own slice: anything but its sources and its store's threads.
fn own_pure(file: &str, used: &str) -> bool {
    own(file, used, &["*"]) && !own(file, used, &["sources"])
}

/// What all slices share.
fn shared_signals(used: &str) -> bool {
    let Some(rest) = used.strip_prefix("signals::") else { return false };
    let first = rest.split("::").next().unwrap_or("");
    !SLICES.contains(&first) && first != "timeline" && first != "Timeline"
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).expect("src can be listed").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every `crate::…` path in the code of a file; its tests and comments are left out, `{a, b}` groups are taken apart.
fn used(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut out = Vec::new();
    for (i, _) in code.match_indices("crate::") {
        let rest = &code[i + "crate::".len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let head = rest[..end].to_owned();
        if rest[end..].starts_with('{') {
            let group: String = rest[end + 1..].chars().take_while(|c| *c != '}' && *c != ';').collect();
            out.extend(
                group
                    .split(',')
                    .map(|p| format!("{head}{}", p.trim().split(" as ").next().unwrap_or("").trim_matches('{'))),
            );
        } else {
            out.push(head);
        }
    }
    out.iter().map(|p| p.trim_end_matches(':').to_owned()).filter(|p| !p.is_empty()).collect()
}

#[test]
fn no_part_uses_what_it_must_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut broken = Vec::new();
    let mut held = vec![0; rules().len()];
    for path in files {
        let file = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        if file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("source can be read");
        for (i, rule) in rules().iter().enumerate().filter(|(_, r)| (r.files)(&file)) {
            held[i] += 1;
            for path in used(&text) {
                if !(rule.may)(&file, &path) {
                    broken.push(format!("{file} ({}) uses crate::{path}", rule.part));
                }
            }
        }
    }
    assert!(broken.is_empty(), "walls were crossed:\n{}", broken.join("\n"));
    assert!(held.iter().all(|n| *n > 0), "a rule holds no file any more: {held:?}");
}

#[test]
fn pure_parts_read_no_clock_no_file_and_no_chance() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let forbidden = [
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "std::fs::",
        "File::open",
        "std::net::",
        "tokio::",
        "std::env::",
        "rand::",
    ];
    let mut broken = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let pure = file.starts_with("app/")
            || file.starts_with("ui/")
            || file.starts_with("timeline/")
            || in_part(&file, "history")
            || in_part(&file, "pane")
            || in_part(&file, "view")
            || in_part(&file, "event");
        if !pure || file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("source can be read");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
        for (n, line) in code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            for word in forbidden.iter().filter(|w| line.contains(**w)) {
                broken.push(format!("{file}:{}: {word}", n + 1));
            }
        }
    }
    assert!(broken.is_empty(), "impure:\n{}", broken.join("\n"));
}
