//! The original of a recorded log, without its secrets: a recording was redacted when it was made, and shows the same on a
//! box where the log still lies, whatever else the log holds.

use std::io;
use std::sync::Arc;

use super::packed::Packed;
use super::segment::Segment;
use crate::timeline::redact::mask_bytes;

/// Bytes before and behind what is read that are looked at: a secret does not end where a reader stops, and what it stands
/// under may lie before it.
const ROUND: u64 = 8 << 10;

/// A segment whose secrets are masked as it is read. Offsets stay true.
#[derive(Debug)]
pub struct Masked(pub Arc<dyn Segment>);

impl Segment for Masked {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_into(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (from, to) = (at.saturating_sub(ROUND), at.saturating_add(buf.len() as u64).saturating_add(ROUND));
        let round = self.0.read_at(from..to)?;
        let Some(wanted) = round.get(usize::try_from(at - from).unwrap_or(usize::MAX)..) else { return Ok(0) };
        let len = wanted.len().min(buf.len());
        match mask_bytes(&round) {
            Some(masked) => buf[..len].copy_from_slice(&masked[(at - from) as usize..][..len]),
            None => buf[..len].copy_from_slice(&wanted[..len]),
        }
        Ok(len)
    }

    fn packed(&self) -> Option<&Packed> {
        self.0.packed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::FileSegment;
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_reading_begins_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let text = "x".repeat(9_000) + "\nlogin password=hunter2longer ok\n" + &"y".repeat(9_000) + "\n";
        std::fs::write(&path, &text).unwrap();
        let masked = Masked(Arc::new(FileSegment(Arc::new(std::fs::File::open(&path).unwrap()))));
        assert_eq!(masked.len(), text.len() as u64);
        let whole = masked.read_at(0..masked.len()).unwrap();
        assert_eq!(whole.len(), text.len());
        assert!(String::from_utf8_lossy(&whole).contains("login password=************* ok"), "of the same length");
        let secret = text.find("hunter2").unwrap() as u64;
        for (from, to) in [(secret, secret + 5), (secret + 3, secret + 400), (secret - 2, secret + 1), (0, secret + 6)]
        {
            let part = masked.read_at(from..to).unwrap();
            assert_eq!(part, whole[from as usize..to as usize], "{from} to {to}");
        }
        assert_eq!(masked.read_at(masked.len() - 3..masked.len() + 50).unwrap(), b"yy\n");
        assert!(masked.read_at(masked.len() + 5..masked.len() + 9).unwrap().is_empty());
    }
}
