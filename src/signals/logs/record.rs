//! One record laid out to be read: pretty JSON, and what a token says of itself.

use serde_json::Value;

/// Lines of one record that are laid out at most.
pub const LINES: usize = 2_000;

/// The record as indented JSON; `None` where it is none.
pub fn pretty(raw: &[u8]) -> Option<Vec<String>> {
    let text = raw.trim_ascii();
    if !text.starts_with(b"{") && !text.starts_with(b"[") {
        return None;
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(text).ok()?;
    Some(indented(std::str::from_utf8(text).ok()?))
}

/// Valid JSON on lines of its own, names in the order they stand in.
fn indented(json: &str) -> Vec<String> {
    let (mut out, mut line, mut depth, mut quoted, mut escaped) = (Vec::new(), String::new(), 0usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            line.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        let mut end = |line: &mut String, depth: usize| {
            out.push(std::mem::take(line));
            line.push_str(&"  ".repeat(depth.min(40)));
        };
        match c {
            '{' | '[' => {
                line.push(c);
                while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    line.push(close);
                } else {
                    depth += 1;
                    end(&mut line, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end(&mut line, depth);
                line.push(c);
            }
            ',' => {
                line.push(c);
                end(&mut line, depth);
            }
            ':' => line.push_str(": "),
            '"' => {
                quoted = true;
                line.push(c);
            }
            c if c.is_ascii_whitespace() => {}
            c => line.push(c),
        }
        if out.len() >= LINES {
            return out;
        }
    }
    out.push(line);
    out
}

/// Whether `value` holds a JSON Web Token.
pub fn has_token(value: &str) -> bool {
    token(value).is_some()
}

fn token(value: &str) -> Option<&str> {
    let start = value.find("eyJ")?;
    let end = value[start..].find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let token = &value[start..end.map_or(value.len(), |e| start + e)];
    (token.len() <= 16 * 1024 && token.matches('.').count() == 2).then_some(token)
}

/// Header and claims of the token in `value`, as indented JSON, times in words. Its signature is neither shown nor
/// checked, and that is said.
pub fn decoded(value: &str) -> Option<Vec<String>> {
    let mut parts = token(value)?.split('.');
    let mut out = Vec::new();
    for name in ["header", "claims"] {
        let json: Value = serde_json::from_slice(&base64url(parts.next()?)?).ok()?;
        out.push(name.to_owned());
        out.extend(serde_json::to_string_pretty(&json).ok()?.lines().map(|l| format!("  {l}")));
        for claim in ["iat", "nbf", "exp"] {
            if let Some(t) = json.get(claim).and_then(Value::as_i64) {
                out.push(format!("  {claim} is {}", crate::timeline::Ts::from_secs(t)));
            }
        }
    }
    out.push("the signature was not checked".to_owned());
    Some(out)
}

/// Base64 as tokens have it, without padding; `None` for anything else.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut n) = (Vec::with_capacity(text.len() * 3 / 4), 0u32, 0);
    for b in text.trim_end_matches('=').bytes() {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(v);
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
            bits &= (1 << n) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_header_claims_and_times_and_that_its_signature_was_not_checked() {
        // {"alg":"HS256"} . {"sub":"user-1","exp":1773497001}
        let value = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjE3NzM0OTcwMDF9.c2ln";
        assert!(has_token(value));
        let said = decoded(value).expect("a token").join("\n");
        assert!(said.contains("\"alg\": \"HS256\"") && said.contains("\"sub\": \"user-1\""), "{said}");
        assert!(said.contains("exp is 2026-03-14T14:03:21Z") && said.ends_with("not checked"), "{said}");
        for no in ["eyJ", "eyJhbGciOiJIUzI1NiJ9.x", "eyJ!.a.b", "a.b.c", ""] {
            assert_eq!(decoded(no), None, "{no}");
        }
    }

    #[test]
    fn json_is_indented_and_anything_else_is_not_touched() {
        let said = pretty(b" {\"z\":[1, {}],\"a\":\"x\\\"{,\"}\n").expect("json");
        assert_eq!(said, ["{", "  \"z\": [", "    1,", "    {}", "  ],", "  \"a\": \"x\\\"{,\"", "}"]);
        assert_eq!(pretty(b"GET / 200"), None);
        assert_eq!(pretty(b"{broken"), None);
    }
}
