//! What the words of a note say besides: `#tags`, what went well or badly, and of a follow-up its type, owner, priority,
//! ticket and due date. Everything stays in the text; nothing is stored twice.

/// What a note says of how the incident went: a word of its own, `+good`, `-bad`, `~luck` or `?surprise`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lesson {
    /// What went well.
    Good,
    /// What went badly.
    Bad,
    /// Where we were lucky.
    Luck,
    /// What was surprising.
    Surprise,
}

impl Lesson {
    /// All, in the order of the post-mortem, with the words that say so and the heading.
    pub const ALL: [(Lesson, &'static str, &'static str); 4] = [
        (Lesson::Good, "+good", "What went well"),
        (Lesson::Bad, "-bad", "What went badly"),
        (Lesson::Luck, "~luck", "Where we were lucky"),
        (Lesson::Surprise, "?surprise", "What was surprising"),
    ];
}

/// The lessons that a text is tagged with.
pub fn lessons(text: &str) -> Vec<Lesson> {
    let all = Lesson::ALL.iter();
    all.filter(|(_, word, _)| text.split_whitespace().any(|w| w.eq_ignore_ascii_case(word))).map(|(l, ..)| *l).collect()
}

/// The text without the words that only tag it.
pub fn without_lessons(text: &str) -> String {
    let is_tag = |w: &&str| Lesson::ALL.iter().any(|(_, tag, _)| w.eq_ignore_ascii_case(tag));
    text.split_whitespace().filter(|w| !is_tag(w)).collect::<Vec<_>>().join(" ")
}

/// `#tags` of a text, without the sign, in order, each once. `#123` is a ticket and no tag.
pub fn tags(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let Some(tag) = word.strip_prefix('#') else { continue };
        let tag = tag.trim_end_matches([',', '.', ';', ':']);
        let is_tag =
            tag.starts_with(char::is_alphabetic) && tag.chars().all(|c| c.is_alphanumeric() || "-_/".contains(c));
        if is_tag && !out.iter().any(|t| t.eq_ignore_ascii_case(tag)) {
            out.push(tag.to_owned());
        }
    }
    out
}

/// A follow-up as its text says it: `prevent: hold migrations that drop an index @anna p1 due 2026-12-01 SHOP-12`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// What is to be done.
    pub what: String,
    /// `prevent`, `mitigate`, `detect` or `process`, from the first word or a tag.
    pub sort: Option<&'static str>,
    /// Who, from `@name`.
    pub owner: Option<String>,
    /// `p0` to `p4`.
    pub priority: Option<String>,
    /// `SHOP-12`, `#123`, an address.
    pub ticket: Option<String>,
    /// `2026-12-01`, behind `due` or `by`.
    pub due: Option<String>,
}

const SORTS: [&str; 4] = ["prevent", "mitigate", "detect", "process"];

/// Takes a follow-up apart. What it does not know stays in [`FollowUp::what`].
pub fn follow_up(text: &str) -> FollowUp {
    let mut out = FollowUp::default();
    let mut what: Vec<&str> = Vec::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_end_matches([',', '.', ';', ':']);
        let sort = |w: &str| SORTS.into_iter().find(|s| s.eq_ignore_ascii_case(w));
        let named = if what.is_empty() && word.ends_with(':') { sort(bare) } else { None };
        if let Some(s) = named.or_else(|| bare.strip_prefix('#').and_then(sort)).filter(|_| out.sort.is_none()) {
            out.sort = Some(s);
        } else if let Some(name) = bare.strip_prefix('@').filter(|n| !n.is_empty() && out.owner.is_none()) {
            out.owner = Some(name.to_owned());
        } else if out.priority.is_none() && is_priority(bare) {
            out.priority = Some(bare.to_ascii_lowercase());
        } else if out.ticket.is_none() && is_ticket(bare) {
            out.ticket = Some(bare.to_owned());
        } else if out.due.is_none()
            && ["due", "by"].contains(&bare.to_ascii_lowercase().as_str())
            && let Some(date) = words.next_if(|w| is_date(w.trim_end_matches([',', '.', ';'])))
        {
            out.due = Some(date.trim_end_matches([',', '.', ';']).to_owned());
        } else if let Some(date) = bare.strip_prefix("due:").filter(|d| is_date(d)) {
            out.due = Some(date.to_owned());
        } else {
            what.push(word);
        }
    }
    out.what = what.join(" ");
    out
}

fn is_priority(word: &str) -> bool {
    matches!(word.as_bytes(), [b'p' | b'P', b'0'..=b'4'])
}

fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    matches!(parts[..], [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2)
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

fn is_ticket(word: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if word.starts_with("http://") || word.starts_with("https://") {
        return true;
    }
    if let Some(n) = word.strip_prefix('#') {
        return digits(n);
    }
    word.split_once('-').is_some_and(|(key, n)| {
        (2..=10).contains(&key.len())
            && digits(n)
            && key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && key.starts_with(|c: char| c.is_ascii_uppercase())
            && !["UTF", "SHA", "RFC", "ISO"].contains(&key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_says_its_type_owner_priority_ticket_and_due_date() {
        let f = follow_up("prevent: hold migrations that drop an index @anna p1 due 2026-12-01 SHOP-12");
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            f,
            FollowUp {
                what: "hold migrations that drop an index".into(),
                sort: Some("prevent"),
                owner: some("anna"),
                priority: some("p1"),
                ticket: some("SHOP-12"),
                due: some("2026-12-01"),
            }
        );
        let f = follow_up("check that UTF-8 names process: well, by hand");
        assert_eq!((f.what.as_str(), f.sort, f.due), ("check that UTF-8 names process: well, by hand", None, None));
        assert_eq!(follow_up("alarm on waiters #detect #17.").sort, Some("detect"));
        assert_eq!(follow_up("alarm on waiters #detect #17.").ticket.as_deref(), Some("#17"));
    }

    #[test]
    fn tags_and_lessons_are_words_of_the_text() {
        assert_eq!(tags("seen on #checkout and #db/orders, not #12 or #checkout"), ["checkout", "db/orders"]);
        assert_eq!(lessons("the rollback took 30 s +good ~luck"), [Lesson::Good, Lesson::Luck]);
        assert_eq!(without_lessons("the rollback took 30 s +good"), "the rollback took 30 s");
        assert_eq!(lessons("1 +goodness"), []);
    }
}
