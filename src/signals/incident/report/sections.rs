//! The sections of the post-mortem, filled as far as log and telemetry go. What is left is `??`: it is what the author
//! still has to find.

use std::time::Duration;

use super::chart::Chart;
use super::document::{Document, Part, Piece, Section, Text, words};
use super::rows::rows;
use super::window::{Impact, SeenKind};
use super::{Report, UNKNOWN, pane_word, utc, utc_full};
use crate::signals::incident::event::{Evidence, HypothesisState, MilestoneKind, NoteKind, NoteNow, RoleKind};
use crate::signals::incident::metrics::{end, onset};
use crate::signals::incident::tags::{Lesson, follow_up, lessons, tags, without_lessons};
use crate::timeline::Ts;
use crate::timeline::time::spelled;

/// What lies further before the end of the impact did not end it.
const CLOSE: Duration = Duration::from_secs(10 * 60);
/// Routes of the impact in words.
const NAMED_ROUTES: usize = 3;

/// The whole document.
pub fn document(r: &Report) -> Document {
    let title = format!("{}: {}", r.incident.severity_word(), r.blameless(&r.incident.title));
    let sections = vec![
        section("Incident", head(r)),
        section("Summary", summary(r)),
        section("Impact", impact(r)),
        section("Detection", detection(r)),
        section("Trigger and contributing factors", trigger(r)),
        section("Background", vec![background(), listed(r, NoteKind::Observation)]),
        section("Mitigation and resolution", mitigation(r)),
        section("Timeline", timeline(r)),
        section("Hypotheses tried", hypotheses(r)),
        section("Open questions", open_questions(r)),
        section("Decisions", vec![listed(r, NoteKind::Decision)]),
        section("Restore record", restore(r)),
        section("Checklist", checklist(r)),
        section("Follow-ups", follow_ups(r)),
        section("Lessons", lessons_learned(r)),
        section("Times", times(r)),
        section("Messages", messages()),
        section("Supporting information", supporting(r)),
    ];
    Document { title, sections: sections.into_iter().filter(|s| !s.parts.is_empty()).collect() }
}

fn section(title: &'static str, parts: Vec<Part>) -> Section {
    Section { title, parts }
}

fn unknown() -> Text {
    words(UNKNOWN)
}

fn background() -> Part {
    Part::Paragraph(words(format!("{UNKNOWN} (what a reader must know of the system). What was seen:")))
}

/// A list of `name: value`.
fn facts(rows: Vec<(&str, String)>) -> Part {
    Part::List(rows.into_iter().map(|(name, value)| words(format!("{name}: {value}"))).collect())
}

fn or_unknown(t: Option<Ts>) -> String {
    t.map_or(UNKNOWN.into(), |t| format!("{} UTC", utc(t)))
}

fn head(r: &Report) -> Vec<Part> {
    let i = &r.incident;
    let row = |k: &str, v: Text| vec![words(k), v];
    let begun = match (i.reached(MilestoneKind::Started), &r.seen.clues.onset) {
        (Some(at), _) => or_unknown(Some(at)),
        (None, Some(c)) => format!("{} UTC, read off: {}", utc(c.at), c.what),
        (None, None) => UNKNOWN.into(),
    };
    let mut rows = vec![
        row("Incident", vec![Piece::Code(i.id.to_string())]),
        row("Severity", words(i.severity.map_or(UNKNOWN, |s| s.word()))),
        row("Status", words(format!("{} since {} UTC", i.status, utc(i.status_since)))),
        row("Opened", words(format!("{} UTC by {}", utc(i.opened_at), r.who(&i.opened_by)))),
        row("Impact began", words(begun)),
        row("Mitigated", words(or_unknown(i.reached(MilestoneKind::Mitigated)))),
        row("Resolved", words(or_unknown(i.reached(MilestoneKind::Resolved)))),
        row("Services", words(if i.services.is_empty() { UNKNOWN.into() } else { i.services.join(", ") })),
        row("Host", words(if i.host.is_empty() { UNKNOWN } else { &i.host })),
    ];
    if r.options.names {
        let roles: Vec<String> = i.roles.iter().map(|(role, name)| format!("{role}: {name}")).collect();
        rows.push(row("Roles", words(if roles.is_empty() { UNKNOWN.into() } else { roles.join(", ") })));
    } else {
        let filled: Vec<&str> = i.roles.keys().map(|k: &RoleKind| k.word()).collect();
        rows.push(row("Roles filled", words(if filled.is_empty() { UNKNOWN.into() } else { filled.join(", ") })));
    }
    let mut all: Vec<String> = r.notes.iter().flat_map(|n| tags(&n.note.text)).collect();
    all.sort();
    all.dedup();
    if !all.is_empty() {
        rows.push(row("Tags", words(all.join(", "))));
    }
    rows.push(row("Owner of this document", unknown()));
    rows.push(row("State of this document", words("draft")));
    if let Some(recording) = &r.options.recording {
        rows.push(row("Recording", vec![Piece::Code(recording.clone())]));
    }
    let mut parts = vec![Part::Table { head: vec!["Field", "Value"], rows }];
    let begun = r.look_again(onset(i, &r.seen.clues).unwrap_or(i.since()), "");
    if let Some(command) = begun.or_else(|| r.look_again(r.seen.held?.start, "")) {
        parts.push(Part::Paragraph(words(
            "Every row of the timeline names a command that opens its instant, where there is something of it to see:",
        )));
        parts.push(Part::Block(command));
    }
    parts
}

fn summary(r: &Report) -> Vec<Part> {
    let i = &r.incident;
    let from = onset(i, &r.seen.clues);
    let over = end(i).or(r.seen.over);
    let mut happened = match (from, over) {
        (Some(a), Some(b)) if b >= a => format!("from {} UTC for {}", utc(a), spelled(b.since(a))),
        (Some(a), _) => format!("from {} UTC until {UNKNOWN}", utc(a)),
        _ => UNKNOWN.to_owned(),
    };
    if let Some(m) = &r.seen.impact
        && let Some(share) = m.per_cent()
    {
        let (failed, of) = (count(m.failed), count(m.requests));
        happened.push_str(&match part_words(m) {
            Some(part) => format!(", {part}: {failed} of {of} requests failed"),
            None => format!(", {failed} of {of} requests failed ({share:.1} %)"),
        });
        let named: Vec<&str> = m.routes.iter().take(NAMED_ROUTES).map(|x| x.route.as_str()).collect();
        if !named.is_empty() {
            happened.push_str(&format!(", most on {}", named.join(", ")));
        }
    }
    let confirmed = confirmed(r).next().map(|n| r.blameless(&n.note.text));
    let cause =
        confirmed.or_else(|| r.seen.clues.change.as_ref().map(|c| format!("suspected, not confirmed: {}", c.what)));
    let ended = last_action(r).unwrap_or(UNKNOWN.into());
    vec![facts(vec![
        ("What happened", happened),
        ("Cause", cause.unwrap_or(UNKNOWN.into())),
        ("What ended it", ended),
        ("What was surprising", lesson(r, Lesson::Surprise).first().cloned().unwrap_or(UNKNOWN.into())),
    ])]
}

/// The last thing that was done in the impact and close before it was over: a noted action, or a change that the machines
/// tell of. As long as it is not known when the impact began and that it is over, nothing ended it.
fn last_action(r: &Report) -> Option<String> {
    let from = onset(&r.incident, &r.seen.clues)?;
    let over = match (r.seen.over, end(&r.incident)) {
        // What was read off tells of the very second; somebody writes down later that it is over.
        (Some(read), Some(set)) if read > from => read.min(set),
        (read, set) => set.or(read)?,
    };
    // Errors are counted by the second, and what broke it may lie in the same one as the first of them.
    let between = |at: Ts| at.secs() > from.secs() && at <= over && over.since(at) <= CLOSE;
    let suspect = r.seen.clues.change.as_ref().map(|c| c.at);
    let worked = |n: &&NoteNow| n.note.ran.as_ref().is_none_or(|ran| ran.code == Some(0));
    let noted = r.of(NoteKind::Action).filter(worked).map(|n| {
        let at = n.note.event_at;
        (at, format!("{} ({} UTC, as noted)", r.blameless(&n.note.text), utc(at)))
    });
    let seen = r.seen.rows.iter().filter(|s| s.mends && Some(s.at) != suspect);
    let seen = seen.map(|s| (s.at, format!("{} ({} UTC)", r.blameless(&s.what), utc(s.at))));
    let all = noted.chain(seen).filter(|(at, _)| between(*at));
    all.max_by_key(|(at, _)| *at).map(|(_, words)| words)
}

fn impact(r: &Report) -> Vec<Part> {
    let i = &r.incident;
    let over = end(i).or(r.seen.over);
    let duration = match (onset(i, &r.seen.clues), over) {
        (Some(from), Some(to)) if to >= from => {
            let how = if end(i).is_some() { "" } else { ", its end read off: errors back to what is usual" };
            format!("{} (from {} to {} UTC{how})", spelled(to.since(from)), utc(from), utc(to))
        }
        _ => UNKNOWN.into(),
    };
    let mut rows = vec![("Duration", duration)];
    let m = r.seen.impact.as_ref();
    rows.push(("Requests failed, count and per cent", m.map_or(UNKNOWN.into(), failed_words)));
    rows.push(("Before, in as long a time", m.and_then(|m| m.before).map_or(UNKNOWN.into(), before_words)));
    rows.push((
        "Refused (status 400 to 499)",
        m.map_or(UNKNOWN.into(), |m| format!("{} of {}", count(m.refused), count(m.requests))),
    ));
    let ms = |v: f64| format!("{} ms", super::chart::number(v));
    rows.push((
        "95th percentile of durations",
        match m.map(|m| m.p95_ms) {
            Some((Some(a), Some(b))) => format!("{}, before {}", ms(b), ms(a)),
            Some((None, Some(b))) => format!("{}, before {UNKNOWN}", ms(b)),
            _ => UNKNOWN.into(),
        },
    ));
    rows.push(("Users affected", UNKNOWN.into()));
    rows.push(("Support tickets", UNKNOWN.into()));
    let counted = m.map(|m| {
        let cut = if m.cut { "; there was more than could be looked at" } else { "" };
        let (from, to) = (utc(m.range.start), utc(m.range.end));
        let health = match m.health_checks {
            0 => String::new(),
            n => format!("; without {} requests for health checks", count(n)),
        };
        format!("{}, from {from} to {to} UTC; failed is a status from 500 on{health}{cut}", m.counted.join(", "))
    });
    let nowhere = match r.seen.elsewhere {
        Some(span) => format!(
            "{UNKNOWN} (the logs tell of no request in that time; those that they tell of are from {} to {} UTC)",
            utc(span.start),
            utc(span.end)
        ),
        None => format!("{UNKNOWN} (no log with the status of requests was given)"),
    };
    rows.push(("Counted in", counted.unwrap_or(nowhere)));
    let mut parts = vec![facts(rows)];
    if let Some(m) = m.filter(|m| !m.routes.is_empty()) {
        let row = |x: &super::window::RouteImpact| {
            let share = x.failed as f64 * 100.0 / (x.requests.max(1)) as f64;
            vec![
                vec![Piece::Code(x.route.clone())],
                words(count(x.failed)),
                words(count(x.requests)),
                words(format!("{share:.1} %")),
            ]
        };
        let rows = m.routes.iter().map(row).collect();
        parts.push(Part::Table { head: vec!["Route", "Failed", "Requests", "Per cent"], rows });
        if m.more_routes > 0 {
            parts.push(Part::Paragraph(words(format!("{} more routes had failed requests.", m.more_routes))));
        }
    }
    parts.extend(r.seen.charts.iter().map(|c| Part::Chart(Chart { marks: r.marks(), ..c.clone() })));
    parts
}

fn failed_words(m: &Impact) -> String {
    let (failed, of) = (count(m.failed), count(m.requests));
    match (m.per_cent(), part_words(m)) {
        (Some(share), None) => format!("{failed} of {of}, {share:.1} %"),
        (Some(share), Some(part)) => format!("{UNKNOWN} ({part}: {failed} of {of}, {share:.1} %)"),
        (None, _) => format!("{UNKNOWN} (no request in this time)"),
    }
}

/// `counted over 1 m of 15 m (23:19:17 to 23:20:17 UTC)`, where that is not the whole time.
fn part_words(m: &Impact) -> Option<String> {
    let (from, to) = (utc(m.range.start), utc(m.range.end));
    let clock = |t: &str| t.get(11..).unwrap_or_default().to_owned();
    let (counted, of) = (spelled(m.range.len()), spelled(m.of.len()));
    m.is_part().then(|| format!("counted over {counted} of {of} ({} to {} UTC)", clock(&from), clock(&to)))
}

fn before_words((requests, failed): (u64, u64)) -> String {
    match requests {
        0 => UNKNOWN.into(),
        n => format!("{} of {}, {:.1} %", count(failed), count(n), failed as f64 * 100.0 / n as f64),
    }
}

/// `12 345`.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

fn detection(r: &Report) -> Vec<Part> {
    let i = &r.incident;
    let report = r.of(NoteKind::Report).next();
    let report =
        report.map_or(UNKNOWN.into(), |n| format!("{} UTC, {}", utc(n.note.event_at), r.blameless(&n.note.text)));
    let alarm = r.seen.clues.detected.as_ref().map_or(UNKNOWN.into(), |c| format!("{} UTC, {}", utc(c.at), c.what));
    let sign = r.seen.clues.onset.as_ref().map_or(UNKNOWN.into(), |c| format!("{} UTC, {}", utc(c.at), c.what));
    vec![facts(vec![
        ("Detected", or_unknown(i.reached(MilestoneKind::Detected))),
        ("First report from a user", report),
        ("First failed check", alarm),
        ("First bad sign in the telemetry", sign),
        ("Why not sooner", UNKNOWN.into()),
    ])]
}

fn confirmed<'r, 'a>(r: &'r Report<'a>) -> impl Iterator<Item = &'r NoteNow<'a>> {
    r.of(NoteKind::Hypothesis).filter(|n| n.hypothesis() == Some(HypothesisState::Confirmed))
}

fn trigger(r: &Report) -> Vec<Part> {
    let mut items: Vec<Text> =
        confirmed(r).map(|n| words(format!("{}{}", r.blameless(&n.note.text), r.proofs(n)))).collect();
    if items.is_empty() {
        items.push(words(format!("{UNKNOWN} (no hypothesis was confirmed)")));
    }
    if let Some(c) = &r.seen.clues.change {
        items.push(words(format!("Suspected change: {}, {} UTC", r.blameless(&c.what), utc(c.at))));
    } else if r.seen.range.is_some() && !r.seen.changes_read {
        items.push(words("Changes: not looked at (nothing that tells of deploys was given)."));
    } else if r.seen.range.is_some() {
        items.push(words("No strong suspect among the changes of the half hour before."));
    }
    vec![Part::List(items)]
}

/// Notes of a kind as a list.
fn listed(r: &Report, kind: NoteKind) -> Part {
    let item = |n: &NoteNow| {
        let who = r.who(&n.first.author);
        words(format!("{} UTC, {who}: {}{}", utc(n.note.event_at), r.blameless(&n.note.text), r.proofs(n)))
    };
    let items: Vec<Text> = r.of(kind).map(item).collect();
    if items.is_empty() { Part::Paragraph(words("None was noted.")) } else { Part::List(items) }
}

fn mitigation(r: &Report) -> Vec<Part> {
    let i = &r.incident;
    let when = |k| or_unknown(i.reached(k));
    let mut facts_ = vec![
        ("Mitigated (the impact ended)", when(MilestoneKind::Mitigated)),
        ("Resolved (the cause is gone)", when(MilestoneKind::Resolved)),
    ];
    if let Some(over) = r.seen.over {
        facts_.push(("Errors were back to what is usual", format!("{} UTC", utc(over))));
    }
    facts_.push(("Temporary, and still in place", UNKNOWN.into()));
    vec![facts(facts_), listed(r, NoteKind::Action)]
}

fn timeline(r: &Report) -> Vec<Part> {
    let rows: Vec<Vec<Text>> = rows(r)
        .into_iter()
        .map(|row| {
            let again = match r.look_again(row.visible, &row.filter) {
                Some(command) => vec![Piece::Code(command)],
                None if r.holds(row.visible) => unknown(),
                None => words("not recorded"),
            };
            vec![words(utc(row.at)), row.what, words(row.who), words(row.source), again]
        })
        .collect();
    let kind = match r.options.complete {
        true => "Complete: every record of the log and every event of the sources.",
        false => "Curated: notes, milestones, changes, health checks and errors. The complete one is one option away: ",
    };
    let mut said = words(kind);
    if !r.options.complete {
        said.push(Piece::Code("warroom export --complete".into()));
    }
    vec![Part::Paragraph(said), Part::Table { head: vec!["Time (UTC)", "Event", "Who", "Source", "Look again"], rows }]
}

fn hypotheses(r: &Report) -> Vec<Part> {
    let rows: Vec<Vec<Text>> = r
        .of(NoteKind::Hypothesis)
        .map(|n| {
            let end = match n.hypothesis() {
                Some(HypothesisState::Open) | None => "still open".to_owned(),
                Some(state) => format!("{state} {}", utc(n.state_since)),
            };
            let numbers = |against: bool| {
                let list = r.numbers(n.note.evidence.iter().filter(|e| e.against == against));
                words(if list.is_empty() { UNKNOWN.into() } else { list })
            };
            vec![
                words(utc(n.note.event_at)),
                words(r.blameless(&n.note.text)),
                words(end),
                numbers(false),
                numbers(true),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => vec![Part::Paragraph(words("None was noted."))],
        false => vec![Part::Table { head: vec!["Raised (UTC)", "Hypothesis", "End", "For", "Against"], rows }],
    }
}

fn open_questions(r: &Report) -> Vec<Part> {
    let open = r.of(NoteKind::Hypothesis).filter(|n| n.hypothesis() == Some(HypothesisState::Open));
    let items: Vec<Text> = open.map(|n| words(r.blameless(&n.note.text))).collect();
    match items.is_empty() {
        true => vec![Part::Paragraph(words("No hypothesis is open."))],
        false => vec![Part::List(items)],
    }
}

fn restore(r: &Report) -> Vec<Part> {
    let mut rows = Vec::new();
    let mut outputs = Vec::new();
    for n in &r.notes {
        let Some(ran) = &n.note.ran else { continue };
        let code = ran.code.map_or("ended by a signal".to_owned(), |c| c.to_string());
        let seconds = format!("{:.1}", ran.took_ms as f64 / 1000.0);
        let began = Ts(n.note.event_at.0 - i64::try_from(ran.took_ms).unwrap_or(0).saturating_mul(1_000_000));
        rows.push(vec![
            words(utc(began)),
            vec![Piece::Code(ran.command.clone())],
            words(code),
            words(seconds),
            words(r.who(&n.first.author)),
        ]);
        if !ran.output.trim().is_empty() {
            outputs.push(Part::Paragraph(vec![
                Piece::Words("The end of what ".into()),
                Piece::Code(ran.command.clone()),
                Piece::Words(" said:".into()),
            ]));
            outputs.push(Part::Block(ran.output.clone()));
        }
    }
    if rows.is_empty() {
        return vec![Part::Paragraph(words("No command was run from here."))];
    }
    let mut parts = vec![Part::Table { head: vec!["Began (UTC)", "Command", "Exit code", "Seconds", "Who"], rows }];
    parts.extend(outputs);
    parts
}

fn checklist(r: &Report) -> Vec<Part> {
    let items: Vec<Text> = r
        .of(NoteKind::Step)
        .map(|n| {
            words(format!("{} UTC, {}: {}", utc(n.note.event_at), r.who(&n.first.author), r.blameless(&n.note.text)))
        })
        .collect();
    let mut parts = Vec::new();
    if !items.is_empty() {
        parts.push(Part::List(items));
    }
    if !r.options.unticked.is_empty() {
        parts.push(Part::Paragraph(words("Not done, of the checklists that were begun:")));
        parts.push(Part::List(r.options.unticked.iter().map(|s| words(s.clone())).collect()));
    }
    parts
}

fn follow_ups(r: &Report) -> Vec<Part> {
    let or = |v: Option<String>| words(v.unwrap_or(UNKNOWN.into()));
    let rows: Vec<Vec<Text>> = r
        .of(NoteKind::FollowUp)
        .map(|n| {
            let f = follow_up(&n.note.text);
            let owner = f.owner.map(|o| r.who(&o));
            let what = r.blameless(&f.what);
            vec![words(what), or(f.sort.map(str::to_owned)), or(owner), or(f.priority), or(f.ticket), or(f.due)]
        })
        .collect();
    if rows.is_empty() {
        return vec![Part::List(vec![words(format!("{UNKNOWN} (none was noted)"))])];
    }
    vec![
        Part::Table { head: vec!["What", "Type", "Owner", "Priority", "Ticket", "Due"], rows },
        Part::Paragraph(words("Types: prevent, mitigate, detect, process.")),
    ]
}

fn lesson(r: &Report, which: Lesson) -> Vec<String> {
    let notes = r.notes.iter().filter(|n| lessons(&n.note.text).contains(&which));
    notes.map(|n| r.blameless(&without_lessons(&n.note.text))).collect()
}

fn lessons_learned(r: &Report) -> Vec<Part> {
    let line = |(which, _, title): &(Lesson, &str, &'static str)| {
        let said = lesson(r, *which);
        words(format!("{title}: {}", if said.is_empty() { UNKNOWN.into() } else { said.join("; ") }))
    };
    vec![Part::List(Lesson::ALL.iter().map(line).collect())]
}

fn times(r: &Report) -> Vec<Part> {
    let rows = r
        .figures
        .iter()
        .map(|f| {
            let edited = if f.edited { "yes" } else { "no" };
            let name = format!("{} ({})", f.name, f.meaning);
            vec![
                words(name),
                words(f.words()),
                vec![Piece::Code(f.formula.to_owned())],
                words(f.source.clone()),
                words(edited),
            ]
        })
        .collect();
    vec![Part::Table { head: vec!["Figure", "Value", "Formula", "Source", "Edited"], rows }]
}

fn messages() -> Vec<Part> {
    vec![facts(vec![("To colleagues", UNKNOWN.into()), ("To users", UNKNOWN.into())])]
}

fn supporting(r: &Report) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(range) = r.seen.range {
        let mut lines = vec![("Window looked at", format!("{} to {} UTC", utc(range.start), utc(range.end)))];
        let sources = if r.seen.sources.is_empty() { UNKNOWN.into() } else { r.seen.sources.join(", ") };
        lines.push(("Sources", sources));
        lines.extend(r.options.fingerprint.as_ref().map(|f| ("Recording", f.clone())));
        lines.extend(r.seen.missing.iter().map(|m| ("Not looked at", m.clone())));
        parts.push(facts(lines));
    } else if !r.seen.missing.is_empty() {
        parts.push(facts(r.seen.missing.iter().map(|m| ("Not looked at", m.clone())).collect()));
    } else {
        let missing = "no recording and no log files were given: impact, machine events and charts are missing";
        parts.push(facts(vec![("Not looked at", missing.into())]));
    }
    if r.evidence.is_empty() {
        parts.push(Part::Paragraph(words("No evidence was attached to a note.")));
    }
    for (nr, (e, noted)) in r.evidence.iter().enumerate() {
        parts.push(Part::Heading(format!("E{}", nr + 1)));
        parts.push(Part::Paragraph(about(e, *noted)));
        if !e.text.trim().is_empty() {
            parts.push(Part::Block(e.text.clone()));
        }
    }
    parts
}

/// Where a piece of evidence comes from.
fn about(e: &Evidence, noted: Ts) -> Text {
    let mut out: Vec<Text> = Vec::new();
    out.extend(e.pane.map(|p| words(format!("pane {}", pane_word(p)))));
    if !e.source.is_empty() {
        out.push(words(format!("source {}", e.source)));
    }
    out.push(words(match e.at {
        Some(at) => format!("{} UTC", utc_full(at)),
        None => format!("noted at {} UTC", utc(noted)),
    }));
    let code = |name: &str, value: String| vec![Piece::Words(format!("{name} ")), Piece::Code(value)];
    out.extend(e.request_id.as_ref().map(|id| code("request", id.to_string())));
    if !e.filter.is_empty() {
        out.push(code("filter", e.filter.clone()));
    }
    out.extend(e.range.map(|x| words(format!("window {} to {} UTC", utc(x.start), utc(x.end)))));
    out.extend(e.against.then(|| words("speaks against")));
    let mut line = Text::new();
    for (i, part) in out.into_iter().enumerate() {
        if i > 0 {
            line.push(Piece::Words(", ".into()));
        }
        line.extend(part);
    }
    line
}

impl Report<'_> {
    /// What stands in the same column of every chart.
    fn marks(&self) -> Vec<(Ts, String)> {
        let milestones = self.incident.milestones.values().map(|m| (m.at, m.milestone.word().to_owned()));
        let changes =
            self.seen.rows.iter().filter(|s| s.curated && matches!(s.kind, SeenKind::Change | SeenKind::Rollback));
        let mut marks: Vec<_> = milestones.chain(changes.map(|s| (s.at, self.blameless(&s.what)))).collect();
        marks.sort();
        marks
    }
}
