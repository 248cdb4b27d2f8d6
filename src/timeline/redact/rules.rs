//! The rules: what begins a secret, and which part of it goes.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::timeline::words::Words;

/// One kind of secret.
struct Rule {
    /// Words of which one stands in every text the rule can find something in; in lower case.
    triggers: &'static [&'static str],
    /// Finds it. Group `s` is what goes; without one everything does.
    pattern: &'static str,
    /// Looks again, where a pattern cannot say it all.
    check: fn(&Captures) -> bool,
    /// Finds what goes, behind what was found, where a pattern cannot.
    behind: Option<Behind>,
}

/// Adds what goes of a text from a place on.
type Behind = fn(&str, usize, &mut Vec<Range<usize>>);

const fn rule(triggers: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule { triggers, pattern, check: |_| true, behind: None }
}

/// Names under which secrets stand.
const SECRET_WORDS: &[&str] = &[
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "access-key",
    "private_key",
    "privatekey",
    "credential",
    "signature",
    "sig=",
    "authkey",
    "auth_key",
    "cvv",
    "cvc",
    "account_key",
    "accountkey",
];

/// A value behind a name: quoted (plain or as JSON inside JSON), or up to a blank or a sign that ends it.
macro_rules! named {
    ($names:literal) => {
        concat!(
            r#"(?i)(?P<name>(?:[a-z0-9]+[_.\-])*?[a-z0-9]*?"#,
            $names,
            r#")(?P<sep>\\?["']?\s*(?:=>|:=|[:=])\s*)"#,
            r#"(?:\\"(?P<s1>(?:[^\\"]|\\\\[^"])*)\\"|"(?P<s2>(?:[^"\\]|\\.)*)"?|'(?P<s3>(?:[^'\\]|\\.)*)'?|(?P<s4>[^\s"'&,;<>()\[\]{}|\\]+))"#
        )
    };
}

static RULES: &[Rule] = &[
    // JSON web tokens: three parts, the first two begin like `{"`.
    rule(&["eyj"], r"\beyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"),
    // The scheme stays; schemes with several parts lose all of them.
    rule(
        &["authorization"],
        concat!(
            r#"(?i)\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*"#,
            r#"(?:\\?["'](?:[a-z0-9-]+\s+)?(?P<s>[^"'\\\r\n]+)"#,
            r#"|(?:basic|bearer|token|negotiate|apikey)\s+(?P<t>[^\s"',;]+)"#,
            r#"|(?:digest|aws4-hmac-sha256)\s+(?P<u>[^\r\n"']+)|(?P<v>[^\s,;"']+))"#
        ),
    ),
    Rule {
        triggers: &["bearer", "basic "],
        pattern: r"(?i)\b(?:bearer|basic)\s+(?P<s>[A-Za-z0-9+/_.~-]{8,}=*)",
        check: |c| c.name("s").is_some_and(|s| s.len() >= 20 || s.as_str().bytes().any(|b| b.is_ascii_digit())),
        behind: None,
    },
    rule(&["akia", "asia", "aroa", "aida"], r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    rule(
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    ),
    rule(&["glpat-", "gldt-", "glrt-"], r"\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{16,}"),
    rule(&["xox", "xapp-"], r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})"),
    rule(&["hooks.slack.com"], r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Za-z0-9/_-]+)"),
    rule(
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"],
        r"\b(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{10,}",
    ),
    rule(&["sk-"], r"\bsk-[A-Za-z0-9_-]{20,}"),
    rule(&["aiza", "ya29."], r"\b(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,})"),
    rule(
        &["npm_", "pypi-", "dop_v1_", "shpat_", "hvs.", "hf_", "sg."],
        r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|dop_v1_[a-f0-9]{40,}|shpat_[A-Fa-f0-9]{30,}|hvs\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
    ),
    // The password in an address; the user stays.
    rule(&["://"], r#"://[^\s:/@"'<>]*:(?P<s>[^\s/"'<>]+)@"#),
    Rule {
        behind: Some(super::key_block::find),
        ..rule(&["-----begin"], r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
    },
    rule(&["set-cookie"], r#"(?i)\bset-cookie\\?["']?\s*[:=]\s*\[?\s*\\?["']?[^=;\s"']+=(?P<s>[^;\s"'\\]+)"#),
    rule(
        &["cookie"],
        r#"(?i)(?:^|[^-a-z])(?:http_)?cookies?\\?["']?\s*[:=]\s*(?:\\?["'](?P<s>[^"'\\]*=[^"'\\]*)|(?P<t>[^\s=;"'{\[]+=[^\s;"']*(?:;\s*[^\s=;"']+=[^\s;"']*)*))"#,
    ),
    Rule {
        triggers: SECRET_WORDS,
        pattern: named!(
            "(?:passwords?|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]id)?|account[_-]?key|private[_-]?key|auth[_-]?key|secret[_-]?key|credentials?|signature|cvv2?|cvc2?)"
        ),
        check: is_value,
        behind: None,
    },
    rule(&["sig="], r"[?&]sig=(?P<s>[A-Za-z0-9%+/=_-]{8,})"),
    // `-----password secret` on a command line, and SQL.
    rule(
        &["--pass", "--token", "--secret", "--api-key", "--apikey"],
        r#"(?i)--(?:password|passwd|pass|token|secret|api-?key)\s+(?:"(?P<s>[^"]+)"|'(?P<t>[^']+)'|(?P<u>[^\s"'-]\S*))"#,
    ),
    rule(
        &["password '", "identified by", "password \""],
        r#"(?i)\b(?:identified\s+by|password)\s+['"](?P<s>(?:[^'"\\]|\\.)+)"#,
    ),
    Rule {
        triggers: &["curl", "wget"],
        pattern: r#"(?:\s-u|--user)[ =]?["']?[^\s:"']+:(?P<s>[^\s"']+)"#,
        check: |_| true,
        behind: None,
    },
    Rule {
        triggers: &["@"],
        pattern: r"(?i)\b[a-z0-9][a-z0-9._%+-]*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}\b",
        check: |c| !c[0].starts_with("git@"),
        behind: None,
    },
];

static PATTERNS: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| RULES.iter().map(|r| Regex::new(r.pattern).ok()).collect());

/// One entry a trigger: its word and the rule it wakes.
static TRIGGER_LIST: LazyLock<Vec<(&'static str, usize)>> =
    LazyLock::new(|| RULES.iter().enumerate().flat_map(|(i, r)| r.triggers.iter().map(move |t| (*t, i))).collect());

/// Finds the triggers of all rules in one pass.
pub(super) static TRIGGERS: LazyLock<Option<Words>> =
    LazyLock::new(|| Words::new(TRIGGER_LIST.iter().map(|(t, _)| *t), true));

/// The bit of the rule that a trigger wakes.
pub(super) fn of_trigger(i: usize) -> u64 {
    TRIGGER_LIST.get(i).map_or(0, |(_, rule)| 1 << rule)
}

/// Adds the ranges that the rules in `wanted` find.
pub(super) fn apply(text: &str, wanted: u64, out: &mut Vec<Range<usize>>) {
    if wanted == 0 {
        return;
    }
    for (i, rule) in RULES.iter().enumerate() {
        let Some(Some(pattern)) = PATTERNS.get(i) else { continue };
        if wanted & (1 << i) == 0 {
            continue;
        }
        for c in pattern.captures_iter(text) {
            if !(rule.check)(&c) {
                continue;
            }
            if let (Some(behind), Some(found)) = (rule.behind, c.get(0)) {
                behind(text, found.end(), out);
                continue;
            }
            // Group 0 is the whole; a named group, where one took part, is the secret.
            let secret = ["s", "t", "u", "v", "s1", "s2", "s3", "s4"].iter().find_map(|n| c.name(n)).or_else(|| {
                let has_groups = pattern.capture_names().flatten().next().is_some();
                if has_groups { None } else { c.get(0) }
            });
            // What looks like a mail address may be a password and its host.
            let is_known =
                |r: &Range<usize>| rule.triggers == ["@"] && out.iter().any(|o| o.start < r.end && r.start < o.end);
            if let Some(range) = secret.map(|m| m.range()).filter(|r| !r.is_empty() && !is_known(r)) {
                out.push(range);
            }
        }
    }
}

/// Whether what stands behind a secret's name is a value, and no word about it.
fn is_value(c: &Captures) -> bool {
    let quoted = ["s1", "s2", "s3"].iter().find_map(|n| c.name(n));
    let Some(value) = quoted.or_else(|| c.name("s4")).map(|m| m.as_str()) else { return false };
    let name = c.name("name").map_or("", |m| m.as_str()).to_ascii_lowercase();
    let sep = c.name("sep").map_or("", |m| m.as_str());
    const NO_VALUE: [&str; 12] = [
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "***",
        "****",
        "[redacted]",
        "‹redacted›",
        "redacted",
        "required",
    ];
    let shown = value.trim_end_matches(['.', ',', ';']);
    if shown.is_empty() || NO_VALUE.iter().any(|n| shown.eq_ignore_ascii_case(n)) || shown.bytes().all(|b| b == b'*') {
        return false;
    }
    // The working directory of a shell.
    if name == "pwd" && value.starts_with('/') {
        return false;
    }
    // `unexpected token: end of file` tells about a token; a blank behind the colon and no quotes make it a sentence.
    let sentence =
        quoted.is_none() && sep.trim_start().starts_with(':') && sep.ends_with(' ') && !name.contains("pass");
    !sentence || is_random(value)
}

/// Whether a text looks made by a machine: digits among letters, or long and without a blank.
fn is_random(text: &str) -> bool {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let letters = text.bytes().any(|b| b.is_ascii_alphabetic());
    let signs = text.bytes().any(|b| matches!(b, b'=' | b'+' | b'/' | b'_' | b'~'));
    let mixed = text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().skip(1).any(|b| b.is_ascii_uppercase());
    text.len() >= 20 || (text.len() >= 6 && letters && (digits || signs || mixed)) || (digits && text.len() >= 6)
}
