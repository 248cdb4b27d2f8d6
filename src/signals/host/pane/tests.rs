//! The pane drawn into a buffer: empty, normal, flooded, failing, in the past; at four sizes.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::signals::host::event::*;
use crate::timeline::facts::Facts;
use crate::timeline::{SourceId, Ts};
use crate::ui::{Glyphs, Theme};

const T0: i64 = 1_700_000_000;
const SIZES: [(u16, u16); 4] = [(80, 20), (52, 10), (40, 12), (3, 1)];

struct Scene {
    h: HostHistory,
    seq: u64,
    now: i64,
    zoomed: bool,
    cursor: usize,
}

impl Scene {
    fn new() -> Scene {
        Scene { h: HostHistory::default(), seq: 0, now: T0, zoomed: false, cursor: 0 }
    }

    fn at(&mut self, secs: i64, e: HostEvent) -> &mut Scene {
        self.seq += 1;
        self.h.apply(self.seq, SourceId(1), Ts::from_secs(secs), &e);
        self
    }

    fn with<T>(&self, f: impl FnOnce(&HostHistory, &PaneCx) -> T) -> T {
        let (theme, facts) = (Theme::monochrome(), Facts::default());
        f(
            &self.h,
            &PaneCx {
                theme: &theme,
                glyphs: &Glyphs::UNICODE,
                now: Ts::from_secs(self.now),
                zone: &TimeZone::UTC,
                facts: &facts,
                focused: true,
                zoomed: self.zoomed,
                cursor: self.cursor,
                live: true,
            },
        )
    }

    fn verdict(&self) -> Verdict {
        self.with(verdict)
    }

    fn screen(&self, w: u16, h: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
        self.with(|x, cx| draw(x, cx, buf.area, &mut buf));
        let line = |y| (0..w).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..h).map(line).collect::<Vec<_>>().join("\n")
    }

    fn all_sizes(&self) -> String {
        SIZES.map(|(w, h)| format!("{w}x{h}\n{}", self.screen(w, h))).join("\n----\n")
    }
}

fn sample(busy: f32) -> HostSample {
    HostSample {
        cpu: CpuModes { user_pct: busy * 0.75, system_pct: busy * 0.25, iowait_pct: 7.0, steal_pct: 0.0 },
        cores_user_system_iowait_steal_pct: vec![[busy as u8, 10, 5, 0]; 4],
        load_1_5_15: [3.2, 2.0, 1.0],
        memory: Memory {
            total_bytes: 8 << 30,
            used_bytes: 5_476_083_302,
            available_bytes: (8 << 30) - 5_476_083_302,
            ..Memory::default()
        },
        swap: Swap { total_bytes: 1 << 30, ..Swap::default() },
        pressure: Some(Pressure { cpu_some_pct: 18.0, io_some_pct: 3.0, ..Pressure::default() }),
        disks: vec![DiskIo {
            name: "sda".into(),
            write_bytes_per_s: 12 << 20,
            await_ms: 3.0,
            util_pct: 41.0,
            ..DiskIo::default()
        }],
        network: Network { rx_bytes_per_s: 1_300_000, tx_bytes_per_s: 310_000, ..Network::default() },
        ..HostSample::default()
    }
}

fn processes(n: u32) -> ProcessTable {
    let row = |i: u32| ProcessRow {
        pid: 4121 + i,
        user: if i == 0 { "postgres" } else { "app" }.into(),
        cpu_pct_of_one_core: Some(118.0 / (i + 1) as f32),
        rss_bytes: ((u64::from(i) + 1) * 300) << 20,
        state: if i == 3 { 'D' } else { 'S' },
        name: "postgres".into(),
        command: if i == 0 {
            "postgres: shop orders SELECT".into()
        } else {
            format!("python worker.py --queue={i}").into()
        },
        unit: Some(if i == 0 { "postgresql.service" } else { "checkout.service" }.into()),
        ..ProcessRow::default()
    };
    let units = vec![
        UnitUse { unit: "checkout.service".into(), processes: n - 1, cpu_pct_of_one_core: 160.0, rss_bytes: 4 << 30 },
        UnitUse { unit: "postgresql.service".into(), processes: 1, cpu_pct_of_one_core: 118.0, rss_bytes: 1 << 30 },
    ];
    ProcessTable {
        total: 143,
        uninterruptible: 1,
        interval_ms: 2000,
        rows: (0..n).map(row).collect(),
        units,
        ..Default::default()
    }
}

fn mount(path: &str, used: u64) -> Mount {
    Mount {
        path: path.into(),
        device: "/dev/sda1".into(),
        fs: "ext4".into(),
        total_bytes: 100 << 30,
        used_bytes: used << 20,
        available_bytes: (100 << 30) - (used << 20),
        inodes_used_pct: 12.0,
        ..Mount::default()
    }
}

fn normal() -> Scene {
    let mut s = figures();
    s.at(T0 - 130, HostEvent::Mounts { mounts: vec![mount("/", 40_000), mount("/var", 50_000)] });
    s
}

fn figures() -> Scene {
    let mut s = Scene::new();
    for i in 0..120 {
        s.at(T0 - 120 + i, HostEvent::Sample(Box::new(sample(20.0 + (i as f32) * 0.43))));
    }
    s.at(T0 - 1, HostEvent::Processes(Box::new(processes(6))));
    s
}

fn failing() -> Scene {
    let mut s = figures();
    for i in 0..12 {
        let nfs = Mount {
            silent_since: Some(Ts::from_secs(T0 - 900)),
            device: "files:/x".into(),
            fs: "nfs4".into(),
            ..mount("/mnt/nfs", 0)
        };
        s.at(T0 - 120 + i * 10, HostEvent::Mounts { mounts: vec![mount("/", 98_000 + i as u64 * 100), nfs] });
    }
    let mut bad = sample(40.0);
    bad.memory.used_bytes = 8_500_000_000;
    bad.swap.out_bytes_per_s = 12 << 20;
    bad.cpu.steal_pct = 12.0;
    bad.pressure = Some(Pressure { memory_full_pct: 34.0, io_full_pct: 34.0, ..Pressure::default() });
    let kill = OomKill {
        at: Some(Ts::from_secs(T0 - 130)),
        kills: 1,
        victim: Some("java".into()),
        pid: Some(81),
        cgroup: Some("checkout.service".into()),
        ..OomKill::default()
    };
    s.at(T0 - 2, HostEvent::OomKill(kill)).at(T0, HostEvent::Sample(Box::new(bad)));
    s
}

#[test]
fn nothing_known_says_so() {
    insta::assert_snapshot!(Scene::new().all_sizes());
}

#[test]
fn a_busy_machine_that_is_not_short_is_calm() {
    let s = normal();
    assert_eq!(s.verdict(), Verdict::new(Level::Calm, "busy but not short: CPU 71 %, memory 5.1 of 8 GB"));
    insta::assert_snapshot!(s.all_sizes());
}

#[test]
fn pressure_decides_that_the_cpu_is_short_and_the_verdict_does_not_flip_with_every_second() {
    let mut s = Scene::new();
    let second = |s: &mut Scene, i: i64, busy: f32, psi: f32| {
        let mut x = sample(busy);
        x.load_1_5_15 = [6.5, 3.0, 1.0];
        x.pressure = Some(Pressure { cpu_some_pct: psi, ..Pressure::default() });
        s.at(T0 + i, HostEvent::Sample(Box::new(x)));
        s.now = T0 + i;
        s.verdict().text.split(':').next().unwrap_or_default().to_owned()
    };
    for (i, busy) in [79.0, 92.0, 60.0, 99.0].into_iter().enumerate() {
        assert_eq!(second(&mut s, i as i64, busy, 76.0), "CPU short", "{busy} % busy");
    }
    // Round the threshold it stays what it was, until it is clearly over.
    for (i, psi, said) in [
        (5, 38.0, "CPU short"),
        (6, 30.0, "CPU short"),
        (7, 24.0, "busy but not short"),
        (8, 38.0, "busy but not short"),
        (9, 41.0, "CPU short"),
    ] {
        assert_eq!(second(&mut s, i, 90.0, psi), said, "psi {psi}");
    }
}

#[test]
fn a_shortage_that_has_ended_is_not_told_for_as_long_as_the_mean_of_ten_seconds_remembers_it() {
    // As the kernel told it round the end of a load: busy, its mean of ten seconds, what was waited in the second itself.
    const SEEN: [(f32, f32, f32); 9] = [
        (97.0, 82.0, 88.0),
        (96.0, 84.0, 91.0),
        (97.0, 85.0, 90.0),
        (6.0, 69.0, 1.0),
        (7.0, 67.0, 0.5),
        (6.0, 60.0, 0.0),
        (5.0, 41.0, 0.0),
        (6.0, 33.0, 0.0),
        (6.0, 27.0, 0.0),
    ];
    let told = |of: fn(&mut HostSample, f32, Option<f32>), second_known: bool| -> Vec<bool> {
        let mut s = Scene::new();
        let mut told = Vec::new();
        for (i, (busy, mean, second)) in SEEN.into_iter().enumerate() {
            let mut x = sample(busy);
            of(&mut x, mean, second_known.then_some(second));
            s.now = T0 + i as i64;
            s.at(s.now, HostEvent::Sample(Box::new(x)));
            told.push(s.verdict().level != Level::Calm);
        }
        told
    };
    let cpu = |x: &mut HostSample, mean, second: Option<f32>| {
        let since_last = second.map(|cpu_some_pct| Stalls { cpu_some_pct, ..Stalls::default() });
        x.pressure = Some(Pressure { cpu_some_pct: mean, since_last, ..Pressure::default() });
    };
    let memory = |x: &mut HostSample, mean, second: Option<f32>| {
        let since_last = second.map(|memory_full_pct| Stalls { memory_full_pct, ..Stalls::default() });
        x.pressure = Some(Pressure { memory_full_pct: mean, since_last, ..Pressure::default() });
    };
    let io = |x: &mut HostSample, mean, second: Option<f32>| {
        let since_last = second.map(|io_full_pct| Stalls { io_full_pct, ..Stalls::default() });
        x.pressure = Some(Pressure { io_full_pct: mean, since_last, ..Pressure::default() });
    };
    // Over once three seconds together hold next to nothing of it.
    let over_soon = [true, true, true, true, true, false, false, false, false];
    for (name, of) in [("cpu", cpu as fn(&mut HostSample, f32, Option<f32>)), ("memory", memory), ("io", io)] {
        assert_eq!(told(of, true), over_soon, "{name}");
    }
    // Recordings of before know the mean only: the CPU is not short when it is idle, the others are believed.
    assert_eq!(told(cpu, false), over_soon);
    assert_eq!(told(memory, false), [true; 9]);
    assert_eq!(told(io, false), [true; 9]);
}

#[test]
fn what_fails_comes_first_and_the_worst_leads() {
    let s = failing();
    let v = s.verdict();
    assert_eq!(v.level, Level::Bad);
    assert!(v.text.starts_with("OOM killed java (pid 81) 2 m ago in checkout.service"), "{}", v.text);
    insta::assert_snapshot!(s.all_sizes());
}

#[test]
fn many_cores_mounts_and_processes_are_cut_to_the_room_there_is() {
    let mut s = normal();
    let mut wide = sample(97.0);
    wide.cores_user_system_iowait_steal_pct = vec![[90, 7, 2, 1]; 256];
    s.at(T0, HostEvent::Sample(Box::new(wide)));
    let mounts = (0..40).map(|i| mount(&format!("/data/disk{i:02}"), 1_000 * i)).collect();
    s.at(T0, HostEvent::Mounts { mounts }).at(T0, HostEvent::Processes(Box::new(processes(30))));
    s.zoomed = true;
    let big = format!("120x40\n{}", s.screen(120, 40));
    insta::assert_snapshot!(format!("{big}\n----\n{}", s.all_sizes()));
}

#[test]
fn a_dead_source_is_told_by_its_age_and_the_past_shows_what_was_known_then() {
    let mut s = failing();
    s.now = T0 + 40;
    assert!(s.verdict().text.starts_with("no figures for 40 s · OOM killed java"), "{}", s.verdict().text);
    s.now = T0 - 60;
    assert_eq!(
        s.verdict().text,
        "disk / 96 % full, full in 6 m · /mnt/nfs not answering since 21:58 (files:/x)",
        "the kill was not known yet"
    );
}

#[test]
fn the_row_under_the_cursor_is_the_process_that_is_drawn_there() {
    for zoomed in [false, true] {
        let mut s = normal();
        s.zoomed = zoomed;
        let mut buf = Buffer::empty(Rect::new(0, 0, 120, 40));
        let frame = s.with(|h, cx| draw(h, cx, buf.area, &mut buf));
        assert_eq!(frame.rows.len(), frame.total);
        for spot in frame.rows {
            s.cursor = spot.index;
            let selected = s.with(select).unwrap();
            let area = spot.area;
            let drawn: String = (area.x..area.right()).map(|x| buf[(x, area.y)].symbol()).collect();
            let name = selected.fields.iter().find(|(k, _)| k == "pid" || k == "unit").unwrap();
            assert!(drawn.contains(&name.1), "{drawn:?} is {name:?}");
        }
    }
    assert_eq!(Scene::new().with(select), None);
}

#[test]
fn any_rectangle_is_drawn_without_panic() {
    let mut s = failing();
    for zoomed in [false, true] {
        s.zoomed = zoomed;
        for w in 0..100 {
            for h in [0, 1, 2, 3, 5, 8, 30] {
                let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
                s.with(|x, cx| draw(x, cx, Rect::new(0, 0, w, h), &mut buf));
                s.with(|x, cx| draw(x, cx, Rect::new(5, 2, w, h), &mut buf));
            }
        }
    }
}

#[test]
fn steal_is_a_finding_and_a_container_at_its_limit_is_short_of_memory() {
    let mut s = Scene::new();
    let mut x = sample(30.0);
    x.cpu.steal_pct = 12.0;
    s.at(T0, HostEvent::Sample(Box::new(x)));
    assert_eq!(s.verdict(), Verdict::new(Level::Warn, "CPU steal 12 %: the hypervisor gives it to others"));
    let mut s = Scene::new();
    let mut x = sample(30.0);
    x.cgroup = Some(CgroupLimits {
        version: 2,
        memory_limit_bytes: Some(512 << 20),
        memory_used_bytes: Some(505 << 20),
        ..CgroupLimits::default()
    });
    s.at(T0, HostEvent::Sample(Box::new(x)));
    assert_eq!(s.verdict(), Verdict::new(Level::Bad, "memory short: 505 of 512 MB (container limit)"));
    assert_eq!(s.with(glance).text, "host 30 % 505M/512M memory");
}

#[test]
fn what_an_export_does_not_tell_is_not_shown_as_nothing() {
    let mut s = Scene::new();
    let untold = Part::ALL.into_iter().filter(|part| *part != Part::Load).collect();
    let sample = HostSample { load_1_5_15: [70.0, 60.0, 50.0], untold, ..HostSample::default() };
    s.at(T0, HostEvent::Sample(Box::new(sample)));
    s.zoomed = true;
    let v = s.verdict();
    assert_eq!((v.level, v.text.as_str()), (Level::Unknown, "CPU and memory are not known"));
    let screen = s.screen(80, 20);
    assert!(screen.contains("not in the export  load 70.0"), "{screen}");
    for false_zero in ["0 %", "0/0", "0/s", "no swap", "kernel"] {
        assert!(!screen.contains(false_zero), "{false_zero:?} in\n{screen}");
    }
    assert!(s.h.series.cpu.as_of(Ts::from_secs(T0)).is_none() && s.h.series.net.as_of(Ts::from_secs(T0)).is_none());
}
