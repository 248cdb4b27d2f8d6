//! One sentence on pool usage: which layer is exhausted, application, pooler or server, and what is free behind it.
//!
//! A pool that is full says nothing of where the fault lies: the same twenty connections are out whether the pool is too
//! small, the pooler behind it is starved, or the server is full. Only the three together tell.

use super::event::PoolLayer;
use super::history::Look;
use super::pools::PoolNow;
use super::verdict::SLOTS;
use super::words::{counted, millis};
use crate::ui::{Level, Verdict};

/// Connections of the server that clients can have, our own among them: it may be the one that another client lacks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// In use.
    pub used: u32,
    /// That clients can have.
    pub most: u32,
    /// Of those in use, by sessions that do nothing and have no transaction open; 0 where that is not known.
    pub idle: u32,
}

impl Slots {
    /// From the server itself, else from a metrics page about it.
    pub fn of(look: Option<&Look>, pools: &[PoolNow]) -> Option<Slots> {
        look.and_then(Slots::in_look).or_else(|| {
            let p = pools.iter().find(|p| p.layer == PoolLayer::Server && !p.stale)?;
            Some(Slots { used: p.used?, most: p.max.filter(|n| *n > 0)?, idle: 0 })
        })
    }

    /// As the server itself tells it; `None` where it does not say how many there are.
    pub fn in_look(look: &Look) -> Option<Slots> {
        let f = &look.figures;
        let most = f.max_connections.checked_sub(f.reserved).filter(|n| *n > 0)?;
        // Sessions of superusers stand in reserved ones where no others are left, and so does ours.
        let clients = f.counts.clients;
        Some(Slots { used: if clients < most { clients + 1 } else { clients }, most, idle: f.counts.idle })
    }

    /// Share in use: above 1 where sessions stand in reserved ones.
    pub fn share(self) -> f64 {
        f64::from(self.used) / f64::from(self.most)
    }

    /// Whether sessions that do nothing take most of them.
    fn mostly_idle(self) -> bool {
        self.idle > 0 && self.idle.saturating_mul(2) >= self.used
    }

    /// Whether nobody gets in any more, or hardly.
    pub fn full(self) -> bool {
        self.share() >= SLOTS.1
    }
}

/// The verdict on a pool that has run dry. `cause` is what holds its connections, as far as the server shows it.
pub fn exhausted(pools: &[PoolNow], slots: Option<Slots>, cause: Option<String>) -> Option<Verdict> {
    let dry = |layer| pools.iter().filter(move |p| p.layer == layer && p.exhausted());
    let app = dry(PoolLayer::Application).next();
    let pooler = dry(PoolLayer::Pooler).next();
    let first = pooler.or(app)?;
    let between = pools.iter().any(|p| p.layer == PoolLayer::Pooler);
    let full = slots.is_some_and(Slots::full);
    // Where only the application's pool is known, or only the cause is of interest, few words do: panes are narrow.
    if !between && !full && (cause.is_some() || slots.is_none()) {
        let several = if pools.len() > 1 { format!(" {}", first.name) } else { String::new() };
        let mut text = format!("pool{several} full {}", figures(first));
        if let Some(s) = slots {
            text += &format!(", server {}/{} free", s.most.saturating_sub(s.used), s.most);
        }
        if let Some(cause) = cause {
            text += &format!("; {cause}");
        }
        return Some(Verdict::new(Level::Bad, text));
    }
    // Who waits behind it stands in the rows below; what to do about it stands nowhere else.
    let mut short = match slots {
        Some(s) if full => format!("server full {}/{}{}", s.used, s.most, idle(s)),
        Some(s) => {
            let free = s.most.saturating_sub(s.used);
            format!("{} full {}, server {free}/{} free", brief(first), first.usage(), s.most)
        }
        None => format!("{} full {}", brief(first), figures(first)),
    };
    let behind: Vec<&PoolNow> = [pooler, app].into_iter().flatten().collect();
    let wait = if behind.len() == 1 { "waits" } else { "wait" };
    let mut middle = None;
    let mut text = match slots.filter(|s| s.full()) {
        Some(s) => {
            let names: Vec<String> = behind.iter().map(|p| brief(p)).collect();
            middle = Some(format!("{short}; {} {wait} behind it", names.join(" and ")));
            let figures: Vec<String> = behind.iter().map(|p| format!("{} {}", layer(p), inside(p))).collect();
            let exhausted = format!("server exhausted ({} of {} slots{})", s.used, s.most, idle(s));
            format!("{exhausted}; {} {wait} behind it", figures.join(" and "))
        }
        None => {
            // With a cause to tell, which may be cut off at the end of the line, what is free takes as little room as can be.
            let free = slots.map(|s| (s.most.saturating_sub(s.used), s.most));
            let mut figures = inside(first);
            if let (Some((free, most)), Some(_)) = (free, &cause) {
                figures.insert_str(figures.len() - 1, &format!(", server {free}/{most} free"));
            }
            let mut text = format!("{} exhausted {figures}", layer(first));
            let more = dry(first.layer).count() - 1;
            if more > 0 {
                text += &format!(" and {more} more");
            }
            if let Some(behind) = app.filter(|_| pooler.is_some()) {
                text += &format!(", {} {} waits behind it", layer(behind), inside(behind));
            }
            if let (Some((free, most)), None) = (free, &cause) {
                text += &format!(" while the server has {free} of {most} free");
            }
            text
        }
    };
    let end = match cause {
        // What runs is not what takes the slots.
        _ if full && slots.is_some_and(Slots::mostly_idle) => "; end idle sessions or raise max_connections".into(),
        Some(cause) => format!("; {cause}"),
        None if full => "; end idle sessions or raise max_connections".into(),
        None if slots.is_some() => ": raise the pool or find the slow query".into(),
        None => String::new(),
    };
    text += &end;
    short += &end.strip_prefix(": raise the pool").map_or(end.clone(), |rest| format!(": raise it{rest}"));
    let verdict = Verdict::new(Level::Bad, text);
    Some(match middle {
        Some(middle) => verdict.short(middle + &end).short(short),
        None => verdict.short(short),
    })
}

/// `, 70 idle` where sessions that do nothing take most of the slots.
fn idle(s: Slots) -> String {
    if s.mostly_idle() { format!(", {} idle", s.idle) } else { String::new() }
}

/// `pool orders`, `pooler shop`.
fn brief(p: &PoolNow) -> String {
    layer(p).trim_start_matches("application ").to_owned()
}

fn layer(p: &PoolNow) -> String {
    let what = match p.layer {
        PoolLayer::Application => "pool",
        PoolLayer::Pooler => "pooler",
        PoolLayer::Server => "server",
    };
    format!("{}{what} {}", if p.layer == PoolLayer::Application { "application " } else { "" }, p.name)
}

/// `(20/20, 14 waiting 3.9 s)`.
fn inside(p: &PoolNow) -> String {
    format!("({})", figures(p))
}

/// `20/20, 14 waiting 3.9 s`.
fn figures(p: &PoolNow) -> String {
    let mut text = p.usage();
    match p.waiting {
        Some(n) if n > 0 => text += &format!(", {n} waiting"),
        _ if p.timeouts > 0 => text += &format!(", {} gave up in 60 s", counted(p.timeouts)),
        _ => {}
    }
    if let Some(ms) = p.oldest_wait_ms.filter(|ms| *ms > 0.0) {
        text += &format!(" {}", millis(ms));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(layer: PoolLayer, used: u32, max: u32, waiting: u32) -> PoolNow {
        let name = if layer == PoolLayer::Pooler { "shop" } else { "orders" };
        PoolNow {
            layer,
            name: name.into(),
            used: Some(used),
            idle: Some(max - used),
            max: Some(max),
            waiting: Some(waiting),
            ..PoolNow::default()
        }
    }

    #[test]
    fn every_combination_of_layers_names_the_one_that_is_exhausted() {
        use PoolLayer::{Application, Pooler, Server};
        let app = pool(Application, 20, 20, 14);
        let app_free = pool(Application, 3, 20, 0);
        let pooler = pool(Pooler, 10, 10, 7);
        let pooler_free = pool(Pooler, 3, 10, 0);
        let slots = |used| Some(Slots { used, most: 100, idle: 0 });
        let idle = Some(Slots { used: 100, most: 100, idle: 70 });
        let cause = || Some("slow 5.2 s p95: SELECT 1".to_owned());
        let cases = [
            (vec![app.clone()], None, None),
            (vec![app.clone()], None, cause()),
            (vec![app.clone()], slots(39), None),
            (vec![app.clone()], slots(39), cause()),
            (vec![app.clone(), pooler_free.clone()], slots(39), None),
            (vec![app.clone(), pooler.clone()], slots(39), None),
            (vec![app_free.clone(), pooler.clone()], slots(39), cause()),
            (vec![app_free.clone(), pooler.clone()], None, None),
            (vec![app.clone()], slots(99), None),
            (vec![app.clone(), pooler.clone()], slots(100), cause()),
            (vec![app.clone(), pooler.clone()], idle, cause()),
            (vec![app.clone(), app.clone()], slots(5), None),
            (vec![app_free.clone(), pooler_free.clone()], slots(39), cause()),
        ];
        let told: Vec<String> = cases
            .into_iter()
            .map(|(pools, slots, cause)| match exhausted(&pools, slots, cause) {
                Some(v) => [vec![v.text], v.shorter].concat().join("\n  short: "),
                None => "-".into(),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
        let page = [pool(Server, 99, 100, 0), app];
        assert_eq!(Slots::of(None, &page), slots(99));
    }

    #[test]
    fn a_pool_without_a_limit_is_exhausted_when_nothing_is_idle_and_somebody_waits() {
        let mut p = pool(PoolLayer::Application, 10, 10, 3);
        p.max = None;
        assert!(p.exhausted());
        p.idle = Some(1);
        assert!(!p.exhausted());
    }
}
