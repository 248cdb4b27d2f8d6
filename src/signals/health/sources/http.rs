//! Asks over HTTP: status, time, body, end of the certificate.
//!
//! A new connection each time: a kept one would hide a full accept queue and a certificate that was replaced. Redirects
//! are answers. Proxies of the environment are left aside, or the probe would tell of the proxy.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use regex::Regex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, ClientBuilder, Url};

use super::super::config::ProbeConfig;
use super::super::event::Probe;
use super::{certificate, io_words, millis, told};

/// How much of a body is read, in bytes.
const BODY: usize = 64 << 10;

/// One HTTP probe, ready to ask.
#[derive(Debug)]
pub struct Http {
    client: Client,
    url: Url,
    expect: Vec<(u16, u16)>,
    body: Option<Body>,
    dns: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Body {
    Text(String),
    Pattern(Regex),
}

impl Body {
    fn is_in(&self, text: &str) -> bool {
        match self {
            Body::Text(t) => text.contains(t.as_str()),
            Body::Pattern(r) => r.is_match(text),
        }
    }

    fn shown(&self) -> String {
        match self {
            Body::Text(t) => format!("{t:?}"),
            Body::Pattern(r) => format!("/{r}/"),
        }
    }
}

impl Http {
    /// Prepares to ask `url` as `config` says. The error says what to write instead.
    pub fn new(url: &str, config: &ProbeConfig) -> Result<Http, String> {
        let url = Url::parse(url).map_err(|e| format!("url is not one: {e}; write http://host:port/path"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("url has scheme {}; write http:// or https://", url.scheme()));
        }
        let expect = match &config.expect_status {
            Some(expect) => expect.ranges()?,
            None => vec![(200, 299)],
        };
        let body = match config.expect_body.as_deref() {
            None | Some("") => None,
            Some(text) => Some(match text.strip_prefix('/').and_then(|t| t.strip_suffix('/')) {
                Some(pattern) if !pattern.is_empty() => Body::Pattern(
                    regex::RegexBuilder::new(pattern)
                        .size_limit(1 << 20)
                        .build()
                        .map_err(|e| format!("expect_body is no regular expression: {e}"))?,
                ),
                _ => Body::Text(text.to_owned()),
            }),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let wrong = || format!("header {name:?} is none");
            let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let dns = Arc::new(AtomicU64::new(0));
        let trusted = match &config.ca {
            Some(path) => {
                let wrong = |e: &dyn Error| format!("ca {}: {e}; it must be a readable PEM file", path.display());
                let pem = std::fs::read(path).map_err(|e| wrong(&e))?;
                Certificate::from_pem_bundle(&pem).map_err(|e| wrong(&e))?
            }
            None => Vec::new(),
        };
        let client = client(url.scheme() == "https", &headers, &trusted, &dns)?;
        Ok(Http { client, url, expect, body, dns })
    }

    /// Asks once, within `deadline`, and fills in what was found.
    pub async fn ask(&self, probe: &mut Probe, deadline: Duration) {
        let mut read = 0;
        let asked = tokio::time::timeout(deadline, self.answer(probe, &mut read)).await;
        probe.ok = matches!(asked, Ok(Ok(())));
        probe.error = match asked {
            Ok(Ok(())) => None,
            Ok(Err(why)) => why,
            Err(_) if probe.status.is_some_and(|s| !self.expects(s)) => None,
            Err(_) if probe.status.is_some() => {
                Some(format!("answer not whole after {} ({read} bytes came)", told(deadline)))
            }
            Err(_) => Some(format!("no answer in {}", told(deadline))),
        };
    }

    fn expects(&self, status: u16) -> bool {
        self.expect.iter().any(|&(from, to)| (from..=to).contains(&status))
    }

    /// `Err(None)`: the status says it all.
    async fn answer(&self, probe: &mut Probe, read: &mut usize) -> Result<(), Option<String>> {
        self.dns.store(0, Ordering::Relaxed);
        let began = Instant::now();
        let sent = self.client.get(self.url.clone()).send().await;
        let dns = Duration::from_micros(self.dns.load(Ordering::Relaxed));
        probe.phases.dns = (!dns.is_zero()).then(|| millis(dns));
        let mut response = sent.map_err(|e| Some(words(&e)))?;
        probe.phases.first_byte = Some(millis(began.elapsed().saturating_sub(dns)));
        probe.status = Some(response.status().as_u16());
        probe.tls_expires = response
            .extensions()
            .get::<reqwest::tls::TlsInfo>()
            .and_then(|i| i.peer_certificate())
            .and_then(certificate::not_after);
        let status = response.status().as_u16();
        let expected = self.expects(status);
        let began = Instant::now();
        let mut body = Vec::new();
        while body.len() < BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(BODY - body.len())]),
                Ok(None) => break,
                // The status of a failure is news enough.
                Err(_) if !expected => break,
                Err(e) => return Err(Some(format!("{} after {} bytes of the body", words(&e), body.len()))),
            }
            *read = body.len();
        }
        probe.phases.body = Some(millis(began.elapsed()));
        if !expected {
            let to = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
            return Err(to.filter(|_| (300..400).contains(&status)).map(|to| format!("{status}, moved to {to}")));
        }
        if let Some(want) = &self.body {
            let there = want.is_in(&String::from_utf8_lossy(&body));
            probe.body_match = Some(there);
            if !there {
                return Err(Some(format!("{status} without {} in the body", want.shown())));
            }
        }
        Ok(())
    }
}

fn client(tls: bool, headers: &HeaderMap, trusted: &[Certificate], dns: &Arc<AtomicU64>) -> Result<Client, String> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that somebody else installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let base = || -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .default_headers(headers.clone())
            .dns_resolver(Timed(Arc::clone(dns)))
            .tls_info(true)
    };
    if !tls {
        // No roots are loaded for plain HTTP: quicker, and it works on a box that has none.
        return base().tls_certs_only([]).build().map_err(|e| words(&e));
    }
    base().tls_certs_merge(trusted.iter().cloned()).build().or_else(|_| {
        // A box without a CA bundle: the roots that came with the program.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|c| Certificate::from_der(c).ok());
        base().tls_certs_only(roots.chain(trusted.iter().cloned())).build().map_err(|e| words(&e))
    })
}

/// The system's resolver, timed: the client tells nothing of it.
#[derive(Debug)]
struct Timed(Arc<AtomicU64>);

impl Resolve for Timed {
    fn resolve(&self, name: Name) -> Resolving {
        let spent = Arc::clone(&self.0);
        Box::pin(async move {
            let began = Instant::now();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NotFound)?;
            let found: Vec<_> = found.collect();
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            spent.store(micros.max(1), Ordering::Relaxed);
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("name not found: {0}")]
struct NotFound(std::io::Error);

/// The innermost cause that a person knows.
fn words(e: &reqwest::Error) -> String {
    let mut cause: &dyn Error = e;
    let mut last = String::new();
    loop {
        if let Some(not_found) = cause.downcast_ref::<NotFound>() {
            return not_found.to_string();
        }
        if let Some(w) = cause.downcast_ref::<std::io::Error>().and_then(io_words) {
            return w.into();
        }
        last = match cause.to_string() {
            text if text.is_empty() => last,
            text => text,
        };
        match cause.source() {
            Some(next) => cause = next,
            None => break,
        }
    }
    if last.contains("IncompleteMessage") || last.contains("before message completed") {
        return "connection closed early".into();
    }
    last.strip_prefix("invalid peer certificate: ").map_or(last.clone(), |why| format!("certificate: {why}"))
}
