//! Stack traces: which lines continue one, and what it says (exception type and top frame).
//!
//! Knows Java, Python, Go, Node, Ruby, Rust, .NET and PHP by how their lines begin; no regular expressions.

use super::lossy;
use crate::timeline::Severity;

/// What kind of trace a record is in the middle of.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    None,
    /// Inside a Python traceback: ends with the unindented line that names the exception.
    Python,
    /// Inside a Go panic or goroutine dump.
    Go,
    /// After `thread … panicked at`: so many lines of message follow.
    Rust(u8),
}

impl Mode {
    /// The mode that the first line of a record puts us into.
    pub fn after_head(line: &[u8]) -> Mode {
        match line.first() {
            Some(b'p') if line.starts_with(b"panic: ") => Mode::Go,
            Some(b'f') if line.starts_with(b"fatal error: ") => Mode::Go,
            Some(b'T') if line.starts_with(b"Traceback (most recent call last)") => Mode::Python,
            Some(b't') if is_rust_panic(line) => Mode::Rust(1),
            _ => Mode::None,
        }
    }

    /// Whether `line` continues a record in this mode. `grave` says whether the record is a warning or worse or of
    /// unknown severity: only such a record attracts an exception that follows unindented.
    #[inline]
    pub fn continues(&mut self, line: &[u8], grave: bool) -> bool {
        let Some(&first) = line.first() else { return true };
        match first {
            b' ' | b'\t' => return true,
            b'{' | b'0'..=b'9' => return matches!(self, Mode::Rust(1..)) && self.free_line(),
            b'}' | b']' | b')' => return line.iter().all(|c| matches!(c, b'}' | b']' | b')' | b',' | b';' | b'\r')),
            b'\r' => return line.len() == 1,
            _ => {}
        }
        if is_traceback(line) {
            if grave || *self == Mode::Python {
                *self = Mode::Python;
                return true;
            }
            return false;
        }
        if fixed(line) {
            if line.starts_with(b"goroutine ") {
                *self = Mode::Go;
            } else if line.starts_with(b"During handling of") || line.starts_with(b"The above exception") {
                *self = Mode::Python;
            }
            return true;
        }
        match self {
            Mode::Python if ends_python(line) => {
                *self = Mode::None;
                return true;
            }
            Mode::Go if in_go(line) => return true,
            Mode::Rust(1..) => return self.free_line(),
            _ => {}
        }
        grave && (starts_with_exception(line) || is_ruby_frame(line))
    }

    fn free_line(&mut self) -> bool {
        if let Mode::Rust(n) = self {
            *n = n.saturating_sub(1);
        }
        true
    }
}

/// Whether `line` continues a trace when all that is known is the line before it. For lines that arrive wrapped.
pub(super) fn follows(before: &[u8], line: &[u8]) -> bool {
    let inside = matches!(before.first(), Some(b' ' | b'\t')) || is_traceback(before);
    match line.first() {
        None | Some(b' ' | b'\t') => true,
        Some(b'{' | b'0'..=b'9' | b'[') => false,
        _ => {
            fixed(line)
                || (inside && (ends_python(line) && before.starts_with(b"  ") && !before.starts_with(b"   at")))
                || (before.starts_with(b"goroutine ") || before.starts_with(b"\t")) && in_go(line)
        }
    }
}

/// Whether a wrapped line that begins so, escapes and all, could continue a trace: a quick no for most lines.
pub(super) fn could_follow(line: &[u8]) -> bool {
    match line.first() {
        None | Some(b' ' | b'\t' | b'\\' | b'"') => true,
        Some(b'{' | b'0'..=b'9' | b'[') => false,
        _ => {
            let word = line
                .iter()
                .take(200)
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'/' | b'*' | b'('))
                .count();
            fixed(line)
                || is_traceback(line)
                || !matches!(line.get(word), Some(b' '))
                || line.starts_with(b"goroutine ")
        }
    }
}

/// A quick no for most pairs of messages: neither is this line one that goes on, nor the one before one that is gone on
/// from.
pub(super) fn may_follow(before: &[u8], line: &[u8]) -> bool {
    let inside = |l: &[u8]| matches!(l.first(), None | Some(b' ' | b'\t')) || is_traceback(l);
    match line.first() {
        Some(b'{' | b'[' | b'0'..=b'9') => false,
        _ => {
            inside(line)
                || inside(before)
                || fixed(line)
                || starts_with_exception(line)
                || before.starts_with(b"goroutine ")
        }
    }
}

/// The severity of a line that begins a crash report of its own, which has neither time nor level.
pub(super) fn crash(line: &[u8]) -> Option<Severity> {
    match line.first()? {
        b'p' if line.starts_with(b"panic: ") => Some(Severity::Fatal),
        b'f' if line.starts_with(b"fatal error: ") => Some(Severity::Fatal),
        b't' if is_rust_panic(line) => Some(Severity::Fatal),
        b'T' if is_traceback(line) => Some(Severity::Error),
        b'P' if line.starts_with(b"PHP Fatal error:") || line.starts_with(b"PHP Parse error:") => Some(Severity::Fatal),
        b'P' if line.starts_with(b"PHP Warning:") => Some(Severity::Warn),
        b'P' if line.starts_with(b"PHP Notice:") || line.starts_with(b"PHP Deprecated:") => Some(Severity::Info),
        b'E' if line.starts_with(b"Exception in thread ") => Some(Severity::Error),
        b'U' if line.starts_with(b"Unhandled exception") || line.starts_with(b"Uncaught ") => Some(Severity::Error),
        c if c.is_ascii_alphabetic() && starts_with_exception(line) => Some(Severity::Error),
        _ => None,
    }
}

pub(super) fn is_traceback(line: &[u8]) -> bool {
    line.starts_with(b"Traceback (most recent call last)")
}

/// `app/models/cart.rb:5:in 'total'`, which Rails writes without indentation.
fn is_ruby_frame(line: &[u8]) -> bool {
    let near = &line[..line.len().min(256)];
    // No search for a word: making one ready costs more than these bytes do.
    matches!(line[0], b'a'..=b'z' | b'/')
        && memchr::memchr_iter(b':', near)
            .find(|i| near[..*i].ends_with(b".rb"))
            .is_some_and(|i| memchr::memchr_iter(b':', &near[i..]).any(|j| near[i + j..].starts_with(b":in ")))
}

fn is_rust_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memchr::memmem::find(&line[..line.len().min(256)], b"' panicked at").is_some()
        || line.starts_with(b"thread '")
            && memchr::memmem::find(&line[..line.len().min(256)], b") panicked at").is_some()
}

/// Beginnings that nothing but a continuation has.
fn fixed(line: &[u8]) -> bool {
    let starts = |s: &[u8]| line.starts_with(s);
    match line[0] {
        b'C' => starts(b"Caused by:"),
        b'S' => starts(b"Suppressed:") || starts(b"Stack trace:"),
        b'.' => starts(b"... ") && line.get(4).is_some_and(u8::is_ascii_digit),
        b'D' => starts(b"During handling of the above exception"),
        b'T' => starts(b"The above exception was the direct cause"),
        b'-' => starts(b"--- End of "),
        b's' => starts(b"stack backtrace:"),
        b'n' => starts(b"note: run with `RUST_BACKTRACE") || starts(b"note: Some details are omitted"),
        b'g' => starts(b"goroutine ") && line.trim_ascii_end().ends_with(b":"),
        b'c' => starts(b"created by "),
        b'[' => starts(b"[signal SIG") || starts(b"[stacktrace]") || starts(b"[previous exception]"),
        b'"' => line.trim_ascii_end() == b"\"}",
        b'*' => starts(b"** (") && memchr::memchr(b')', &line[..line.len().min(128)]).is_some(),
        b'#' => {
            line.get(1).is_some_and(u8::is_ascii_digit) && memchr::memchr(b' ', &line[..line.len().min(6)]).is_some()
        }
        b'a' => starts(b"at ") && memchr::memchr2(b'(', b':', &line[..line.len().min(512)]).is_some(),
        _ => false,
    }
}

/// The last line of a Python traceback: a dotted name, then `:` or nothing.
fn ends_python(line: &[u8]) -> bool {
    let name = line.iter().take(200).take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.')).count();
    name > 1 && line[0].is_ascii_alphabetic() && matches!(line.get(name), None | Some(b':' | b'\r'))
}

fn in_go(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.ends_with(b")") && memchr::memchr2(b'.', b'(', line).is_some()
        || line.starts_with(b"exit status ")
        || line.starts_with(b"runtime stack:")
        || line.starts_with(b"panic: ")
        || line.starts_with(b"runtime: ")
}

/// How long the exception type at the start of `line` is: a name that ends in Exception, Error or the like, then `:`
/// or the end of the line.
fn exception_len(line: &[u8]) -> Option<usize> {
    let name = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'$' | b':' | b'\\' | b'/' | b'`');
    let mut len = line.iter().take(200).take_while(|c| name(c)).count();
    // `Ns::Error: x` stops at the colon before the blank
    while len > 0 && line[len - 1] == b':' {
        len -= 1;
    }
    let after = line.get(len);
    if !matches!(after, None | Some(b':' | b'\r' | b'\n'))
        && !line[len..].starts_with(b" [")
        && !line[len..].starts_with(b" (")
    {
        return None;
    }
    // `Error:http://x` is no type
    let word = &line[..len];
    let word = match memchr::memchr(b':', word) {
        Some(i) if word.get(i + 1) != Some(&b':') => &word[..i],
        _ => word,
    };
    const ENDS: [&[u8]; 6] = [b"Exception", b"Error", b"Throwable", b"Failure", b"Interrupt", b"Fault"];
    (ENDS.iter().any(|e| word.ends_with(e)) && word[0].is_ascii_alphabetic()).then_some(word.len())
}

pub(super) fn starts_with_exception(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_alphabetic) && exception_len(line).is_some()
}

/// Lines of a trace that are looked at.
const MOST: usize = 4_000;

/// The exception type and the top frame that a text with a stack trace names: for a Python traceback those of its end,
/// else those at its beginning.
pub(super) fn find(text: &str) -> (Option<String>, Option<String>) {
    let mut exception: Option<String> = None;
    let mut frame: Option<String> = None;
    let mut python = false;
    let mut go: Option<&str> = None;
    let mut in_go = false;
    let mut above = "";
    for line in text.lines().take(MOST) {
        let bare = line.trim();
        let before = std::mem::replace(&mut above, line);
        if bare.starts_with("Traceback (most recent call last)") {
            (python, exception, frame) = (true, None, None);
            continue;
        }
        if python {
            if let Some(rest) = bare.strip_prefix("File \"")
                && let Some((file, rest)) = rest.split_once('"')
            {
                let number: String = rest.chars().filter(char::is_ascii_digit).collect();
                let function = rest.rsplit_once(" in ").map(|(_, f)| format!(" in {f}")).unwrap_or_default();
                let number =
                    rest.split(',').nth(1).map_or(number.clone(), |n| n.chars().filter(char::is_ascii_digit).collect());
                frame = Some(format!("{file}:{number}{function}"));
            } else if !line.starts_with([' ', '\t']) && ends_python(line.as_bytes()) {
                exception = Some(line.split(':').next().unwrap_or(line).trim().to_owned());
                python = false;
            }
            continue;
        }
        if exception.is_none() && (bare.starts_with("panic: ") || bare.starts_with("fatal error: ")) {
            exception = Some("panic".to_owned());
        } else if exception.is_none()
            && let Some((_, place)) = bare.split_once(" panicked at ")
        {
            exception = Some("panic".to_owned());
            // since 1.73 the place stands alone before a colon; before, it followed the quoted message
            let place = place.rsplit_once("', ").map_or(place, |(_, p)| p);
            frame = frame.or(Some(place.trim_end_matches(':').to_owned()));
        } else if bare.starts_with("goroutine ") {
            in_go = true;
            if exception.is_none() && text.lines().next().is_some_and(|l| l.contains("panic")) {
                exception = Some("panic".to_owned());
            }
        } else if in_go && frame.is_none() {
            match go {
                Some(function) if line.starts_with('\t') => {
                    let place = bare.split(" +0x").next().unwrap_or(bare);
                    frame = Some(format!("{function} ({place})"));
                }
                _ => {
                    let name = bare.rsplit_once('(').map_or(bare, |(f, _)| f);
                    let runtime = ["panic", "runtime.", "runtime/", "net/http.(*conn).serve", "created by "];
                    go = (!line.starts_with('\t') && !runtime.iter().any(|r| name.starts_with(r))).then_some(name);
                }
            }
        } else if let Some(place) =
            bare.strip_prefix("at ").filter(|_| line.starts_with([' ', '\t']) || bare.contains('('))
        {
            frame = frame.or_else(|| Some(place.to_owned()));
        } else if frame.is_none()
            && line.starts_with('\t')
            && bare.contains(".go:")
            && !before.starts_with(['\t', ' '])
            && !before.is_empty()
        {
            // zap's and pkg/errors' traces have no goroutine
            frame = Some(format!("{before} ({bare})"));
        } else if exception.is_none()
            && let Some((name, _)) = bare.strip_prefix("** (").and_then(|r| r.split_once(')'))
        {
            exception = Some(name.to_owned());
        } else if frame.is_none() && line.starts_with("    (") && (bare.contains(".ex:") || bare.contains(".erl:")) {
            frame = bare.split_once(") ").map(|(_, place)| place.to_owned());
        } else if frame.is_none() && bare.starts_with("#0 ") {
            frame = Some(bare[3..].to_owned());
        } else if frame.is_none() && bare.contains(".rb:") && bare.contains(":in ") {
            let place = bare.strip_prefix("from ").unwrap_or(bare);
            let end = place.find(": ").unwrap_or(place.len());
            frame = Some(place[..end].to_owned());
            exception = exception.or_else(|| ruby(bare));
        }
        if exception.is_none() && frame.is_none() {
            exception = named(bare);
        }
    }
    // a message of several lines without any frame is not a stack trace
    if frame.is_none()
        && exception.as_deref() != Some("panic")
        && !text.contains("Traceback (")
        && !text.contains("Caused by:")
    {
        exception = None
            .or_else(|| text.lines().skip(1).take(1).find_map(|l| first(l).filter(|_| !l.starts_with([' ', '\t']))));
    }
    (exception, frame)
}

/// An exception type at the start of a line.
fn first(line: &str) -> Option<String> {
    let b = line.as_bytes();
    let len = b.first().filter(|c| c.is_ascii_alphabetic()).and_then(|_| exception_len(b))?;
    Some(lossy(&b[..len]).into_owned())
}

/// An exception type anywhere in a line, as a word of its own.
fn named(line: &str) -> Option<String> {
    if let Some(found) = first(line) {
        return Some(found);
    }
    if let Some((_, rest)) = line.split_once("Uncaught ") {
        return first(rest).or_else(|| first(rest.split(':').next()?));
    }
    line.split([' ', '(', ')', '[', ']', '"'])
        .take(64)
        .map(|w| w.trim_end_matches([':', ',', ';', '.']))
        .filter(|w| w.len() > 9 || w.contains(['.', ':']) || w.len() > 5 && w.ends_with("Error"))
        .find_map(first)
}

/// `app.rb:3:in 'x': message (NoMethodError)`.
fn ruby(line: &str) -> Option<String> {
    let (_, rest) = line.rsplit_once('(')?;
    first(rest.strip_suffix(')')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exception_and_the_frame_that_matters_are_found_in_every_language() {
        let table = [
            (
                "java",
                "Request failed\njava.lang.IllegalStateException: no user\n\tat com.acme.Cart.total(Cart.java:42)\n\tat x.Y.z(Y.java:1)\nCaused by: java.lang.NullPointerException\n\t... 12 more",
                "java.lang.IllegalStateException",
                "com.acme.Cart.total(Cart.java:42)",
            ),
            (
                "python",
                "oops\nTraceback (most recent call last):\n  File \"/a/b.py\", line 3, in f\n    g()\n  File \"/a/c.py\", line 12, in g\n    raise KeyError(1)\nKeyError: 1",
                "KeyError",
                "/a/c.py:12 in g",
            ),
            (
                "go",
                "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\npanic({0x1})\n\t/go/panic.go:884 +0x1\nmain.load(...)\n\t/app/main.go:17 +0x1d\nexit status 2",
                "panic",
                "main.load (/app/main.go:17)",
            ),
            (
                "node",
                "TypeError: Cannot read properties of undefined (reading 'id')\n    at checkout (/app/cart.js:10:5)\n    at next (x.js:1:1)",
                "TypeError",
                "checkout (/app/cart.js:10:5)",
            ),
            (
                "ruby",
                "app.rb:3:in `total': undefined method (NoMethodError)\n\tfrom app.rb:9:in `<main>'",
                "NoMethodError",
                "app.rb:3:in `total'",
            ),
            (
                "rust",
                "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`",
                "panic",
                "src/main.rs:2:5",
            ),
            (
                "dotnet",
                "Unhandled exception. System.InvalidOperationException: bad\n   at App.Cart.Total() in /src/Cart.cs:line 7\n   at App.Main()",
                "System.InvalidOperationException",
                "App.Cart.Total() in /src/Cart.cs:line 7",
            ),
            (
                "php",
                "PHP Fatal error:  Uncaught RuntimeException: no in /a.php:3\nStack trace:\n#0 /b.php(9): f()\n#1 {main}",
                "RuntimeException",
                "/b.php(9): f()",
            ),
        ];
        for (language, text, exception, frame) in table {
            assert_eq!(find(text), (Some(exception.to_string()), Some(frame.to_string())), "{language}");
        }
        assert_eq!(find("first line\nsecond Error: line"), (None, None));
    }

    #[test]
    fn prose_does_not_continue_a_record() {
        for line in ["Error handling is on", "at noon we stop", "Caused a stir", "Traces: 3", "goroutine pool is full"]
        {
            assert!(!Mode::None.continues(line.as_bytes(), true), "{line}");
        }
    }
}
