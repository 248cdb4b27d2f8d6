//! The figures: CPU, memory, disk and network, each with its small chart, then what deviates, then (zoomed) cores and
//! all mounts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::amount::{bytes, pct};
use super::super::event::{HostSample, Part};
use super::super::findings::{STALE, mount};
use super::super::history::{HostHistory, MountNow};
use super::window;
use crate::timeline::Series;
use crate::timeline::time::short;
use crate::ui::text::{put, width};
use crate::ui::{PaneCx, Role};

/// Rows kept for the process table, header included, before anything but CPU and memory is drawn.
const TABLE: u16 = 4;

struct Pen<'a, 'b> {
    cx: &'a PaneCx<'a>,
    area: Rect,
    buf: &'b mut Buffer,
    used: u16,
    stale: bool,
    /// Width of every chart: the same, so that a moment stands in the same column in all of them.
    columns: u16,
}

/// Draws as many lines as there is room for; returns how many.
pub(super) fn draw(h: &HostHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> u16 {
    let Some(e) = h.latest(cx.now) else { return reason(h, cx, area, buf) };
    let stale = cx.now.since(e.at) > STALE;
    let columns = match area.width {
        0..28 => 0,
        w if cx.zoomed => w.saturating_sub(60).clamp(w / 5, 80),
        w => (w / 5).clamp(8, 40),
    };
    let mut pen = Pen { cx, area, buf, used: 0, stale, columns };
    let s = &e.value;
    pen.chart("cpu", &h.series.cpu, Some(100.0), &cpu_text(s), s.cpu.busy_pct() >= 90.0);
    pen.chart("mem", &h.series.memory, Some(100.0), &memory_text(s), false);
    let room = area.height.saturating_sub(TABLE);
    if room > 2 {
        pen.chart("net", &h.series.net, None, &network_text(s), false);
    }
    if room > 3 && !s.disks.is_empty() {
        pen.chart("dsk", &h.series.disk, None, &disk_text(s), false);
    }
    if room > 4 && cx.zoomed {
        pen.chart("psi", &h.series.psi_cpu, Some(100.0), &pressure_text(s), false);
        pen.cores(s, room.saturating_sub(pen.used) / 3);
    }
    pen.mounts(h, room.saturating_sub(pen.used).min(if cx.zoomed { room / 3 } else { room / 4 }));
    pen.used
}

fn reason(h: &HostHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> u16 {
    let text = match h.series.cpu.as_of(crate::timeline::Ts::MAX) {
        None => "no sample has come yet; the state of the source is on its badge",
        Some(_) => "the first sample comes later than the playhead",
    };
    if area.height == 0 {
        return 0;
    }
    put(buf, area.x, area.y, area.width, text, cx.theme.style(Role::Dim));
    1
}

/// Stands where an export tells nothing.
const UNTOLD: &str = "not in the export";

fn cpu_text(s: &HostSample) -> String {
    let c = s.cpu;
    let mut text = match s.tells(Part::Cpu) {
        true => format!(
            "{:>3} %  user {} sys {} iow {} st {}",
            pct(c.busy_pct()),
            pct(c.user_pct),
            pct(c.system_pct),
            pct(c.iowait_pct),
            pct(c.steal_pct),
        ),
        false => UNTOLD.to_owned(),
    };
    if s.tells(Part::Load) {
        text.push_str(&format!("  load {:.1}", s.load_1_5_15[0]));
        if s.cores() > 0 {
            text.push_str(&format!("/{}", s.cores()));
        }
    }
    text
}

fn memory_text(s: &HostSample) -> String {
    let (used, total, of_container) = s.memory_used_of();
    let whose = if of_container { " limit" } else { "" };
    let mut text = format!("{}/{}{whose}", bytes(used), bytes(total));
    if !s.tells(Part::Memory) {
        text = UNTOLD.to_owned();
    } else if s.swap.total_bytes == 0 {
        text.push_str("  no swap");
    } else {
        text.push_str(&format!("  swap {}", bytes(s.swap.used_bytes)));
        if s.swap.in_bytes_per_s + s.swap.out_bytes_per_s > 0 {
            text.push_str(&format!(" in {}/s out {}/s", bytes(s.swap.in_bytes_per_s), bytes(s.swap.out_bytes_per_s)));
        }
    }
    match s.pressure {
        Some(p) => {
            text.push_str(&format!(
                "  psi cpu {} mem {} io {}",
                pct(p.cpu_some_pct),
                pct(p.memory_some_pct),
                pct(p.io_some_pct)
            ));
        }
        None if !s.tells(Part::Pressure) => {}
        None => text.push_str("  no psi (kernel)"),
    }
    text
}

fn pressure_text(s: &HostSample) -> String {
    match s.pressure {
        Some(p) => format!(
            "cpu {} %  mem some {} full {} %  io some {} full {} %",
            pct(p.cpu_some_pct),
            pct(p.memory_some_pct),
            pct(p.memory_full_pct),
            pct(p.io_some_pct),
            pct(p.io_full_pct)
        ),
        None if !s.tells(Part::Pressure) => UNTOLD.into(),
        None => "this kernel has no pressure figures".into(),
    }
}

fn network_text(s: &HostSample) -> String {
    let n = s.network;
    if !s.tells(Part::Network) {
        return UNTOLD.to_owned();
    }
    let mut text = format!("rx {}/s tx {}/s", bytes(n.rx_bytes_per_s), bytes(n.tx_bytes_per_s));
    if n.retransmits_per_s > 0.0 {
        text.push_str(&format!("  again {}/s", pct(n.retransmits_per_s)));
    }
    if n.drops_per_s > 0.0 {
        text.push_str(&format!("  drops {}/s", pct(n.drops_per_s)));
    }
    text
}

fn disk_text(s: &HostSample) -> String {
    let one = |d: &super::super::event::DiskIo| {
        format!(
            "{} r {}/s w {}/s {} ms {} %",
            d.name,
            bytes(d.read_bytes_per_s),
            bytes(d.write_bytes_per_s),
            pct(d.await_ms),
            pct(d.util_pct)
        )
    };
    let busy = s.disks.iter().take(2).enumerate().filter(|(i, d)| *i == 0 || d.util_pct >= 1.0);
    busy.map(|(_, d)| one(d)).collect::<Vec<_>>().join("  ")
}

impl Pen<'_, '_> {
    fn full(&self) -> bool {
        self.used >= self.area.height
    }

    /// One line: label, chart, text. The text keeps its place; the chart takes what is left, within bounds.
    fn chart(&mut self, label: &str, series: &Series, top: Option<f64>, text: &str, hot: bool) {
        if self.full() {
            return;
        }
        let (cx, area, y) = (self.cx, self.area, self.area.y + self.used);
        self.used += 1;
        let dim = cx.theme.style(Role::Dim);
        put(self.buf, area.x, y, area.width, label, dim);
        let columns = self.columns;
        if columns > 0 {
            self.spark(series, top, area.x + 4, y, columns, hot);
        }
        let x = area.x + 4 + if columns > 0 { columns + 1 } else { 0 };
        let end = area.x + area.width;
        if x < end {
            let style = if self.stale { dim } else { cx.theme.style(Role::Text) };
            put(self.buf, x, y, end - x, text, style);
        }
    }

    fn spark(&mut self, series: &Series, top: Option<f64>, x: u16, y: u16, columns: u16, hot: bool) {
        let cx = self.cx;
        let values = series.peaks(window(cx), columns as usize, cx.now);
        let (highest, sum, n) =
            values.iter().flatten().fold((0.0f64, 0.0, 0.0), |(h, s, n), &v| (h.max(v), s + v, n + 1.0));
        // Without a natural top an even flow is drawn half high, so that only a peak looks like one.
        let top = top.unwrap_or_else(|| highest.max(2.0 * sum / n)).max(f64::MIN_POSITIVE);
        let style = cx.theme.style(if hot { Role::ChartHot } else { Role::Chart });
        for (i, v) in values.iter().enumerate() {
            // A gap stays blank.
            if let Some(v) = v {
                let step = ((v / top * 7.0).round().clamp(0.0, 7.0)) as usize;
                put(self.buf, x + i as u16, y, 1, cx.glyphs.spark[step], style);
            }
        }
    }

    /// One bar per core, as many to a line as fit, at most `most` lines; what is left out is counted.
    fn cores(&mut self, s: &HostSample, most: u16) {
        const CELL: u16 = 20;
        let cx = self.cx;
        let cores = &s.cores_user_system_iowait_steal_pct;
        let per_line = (self.area.width / CELL).max(1) as usize;
        let (dim, text) = (cx.theme.style(Role::Dim), cx.theme.style(Role::Text));
        let mut drawn = 0;
        for (line, chunk) in cores.chunks(per_line).enumerate() {
            if self.full() || line as u16 >= most {
                break;
            }
            let y = self.area.y + self.used;
            self.used += 1;
            for (i, core) in chunk.iter().enumerate() {
                let x = self.area.x + i as u16 * CELL;
                let right = self.area.x + self.area.width;
                put(self.buf, x, y, right.saturating_sub(x).min(4), &format!("{:>3}", line * per_line + i), dim);
                let busy = u16::from(core[0]) + u16::from(core[1]);
                let waiting = u16::from(core[2]) + u16::from(core[3]);
                for cell in 0..10u16 {
                    let here = cell * 10 + 5;
                    let (glyph, style) = if here <= busy {
                        (cx.glyphs.bar.0, cx.theme.style(if busy >= 95 { Role::ChartHot } else { Role::Chart }))
                    } else if here <= busy + waiting {
                        (cx.glyphs.bar.1, cx.theme.style(Role::Warn))
                    } else {
                        (" ", dim)
                    };
                    if x + 4 + cell < right {
                        put(self.buf, x + 4 + cell, y, 1, glyph, style);
                    }
                }
                let x = x + 15;
                put(self.buf, x, y, right.saturating_sub(x).min(4), &format!("{busy:>3}"), text);
            }
            drawn += chunk.len();
        }
        if drawn < cores.len() && drawn > 0 && !self.full() {
            let text = format!("{} more cores not shown", cores.len() - drawn);
            put(self.buf, self.area.x, self.area.y + self.used, self.area.width, &text, dim);
            self.used += 1;
        }
    }

    /// All mounts when zoomed, those that deviate first (unzoomed they are told in words above). Then deleted files that
    /// still take space.
    fn mounts(&mut self, h: &HostHistory, most: u16) {
        let cx = self.cx;
        let stop = self.used + most;
        let mut all: Vec<(Option<bool>, MountNow)> =
            h.mounts(cx.now).into_iter().map(|m| (mount(h, &m, cx.now, cx.zone).map(|(bad, _)| bad), m)).collect();
        all.retain(|_| cx.zoomed);
        all.sort_by_key(|(deviates, _)| match deviates {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        });
        let path = all.iter().map(|(_, m)| width(&m.mount.path)).max().unwrap_or(0).clamp(1, 24) as u16;
        for (deviates, m) in &all {
            if self.full() || self.used >= stop {
                return;
            }
            let y = self.area.y + self.used;
            self.used += 1;
            let style = cx.theme.style(match deviates {
                Some(true) => Role::Bad,
                Some(false) => Role::Warn,
                None => Role::Text,
            });
            put(self.buf, self.area.x, y, self.area.width.min(path), &m.mount.path, style);
            let x = path + 1;
            if x < self.area.width {
                put(self.buf, self.area.x + x, y, self.area.width - x, &mount_text(m, cx), style);
            }
        }
        let Some((files, _)) = h.open_deleted(cx.now) else { return };
        let held: u64 = files.iter().map(|f| f.size_bytes).sum();
        if let Some(first) = files.first().filter(|_| held >= 100 << 20 || cx.zoomed)
            && !self.full()
            && self.used < stop
        {
            let text = format!(
                "{} in {} deleted files still open, most in {} ({} pid {})",
                bytes(held),
                files.len(),
                first.path,
                first.process,
                first.pid
            );
            put(self.buf, self.area.x, self.area.y + self.used, self.area.width, &text, cx.theme.style(Role::Text));
            self.used += 1;
        }
    }
}

fn mount_text(m: &MountNow, cx: &PaneCx) -> String {
    if let Some(since) = m.mount.silent_since {
        return format!("not answering since {} ({} {})", since.hms(cx.zone), m.mount.fs, m.mount.device);
    }
    let mut text = format!("{:>3.0} % full  {:>5} left", m.mount.used_pct().floor(), bytes(m.mount.available_bytes));
    if let Some(d) = m.full_in {
        text.push_str(&format!("  full in {}", short(d)));
    }
    if m.mount.inodes_used_pct >= 50.0 || cx.zoomed {
        text.push_str(&format!("  inodes {} %", pct(m.mount.inodes_used_pct)));
    }
    if m.mount.read_only {
        text.push_str("  read-only");
    }
    if cx.zoomed {
        text.push_str(&format!("  {} {}", m.mount.fs, m.mount.device));
    }
    text
}
