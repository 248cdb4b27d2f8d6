//! Small files of procfs and sysfs, read whole, once, with a bound.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No file we read whole is larger; what is, is cut.
const MOST: u64 = 1 << 20;

/// The text of a small file; `None` when it is not there or may not be read. Bytes that are not UTF-8 are replaced.
pub fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    bytes_into(path, &mut bytes).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a small file into a buffer that is used again; false when it cannot be read.
pub fn bytes_into(path: &Path, buf: &mut Vec<u8>) -> bool {
    buf.clear();
    File::open(path).and_then(|f| f.take(MOST).read_to_end(buf)).is_ok()
}

/// The first word of a file as a number.
pub fn number(path: &Path) -> Option<u64> {
    text(path)?.split_whitespace().next()?.parse().ok()
}

/// The number after `key` in text of `key value` lines; a colon after the key is allowed.
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|l| {
        let rest = l.strip_prefix(key)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        if !rest.starts_with([' ', '\t']) {
            return None;
        }
        rest.split_whitespace().next()?.parse().ok()
    })
}

/// A counter's rise a second; zero when it went back.
pub fn per_second(before: u64, after: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { after.saturating_sub(before) as f64 / seconds } else { 0.0 }
}

/// Whether a path in `/proc/mounts` escapes (`\040`) is written out again.
pub fn unescape_mount(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes.get(i + 1..i + 4).filter(|_| bytes[i] == b'\\');
        let value = octal.and_then(|o| std::str::from_utf8(o).ok()).and_then(|o| u8::from_str_radix(o, 8).ok());
        match value {
            Some(b) => {
                out.push(b);
                i += 4;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
