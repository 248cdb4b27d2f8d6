//! Which file and line a line of a stack trace, or a field, names.

use std::sync::LazyLock;

use regex::Regex;

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The path as it is written: absolute, or relative to who knows what.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
}

/// How the languages write it; the first that fits counts.
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let forms = [
        // Python: File "/srv/app.py", line 42, in handler
        r#"File "(?P<path>[^"]+)", line (?P<line>\d+)"#,
        // .NET: in /src/Foo.cs:line 42
        r"\bin (?P<path>\S.*?):line (?P<line>\d+)",
        // PHP: #0 /srv/x.php(42): f()
        r"(?P<path>[^\s()]+\.php)\((?P<line>\d+)\)",
        // Java: at com.shop.Orders.list(Orders.java:42)
        r"at (?P<class>[\w.$]+)\.[\w$<>]+\((?P<file>[\w$]+\.(?:java|kt|scala|groovy)):(?P<line>\d+)\)",
        // Go, Node, Rust, Ruby and everybody else: /srv/main.go:42, src/main.rs:10:5, app.rb:10:in `x'
        r"(?:file://)?(?P<path>[\w./@~+-]*[\w-]\.[A-Za-z]{1,5}):(?P<line>\d+)(?::\d+)?\b",
    ];
    forms.iter().filter_map(|f| Regex::new(f).ok()).collect()
});

/// The place that `text` names, if it names one.
pub fn frame(text: &str) -> Option<Frame> {
    let text: &str = text.char_indices().nth(1_000).map_or(text, |(i, _)| &text[..i]);
    let found = FORMS.iter().find_map(|f| f.captures(text))?;
    let line = found.name("line")?.as_str().parse().ok().filter(|n| *n > 0)?;
    let path = match (found.name("path"), found.name("class"), found.name("file")) {
        (Some(path), ..) => path.as_str().to_owned(),
        // A Java frame names the class; its package is the folder.
        (None, Some(class), Some(file)) => match class.as_str().rsplit_once('.') {
            Some((package, _)) => format!("{}/{}", package.replace('.', "/"), file.as_str()),
            None => file.as_str().to_owned(),
        },
        _ => return None,
    };
    Some(Frame { path, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_every_language_gives_its_file_and_line() {
        for (text, said) in [
            ("  File \"/srv/app.py\", line 42, in handler", "/srv/app.py:42"),
            ("   at Shop.Orders.List() in /src/Orders.cs:line 17", "/src/Orders.cs:17"),
            ("#0 /srv/x.php(12): f()", "/srv/x.php:12"),
            ("\tat com.shop.web.Orders.list(Orders.java:42)", "com/shop/web/Orders.java:42"),
            ("\t/srv/cmd/main.go:42 +0x1d", "/srv/cmd/main.go:42"),
            ("    at list (file:///srv/app.js:10:5)", "/srv/app.js:10"),
            ("             at src/main.rs:10:5", "src/main.rs:10"),
            ("app/models/order.rb:33:in `total'", "app/models/order.rb:33"),
            ("orders/handler.go:118", "orders/handler.go:118"),
        ] {
            let f = frame(text).map(|f| format!("{}:{}", f.path, f.line));
            assert_eq!(f.as_deref(), Some(said), "{text}");
        }
        for text in ["connect to 10.0.0.1:5432 refused", "at 14:03:21 all was well", "status: 503", "x.py:0", ""] {
            assert_eq!(frame(text), None, "{text}");
        }
    }
}
