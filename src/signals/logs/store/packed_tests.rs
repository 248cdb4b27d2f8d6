use std::io::Write;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// `files`: bzip2 and xz made elsewhere of `line 0\n` to `line 9\n`, and again, one stream behind the other.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn open(bytes: &[u8], memory: u64, spool: Option<Spool>) -> Packed {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Packed::new(Arc::new(file), memory, spool).unwrap()
}

fn all(packed: &Packed) -> Vec<u8> {
    packed.unpack(|| true);
    packed.read_at(0..u64::MAX).unwrap()
}

/// Lines that do not pack well.
fn noise(lines: u64) -> Vec<u8> {
    (0..lines).flat_map(|n| format!("line {n} {:016x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into_bytes()).collect()
}

#[test]
fn every_packing_is_known_by_its_first_bytes_and_read_to_its_end_over_several_streams() {
    let lines: String = (0..10).map(|n| format!("line {n}\n")).collect();
    let twice = lines.repeat(2);
    let zstd = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for (bytes, packing) in [
        (gzip(lines.as_bytes()), Packing::Gzip),
        (zstd, Packing::Zstd),
        (hex(include_str!("../../../../tests/fixtures/packed/ten_lines.xz.hex")), Packing::Xz),
        (hex(include_str!("../../../../tests/fixtures/packed/ten_lines.bz2.hex")), Packing::Bzip2),
    ] {
        assert_eq!(by_magic(&bytes), Some(packing));
        let packed = open(&bytes.repeat(2), MEMORY, None);
        assert_eq!(String::from_utf8(all(&packed)).unwrap(), twice, "{packing:?}");
        assert_eq!((packed.trouble(), packed.share()), (None, None));
    }
    assert_eq!(by_magic(b"2026-11-21 INFO up"), None);
}

#[test]
fn what_fits_is_read_in_any_order_without_going_through_the_file_again() {
    let bytes = noise(200_000);
    let packed = open(&gzip(&bytes), MEMORY, None);
    assert_eq!(all(&packed), bytes);
    for at in [4_000_000, 3, 2_000_000, 1_000_000u64] {
        assert_eq!(packed.read_at(at..at + 300_000).unwrap(), bytes[at as usize..at as usize + 300_000]);
    }
    assert_eq!(packed.again(), 0);
}

#[test]
fn what_does_not_fit_is_unpacked_again_and_memory_stays_within_its_bound() {
    let bytes = noise(400_000);
    let memory = 1 << 20;
    let packed = open(&gzip(&bytes), memory, None);
    assert_eq!(all(&packed), bytes);
    assert!(packed.again() > 0 && packed.taken() <= memory, "{}", packed.taken());
    let end = bytes.len();
    let before = packed.again();
    assert_eq!(packed.read_at(end as u64 - 1_000..end as u64).unwrap(), bytes[end - 1_000..]);
    assert_eq!(packed.again(), before, "the newest stay whatever else was read");
    let spool = Spool::make(tempfile::tempdir().unwrap().path()).unwrap();
    let spooled = open(&gzip(&bytes), memory, Some(spool));
    assert_eq!(all(&spooled), bytes);
    assert_eq!(spooled.again(), 0, "a spool has all of it");
}

#[test]
fn of_a_damaged_file_that_is_read_which_can_be_and_the_damage_is_told() {
    let bytes = noise(100_000);
    let whole = gzip(&bytes);
    let packed = open(&whole[..whole.len() / 2], MEMORY, None);
    let got = all(&packed);
    assert!(got.len() > bytes.len() / 4 && bytes.starts_with(&got), "{}", got.len());
    assert!(packed.trouble().unwrap().contains("damaged"));
}
