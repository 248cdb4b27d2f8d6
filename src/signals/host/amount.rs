//! Bytes, rates and percentages as they stand on the screen. Binary steps (K = 1024), as memory is sold and `df -h` shows.

/// Bytes in at most five columns: `0`, `812K`, `5.1G`, `118G`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (n as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let u = UNITS[unit];
    if unit == 0 {
        format!("{n}")
    } else if value < 9.95 {
        format!("{value:.1}{u}")
    } else {
        format!("{value:.0}{u}")
    }
}

/// `5.1 of 8 GB`: both in the unit of the larger one, which is rounded where it is nearly whole.
pub fn of(used: u64, total: u64) -> String {
    let (unit, name) = match total {
        0..0x4000_0000 => (1u64 << 20, "MB"),
        0x4000_0000..0x100_0000_0000 => (1 << 30, "GB"),
        _ => (1 << 40, "TB"),
    };
    let (used, total) = (used as f64 / unit as f64, total as f64 / unit as f64);
    format!("{} of {} {name}", plain(used), plain(total))
}

fn plain(v: f64) -> String {
    if v >= 99.95 || (v - v.round()).abs() < 0.05 { format!("{v:.0}") } else { format!("{v:.1}") }
}

/// A percentage without noise: `0`, `0.4`, `7`, `71`.
pub fn pct(v: f32) -> String {
    if v > 0.0 && v < 0.95 { format!("{v:.1}") } else { format!("{v:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_never_wider_than_five_columns() {
        assert_eq!([0, 999, 1024, 5_476_083_302].map(bytes), ["0", "999", "1.0K", "5.1G"]);
        for shift in 0..64 {
            assert!(bytes((1u64 << shift) - 1).len() <= 5, "{}", bytes((1u64 << shift) - 1));
        }
        assert_eq!(bytes(u64::MAX), "16E");
    }

    #[test]
    fn used_of_total_share_one_unit() {
        assert_eq!(of(5_476_083_302, 8 << 30), "5.1 of 8 GB");
        assert_eq!(of(300 << 20, 512 << 20), "300 of 512 MB");
        assert_eq!(of(0, 0), "0 of 0 MB");
    }
}
