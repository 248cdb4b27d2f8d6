//! A chart of the window: as an inline SVG that needs no network and no script, and as one line of block characters.

use jiff::tz::TimeZone;

use crate::timeline::{TimeRange, Ts};

/// One series over the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows, with the unit: `failed requests a second`.
    pub title: String,
    /// The window; the values divide it evenly.
    pub range: TimeRange,
    /// One value per part of the window; `None` where nothing is known.
    pub values: Vec<Option<f64>>,
    /// What stands in the same column of every chart: milestones, deploys.
    pub marks: Vec<(Ts, String)>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 96.0;
const LEFT: f64 = 56.0;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Chart {
    /// The largest value and where its part of the window begins; `None` where nothing is known.
    pub fn peak(&self) -> Option<(Ts, f64)> {
        let all = self.values.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v)));
        let (at, value) = all.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        Some((self.range.slice(at, self.values.len()).start, value))
    }

    /// One line: a column per part, at most `columns`; a dot where nothing is known.
    pub fn sparkline(&self, columns: usize) -> String {
        let parts = self.values.len().min(columns.max(1));
        let top = self.peak().map_or(0.0, |(_, v)| v);
        (0..parts)
            .map(|p| {
                let (from, to) = (p * self.values.len() / parts, (p + 1) * self.values.len() / parts);
                let known = self.values[from..to].iter().flatten().copied().reduce(f64::max);
                match known {
                    None => '·',
                    Some(v) if top > 0.0 => BARS[((v / top * 7.0).ceil() as usize).min(7)],
                    Some(_) => BARS[0],
                }
            })
            .collect()
    }

    /// The picture. Gaps are gaps; marks are lines with their names; all text is escaped by `escape`.
    pub fn svg(&self, escape: impl Fn(&str) -> String) -> String {
        let (right, bottom) = (WIDTH - 8.0, HEIGHT - 18.0);
        let x_of = |t: Ts| {
            let share = t.signed_secs(self.range.start) / self.range.len().as_secs_f64().max(0.001);
            LEFT + share.clamp(0.0, 1.0) * (right - LEFT)
        };
        let top = self.peak().map_or(0.0, |(_, v)| v);
        let y_of = |v: f64| if top > 0.0 { bottom - v / top * (bottom - 12.0) } else { bottom };
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n",
            escape(&self.title),
            escape(&self.title)
        );
        out.push_str(&format!("<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>\n"));
        let width = (right - LEFT) / self.values.len().max(1) as f64;
        let mut path = String::new();
        for (i, value) in self.values.iter().enumerate() {
            let Some(v) = value else { continue };
            let (x, y) = (LEFT + i as f64 * width, y_of(*v));
            path.push_str(&format!("M{x:.1} {bottom}V{y:.1}H{:.1}V{bottom}Z", x + width * 0.9));
        }
        out.push_str(&format!("<path class=\"bars\" d=\"{path}\"/>\n"));
        for (at, name) in self.marks.iter().filter(|(at, _)| self.range.contains(*at)) {
            let x = x_of(*at);
            out.push_str(&format!(
                "<g class=\"mark\"><path d=\"M{x:.1} 0V{bottom}\"/><title>{} UTC {}</title></g>\n",
                at.hms(&TimeZone::UTC),
                escape(name)
            ));
        }
        let label = |x: f64, y: f64, anchor: &str, text: &str| {
            format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
        };
        if top > 0.0 {
            out.push_str(&label(LEFT - 6.0, 16.0, "end", &number(top)));
        }
        out.push_str(&label(LEFT - 6.0, bottom, "end", "0"));
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let at = Ts(self.range.start.0.saturating_add((self.range.len().as_nanos() as f64 * share) as i64));
            let anchor = if share == 0.0 {
                "start"
            } else if share == 1.0 {
                "end"
            } else {
                "middle"
            };
            out.push_str(&label(x_of(at), HEIGHT - 3.0, anchor, &at.hms(&TimeZone::UTC)));
        }
        out.push_str("</svg>\n");
        out
    }
}

/// A figure with as many digits as tell something.
pub fn number(v: f64) -> String {
    match v {
        v if v >= 100.0 || v == v.trunc() => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_gap_and_the_peak_says_where_it_is() {
        let range = TimeRange::new(Ts::from_secs(0), Ts::from_secs(40));
        let values = vec![Some(0.0), None, Some(4.0), Some(2.0)];
        let c = Chart { title: "a < b".into(), range, values, marks: vec![(Ts::from_secs(20), "▲ 1.4.2".into())] };
        assert_eq!(c.peak(), Some((Ts::from_secs(20), 4.0)));
        assert_eq!(c.sparkline(80), "▁·█▅");
        assert_eq!(c.sparkline(2), "▁█");
        let svg = c.svg(|t| t.replace('<', "&lt;"));
        assert!(
            svg.contains("<title>a &lt; b</title>") && svg.contains("▲ 1.4.2") && svg.contains(">00:00:20<"),
            "{svg}"
        );
        assert!(!svg.contains("http"), "{svg}");
        let bars = svg.lines().find(|l| l.contains("bars")).unwrap();
        assert_eq!(bars.matches('Z').count(), 3, "three known values: {bars}");
        let unknown = Chart { values: vec![None; 3], ..c };
        assert_eq!((unknown.peak(), unknown.sparkline(9).as_str()), (None, "···"));
    }
}
