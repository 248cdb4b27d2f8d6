//! Which format a file is in, from a sample of its lines.

use super::{Context, FORMATS, Format, delimited, made};

/// Lines and bytes of a sample that are looked at.
const LINES: usize = 512;
const BYTES: usize = 256 * 1024;
/// A format that fits nearly as many lines as the best one wins when it tells more.
const NEARLY: f32 = 0.95;
/// The same against "some stamp, some level", which fits nearly everything that has a time.
const RATHER: f32 = 0.7;
/// Below this share of lines nothing is claimed.
const LEAST: f32 = 0.1;

/// As [`detect`], for a file whose sample is taken somewhere in it: `first` is its first line, or more of its beginning.
/// A header of comma or tab separated values stands nowhere else.
pub fn detect_file(first: &[u8], sample: &[u8], cx: &Context) -> (&'static dyn Format, f32) {
    under_header(first, sample, cx).unwrap_or_else(|| detect(sample, cx))
}

/// The format that a header describes, when half of the lines or more fit it.
fn under_header(first: &[u8], sample: &[u8], cx: &Context) -> Option<(&'static dyn Format, f32)> {
    let end = memchr::memchr(b'\n', first)?;
    let format = made::keep(delimited::Delimited::header(&first[..end])?)?;
    let sample = &sample[..sample.len().min(BYTES)];
    let whole = memchr::memrchr(b'\n', sample).map_or(sample.len(), |i| i + 1);
    let (mut lines, mut fit) = (0u32, 0u32);
    for span in super::records(&sample[..whole], format, cx).take(LINES) {
        lines += 1;
        fit += u32::from(format.head(&sample[span.range], cx).is_some());
    }
    (fit * 2 >= lines).then(|| (format, fit as f32 / lines.max(1) as f32))
}

/// The format that fits most lines of `sample`, and the share of lines that it fits, 0 to 1. Of formats that fit
/// (nearly) equally many the most telling wins, the user's own before all; where none fits a tenth of the lines it is plain text with share 1.
/// Indented and blank lines do not count: they continue others in any format.
pub fn detect(sample: &[u8], cx: &Context) -> (&'static dyn Format, f32) {
    let sample = sample.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(sample);
    if let Some(found) = under_header(sample, sample, cx) {
        return found;
    }
    let cut = sample.len() > BYTES;
    let sample = &sample[..sample.len().min(BYTES)];
    let own = made::defined();
    let rows: Vec<&'static dyn Format> = own.iter().chain(&FORMATS[..FORMATS.len() - 1]).copied().collect();
    let mut fits = vec![0.0f32; rows.len()];
    let mut known = vec![0.0f32; rows.len()];
    // whether the line before belongs to a record that the format has begun
    let mut open = vec![false; rows.len()];
    let mut lines = 0.0f32;
    let mut before: &[u8] = b"";
    let mut rest = sample;
    for _ in 0..LINES {
        if rest.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', rest);
        if end.is_none() && cut && lines > 0.0 {
            break;
        }
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = &rest[(line.len() + 1).min(rest.len())..];
        let blank = line.trim_ascii().is_empty();
        if blank
            || matches!(line[0], b' ' | b'\t')
                && !rows.iter().any(|f| f.head(line, cx).is_some_and(|h| h.time.is_some()))
        {
            continue;
        }
        lines += 1.0;
        for (i, format) in rows.iter().enumerate() {
            match format.head(line, cx) {
                // what has no time could be many things, except for JSON
                Some(head) => {
                    open[i] = true;
                    known[i] += 1.0;
                    fits[i] += if head.time.is_some() || format.name() == "json" || format.name() == "logfmt" {
                        1.0
                    } else {
                        0.5
                    };
                }
                None if open[i] && format.continues(before, line, cx) => {
                    known[i] += 1.0;
                    fits[i] += 1.0;
                }
                None => open[i] = false,
            }
        }
        before = line;
    }
    let best = fits.iter().copied().fold(0.0, f32::max);
    if best > 0.0 && best >= lines * LEAST {
        let generic = rows.len() - 1;
        for (i, format) in rows.iter().enumerate() {
            let prefer = i < own.len() || fits[generic] == best && i < generic;
            let others = if prefer { RATHER } else { NEARLY };
            if fits[i] >= best * others {
                return (*format, (known[i] / lines).min(1.0));
            }
        }
    }
    (FORMATS[FORMATS.len() - 1], 1.0)
}
