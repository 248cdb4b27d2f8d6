//! The slow list: a row for each shape of a statement.

use super::{Picked, Row, column, row, say};
use crate::signals::database::slow::{Basis, Belongs, SlowRow};
use crate::signals::database::words::millis;
use crate::timeline::facts::MarkKind;
use crate::ui::text::width as cells;
use crate::ui::{PaneCx, Role};

pub(super) fn heading(named: bool) -> Row {
    let head = |t: &str, w| column(t, Role::Dim, w);
    let mut pieces =
        vec![head("time", 8), head("rate", 8), head("share", 6), head("mean", 9), head("max", 9), head("rows", 8)];
    if named {
        pieces.push(say(format!("  {:APPLICATION$}", "from"), Role::Dim));
    }
    pieces.push(say("  statement", Role::Dim));
    row(None, pieces)
}

/// Columns for the name of an application.
const APPLICATION: usize = 14;

/// The name in just so many columns.
fn name(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        let wide = cells(c.encode_utf8(&mut [0; 4]));
        if cells(&out) + wide > APPLICATION {
            break;
        }
        out.push(c);
    }
    let pad = APPLICATION.saturating_sub(cells(&out));
    out + &" ".repeat(pad)
}

pub(super) fn slow(r: &SlowRow, index: usize, named: bool, server: Option<&str>, cx: &PaneCx) -> Row {
    let ms = r.typical_ms();
    let role = match () {
        _ if r.past => Role::Dim,
        _ if r.present_ms() >= 5_000.0 || r.worse() => Role::Bad,
        _ if r.present_ms() >= 1_000.0 => Role::Warn,
        _ => Role::Text,
    };
    // An estimate says that it is one.
    let guess = if r.basis == Basis::Counters && r.is_p95() { "~" } else { "" };
    let rate = match (r.calls, r.running) {
        _ if r.past && cx.now.since(r.at).as_secs() < 60 => format!("{} s ago", cx.now.since(r.at).as_secs()),
        _ if r.past => format!("{} m ago", cx.now.since(r.at).as_secs() / 60),
        (0, n) => format!("run {n}"),
        _ if r.new => "new".into(),
        _ if r.rate >= 10.0 => format!("×{:.0}/s", r.rate),
        _ => format!("×{:.1}/s", r.rate),
    };
    let share = r.share.map(|s| format!("{:.0} %", s * 100.0)).unwrap_or_default();
    let mut pieces = vec![
        column(format!("{guess}{}", millis(ms)), role, 8),
        // `28 s ago` is as wide as its column, and such a row has no share.
        column(rate, Role::Text, if r.past { 9 } else { 8 }),
        column(share, Role::Text, if r.past { 5 } else { 6 }),
    ];
    if cx.zoomed {
        let rows =
            r.rows.filter(|_| r.calls > 0).map(|n| format!("{:.0}", n as f64 / r.calls as f64)).unwrap_or_default();
        pieces.push(column(r.mean_ms().map(millis).unwrap_or_default(), Role::Text, 9));
        pieces.push(column(if r.max_ms > 0.0 { millis(r.max_ms) } else { String::new() }, Role::Text, 9));
        pieces.push(column(rows, Role::Text, 8));
    }
    if named {
        pieces.push(say(format!("  {}", name(&r.application)), Role::Dim));
    }
    pieces.push(match r.belongs {
        Belongs::Yes => say(format!(" {} ", cx.glyphs.mark(MarkKind::User)), Role::Request),
        Belongs::Maybe => say(" ~ ", Role::Dim),
        Belongs::No => say("  ", Role::Text),
    });
    if let Some(server) = server {
        pieces.push(say(format!("{server}  "), Role::Dim));
    }
    if r.worse()
        && !r.past
        && let Some(b) = r.baseline_ms
    {
        pieces.push(say(format!("{} from {}  ", cx.glyphs.up, millis(b)), Role::Warn));
    }
    if let Some(w) = r.wait.as_deref().filter(|w| !w.starts_with("Client:")) {
        pieces.push(say(format!("[{w}]  "), Role::Dim));
    }
    if r.planned && !r.past {
        pieces.push(say("[plan]  ", Role::Dim));
    }
    let text = if r.belongs == Belongs::Yes { Role::Request } else { Role::Text };
    pieces.push(say(r.title(), text));
    if r.past {
        pieces.iter_mut().for_each(|p| p.role = Role::Dim);
    }
    row(Some(Picked::Slow(index)), pieces)
}
