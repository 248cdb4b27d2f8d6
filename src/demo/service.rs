//! The HTTP service: takes requests, gives each an ID, hands them to the running version, and logs how they ended.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::handlers::{self, Failure, Route};
use super::log::{Access, Line, Logs, millis};
use super::metrics::Metrics;
use super::release::{Release, Version};
use super::rng::Rng;
use super::store::{Ended, Store};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) logs: Logs,
    pub(super) metrics: Metrics,
    /// Where its rows are.
    pub(super) store: Store,
    /// Set when the whole demo ends, so that a migration does not outlive it.
    pub(super) ended: Ended,
    current: RwLock<Option<Arc<Release>>>,
    ids: Mutex<Rng>,
}

/// One request on its way: what its log lines need.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) request_id: &'a str,
}

impl Service {
    pub(super) fn new(logs: Logs, store: Store, ended: Ended, seed: u64) -> Service {
        Service {
            logs,
            metrics: Metrics::default(),
            store,
            ended,
            current: RwLock::new(None),
            ids: Mutex::new(Rng::new(seed ^ 0x5eed)),
        }
    }

    /// The version that runs; `None` while one is being replaced.
    pub(super) fn current(&self) -> Option<Arc<Release>> {
        self.current.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Puts another version (or none) in its place and returns the one before.
    pub(super) fn replace(&self, release: Option<Arc<Release>>) -> Option<Arc<Release>> {
        std::mem::replace(&mut self.current.write().unwrap_or_else(|e| e.into_inner()), release)
    }

    /// Opens `version` and lets it take requests; returns the one before, still open.
    pub(super) async fn launch(&self, version: Version) -> Result<Option<Arc<Release>>, sqlx::Error> {
        let release = Release::open(&self.store, version).await?;
        self.logs.write(
            Line::new("INFO", "api", "service started")
                .field("version", version.text())
                .field("database", self.store.name())
                .field("pool_max", super::release::POOL_SIZE),
        );
        Ok(self.replace(Some(Arc::new(release))))
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let route = Route::of(request.method(), request.uri().path(), request.uri().query());
        let method = method_name(request.method());
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let request_id = self.request_id(request.headers());
        let release = self.current();
        let version = release.as_ref().map(|r| r.version.text());
        if route.is_business() {
            self.logs.write(
                Line::new("INFO", "api::http", "request started")
                    .field("request_id", &request_id)
                    .field("method", method)
                    .field("path", path),
            );
        }

        let call = Call { service: self, request_id: &request_id };
        let outcome = handlers::handle(&call, route, release.as_deref()).await;
        let took = begun.elapsed();
        let (status, body, failure) = match outcome {
            Ok((status, body)) => (status, body, None),
            Err(failure) => (failure.status(), failure.body(), Some(failure)),
        };

        self.metrics.request(route.pattern(), method, status.as_u16(), took);
        if route.is_business() {
            let level = if status.is_server_error() { "ERROR" } else { "INFO" };
            self.logs.write(
                Line::new(level, "api::http", "request finished")
                    .field("request_id", &request_id)
                    .field("method", method)
                    .field("path", path)
                    .field("status", status.as_u16())
                    .field("duration_ms", millis(took))
                    .maybe("version", version)
                    .maybe("error", failure.as_ref().map(Failure::to_string))
                    .maybe("stack", failure.as_ref().and_then(Failure::stack)),
            );
        }
        if !matches!(route, Route::Metrics) {
            let agent = request.headers().get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("-");
            let (status, bytes) = (status.as_u16(), body.len());
            self.logs.access(&Access { peer, method, path, status, bytes, agent, request_id: &request_id });
        }

        let kind = if matches!(route, Route::Metrics) { "text/plain; version=0.0.4" } else { "application/json" };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }

    /// The caller's ID, from `X-Request-Id` or `traceparent`, else a new one. What comes from outside is taken only
    /// when it looks like an ID, since it goes into files.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let given = text("x-request-id").filter(|id| is_id(id));
        let traced = text("traceparent").and_then(|t| t.split('-').nth(1)).filter(|id| id.len() == 32 && is_id(id));
        match given.or(traced) {
            Some(id) => id.to_owned(),
            None => self.ids.lock().unwrap_or_else(|e| e.into_inner()).uuid(),
        }
    }
}

/// Takes connections until the task is dropped.
pub(super) async fn serve(listener: TcpListener, service: Arc<Service>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of file descriptors, most likely: let some connections end.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        tokio::spawn(connection(TokioIo::new(stream), peer, service.clone()));
    }
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, peer: SocketAddr, service: Arc<Service>) {
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, peer.ip()).await) }
    });
    // A caller that went away is no error of the service.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await;
}

fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        _ => "OTHER",
    }
}

/// An answer's status and JSON or text.
pub(super) type Answer = (StatusCode, String);
