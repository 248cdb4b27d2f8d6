//! The host source against the machine the tests run on.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warroom::config::discover;
use warroom::signals::host::config::HostConfig;
use warroom::signals::host::event::HostEvent;
use warroom::signals::host::{pane, sources};
use warroom::signals::source::{Lanes, StreamClock};
use warroom::signals::{Envelope, Event, Out, Roots, Timeline};
use warroom::timeline::facts::Facts;
use warroom::timeline::{OriginId, SourceId, Ts};
use warroom::ui::{Glyphs, PaneCx, Theme};

#[tokio::test]
async fn the_source_fills_the_pane_within_seconds_and_ends_when_it_is_told() {
    let (must, mut musts) = mpsc::channel(100);
    let (sample, mut samples) = mpsc::channel(100);
    let (logs, _logs) = mpsc::channel(1);
    let out = Out::new(SourceId(1), StreamClock::start(), Lanes { must, sample, logs });
    let cancel = CancellationToken::new();
    let mut declared = sources::declared(&HostConfig::default(), &Roots::default()).unwrap();
    let (run_out, run_cancel) = (out.clone(), cancel.clone());
    let run = tokio::spawn(async move { declared.source.run(&run_out, run_cancel).await });

    let mut timeline = Timeline::default();
    let mut seen = [0u32; 5];
    let until = Instant::now() + Duration::from_secs(20);
    let mut seq = 0;
    while (seen[0] < 3 || seen[1] < 2 || seen[2] < 1 || seen[4] < 1) && Instant::now() < until {
        let o = tokio::select! {
            o = samples.recv() => o.unwrap(),
            o = musts.recv() => o.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(5)) => break,
        };
        if let Event::Host(e) = &o.event {
            match e {
                HostEvent::Sample(_) => seen[0] += 1,
                HostEvent::Processes(_) => seen[1] += 1,
                HostEvent::Mounts { .. } => seen[2] += 1,
                HostEvent::OpenDeleted { .. } => seen[3] += 1,
                HostEvent::OwnCost(c) => {
                    seen[4] += 1;
                    println!("own cost {c:?}");
                }
                HostEvent::OomKill(_) => {}
            }
        }
        seq += 1;
        let json = serde_json::to_string(&o.event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), o.event, "survives a recording");
        println!("{} bytes  {}", json.len(), json.chars().take(160).collect::<String>());
        timeline.apply(&Envelope {
            seq,
            origin: OriginId(0),
            source: o.source,
            observed: o.observed,
            mono: o.mono,
            event: o.event,
        });
    }
    assert!(seen[0] >= 3 && seen[1] >= 2 && seen[2] >= 1, "samples, processes, mounts: {seen:?}");

    let now = out.now();
    let cpu = timeline.host.cpu(now).unwrap();
    assert!(cpu.cores > 0 && (0.0..=100.5).contains(&cpu.busy_pct), "{cpu:?}");
    let memory = timeline.host.memory(now).unwrap();
    assert!(memory.used_bytes > 0 && memory.used_bytes <= memory.total_bytes, "{memory:?}");
    let (_, table) = timeline.host.processes(now).unwrap();
    assert!(table.total > 0 && table.rows.iter().any(|r| r.cpu_pct_of_one_core.is_some()), "{table:?}");
    println!("{}", screen(&timeline, now));

    cancel.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), run).await.expect("ends when cancelled").unwrap();
    assert_eq!(ended, Ok(()));
}

fn screen(timeline: &Timeline, now: Ts) -> String {
    let (theme, facts) = (Theme::monochrome(), Facts::default());
    let cx = PaneCx {
        theme: &theme,
        glyphs: &Glyphs::UNICODE,
        now,
        zone: &TimeZone::UTC,
        facts: &facts,
        focused: true,
        zoomed: true,
        cursor: 0,
        live: true,
    };
    let mut buf = Buffer::empty(Rect::new(0, 0, 120, 30));
    pane::draw(&timeline.host, &cx, buf.area, &mut buf);
    (0..30).map(|y| (0..120).map(|x| buf[(x, y)].symbol()).collect::<String>() + "\n").collect()
}

#[test]
fn looking_around_this_machine_keeps_to_its_time() {
    let began = Instant::now();
    let found = discover::look_around(&Roots::default(), began + Duration::from_millis(200));
    println!("{:?}\n{found:#?}", began.elapsed());
    // Generous: the machine may be busy with other tests. What counts is that the deadline is looked at.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
