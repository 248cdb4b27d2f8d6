//! Answers of Prometheus to range queries (`/api/v1/query_range`, `promtool query range -o json`): what node_exporter
//! says of a machine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Export;
use crate::signals::host::event::{DiskIo, HostSample, Part, Pressure, tenth};
use crate::timeline::Ts;

/// Values by time, as they stand in one series.
type Points = Vec<(Ts, f64)>;

/// Reads one answer, or several behind one another (one a line, or a list).
pub fn parse(text: &str) -> Result<Export, String> {
    let mut at = Moments::default();
    let mut hosts: BTreeSet<String> = BTreeSet::new();
    let mut strange: BTreeSet<String> = BTreeSet::new();
    let mut series = 0;
    for root in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let root = root.map_err(|e| format!("not JSON: {e}"))?;
        let answers = root.as_array().cloned().unwrap_or_else(|| vec![root]);
        for answer in answers {
            let result = answer["data"]["result"].as_array().or_else(|| answer["result"].as_array());
            let result = result.ok_or("it has no data.result")?;
            for s in result {
                let metric = &s["metric"];
                let name = metric["__name__"].as_str().unwrap_or("");
                let instance = metric["instance"].as_str().unwrap_or("");
                let host = instance.rsplit_once(':').map_or(instance, |(host, _)| host).to_owned();
                // One machine has one pane: the first is taken.
                if hosts.first().is_some_and(|h| *h != host && !h.is_empty()) {
                    hosts.insert(host);
                    continue;
                }
                hosts.insert(host);
                series += 1;
                if !at.take(name, metric, &points(s)) {
                    strange.insert(if name.is_empty() { "an expression without a name".into() } else { name.into() });
                }
            }
        }
    }
    if series == 0 {
        return Err("no series is in it; a range query has a matrix of values".into());
    }
    let mut unknown = Vec::new();
    if hosts.len() > 1 {
        unknown.push(format!("{} more instances are left out", hosts.len() - 1));
    }
    if !strange.is_empty() {
        let some: Vec<String> = strange.iter().take(3).cloned().collect();
        unknown.push(format!("{} series are no figures of the machine: {}", strange.len(), some.join(", ")));
    }
    for (part, what) in
        [(Part::Cpu, "CPU (node_cpu_seconds_total)"), (Part::Memory, "memory (node_memory_MemTotal_bytes)")]
    {
        if !at.tells(part) {
            unknown.push(format!("nothing is known of {what}"));
        }
    }
    let host = hosts.into_iter().next().filter(|h| !h.is_empty());
    Ok(Export { host, samples: at.samples(), unknown })
}

fn points(series: &Value) -> Points {
    let values = series["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out: Points = values
        .iter()
        .filter_map(|v| {
            let at = v.get(0)?.as_f64()?;
            let value = v.get(1)?;
            let value = value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|v: &f64| v.is_finite())?;
            Some((Ts::from_millis((at * 1_000.0) as i64), value))
        })
        .collect();
    out.sort_by_key(|(at, _)| *at);
    out
}

/// What a counter did between two looks, per second; a counter that began anew counts from nothing.
fn rates(points: &Points) -> Points {
    let pairs = points.iter().zip(points.iter().skip(1));
    pairs
        .filter_map(|((a, x), (b, y))| {
            let seconds = b.since(*a).as_secs_f64();
            (seconds > 0.0).then(|| (*b, if y >= x { y - x } else { *y } / seconds))
        })
        .collect()
}

#[derive(Default)]
struct Moment {
    /// Seconds a second, by core: user, system, iowait, steal, idle.
    cores: BTreeMap<String, [f64; 5]>,
    disks: BTreeMap<String, DiskIo>,
    sample: HostSample,
    swap_free: Option<f64>,
}

#[derive(Default)]
struct Moments {
    all: BTreeMap<Ts, Moment>,
    told: Vec<Part>,
}

impl Moments {
    fn tells(&self, part: Part) -> bool {
        self.told.contains(&part)
    }

    fn each(&mut self, points: &Points, f: impl Fn(&mut Moment, f64)) {
        for (at, value) in points {
            f(self.all.entry(*at).or_default(), *value);
        }
    }

    /// Takes a series in; false when it says nothing that the machine's pane shows.
    fn take(&mut self, name: &str, metric: &Value, points: &Points) -> bool {
        let label = |l: &str| metric[l].as_str().unwrap_or("").to_owned();
        let add = |to: &mut u64, value: f64| *to = to.saturating_add(value.max(0.0) as u64);
        self.told.extend(match name {
            "node_load1" => Some(Part::Load),
            "node_memory_MemTotal_bytes" => Some(Part::Memory),
            "node_cpu_seconds_total" => Some(Part::Cpu),
            "node_network_receive_bytes_total" | "node_network_transmit_bytes_total" => Some(Part::Network),
            _ if name.starts_with("node_pressure_") => Some(Part::Pressure),
            _ => None,
        });
        match name {
            "node_load1" => self.each(points, |m, v| m.sample.load_1_5_15[0] = v as f32),
            "node_load5" => self.each(points, |m, v| m.sample.load_1_5_15[1] = v as f32),
            "node_load15" => self.each(points, |m, v| m.sample.load_1_5_15[2] = v as f32),
            "node_procs_running" => self.each(points, |m, v| m.sample.running = v as u32),
            "node_procs_blocked" => self.each(points, |m, v| m.sample.blocked = v as u32),
            "node_memory_MemTotal_bytes" => self.each(points, |m, v| m.sample.memory.total_bytes = v as u64),
            "node_memory_MemAvailable_bytes" => self.each(points, |m, v| m.sample.memory.available_bytes = v as u64),
            "node_memory_Cached_bytes" | "node_memory_Buffers_bytes" | "node_memory_SReclaimable_bytes" => {
                self.each(points, |m, v| add(&mut m.sample.memory.cache_bytes, v));
            }
            "node_memory_Dirty_bytes" => self.each(points, |m, v| m.sample.memory.dirty_bytes = v as u64),
            "node_memory_SwapTotal_bytes" => self.each(points, |m, v| m.sample.swap.total_bytes = v as u64),
            "node_memory_SwapFree_bytes" => self.each(points, |m, v| m.swap_free = Some(v)),
            "node_cpu_seconds_total" => {
                let i = match label("mode").as_str() {
                    "user" | "nice" => 0,
                    "system" | "irq" | "softirq" => 1,
                    "iowait" => 2,
                    "steal" => 3,
                    "idle" => 4,
                    _ => return false,
                };
                let core = label("cpu");
                self.each(&rates(points), |m, v| m.cores.entry(core.clone()).or_default()[i] += v);
            }
            "node_network_receive_bytes_total" | "node_network_transmit_bytes_total" if label("device") != "lo" => {
                let receive = name.contains("receive");
                self.each(&rates(points), |m, v| {
                    let n = &mut m.sample.network;
                    add(if receive { &mut n.rx_bytes_per_s } else { &mut n.tx_bytes_per_s }, v);
                });
            }
            "node_network_receive_bytes_total" | "node_network_transmit_bytes_total" => {}
            "node_netstat_Tcp_RetransSegs" => {
                self.each(&rates(points), |m, v| m.sample.network.retransmits_per_s = tenth(v));
            }
            "node_disk_read_bytes_total" | "node_disk_written_bytes_total" | "node_disk_io_time_seconds_total" => {
                let device = label("device");
                self.each(&rates(points), |m, v| {
                    let disk = m.disks.entry(device.clone()).or_default();
                    match name {
                        "node_disk_read_bytes_total" => disk.read_bytes_per_s = v as u64,
                        "node_disk_written_bytes_total" => disk.write_bytes_per_s = v as u64,
                        _ => disk.util_pct = tenth(v * 100.0),
                    }
                });
            }
            _ => return self.pressure(name, points),
        }
        true
    }

    fn pressure(&mut self, name: &str, points: &Points) -> bool {
        let put: fn(&mut Pressure) -> &mut f32 = match name {
            "node_pressure_cpu_waiting_seconds_total" => |p| &mut p.cpu_some_pct,
            "node_pressure_memory_waiting_seconds_total" => |p| &mut p.memory_some_pct,
            "node_pressure_memory_stalled_seconds_total" => |p| &mut p.memory_full_pct,
            "node_pressure_io_waiting_seconds_total" => |p| &mut p.io_some_pct,
            "node_pressure_io_stalled_seconds_total" => |p| &mut p.io_full_pct,
            _ => return false,
        };
        self.each(&rates(points), |m, v| *put(m.sample.pressure.get_or_insert_default()) = tenth(v * 100.0));
        true
    }

    fn samples(self) -> Vec<(Ts, HostSample)> {
        let (cpu, memory) = (self.tells(Part::Cpu), self.tells(Part::Memory));
        let untold: Vec<Part> = Part::ALL.into_iter().filter(|part| !self.tells(*part)).collect();
        // A counter says nothing of its first moment: where CPU or memory is known at all, moments without it are none.
        let whole = move |m: &Moment| (!cpu || !m.cores.is_empty()) && (!memory || m.sample.memory.total_bytes > 0);
        self.all
            .into_iter()
            .filter(|(_, m)| whole(m))
            .map(|(at, m)| (at, HostSample { untold: untold.clone(), ..m.finish() }))
            .collect()
    }
}

impl Moment {
    fn finish(self) -> HostSample {
        let mut s = self.sample;
        let mut cores: Vec<(u32, [f64; 5])> =
            self.cores.iter().map(|(core, times)| (core.parse().unwrap_or(u32::MAX), *times)).collect();
        cores.sort_by_key(|(core, _)| *core);
        let pct = |times: &[f64; 5]| {
            let all: f64 = times.iter().sum::<f64>().max(1e-9);
            times.map(|t| t / all * 100.0)
        };
        let sum = cores.iter().fold([0.0; 5], |mut sum, (_, t)| {
            sum.iter_mut().zip(t).for_each(|(s, t)| *s += t);
            sum
        });
        if !cores.is_empty() {
            let [user, system, iowait, steal, _] = pct(&sum);
            (s.cpu.user_pct, s.cpu.system_pct) = (tenth(user), tenth(system));
            (s.cpu.iowait_pct, s.cpu.steal_pct) = (tenth(iowait), tenth(steal));
        }
        s.cores_user_system_iowait_steal_pct = cores
            .iter()
            .map(|(_, t)| {
                let [user, system, iowait, steal, _] = pct(t).map(|v| v.round() as u8);
                [user, system, iowait, steal]
            })
            .collect();
        s.memory.used_bytes = s.memory.total_bytes.saturating_sub(s.memory.available_bytes);
        if let Some(free) = self.swap_free {
            s.swap.used_bytes = s.swap.total_bytes.saturating_sub(free.max(0.0) as u64);
        }
        let mut disks: Vec<DiskIo> =
            self.disks.into_iter().map(|(name, d)| DiskIo { name: name.into(), ..d }).collect();
        disks.sort_by(|a, b| b.util_pct.total_cmp(&a.util_pct).then_with(|| a.name.cmp(&b.name)));
        disks.truncate(4);
        s.disks = disks;
        s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_query_becomes_figures_of_the_machine_and_the_rest_is_named() {
        let cpu = |mode: &str, a: f64, b: f64| {
            format!(
                r#"{{"metric":{{"__name__":"node_cpu_seconds_total","mode":"{mode}","cpu":"0","instance":"db-1:9100"}},"values":[[1773500400,"{a}"],[1773500415,"{b}"]]}}"#
            )
        };
        let text = format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{},{},
              {{"metric":{{"__name__":"node_load1","instance":"db-1:9100"}},"values":[[1773500400,"1.5"],[1773500415,"2.5"]]}},
              {{"metric":{{"__name__":"node_load1","instance":"db-2:9100"}},"values":[[1773500415,"99"]]}},
              {{"metric":{{"__name__":"up","instance":"db-1:9100"}},"values":[[1773500415,"1"]]}}]}}}}"#,
            cpu("user", 100.0, 112.0),
            cpu("idle", 500.0, 503.0)
        );
        let export = parse(&text).expect("an answer");
        assert_eq!(export.host.as_deref(), Some("db-1"));
        let [(at, s)] = export.samples.as_slice() else { panic!("{:?}", export.samples) };
        assert_eq!((at.secs(), s.cpu.user_pct, s.load_1_5_15[0]), (1_773_500_415, 80.0, 2.5));
        let said = export.unknown.join("; ");
        assert!(said.contains("1 more instances") && said.contains("up") && said.contains("known of memory"), "{said}");
        assert!(parse("[]").is_err() && parse(r#"{"data":{"result":[]}}"#).is_err());
    }

    #[test]
    fn what_an_export_does_not_tell_is_named() {
        let text = r#"{"data":{"result":[{"metric":{"__name__":"node_load1"},"values":[[1773500400,"70"]]}]}}"#;
        let export = parse(text).expect("a range query");
        let told: Vec<Part> = Part::ALL.into_iter().filter(|part| export.samples[0].1.tells(*part)).collect();
        assert_eq!(told, [Part::Load]);
    }
}
