//! The end of a certificate's validity, out of its DER bytes (RFC 5280, section 4.1). Nothing else of it is read or
//! judged: that is the TLS library's part.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::timeline::Ts;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate; `None` when the bytes are none.
pub fn not_after(der: &[u8]) -> Option<Ts> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (mut rest, _) = value(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = any(rest)?.2;
    }
    // serial number, signature, issuer
    for _ in 0..3 {
        rest = any(rest)?.2;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    let (_, _, after) = any(validity)?;
    let (tag, time, _) = any(after)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Two digits of year: 50 and above are the twentieth century (section 4.1.2.5.1).
        UTC_TIME => format!("{}{text}", if text.get(..2)? >= "50" { "19" } else { "20" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|z| Ts::from_jiff(z.timestamp()))
}

fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = any(der)?;
    (found == tag).then_some((value, rest))
}

/// The first element: its tag, its value, and what follows.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0usize, |n, &b| n << 8 | usize::from(b)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], value].concat()
    }

    fn certificate(tag: u8, after: &str) -> Vec<u8> {
        let validity = [element(UTC_TIME, b"250101000000Z"), element(tag, after.as_bytes())].concat();
        let version = element(VERSION, &element(2, &[2]));
        let parts = [version, element(2, &[7; 20]), element(SEQUENCE, &[]), element(SEQUENCE, &[0; 200])];
        let tbs = [parts.concat(), element(SEQUENCE, &validity), vec![0; 50]].concat();
        element(SEQUENCE, &[element(SEQUENCE, &tbs), vec![1; 30]].concat())
    }

    #[test]
    fn the_end_of_a_certificate_is_found_in_both_spellings_and_never_past_its_bytes() {
        let der = certificate(UTC_TIME, "300102030405Z");
        assert_eq!(not_after(&der).unwrap().to_string(), "2030-01-02T03:04:05Z");
        let late = certificate(GENERALIZED_TIME, "20510102030405Z");
        assert_eq!(not_after(&late).unwrap().to_string(), "2051-01-02T03:04:05Z");
        for cut in 0..der.len() {
            assert_eq!(not_after(&der[..cut]), None);
        }
    }
}
