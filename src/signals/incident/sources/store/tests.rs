use std::os::unix::fs::PermissionsExt;

use super::*;

fn store(dir: &tempfile::TempDir) -> IncidentStore {
    IncidentStore::open(dir.path().join("state/incidents.db")).by("anna")
}

async fn texts(store: &IncidentStore) -> Vec<String> {
    let Some(incident) = store.list().await.unwrap().pop() else { return Vec::new() };
    store.notes(incident.id).await.unwrap().into_iter().map(|n| n.text).collect()
}

#[tokio::test]
async fn nothing_is_created_by_looking_and_the_first_note_opens_an_incident() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    assert_eq!(store.list().await.unwrap(), []);
    assert_eq!(store.rows_after(0).await.unwrap(), Rows::default());
    assert_eq!(store.version().await.unwrap(), None);
    assert!(!dir.path().join("state").exists());

    let saved = store.add_note(NoteDraft::typed("> 503s on /orders")).await.unwrap();
    let incident = store.current().await.unwrap().unwrap();
    assert_eq!(saved.opened.as_ref(), Some(&incident.title));
    assert!(incident.title.starts_with("incident 20") && incident.title.len() == "incident 2026-11-21 14:02".len());
    assert_eq!((incident.severity, incident.status), (None, Status::Investigating));
    assert_eq!(store.add_note(NoteDraft::typed("second")).await.unwrap().opened, None);
    assert_eq!(texts(&store).await, ["503s on /orders", "second"]);
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(store.path().parent().unwrap()), mode(store.path())), (0o700, 0o600));
}

#[tokio::test]
async fn a_log_in_a_shared_folder_can_be_written_by_the_group() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
    let store = IncidentStore::open(dir.path().join("incidents.db"));
    store.add_note(NoteDraft::typed("x")).await.unwrap();
    for file in ["incidents.db", "incidents.db-wal", "incidents.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660, "{file}");
    }
}

#[tokio::test]
async fn a_draft_saved_twice_is_one_note_and_saved_with_other_words_it_is_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let draft = NoteDraft::typed("? the index is gone");
    let first = store.add_note(draft.clone()).await.unwrap();
    let again = store.add_note(draft.clone()).await.unwrap();
    assert_eq!((again.repeated, again.note.clone(), again.row), (true, first.note, first.row));
    let edited = store.add_note(draft.retyped("? the index is gone since 1.4.2")).await.unwrap();
    assert_eq!((edited.repeated, edited.note.root()), (false, draft.id));
    assert_eq!(texts(&store).await, ["the index is gone since 1.4.2"]);
}

#[tokio::test]
async fn edits_and_deletions_are_new_records_and_the_old_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let note = store.add_note(NoteDraft::typed("? first")).await.unwrap().note;
    let edit = NoteEdit { text: Some("second".into()), event_at: Some(Ts::from_secs(60)), ..NoteEdit::default() };
    let edited = store.edit(note.id, edit).await.unwrap().note;
    let refuted = store.set_hypothesis(edited.id, HypothesisState::Refuted).await.unwrap().note;
    assert_eq!((refuted.supersedes, refuted.event_at), (Some(note.id), Ts::from_secs(60)));
    assert_eq!((refuted.state, refuted.text.as_str()), (Some(HypothesisState::Refuted), "second"));
    store.delete(note.id).await.unwrap();
    assert_eq!(texts(&store).await, Vec::<String>::new());
    assert_eq!(store.records(note.incident).await.unwrap().len(), 5, "opened and four versions");

    let plain = store.add_note(NoteDraft::typed("! restarted")).await.unwrap().note;
    let e = store.set_hypothesis(plain.id, HypothesisState::Confirmed).await.unwrap_err();
    assert!(e.to_string().contains("only a hypothesis"), "{e}");
    let e = store.delete(RecordId::fresh()).await.unwrap_err();
    assert!(matches!(e, StoreError::Unknown { what: "note", .. }), "{e}");
}

#[tokio::test]
async fn milestones_cannot_be_set_out_of_order_and_resolving_sets_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let id = store.open_incident("checkout", Some(IncidentSeverity::Sev2)).await.unwrap().id;
    let (t1, t2) = (Ts::from_secs(1_000), Ts::from_secs(2_000));
    store.milestone(id, MilestoneKind::Detected, t2).await.unwrap();
    for (kind, at) in [(MilestoneKind::Started, Ts::from_secs(3_000)), (MilestoneKind::Resolved, t1)] {
        let e = store.milestone(id, kind, at).await.unwrap_err();
        assert!(matches!(&e, StoreError::Refused(why) if why.contains("detected")), "{e}");
    }
    store.milestone(id, MilestoneKind::Started, t1).await.unwrap();
    store.set_status(id, Status::Resolved, None).await.unwrap();
    let incident = store.current().await.unwrap().unwrap();
    assert!(incident.reached(MilestoneKind::Resolved).unwrap() > t2);
    store.clear_milestone(id, MilestoneKind::Resolved).await.unwrap();
    store.set_status(id, Status::Closed, None).await.unwrap();
    assert_eq!(store.current().await.unwrap(), None, "a closed one takes no notes by itself");
    assert_eq!(store.list().await.unwrap()[0].reached(MilestoneKind::Resolved), None);
}

#[tokio::test]
async fn a_full_log_says_so_and_takes_the_same_note_when_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.add_note(NoteDraft::typed("fits")).await.unwrap();
    let pages = |n: u32| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {n}"));
    let limit = async |n: u32| {
        let mut slot = store.writer.lock().await;
        sqlx::raw_sql(pages(n)).execute(&mut slot.as_mut().unwrap().conn).await.unwrap();
    };
    limit(1).await; // means: as many as there are now
    let draft = NoteDraft::typed(&format!("> {}", "x".repeat(60_000)));
    let e = store.add_note(draft.clone()).await.unwrap_err();
    assert_eq!(e, StoreError::Full { path: store.path().into() });
    assert!(e.may_pass() && e.to_string().contains("--log"), "{e}");
    assert_eq!(texts(&store).await, ["fits"]);
    // The failed connection is gone and with it the limit, as space would be after somebody freed it.
    assert!(!store.add_note(draft).await.unwrap().repeated);
    assert_eq!(texts(&store).await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("garbage.db"), "this is no database, whatever its name says ".repeat(200)).unwrap();
    let e = IncidentStore::open(at("garbage.db")).add_note(NoteDraft::typed("x")).await.unwrap_err();
    assert!(matches!(e, StoreError::Corrupt { .. }) && e.to_string().contains("move it aside"), "{e}");

    let sql = async |file: &str, sql: &'static str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(at(file)).create_if_missing(true);
        let mut conn = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    };
    sql("other.db", "CREATE TABLE mine (x)").await;
    let e = IncidentStore::open(at("other.db")).add_note(NoteDraft::typed("x")).await.unwrap_err();
    assert!(matches!(e, StoreError::Foreign { .. }), "{e}");
    assert!(!at("other.db-wal").exists(), "another program's file keeps its journal mode");
    assert_eq!(std::fs::read(at("other.db")).unwrap()[18..20], [1, 1]); // 2 would be WAL

    let newer = IncidentStore::open(at("newer.db"));
    newer.add_note(NoteDraft::typed("x")).await.unwrap();
    drop(newer);
    sql("newer.db", "PRAGMA user_version = 99").await;
    let newer = IncidentStore::open(at("newer.db"));
    let e = newer.add_note(NoteDraft::typed("x")).await.unwrap_err();
    assert!(matches!(e, StoreError::Newer { found: 99, .. }), "{e}");
    assert!(matches!(newer.list().await, Err(StoreError::Newer { .. })));

    let e = IncidentStore::open("/proc/none/log.db").add_note(NoteDraft::typed("x")).await.unwrap_err();
    assert!(e.to_string().contains("/proc/none/log.db"), "{e}");
    let empty = IncidentStore::open(at("new.db")).add_note(NoteDraft::typed("  ")).await.unwrap_err();
    assert!(matches!(empty, StoreError::Refused(_)) && !at("new.db").exists());
}

#[tokio::test]
async fn a_log_locked_by_another_program_is_waited_for_and_then_said_to_be_locked() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.add_note(NoteDraft::typed("x")).await.unwrap();
    let mut other = connection::for_writing(store.path()).await.unwrap();
    let lock = other.conn.begin_with("BEGIN IMMEDIATE").await.unwrap();
    // The wait itself is SQLite's; here it is cut short so that the test need not sit through it.
    let mut slot = store.writer.lock().await;
    sqlx::raw_sql("PRAGMA busy_timeout = 1").execute(&mut slot.as_mut().unwrap().conn).await.unwrap();
    drop(slot);
    let e = store.add_note(NoteDraft::typed("y")).await.unwrap_err();
    assert!(matches!(e, StoreError::Locked { .. }), "{e}");
    lock.rollback().await.unwrap();
    store.add_note(NoteDraft::typed("y")).await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_deleted_while_open_is_made_anew_and_not_written_into_the_void() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.add_note(NoteDraft::typed("lost with the file")).await.unwrap();
    std::fs::remove_dir_all(store.path().parent().unwrap()).unwrap();
    assert_eq!(texts(&store).await, Vec::<String>::new());
    store.add_note(NoteDraft::typed("kept")).await.unwrap();
    assert_eq!(texts(&IncidentStore::open(store.path())).await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_writers_that_begin_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let path = path.clone();
            tokio::spawn(async move {
                let store = IncidentStore::open(path).by(format!("writer {w}"));
                for n in 0..25 {
                    store.add_note(NoteDraft::typed(&format!("{w}/{n}"))).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = IncidentStore::open(path);
    assert_eq!(store.list().await.unwrap().len(), 1, "one of them opened the incident, the others joined it");
    assert_eq!(texts(&store).await.len(), 100);
    let rows = store.rows_after(0).await.unwrap();
    assert_eq!((rows.records.len(), rows.last, rows.unread), (101, 101, 0));
}

#[tokio::test]
async fn a_writer_that_is_aborted_leaves_every_note_it_was_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..5 {
        let (log, told) = (path.clone(), told.clone());
        let task = tokio::spawn(async move {
            let store = IncidentStore::open(log);
            loop {
                let saved = store.add_note(NoteDraft::typed("again")).await.unwrap();
                told.send(saved.note.id).unwrap();
            }
        });
        let mut acknowledged = vec![heard.recv().await.unwrap(), heard.recv().await.unwrap()];
        task.abort();
        let _ = task.await;
        while let Ok(id) = heard.try_recv() {
            acknowledged.push(id);
        }
        let store = IncidentStore::open(&path);
        let incident = store.current().await.unwrap().unwrap().id;
        let there: Vec<_> = store.notes(incident).await.unwrap().into_iter().map(|n| n.id).collect();
        assert!(acknowledged.iter().all(|id| there.contains(id)));
    }
}

#[test]
fn evidence_that_is_too_long_is_cut_where_a_character_ends_and_says_so() {
    let long = Evidence { text: "ü".repeat(MAX_EVIDENCE), ..Evidence::default() };
    let (cut, _) = clean_evidence(&[long]);
    assert!(cut[0].text.ends_with(&format!("… ({MAX_EVIDENCE} bytes cut)")));
}

#[tokio::test]
async fn a_merged_incident_gives_its_notes_to_the_other_one_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = IncidentStore::open(dir.path().join("log.db")).by("anna");
    let a = store.open_incident("checkout down", None).await.unwrap();
    let one = store.add_note(NoteDraft::typed("503s")).await.unwrap();
    let b = store.open_incident("payments slow", None).await.unwrap();
    let two = store.add_note(NoteDraft::typed("pool full")).await.unwrap();
    store.merge(b.id, a.id).await.unwrap();
    assert_eq!(store.current().await.unwrap().unwrap().id, a.id, "the merged one is no longer open");
    let notes: Vec<_> = store.notes(a.id).await.unwrap().iter().map(|n| n.id).collect();
    assert_eq!(notes, [one.note.id, two.note.id]);
    for (from, into) in [(a.id, b.id), (a.id, a.id)] {
        assert!(matches!(store.merge(from, into).await, Err(StoreError::Refused(_))));
    }
    assert!(matches!(store.resume(b.id).await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn an_incident_that_is_taken_up_again_gets_the_notes() {
    let dir = tempfile::tempdir().unwrap();
    let store = IncidentStore::open(dir.path().join("log.db")).by("anna");
    let a = store.open_incident("first", None).await.unwrap();
    store.set_status(a.id, Status::Closed, None).await.unwrap();
    let b = store.open_incident("second", None).await.unwrap();
    assert_eq!(store.add_note(NoteDraft::typed("x")).await.unwrap().note.incident, b.id);
    store.resume(a.id).await.unwrap();
    assert_eq!(store.add_note(NoteDraft::typed("y")).await.unwrap().note.incident, a.id);
    store.resume(b.id).await.unwrap();
    assert_eq!(store.add_note(NoteDraft::typed("z")).await.unwrap().note.incident, b.id, "both are open");
    store.set_role(b.id, RoleKind::Commander, "bela").await.unwrap();
    store.set_services(b.id, &["checkout".into(), "payments".into()]).await.unwrap();
    let now = store.current().await.unwrap().unwrap();
    assert_eq!((now.roles[&RoleKind::Commander].as_str(), now.services.len()), ("bela", 2));
}

#[tokio::test]
async fn records_that_are_taken_in_twice_are_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("a.db"), dir.path().join("b.db"));
    let (here, there) = (IncidentStore::open(here), IncidentStore::open(there));
    let saved = here.add_note(NoteDraft::typed("503s")).await.unwrap();
    let records = here.records(saved.note.incident).await.unwrap();
    assert_eq!(there.import(&records).await.unwrap(), 2);
    assert_eq!(there.import(&records).await.unwrap(), 0);
    assert_eq!(there.records(saved.note.incident).await.unwrap(), records);
}
