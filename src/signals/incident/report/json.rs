//! Everything as one JSON object: the incident, its milestones, notes as they read now, the figures, the impact, the
//! machines' account and the timeline. What is not known is `null`.

use serde_json::{Value, json};

use super::document::{Piece, Text};
use super::rows::rows;
use super::{Report, pane_word};
use crate::signals::incident::event::{Evidence, NoteKind};
use crate::signals::incident::tags::{follow_up, tags};
use crate::timeline::Ts;
use crate::timeline::redact::redact;

/// Writes it.
pub fn write(r: &Report) -> Value {
    let i = &r.incident;
    let who = |name: &str| r.who(name);
    let red = |text: &str| redact(&r.blameless(text)).into_owned();
    let time = |t: Ts| t.to_string();
    let evidence = |e: &Evidence| {
        json!({
            "pane": e.pane.map(pane_word), "source": red(&e.source), "at": e.at.map(time), "text": red(&e.text),
            "request_id": e.request_id, "filter": red(&e.filter), "against": e.against,
            "from": e.range.map(|r| time(r.start)), "to": e.range.map(|r| time(r.end)),
        })
    };
    let notes: Vec<_> = r
        .notes
        .iter()
        .map(|n| {
            let edited = (n.first.id != n.note.id).then(|| time(n.note.entered_at));
            json!({
                "ts": time(n.note.event_at), "id": n.note.root(), "kind": n.note.kind, "state": n.hypothesis(),
                "state_since": n.hypothesis().map(|_| time(n.state_since)), "text": red(&n.note.text),
                "tags": tags(&n.note.text), "entered_at": time(n.first.entered_at), "edited_at": edited,
                "author": who(&n.first.author), "host": n.note.host, "recording": n.note.recording,
                "ran": n.note.ran.as_ref().map(|ran| json!({
                    "command": red(&ran.command), "code": ran.code, "seconds": ran.took_ms as f64 / 1000.0,
                    "output": red(&ran.output),
                })),
                "evidence": n.note.evidence.iter().map(evidence).collect::<Vec<_>>(),
            })
        })
        .collect();
    let follow_ups: Vec<_> = r
        .of(NoteKind::FollowUp)
        .map(|n| {
            let f = follow_up(&n.note.text);
            json!({
                "what": red(&f.what), "type": f.sort, "owner": f.owner.map(|o| r.who(&o)), "priority": f.priority,
                "ticket": f.ticket, "due": f.due,
            })
        })
        .collect();
    let figures: Vec<_> = r
        .figures
        .iter()
        .map(|f| {
            let seconds = f.value.map(|v| v.as_secs_f64());
            json!({"name": f.name, "meaning": f.meaning, "seconds": seconds, "less_than": f.less, "formula": f.formula, "source": f.source, "edited": f.edited})
        })
        .collect();
    let milestones: Vec<_> = i
        .milestones
        .values()
        .map(
            |m| json!({"milestone": m.milestone, "at": time(m.at), "entered_at": time(m.entered_at), "by": who(&m.by)}),
        )
        .collect();
    let changes: Vec<_> = i
        .changes
        .iter()
        .map(|c| {
            let title = c.title.as_deref().map(red);
            let role = c.role.as_ref().map(|(role, name)| json!({"role": role, "name": who(name)}));
            json!({
                "at": time(c.entered_at), "title": title, "severity": c.severity, "status": c.status, "role": role,
                "services": c.services, "by": who(&c.author),
            })
        })
        .collect();
    let timeline: Vec<_> = rows(r)
        .into_iter()
        .map(|row| {
            let again = r.look_again(row.visible, &row.filter).map(|c| red(&c));
            json!({"ts": time(row.at), "event": red(&plain(&row.what)), "who": row.who, "source": red(&row.source), "look_again": again})
        })
        .collect();
    let impact = r.seen.impact.as_ref().map(|m| {
        let routes: Vec<_> = m
            .routes
            .iter()
            .map(|x| json!({"route": red(&x.route), "requests": x.requests, "failed": x.failed}))
            .collect();
        json!({
            "from": time(m.range.start), "to": time(m.range.end), "requests": m.requests, "failed": m.failed,
            "impact_from": time(m.of.start), "impact_to": time(m.of.end),
            "failed_per_cent": m.per_cent().filter(|_| !m.is_part()), "refused": m.refused,
            "before": m.before.map(|(requests, failed)| json!({"requests": requests, "failed": failed})),
            "routes": routes, "more_routes": m.more_routes, "p95_ms": m.p95_ms.1, "p95_ms_before": m.p95_ms.0,
            "counted": m.counted, "health_checks_left_out": m.health_checks, "cut": m.cut,
        })
    });
    let charts: Vec<_> = r
        .seen
        .charts
        .iter()
        .map(|c| json!({"title": c.title, "from": time(c.range.start), "to": time(c.range.end), "values": c.values}))
        .collect();
    let clue = |c: &Option<crate::signals::incident::metrics::Clue>| {
        c.as_ref().map(|c| json!({"at": time(c.at), "what": red(&c.what)}))
    };
    let mut all = json!({
        "incident": {
            "id": i.id, "title": red(&i.title), "severity": i.severity, "status": i.status,
            "status_since": time(i.status_since), "opened_at": time(i.opened_at),
            "opened_by": who(&i.opened_by), "host": i.host, "services": i.services,
            "roles": i.roles.iter().map(|(role, name)| (role.word().to_owned(), Value::from(who(name)))).collect::<serde_json::Map<_, _>>(),
            "recording": r.options.recording, "recording_checksum": r.options.fingerprint,
        },
        "milestones": milestones,
        "changes": changes,
        "notes": notes,
        "figures": figures,
        "clues": {
            "onset": clue(&r.seen.clues.onset), "detected": clue(&r.seen.clues.detected),
            "change": clue(&r.seen.clues.change), "over": r.seen.over.map(time),
        },
        "impact": impact,
        "timeline": timeline,
        "follow_ups": follow_ups,
        "unticked": r.options.unticked,
        "charts": charts,
        "sources": r.seen.sources,
        "missing": r.seen.missing,
    });
    clean(&mut all);
    all
}

/// Takes secrets out of every text, whatever it came from.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(clean) = redact(text) {
                *text = clean;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(clean),
        Value::Object(map) => map.values_mut().for_each(clean),
        _ => {}
    }
}

fn plain(text: &Text) -> String {
    text.iter()
        .map(|p| match p {
            Piece::Words(w) | Piece::Code(w) | Piece::Strong(w) => w.as_str(),
        })
        .collect()
}
