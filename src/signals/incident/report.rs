//! The post-mortem skeleton, from the incident log alone: Markdown for people, one JSON object for programs.
//!
//! What is not known is printed as `??`, never as 0 and never left out: it is what the author still has to find. Times
//! are UTC. Names become roles unless asked for; names inside the words of a note are left as written. Everything is
//! redacted once more on the way out.

pub mod escape;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::json;

use super::event::{Evidence, HypothesisState, Incident, IncidentEvent, Ledger, MilestoneKind, NoteKind, NoteNow};
use super::metrics::figures;
use crate::timeline::time::short;
use crate::timeline::{SourceKind, Ts};
use escape::{block, cell, prose, quoted};

/// What the author of an export may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// Real names instead of roles.
    pub names: bool,
    /// The recording that rows can be looked up in, as it is named on the command line.
    pub recording: Option<String>,
}

/// One line of the timeline.
struct Row {
    at: Ts,
    event: String,
    who: String,
    proof: String,
}

/// An incident ready to be written.
struct Report<'a> {
    incident: &'a Incident,
    notes: Vec<NoteNow<'a>>,
    roles: BTreeMap<String, String>,
    options: &'a ReportOptions,
    /// Evidence by number, in the order of the notes.
    evidence: Vec<(&'a Evidence, Ts)>,
}

const UNKNOWN: &str = "??";

/// The skeleton in Markdown. `records` are those of one incident, in the order of the log; `None` when there are none.
pub fn markdown(records: &[IncidentEvent], options: &ReportOptions) -> Option<String> {
    let ledger = Ledger::fold(records);
    let incident = ledger.latest()?;
    let r = Report::new(incident, ledger.notes_of(incident.id), options);
    let mut out = String::new();
    r.head(&mut out);
    r.detection(&mut out);
    r.timeline(&mut out);
    r.hypotheses(&mut out);
    r.actions(&mut out);
    r.times(&mut out);
    r.supporting(&mut out);
    Some(out)
}

impl<'a> Report<'a> {
    fn new(incident: &'a Incident, notes: Vec<NoteNow<'a>>, options: &'a ReportOptions) -> Report<'a> {
        let mut names = vec![incident.opened_by.as_str()];
        names.extend(notes.iter().flat_map(|n| [n.first.author.as_str(), n.note.author.as_str()]));
        names.extend(incident.milestones.values().map(|m| m.by.as_str()));
        names.extend(incident.changes.iter().map(|c| c.author.as_str()));
        let mut roles = BTreeMap::new();
        for name in names {
            let next = roles.len() + 1;
            roles.entry(name.to_owned()).or_insert_with(|| format!("responder {next}"));
        }
        let evidence = notes.iter().flat_map(|n| n.note.evidence.iter().map(|e| (e, n.note.event_at))).collect();
        Report { incident, notes, roles, options, evidence }
    }

    fn who(&self, name: &str) -> String {
        match self.roles.get(name) {
            Some(role) if !self.options.names => role.clone(),
            _ => prose(name),
        }
    }

    fn of(&self, kind: NoteKind) -> impl Iterator<Item = &NoteNow<'a>> {
        self.notes.iter().filter(move |n| n.note.kind == kind)
    }

    fn head(&self, out: &mut String) {
        let i = self.incident;
        let title = prose(&i.title);
        let title = title.trim_end_matches(['.', ',', ';', ':', '!', '?', ' ']);
        out.push_str("<!-- markdownlint-disable MD013 -->\n\n");
        out.push_str(&format!("# {}: {title}\n\n", i.severity_word()));
        let ends = [MilestoneKind::Mitigated, MilestoneKind::Resolved].map(|k| i.reached(k));
        let mut rows = vec![
            ("Incident", format!("`{}`", i.id)),
            ("Severity", i.severity.map_or(UNKNOWN.into(), |s| s.word().to_owned())),
            ("Status", format!("{} since {} UTC", i.status, utc(i.status_since))),
            ("Opened", format!("{} UTC by {}", utc(i.opened_at), self.who(&i.opened_by))),
            ("Impact began", or_unknown(i.reached(MilestoneKind::Started))),
            ("Mitigated", or_unknown(ends[0])),
            ("Resolved", or_unknown(ends[1])),
            ("Host", if i.host.is_empty() { UNKNOWN.into() } else { prose(&i.host) }),
            ("Owner of this document", UNKNOWN.into()),
            ("State of this document", "draft".into()),
        ];
        if let Some(recording) = &self.options.recording {
            rows.push(("Recording", format!("`{}`", recording.replace('`', "'"))));
        }
        table(out, &["Field", "Value"], rows.into_iter().map(|(k, v)| vec![k.to_owned(), cell(&v)]));
        if let Some(recording) = &self.options.recording {
            let recording = shell_word(recording);
            out.push_str("Any time below can be looked at again:\n\n```text\n");
            out.push_str(&format!("warroom replay {recording} --at {}\n```\n\n", i.since()));
        }

        out.push_str("## Summary\n\n");
        let confirmed = self.of(NoteKind::Hypothesis).find(|n| n.hypothesis() == Some(HypothesisState::Confirmed));
        let cause = confirmed.map_or(UNKNOWN.into(), |n| prose(&n.note.text));
        out.push_str(&format!("- What happened: {UNKNOWN}\n- Cause: {cause}\n"));
        out.push_str(&format!("- What ended it: {UNKNOWN}\n- What was surprising: {UNKNOWN}\n\n"));

        out.push_str("## Impact\n\n");
        let duration = match (i.reached(MilestoneKind::Started), ends[0].or(ends[1])) {
            (Some(from), Some(to)) => format!("{} (from {} to {} UTC)", short(to.since(from)), utc(from), utc(to)),
            _ => UNKNOWN.into(),
        };
        out.push_str(&format!("- Duration: {duration}\n- Requests failed, count and per cent: {UNKNOWN}\n"));
        out.push_str(&format!("- Routes and users affected: {UNKNOWN}\n- Support tickets: {UNKNOWN}\n\n"));
    }

    fn detection(&self, out: &mut String) {
        out.push_str("## Detection\n\n");
        let i = self.incident;
        out.push_str(&format!("- Detected: {}\n", or_unknown(i.reached(MilestoneKind::Detected))));
        let report = self.of(NoteKind::Report).next();
        let report =
            report.map_or(UNKNOWN.into(), |n| format!("{} UTC, {}", utc(n.note.event_at), prose(&n.note.text)));
        out.push_str(&format!("- First report from a user: {report}\n- First alert: {UNKNOWN}\n"));
        out.push_str(&format!("- Why not sooner: {UNKNOWN}\n\n"));

        out.push_str("## Trigger and contributing factors\n\n");
        let mut any = false;
        for n in self.of(NoteKind::Hypothesis).filter(|n| n.hypothesis() == Some(HypothesisState::Confirmed)) {
            any = true;
            out.push_str(&format!("- {}{}\n", prose(&n.note.text), self.proofs(n)));
        }
        if !any {
            out.push_str(&format!("- {UNKNOWN} (no hypothesis was confirmed)\n"));
        }
        out.push('\n');
    }

    /// ` (E1, E2)`, the numbers of a note's evidence.
    fn proofs(&self, n: &NoteNow) -> String {
        let list = self.proof_list(n);
        if list.is_empty() { String::new() } else { format!(" ({list})") }
    }

    fn proof_list(&self, n: &NoteNow) -> String {
        let number = |e: &Evidence| self.evidence.iter().position(|(known, _)| std::ptr::eq(*known, e));
        let numbers: Vec<String> = n.note.evidence.iter().filter_map(number).map(|nr| format!("E{}", nr + 1)).collect();
        numbers.join(", ")
    }

    fn rows(&self) -> Vec<Row> {
        let i = self.incident;
        let log = "incident log".to_owned();
        let mut rows = vec![Row {
            at: i.opened_at,
            event: format!("incident opened, {}", i.severity_word()),
            who: self.who(&i.opened_by),
            proof: log.clone(),
        }];
        for m in i.milestones.values() {
            rows.push(Row {
                at: m.at,
                event: format!("**{}**", m.milestone),
                who: self.who(&m.by),
                proof: log.clone(),
            });
        }
        for c in &i.changes {
            let mut what = Vec::new();
            what.extend(c.severity.map(|s| format!("severity {s}")));
            what.extend(c.status.map(|s| format!("status {s}")));
            what.extend(c.title.as_ref().map(|t| format!("title: {}", prose(t))));
            rows.push(Row { at: c.entered_at, event: what.join(", "), who: self.who(&c.author), proof: log.clone() });
        }
        for n in &self.notes {
            let proof = self.proof_list(n);
            rows.push(Row {
                at: n.note.event_at,
                event: format!("{}: {}", n.note.kind, prose(&n.note.text)),
                who: self.who(&n.first.author),
                proof: if proof.is_empty() { "note".into() } else { proof },
            });
        }
        rows.sort_by_key(|r| r.at);
        rows
    }

    fn timeline(&self, out: &mut String) {
        out.push_str("## Timeline\n\n");
        let rows = self.rows().into_iter().map(|r| vec![utc(r.at), cell(&r.event), r.who, r.proof]);
        table(out, &["Time (UTC)", "Event", "Who", "Evidence"], rows);
    }

    fn hypotheses(&self, out: &mut String) {
        out.push_str("## Hypotheses\n\n");
        let rows: Vec<Vec<String>> = self
            .of(NoteKind::Hypothesis)
            .map(|n| {
                let end = match n.hypothesis() {
                    Some(HypothesisState::Open) | None => "still open".to_owned(),
                    Some(state) => format!("{state} {}", utc(n.state_since)),
                };
                let proof = self.proof_list(n);
                let proof = if proof.is_empty() { UNKNOWN.into() } else { proof };
                vec![utc(n.note.event_at), cell(&prose(&n.note.text)), end, proof]
            })
            .collect();
        if rows.is_empty() {
            out.push_str("None was noted.\n\n");
        } else {
            table(out, &["Raised (UTC)", "Hypothesis", "End", "Evidence"], rows);
        }
    }

    fn actions(&self, out: &mut String) {
        for (title, kind) in [("Actions taken", NoteKind::Action), ("Decisions", NoteKind::Decision)] {
            out.push_str(&format!("## {title}\n\n"));
            let mut any = false;
            for n in self.of(kind) {
                any = true;
                let who = self.who(&n.first.author);
                out.push_str(&format!(
                    "- {} UTC, {who}: {}{}\n",
                    utc(n.note.event_at),
                    prose(&n.note.text),
                    self.proofs(n)
                ));
            }
            out.push_str(if any { "\n" } else { "None was noted.\n\n" });
        }
        out.push_str("## Follow-ups\n\n");
        let rows: Vec<_> = self.of(NoteKind::FollowUp).map(|n| cell(&prose(&n.note.text))).collect();
        if rows.is_empty() {
            out.push_str(&format!("- {UNKNOWN} (none was noted)\n\n"));
        } else {
            let unknown = || UNKNOWN.to_owned();
            let rows = rows.into_iter().map(|what| vec![what, unknown(), unknown(), unknown(), unknown()]);
            table(out, &["What", "Type (prevent, mitigate, detect, process)", "Owner", "Ticket", "Due"], rows);
        }
        out.push_str("## Lessons\n\n");
        out.push_str(&format!(
            "- What went well: {UNKNOWN}\n- What went badly: {UNKNOWN}\n- Where we were lucky: {UNKNOWN}\n\n"
        ));
    }

    fn times(&self, out: &mut String) {
        out.push_str("## Times\n\n");
        let rows = figures(self.incident, &self.notes).into_iter().map(|f| {
            let value = f.value.map_or(UNKNOWN.into(), short);
            vec![format!("{} ({})", f.name, f.meaning), value, f.formula.to_owned(), cell(&f.source)]
        });
        table(out, &["Figure", "Value", "Formula", "Source"], rows);
    }

    fn supporting(&self, out: &mut String) {
        out.push_str("## Supporting information\n");
        if self.evidence.is_empty() {
            out.push_str("\nNo evidence was attached to a note.\n");
            return;
        }
        for (nr, (e, noted)) in self.evidence.iter().enumerate() {
            out.push_str(&format!("\n### E{}\n\n", nr + 1));
            let mut facts = Vec::new();
            facts.extend(e.pane.map(|p| format!("pane {}", pane_word(p))));
            if !e.source.is_empty() {
                facts.push(format!("source {}", prose(&e.source)));
            }
            facts.push(match e.at {
                Some(at) => format!("{} UTC", utc_full(at)),
                None => format!("noted at {} UTC", utc(*noted)),
            });
            facts.extend(e.request_id.as_ref().map(|id| format!("request {}", quoted(&id.to_string()))));
            if !e.filter.is_empty() {
                facts.push(format!("filter {}", quoted(&e.filter)));
            }
            facts.extend(e.range.map(|r| format!("window {} to {} UTC", utc(r.start), utc(r.end))));
            out.push_str(&format!("{}\n\n{}", facts.join(", "), block(&e.text)));
        }
    }
}

/// Everything as one JSON object: the incident, its milestones, notes as they read now, every record, the figures.
pub fn json(records: &[IncidentEvent], options: &ReportOptions) -> Option<serde_json::Value> {
    let ledger = Ledger::fold(records);
    let i = ledger.latest()?;
    let r = Report::new(i, ledger.notes_of(i.id), options);
    let who = |name: &str| if options.names { name.to_owned() } else { r.roles.get(name).cloned().unwrap_or_default() };
    let red = |text: &str| crate::timeline::redact::redact(text).into_owned();
    let evidence = |e: &Evidence| {
        json!({
            "pane": e.pane.map(pane_word), "source": red(&e.source), "at": e.at.map(|t| t.to_string()), "text": red(&e.text),
            "request_id": e.request_id, "filter": red(&e.filter),
            "from": e.range.map(|r| r.start.to_string()), "to": e.range.map(|r| r.end.to_string()),
        })
    };
    let notes: Vec<_> = r
        .notes
        .iter()
        .map(|n| {
            json!({
                "ts": n.note.event_at.to_string(), "id": n.note.root(), "kind": n.note.kind, "state": n.hypothesis(),
                "state_since": n.hypothesis().map(|_| n.state_since.to_string()), "text": red(&n.note.text),
                "entered_at": n.first.entered_at.to_string(), "edited_at": (n.first.id != n.note.id).then(|| n.note.entered_at.to_string()),
                "author": who(&n.first.author), "host": n.note.host,
                "evidence": n.note.evidence.iter().map(evidence).collect::<Vec<_>>(),
            })
        })
        .collect();
    let figures: Vec<_> = figures(i, &r.notes)
        .into_iter()
        .map(|f| {
            let seconds = f.value.map(|v| v.as_secs_f64());
            json!({"name": f.name, "meaning": f.meaning, "seconds": seconds, "formula": f.formula, "source": f.source})
        })
        .collect();
    let milestones: Vec<_> = i
        .milestones
        .values()
        .map(|m| json!({"milestone": m.milestone, "at": m.at.to_string(), "entered_at": m.entered_at.to_string(), "by": who(&m.by)}))
        .collect();
    let changes: Vec<_> = i
        .changes
        .iter()
        .map(|c| {
            let title = c.title.as_deref().map(red);
            json!({"at": c.entered_at.to_string(), "title": title, "severity": c.severity, "status": c.status, "by": who(&c.author)})
        })
        .collect();
    Some(json!({
        "incident": {
            "id": i.id, "title": red(&i.title), "severity": i.severity, "status": i.status,
            "status_since": i.status_since.to_string(), "opened_at": i.opened_at.to_string(),
            "opened_by": who(&i.opened_by), "host": i.host, "recording": options.recording,
        },
        "milestones": milestones,
        "changes": changes,
        "notes": notes,
        "figures": figures,
    }))
}

fn table(out: &mut String, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    out.push_str(&format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len())));
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out.push('\n');
}

/// `2026-11-21 14:02:11`.
fn utc(t: Ts) -> String {
    t.date_hms(&TimeZone::UTC)
}

/// The same with what is left of the second.
fn utc_full(t: Ts) -> String {
    t.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

fn or_unknown(t: Option<Ts>) -> String {
    t.map_or(UNKNOWN.into(), |t| format!("{} UTC", utc(t)))
}

fn pane_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Logs => "logs",
        SourceKind::Host => "host",
        SourceKind::Database => "database",
        SourceKind::Deploys => "deploys",
        SourceKind::Health => "health",
        SourceKind::Incident => "incident",
    }
}

/// Quoted for a shell where it must be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
