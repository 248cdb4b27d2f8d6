//! What sysstat has kept, as `sadf -j FILE -- -A` prints it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Export;
use crate::signals::host::event::{DiskIo, HostSample, Part, Pressure, tenth};
use crate::timeline::Ts;

/// Reads it. `zone` is that of times which are not said to be UTC.
pub fn parse(text: &str, zone: &TimeZone) -> Result<Export, String> {
    let root: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let hosts = root["sysstat"]["hosts"].as_array().ok_or("it has no sysstat.hosts")?;
    let host = hosts.first().ok_or("it is of no host")?;
    let mut export = Export { host: host["nodename"].as_str().map(str::to_owned), ..Export::default() };
    if hosts.len() > 1 {
        export.unknown.push(format!("{} more hosts in it are left out", hosts.len() - 1));
    }
    let (mut without_cpu, mut without_memory) = (0, 0);
    for s in host["statistics"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some(at) = time(&s["timestamp"], zone) else { continue };
        without_cpu += u32::from(s.get("cpu-load").is_none());
        without_memory += u32::from(s.get("memory").is_none());
        export.samples.push((at, sample(s)));
    }
    if export.samples.is_empty() {
        return Err("no statistics with a time are in it".into());
    }
    for (n, what) in [(without_cpu, "CPU (sadf -j FILE -- -A)"), (without_memory, "memory (sadf -j FILE -- -A)")] {
        if n > 0 {
            export.unknown.push(format!("{n} of {} looks are without {what}", export.samples.len()));
        }
    }
    export.samples.sort_by_key(|(at, _)| *at);
    Ok(export)
}

fn time(stamp: &Value, zone: &TimeZone) -> Option<Ts> {
    let text = format!("{}T{}", stamp["date"].as_str()?, stamp["time"].as_str()?);
    let civil: DateTime = text.parse().ok()?;
    let utc = stamp["utc"].as_u64().is_some_and(|u| u == 1);
    let zone = if utc { TimeZone::UTC } else { zone.clone() };
    let at = civil.to_zoned(zone).ok()?.timestamp();
    Some(Ts::from_secs(at.as_second()))
}

/// The first of several names that is a number: they changed between versions.
fn number(of: &Value, names: &[&str]) -> f64 {
    names.iter().find_map(|n| of[*n].as_f64()).unwrap_or(0.0)
}

fn bytes(kilobytes: f64) -> u64 {
    (kilobytes * 1_024.0).max(0.0) as u64
}

fn sample(s: &Value) -> HostSample {
    let mut out = HostSample::default();
    for cpu in s["cpu-load"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let user = number(cpu, &["user", "usr"]) + number(cpu, &["nice"]) + number(cpu, &["guest"]);
        let system = number(cpu, &["system", "sys"]) + number(cpu, &["irq"]) + number(cpu, &["soft"]);
        let (iowait, steal) = (number(cpu, &["iowait"]), number(cpu, &["steal"]));
        if cpu["cpu"].as_str() == Some("all") {
            (out.cpu.user_pct, out.cpu.system_pct) = (tenth(user), tenth(system));
            (out.cpu.iowait_pct, out.cpu.steal_pct) = (tenth(iowait), tenth(steal));
        } else {
            let whole = |v: f64| v.round().clamp(0.0, 100.0) as u8;
            out.cores_user_system_iowait_steal_pct.push([user, system, iowait, steal].map(whole));
        }
    }
    let queue = &s["queue"];
    out.load_1_5_15 = ["ldavg-1", "ldavg-5", "ldavg-15"].map(|n| number(queue, &[n]) as f32);
    out.running = number(queue, &["runq-sz"]) as u32;
    out.blocked = number(queue, &["blocked"]) as u32;
    let memory = &s["memory"];
    let (used, percent) = (number(memory, &["memused"]), number(memory, &["memused-percent"]));
    let free = number(memory, &["memfree"]);
    let cache = number(memory, &["cached"]) + number(memory, &["buffers"]);
    // The size is not in it; of what is used its share is.
    let total = if percent > 0.5 { used / percent * 100.0 } else { used + free };
    let available = memory["avail"].as_f64().unwrap_or(free + cache);
    out.memory.total_bytes = bytes(total);
    out.memory.available_bytes = bytes(available);
    out.memory.used_bytes = bytes(total - available);
    out.memory.cache_bytes = bytes(cache);
    out.memory.dirty_bytes = bytes(number(memory, &["dirty"]));
    let swap_used = number(memory, &["swpused"]);
    out.swap.used_bytes = bytes(swap_used);
    out.swap.total_bytes = bytes(swap_used + number(memory, &["swpfree"]));
    // Pages of four kilobytes, as on nearly all machines.
    out.swap.in_bytes_per_s = bytes(number(&s["swap-pages"], &["pswpin"]) * 4.0);
    out.swap.out_bytes_per_s = bytes(number(&s["swap-pages"], &["pswpout"]) * 4.0);
    let mut disks: Vec<DiskIo> = s["disk"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(disk).collect();
    disks.sort_by(|a, b| b.util_pct.total_cmp(&a.util_pct).then_with(|| a.name.cmp(&b.name)));
    disks.truncate(4);
    out.disks = disks;
    let network = &s["network"];
    for dev in network["net-dev"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if dev["iface"].as_str() != Some("lo") {
            out.network.rx_bytes_per_s += bytes(number(dev, &["rxkB"]));
            out.network.tx_bytes_per_s += bytes(number(dev, &["txkB"]));
        }
    }
    for dev in network["net-edev"].as_array().map(Vec::as_slice).unwrap_or_default() {
        out.network.drops_per_s += tenth(number(dev, &["rxdrop"]) + number(dev, &["txdrop"]));
    }
    let psi = &s["psi"];
    if psi.is_object() {
        let of = |resource: &str, name: &str| tenth(number(&psi[resource], &[name]));
        out.pressure = Some(Pressure {
            cpu_some_pct: of("psi-cpu", "some_avg10"),
            memory_some_pct: of("psi-mem", "some_avg10"),
            memory_full_pct: of("psi-mem", "full_avg10"),
            io_some_pct: of("psi-io", "some_avg10"),
            io_full_pct: of("psi-io", "full_avg10"),
            since_last: None,
        });
    }
    let told = [&s["cpu-load"], queue, memory, network, psi].map(|part| !part.is_null());
    out.untold = Part::ALL.into_iter().zip(told).filter(|(_, told)| !told).map(|(part, _)| part).collect();
    out
}

fn disk(d: &Value) -> DiskIo {
    let read = d["rkB"].as_f64().unwrap_or(number(d, &["rd_sec"]) / 2.0);
    let write = d["wkB"].as_f64().unwrap_or(number(d, &["wr_sec"]) / 2.0);
    DiskIo {
        name: d["disk-device"].as_str().unwrap_or("?").into(),
        read_bytes_per_s: bytes(read),
        write_bytes_per_s: bytes(write),
        await_ms: tenth(number(d, &["await"])),
        util_pct: tenth(number(d, &["util-percent", "util"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"sysstat":{"hosts":[{"nodename":"web-3","statistics":[
      {"timestamp":{"date":"2026-03-14","time":"14:10:01","utc":1,"interval":600},
       "cpu-load":[{"cpu":"all","user":61.2,"nice":0.0,"system":9.1,"iowait":3.0,"steal":0.5,"idle":26.2},
                   {"cpu":"0","user":80.0,"nice":0.0,"system":10.0,"iowait":1.0,"steal":0.0,"idle":9.0}],
       "queue":{"runq-sz":7,"plist-sz":311,"ldavg-1":6.5,"ldavg-5":4.0,"ldavg-15":2.25,"blocked":2},
       "memory":{"memfree":1000,"avail":4000,"memused":6000,"memused-percent":60.0,"buffers":500,"cached":2500,"dirty":10,
                 "swpfree":100,"swpused":50},
       "disk":[{"disk-device":"vda","tps":3.0,"rkB":10.0,"wkB":20.0,"await":4.26,"util-percent":87.5}],
       "network":{"net-dev":[{"iface":"lo","rxkB":9.0,"txkB":9.0},{"iface":"eth0","rxkB":2.0,"txkB":1.0}]}},
      {"timestamp":{"date":"2026-03-14","time":"14:20:01","utc":1,"interval":600},"queue":{"ldavg-1":1.0}}]}]}}"#;

    #[test]
    fn sysstat_is_read_and_what_it_lacks_is_said() {
        let export = parse(TEXT, &TimeZone::UTC).expect("sysstat's");
        assert_eq!(export.host.as_deref(), Some("web-3"));
        let (at, s) = &export.samples[0];
        assert_eq!(at.to_string(), "2026-03-14T14:10:01Z");
        assert_eq!((s.cpu.user_pct, s.cpu.system_pct, s.load_1_5_15[0], s.blocked), (61.2, 9.1, 6.5, 2));
        assert_eq!(s.cores_user_system_iowait_steal_pct, [[80, 10, 1, 0]]);
        assert_eq!(s.memory.total_bytes, 10_000 * 1_024);
        assert_eq!(s.memory.used_bytes, 6_000 * 1_024);
        assert_eq!((s.disks[0].await_ms, s.network.rx_bytes_per_s), (4.3, 2_048));
        assert_eq!(s.untold, [Part::Pressure]);
        assert!(export.unknown[0].starts_with("1 of 2 looks are without CPU"), "{:?}", export.unknown);
        assert!(parse("{}", &TimeZone::UTC).is_err() && parse("no", &TimeZone::UTC).is_err());
    }
}
