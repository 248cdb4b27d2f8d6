//! What people write who know another language: it would be read as text and find nothing, so it is refused with what
//! to write instead. Whatever is refused here is quoted where a filter is shown.

use super::field;

/// Why a bare word is hardly meant as text: `status:500`, `!status=200`, `'two`.
pub(super) fn word(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('!')
        && (rest.starts_with('(') || rest.contains(['=', '<', '>', '~']))
    {
        return Some(format!("`!` does not negate here; write -{rest}"));
    }
    let (name, value) = text.split_once(':')?;
    (!value.is_empty() && !value.starts_with("//") && field::is_known(name)).then(|| {
        let value = super::show::quoted(value);
        format!("a field is compared with = < > or ~; write {name}={value}, or quote it to look for the text")
    })
}

/// Why a bare value behind `=` or `!=` is hardly meant as it stands.
pub(super) fn value(name: &str, text: &str) -> Option<String> {
    let all = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    if text.contains(',') && text.split(',').all(all) {
        let several = text.replace(',', "|");
        return Some(format!("values are parted by |; write {name}={several}, or quote the value"));
    }
    let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")).filter(|c| c.len() == 1 && all(c))?;
    field::is_number(name).then(|| format!("write {name}={class}00..{class}99, or quote the value"))
}

/// Whether a word that begins with an apostrophe is the beginning of a quoted text; `rest` is what follows it.
pub(super) fn apostrophes(text: &str, rest: &str) -> bool {
    text.strip_prefix('\'').is_some_and(|t| t.ends_with('\'') || rest.contains('\''))
}
