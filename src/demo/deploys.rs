//! What is done to the service: the first start, the bad deploy, the rollback. Each is real, and each is in the deploy log.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::clients::Demand;
use super::log::Line;
use super::release::Version;
use super::service::Service;
use super::{BAD, GOOD, SERVICE, shop};

/// The deploy log, JSON lines.
pub(super) const DEPLOY_LOG: &str = "deploys.jsonl";
/// A file of this name asks for a rollback; it is taken away when it is seen.
pub(super) const ROLLBACK_REQUEST: &str = "rollback.request";
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// After so many looks in a row at which nobody had waited in vain, more people come. A pool that is asked for twice
/// what it can give needs four seconds until the first one gives up.
const CALM_LOOKS: u32 = 22;
/// The most of them, in percent.
const MOST_DEMAND: u32 = 800;

/// Appends to the deploy log.
#[derive(Clone, Debug)]
pub(super) struct DeployLog(PathBuf);

/// One line of it.
#[derive(Copy, Clone)]
struct Entry<'a> {
    version: &'a str,
    prev: &'a str,
    kind: &'a str,
    status: &'a str,
    by: &'a str,
    message: &'a str,
}

impl DeployLog {
    pub(super) fn in_folder(folder: &Path) -> DeployLog {
        DeployLog(folder.join(DEPLOY_LOG))
    }

    fn write(&self, entry: &Entry<'_>) {
        let Entry { version, prev, kind, status, by, message } = entry;
        // Written by hand for the order of the fields; all values are our own words and need no escaping but this one.
        let line = format!(
            "{{\"ts\":\"{:.3}\",\"service\":\"{SERVICE}\",\"version\":\"{version}\",\"prev\":\"{prev}\",\"env\":\"demo\",\
             \"by\":\"{by}\",\"kind\":\"{kind}\",\"status\":\"{status}\",\"message\":{}}}\n",
            jiff::Timestamp::now(),
            json!(message)
        );
        let file = OpenOptions::new().append(true).create(true).open(&self.0);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Starts the good version for the first time.
pub(super) async fn first_start(service: &Service, log: &DeployLog) -> Result<(), sqlx::Error> {
    let entry = Entry { version: GOOD, prev: "1.4.0", kind: "deploy", status: "start", by: "ci", message: "" };
    log.write(&Entry { message: "release 1.4.1", ..entry });
    service.launch(Version::Good).await?;
    log.write(&Entry { status: "ok", message: "release 1.4.1", ..entry });
    Ok(())
}

/// Waits for its times and for the request to roll back, and keeps the broken version broken; never returns.
pub(super) async fn follow_plan(
    service: Arc<Service>,
    folder: PathBuf,
    deploy_after: Duration,
    rollback_at: Option<Duration>,
    demand: Demand,
) {
    let mut crowd = Crowd { demand, calm: 0, timeouts: 0 };
    let begun = Instant::now();
    let log = DeployLog::in_folder(&folder);
    let request = folder.join(ROLLBACK_REQUEST);
    let (mut deploy_due, mut rollback_due) = (Some(deploy_after), rollback_at);
    loop {
        if deploy_due.is_some_and(|due| begun.elapsed() >= due) {
            deploy_due = None;
            deploy_bad(&service, &log).await;
        }
        let asked = std::fs::remove_file(&request).is_ok();
        // Before the bad deploy there is nothing to take back, so a plan that is out of order waits.
        let due = deploy_due.is_none() && rollback_due.is_some_and(|due| begun.elapsed() >= due);
        if asked || due {
            if due {
                rollback_due = None;
            }
            roll_back(&service, &log, if asked { "on-call" } else { "demo" }).await;
        }
        crowd.look(&service);
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets more people come while 1.4.2 bears them. The fit at the start can be off: a busy neighbour made the scans look
/// slow and has gone, or the machine sped up.
struct Crowd {
    demand: Demand,
    /// Looks since somebody last waited in vain.
    calm: u32,
    timeouts: u64,
}

impl Crowd {
    fn look(&mut self, service: &Service) {
        let Some(release) = service.current() else { return };
        let timeouts = release.timeouts();
        if release.version == Version::Good {
            self.demand.store(100, Ordering::Relaxed);
            self.calm = 0;
        } else if timeouts != self.timeouts {
            self.calm = 0;
        } else {
            self.calm += 1;
        }
        self.timeouts = timeouts;
        if self.calm == CALM_LOOKS {
            self.calm = 0;
            let more = self.demand.load(Ordering::Relaxed) * 4 / 3;
            self.demand.store(more.min(MOST_DEMAND), Ordering::Relaxed);
        }
    }
}

/// 1.4.2: its migration drops an index that looked unused, then it takes over from 1.4.1 without losing a request.
async fn deploy_bad(service: &Arc<Service>, log: &DeployLog) {
    let deploy = Entry {
        version: BAD,
        prev: GOOD,
        kind: "deploy",
        status: "start",
        by: "ci",
        message: "release 1.4.2: mask e-mail addresses, tidy the schema",
    };
    let migration = Entry { kind: "migration", message: "0042_drop_unused_index: DROP INDEX orders_user_id", ..deploy };
    log.write(&deploy);
    log.write(&migration);
    if let Err(error) = shop::migrate(&service.store, shop::DROP_INDEX, &service.ended).await {
        log.write(&Entry { status: "fail", message: &error.to_string(), ..migration });
        log.write(&Entry { status: "fail", ..deploy });
        return;
    }
    log.write(&Entry { status: "ok", ..migration });
    match service.launch(Version::Bad).await {
        Ok(before) => {
            log.write(&Entry { status: "ok", ..deploy });
            if let Some(before) = before {
                tokio::spawn(async move { before.drain().await });
            }
        }
        Err(error) => log.write(&Entry { status: "fail", message: &error.to_string(), ..deploy }),
    }
}

/// Back to 1.4.1: the version in the way is ended with all it runs, the index is made again, then 1.4.1 starts.
async fn roll_back(service: &Arc<Service>, log: &DeployLog, by: &str) {
    if service.current().is_some_and(|release| release.version == Version::Good) {
        service.logs.write(Line::new("WARN", "api", "rollback asked for, but 1.4.1 runs already"));
        return;
    }
    let rollback =
        Entry { version: GOOD, prev: BAD, kind: "rollback", status: "start", by, message: "back to release 1.4.1" };
    let migration = Entry { kind: "migration", message: "0042 down: CREATE INDEX orders_user_id", ..rollback };
    log.write(&rollback);
    if let Some(bad) = service.replace(None) {
        bad.end().await;
        service.logs.write(Line::new("INFO", "api", "service stopped").field("version", BAD));
    }
    log.write(&migration);
    // Also after a failed migration the old version starts: slow is better than down.
    let migrated = shop::migrate(&service.store, shop::CREATE_INDEX, &service.ended).await;
    match &migrated {
        Ok(()) => log.write(&Entry { status: "ok", ..migration }),
        Err(error) => log.write(&Entry { status: "fail", message: &error.to_string(), ..migration }),
    }
    match service.launch(Version::Good).await {
        Ok(_) if migrated.is_ok() => log.write(&Entry { status: "ok", ..rollback }),
        Ok(_) => log.write(&Entry { status: "fail", message: "1.4.1 runs without its index", ..rollback }),
        Err(error) => log.write(&Entry { status: "fail", message: &error.to_string(), ..rollback }),
    }
}
