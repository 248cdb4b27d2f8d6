use tokio::sync::mpsc;

use super::*;
use crate::signals::incident::event::{IncidentEvent, Status};
use crate::signals::incident::sources::draft::NoteDraft;
use crate::signals::source::{Lanes, Observation, StreamClock};
use crate::timeline::SourceId;
use crate::timeline::source::Declaration;

struct Stream {
    heard: mpsc::Receiver<Observation>,
    out: Out,
}

fn stream() -> Stream {
    let (must, heard) = mpsc::channel(64);
    let lanes = Lanes { sample: must.clone(), logs: must.clone(), must };
    Stream { heard, out: Out::new(SourceId(7), StreamClock::start(), lanes) }
}

impl Stream {
    /// The next thing said, in a word.
    async fn next(&mut self) -> String {
        let heard = tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await.unwrap().unwrap();
        match heard.event {
            Event::Incident(IncidentEvent::Note(n)) if n.deleted => "deleted".into(),
            Event::Incident(IncidentEvent::Note(n)) => n.text,
            Event::Incident(e) => e.word().into(),
            Event::Stream(Declaration::State { state, .. }) => format!("{state:?}"),
            other => format!("{other:?}"),
        }
    }
}

/// A source at work; gives itself back with how it ended.
type Running = tokio::task::JoinHandle<(IncidentLog, Result<(), SourceError>)>;

fn run(path: &Path, out: &Out) -> (Running, CancellationToken) {
    resume(IncidentLog::new(path), out)
}

fn resume(mut source: IncidentLog, out: &Out) -> (Running, CancellationToken) {
    let (out, cancel) = (out.clone(), CancellationToken::new());
    let stop = cancel.clone();
    let task = tokio::spawn(async move {
        let ended = source.run(&out, stop).await;
        (source, ended)
    });
    (task, cancel)
}

#[tokio::test]
async fn the_open_incident_comes_first_then_what_others_write_and_nothing_twice_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    let store = IncidentStore::open(&path);
    let old = store.add_note(NoteDraft::typed("of a closed incident")).await.unwrap().note.incident;
    store.set_status(old, Status::Closed, None).await.unwrap();
    store.add_note(NoteDraft::typed("before the start")).await.unwrap();

    let mut stream = stream();
    let (task, cancel) = run(&path, &stream.out);
    for said in ["opened", "before the start", "Ok"] {
        assert_eq!(stream.next().await, said);
    }
    let note = store.add_note(NoteDraft::typed("own")).await.unwrap().note;
    assert_eq!(stream.next().await, "own");
    IncidentStore::open(&path).by("bela").add_note(NoteDraft::typed("foreign")).await.unwrap();
    assert_eq!(stream.next().await, "foreign");
    cancel.cancel();
    let (source, ended) = task.await.unwrap();
    assert_eq!(ended, Ok(()));

    store.delete(note.id).await.unwrap();
    let (task, cancel) = resume(source, &stream.out);
    assert_eq!(stream.next().await, "deleted");
    cancel.cancel();
    task.await.unwrap().1.unwrap();
}

#[tokio::test]
async fn a_log_that_does_not_exist_is_well_and_its_first_note_comes_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/yet/incidents.db");
    let mut stream = stream();
    let (task, cancel) = run(&path, &stream.out);
    assert_eq!(stream.next().await, "Ok");
    IncidentStore::open(&path).add_note(NoteDraft::typed("first")).await.unwrap();
    assert_eq!([stream.next().await, stream.next().await], ["opened", "first"]);
    cancel.cancel();
    task.await.unwrap().1.unwrap();
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_an_error_that_is_tried_again_and_works_when_mended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    std::fs::write(&path, "no database at all ".repeat(500)).unwrap();
    let mut stream = stream();
    let (source, ended) = run(&path, &stream.out).0.await.unwrap();
    let e = ended.unwrap_err();
    assert!(e.retry && e.message.contains("incidents.db"), "{e}");

    std::fs::remove_file(&path).unwrap();
    IncidentStore::open(&path).add_note(NoteDraft::typed("after")).await.unwrap();
    let (task, cancel) = resume(source, &stream.out);
    assert_eq!([stream.next().await, stream.next().await], ["opened", "after"]);
    cancel.cancel();
    task.await.unwrap().1.unwrap();
}
