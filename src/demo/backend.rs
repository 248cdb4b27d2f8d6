//! The thread that everything of the demo runs on, from making the folder to removing it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::deploys::{self, DeployLog};
use super::fit::{self, Fitted};
use super::folder::{self, Folder};
use super::log::Logs;
use super::postgres::Postgres;
use super::service::{self, Service};
use super::store::{Ended, Store};
use super::{DemoError, DemoOptions, clients, machine, shop};

/// What the outside gets to know once all answers.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) folder: PathBuf,
    pub(super) address: SocketAddr,
    pub(super) fitted: Fitted,
    pub(super) database_url: Option<String>,
}

type Ready = oneshot::Sender<Result<Up, DemoError>>;

/// Runs the demo until it is cancelled. Whatever happens, the folder is gone when this returns.
pub(super) fn run(options: DemoOptions, cancel: CancellationToken, ready: Ready) {
    let one_core = machine::make_small();
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    folder::clean_stale(Some(&parent));
    let folder = match Folder::create(&parent) {
        Ok(folder) => folder,
        Err(error) => return drop(ready.send(Err(error))),
    };
    // One thread: the service, its users and the deploys are a few hundred small tasks a second.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(DemoError::Thread(error)))),
    };
    runtime.block_on(async {
        let up = tokio::select! {
            up = bring_up(&options, &folder, one_core) => up,
            () = cancel.cancelled() => return,
        };
        let Parts { up: parts, service, listener, postgres } = match up {
            Ok(up) => up,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let (address, fitted) = (parts.address, parts.fitted);
        let demand = clients::Demand::new(100.into());
        let (place, due) = (folder.path().into(), (options.deploy_after, options.rollback_at));
        let plan = deploys::follow_plan(service.clone(), place, due.0, due.1, demand.clone());
        let tasks = [
            tokio::spawn(service::serve(listener, service.clone())),
            tokio::spawn(clients::load(address, fitted, options.seed, demand)),
            tokio::spawn(plan),
        ];
        if ready.send(Ok(parts)).is_ok() {
            cancel.cancelled().await;
        }
        service.ended.store(true, Ordering::Relaxed);
        for task in tasks {
            task.abort();
            // Wait for it: a rollback cut short must not open a pool behind our back.
            let _ = task.await;
        }
        if let Some(release) = service.replace(None) {
            release.end().await;
        }
        drop(postgres);
    });
    drop(runtime);
    drop(folder);
}

struct Parts {
    up: Up,
    service: Arc<Service>,
    listener: TcpListener,
    postgres: Option<Postgres>,
}

async fn bring_up(options: &DemoOptions, folder: &Folder, one_core: bool) -> Result<Parts, DemoError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Bind)?;
    let address = listener.local_addr().map_err(DemoError::Bind)?;
    let path = folder.path().to_owned();
    let postgres = if options.postgres { Some(Postgres::start(&path).await?) } else { None };
    let store = match &postgres {
        Some(postgres) => Store::Postgres(Box::new(postgres.options())),
        None => Store::Sqlite(path.join("shop.sqlite")),
    };
    // Set also when the start is given up half-way: a statement that fills must not outlive it.
    let ended = Ended::default();
    let guard = SetOnDrop(Some(ended.clone()));
    let mut link = shop::create(&store, &ended).await?;
    let fitted = fit::fill(&mut link, one_core).await?;
    link.close().await?;
    let logs = Logs::create(&path).map_err(|error| DemoError::Folder { folder: path.clone(), error })?;
    let service = Arc::new(Service::new(logs, store, ended, options.seed));
    deploys::first_start(&service, &DeployLog::in_folder(&path)).await?;
    guard.disarm();
    let database_url = postgres.as_ref().map(Postgres::url);
    Ok(Parts { up: Up { folder: path, address, fitted, database_url }, service, listener, postgres })
}

struct SetOnDrop(Option<Ended>);

impl SetOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        if let Some(ended) = &self.0 {
            ended.store(true, Ordering::Relaxed);
        }
    }
}
