//! Message templates of Serilog and Microsoft's logging: `Order {Id} took {Elapsed:0.0} ms` with the values put in.

use compact_str::CompactString;
use serde_json::Value;

/// Longer templates are left alone.
const FAR: usize = 16 * 1024;

/// The template with the values of `fields` in the places of their names; names without a value stay. `renderings` are
/// the values of the places with a format, in their order, as CLEF's `@r` has them.
pub(super) fn render(template: &str, fields: &[(CompactString, Value)]) -> String {
    if template.len() > FAR || !template.contains('{') {
        return template.to_owned();
    }
    let list = fields.iter().find(|(n, _)| n == "@r").and_then(|(_, v)| v.as_array());
    let mut renderings = list.into_iter().flatten();
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        if rest.starts_with("{{") {
            out.push('{');
            rest = &rest[2..];
            continue;
        }
        let Some(close) = rest.find('}') else { break };
        let (name, format) = match rest[1..close].split_once([':', ',']) {
            Some((name, format)) => (name, Some(format)),
            None => (&rest[1..close], None),
        };
        let name = name.trim_start_matches(['@', '$']);
        let value = match format.and_then(|_| renderings.next()) {
            Some(v) => Some(v),
            None => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
        };
        match value {
            Some(Value::String(s)) => out.push_str(s),
            Some(other) => out.push_str(&other.to_string()),
            None => out.push_str(&rest[..=close]),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out.replace("}}", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_their_names() {
        let f = |n: &str, v: Value| (CompactString::from(n), v);
        let fields = [f("Id", 7.into()), f("User", "ann".into()), f("@r", serde_json::json!(["31.5"]))];
        assert_eq!(render("{User} has {@Id} in {Ms:0.0} ms", &fields), "ann has 7 in 31.5 ms");
        assert_eq!(render("{Missing} {{x}} {open", &fields), "{Missing} {x} {open");
    }
}
