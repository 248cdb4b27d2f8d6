//! Runs every folder of `tests/fixtures/formats`. A folder is named after the format that its lines must be detected
//! as, with a suffix after a dot where there are several; `input.log` is what a program wrote, `expected.jsonl` what
//! must be read out of it, one record a line.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use super::*;

/// Two hours east of UTC; the files were last written on 20 November 2026.
pub(super) fn cx() -> Context {
    let near = "2026-11-20T15:00:00Z".parse().map(Ts::from_jiff).unwrap();
    Context { zone: TimeZone::fixed(Offset::constant(2)), near }
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    let mut all: Vec<_> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

/// One record as a line of JSON, in a fixed order of keys.
fn written(span: &Span, raw: &[u8], format: &'static dyn Format, cx: &Context) -> String {
    let (format, p) = parse(raw, format, cx);
    assert_eq!(p.head, span.head, "head and parse disagree on {:?}", lossy(raw));
    let fields: Vec<String> = p.fields.iter().map(|(k, v)| format!("{}:{v}", json!(k.as_str()))).collect();
    let mut line = format!(
        "{{\"time\":{},\"inferred\":{},\"severity\":{},\"format\":{},\"lines\":{},\"request_id\":{},\"message\":{}",
        json!(p.head.time.map(|t| t.to_string())),
        p.head.inferred,
        json!(p.head.severity.map(Severity::name)),
        json!(format.name()),
        span.lines,
        json!(p.request_id.map(|r| r.0.to_string())),
        json!(p.message),
    );
    line.push_str(&format!(",\"fields\":{{{}}}}}", fields.join(",")));
    serde_json::from_str::<Value>(&line).unwrap();
    line
}

#[test]
fn every_folder_of_examples_reads_as_it_should() {
    let cx = cx();
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let input = fs::read(folder.join("input.log")).unwrap();
        let (format, share) = detect(&input, &cx);
        let want = name.split('.').next().unwrap();
        // of a format that a header describes the kind
        if format.name().split('(').next() != Some(want) || share < 0.2 {
            wrong.push(format!("{name}: detected as {} ({share:.2})", format.name()));
            eprintln!("{name}: detected as {} ({share:.2})", format.name());
        }
        let got: Vec<String> =
            records(&input, format, &cx).map(|s| written(&s, &input[s.range.clone()], format, &cx)).collect();
        let file = folder.join("expected.jsonl");
        if std::env::var_os("FIXTURES_WRITE").is_some() {
            fs::write(&file, got.join("\n") + "\n").unwrap();
            continue;
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        let expected: Vec<&str> = expected.lines().collect();
        if got.len() != expected.len() {
            wrong.push(format!("{name}: {} records instead of {}", got.len(), expected.len()));
        }
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            if got != expected {
                wrong.push(format!("{name}:{}\n  read     {got}\n  expected {expected}", i + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_format_has_a_folder_and_a_name_of_its_own() {
    let names: Vec<String> = folders()
        .iter()
        .map(|f| f.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_owned())
        .collect();
    for format in FORMATS {
        assert!(names.iter().any(|n| n == format.name()), "{} has no examples", format.name());
        assert_eq!(by_name(format.name()).map(|f| f.name()), Some(format.name()));
    }
}
