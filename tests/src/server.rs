//! A web server for the built page, which can serve some files other than they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

/// A built page and what to change about it.
#[derive(Debug, Clone)]
pub struct Site {
    dist: PathBuf,
    replaced: HashMap<String, Vec<u8>>,
    stalls: HashMap<String, Stall>,
    /// Every path that names no file is answered with the page.
    page_for_all: bool,
    /// Pages are isolated from other origins.
    isolated: bool,
}

/// A connection that gives nothing from some byte on, as one does whose other end is gone.
#[derive(Debug, Clone)]
struct Stall {
    at: usize,
    /// Answers that are still to stall.
    left: Arc<AtomicUsize>,
}

impl Site {
    /// The page that `cargo xtask` built and named in `LLAVACODE_DIST`.
    ///
    /// # Errors
    /// If the variable is missing or names no built page: the tests would test nothing.
    pub fn built() -> Result<Self> {
        let dist = std::env::var_os("LLAVACODE_DIST").context(
            "LLAVACODE_DIST names no built page: run these tests with `cargo xtask test --only page`",
        )?;
        Self::new(dist)
    }

    /// The page in the folder `dist`.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(dist: impl Into<PathBuf>) -> Result<Self> {
        let dist = dist.into();
        ensure!(
            dist.join("index.html").is_file(),
            "{} holds no page: build it with `cargo xtask build`",
            dist.display()
        );
        Ok(Self {
            dist,
            replaced: HashMap::new(),
            stalls: HashMap::new(),
            page_for_all: false,
            isolated: true,
        })
    }

    /// As a server gives it that knows nothing of isolation from other origins.
    #[must_use]
    pub fn not_isolated(mut self) -> Self {
        self.isolated = false;
        self
    }

    /// A file of the page, by its path without a leading `/`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        if let Some(bytes) = self.replaced.get(path) {
            return Ok(bytes.clone());
        }
        let file = self.dist.join(path);
        std::fs::read(&file).with_context(|| format!("{} could not be read", file.display()))
    }

    /// The first file, in the order of paths, whose path ends so.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, ending: &str) -> Result<String> {
        let mut paths = Vec::new();
        collect(&self.dist, &self.dist, &mut paths)?;
        paths.sort();
        paths
            .into_iter()
            .find(|path| path.ends_with(ending))
            .with_context(|| format!("the page has no {ending}"))
    }

    /// Serves `bytes` in the place of a file.
    #[must_use]
    pub fn replace(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.replaced.insert(path.to_owned(), bytes);
        self
    }

    /// Has the first answer with a replaced file give nothing from byte `at` on.
    #[must_use]
    pub fn stall_once(mut self, path: &str, at: usize) -> Self {
        self.stalls.insert(path.to_owned(), Stall { at, left: Arc::new(AtomicUsize::new(1)) });
        self
    }

    /// Answers every path that names no file with the page, as many static servers do.
    #[must_use]
    pub fn with_page_for_all(mut self) -> Self {
        self.page_for_all = true;
        self
    }

    /// Has the engine's worker run `script` before anything else.
    ///
    /// # Errors
    /// If the page has no such worker.
    pub fn in_worker_first(self, script: &str) -> Result<Self> {
        let path = self.find("engine.js")?;
        let mut code = script.as_bytes().to_vec();
        code.push(b'\n');
        code.extend(self.read(&path)?);
        Ok(self.replace(&path, code))
    }

    /// Has the page run `script` before anything else.
    ///
    /// # Errors
    /// If `index.html` has no head.
    pub fn in_page_first(self, script: &str) -> Result<Self> {
        let page = String::from_utf8(self.read("index.html")?)?;
        let (before, after) = page.split_once("<head>").context("index.html has no <head>")?;
        let page = format!("{before}<head><script>{script}</script>{after}");
        Ok(self.replace("index.html", page.into_bytes()))
    }
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, paths)?;
        } else {
            paths.push(path.strip_prefix(root)?.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

/// A running server. It stops when dropped.
#[derive(Debug)]
pub struct Server {
    url: String,
    /// Its own, so that stopping it ends the connections too.
    runtime: Mutex<Option<Runtime>>,
}

impl Server {
    /// Serves a site on a free port of this machine.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(site: Site) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port can be listened on")?;
        listener.set_nonblocking(true)?;
        // Not 127.0.0.1: only the name is a secure context in every browser.
        let url = format!("http://localhost:{}/", listener.local_addr()?.port());
        let app = router(site);
        let runtime = Runtime::new().context("the server has no threads")?;
        runtime.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                // It ends with its runtime.
                let _ = axum::serve(listener, app).await;
            }
        });
        Ok(Self { url, runtime: Mutex::new(Some(runtime)) })
    }

    /// Where the page is, with `/` at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it: every connection is lost, and nothing answers any more.
    pub fn stop(&self) {
        let runtime = self.runtime.lock().map(|mut runtime| runtime.take());
        if let Ok(Some(runtime)) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn router(site: Site) -> Router {
    let folder = ServeDir::new(&site.dist);
    let page = ServeFile::new(site.dist.join("index.html"));
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(
            header::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let router = match site.page_for_all {
        true => Router::new().fallback_service(folder.fallback(page)),
        false => Router::new().fallback_service(folder),
    };
    let isolated = site.isolated;
    let router = router
        .layer(middleware::from_fn_with_state(Arc::new(site), replaced))
        .layer(header("cache-control", "no-store"));
    if !isolated {
        return router;
    }
    // The page's threads can share a buffer then, and its clock is finer: 5 µs instead of 100.
    router
        .layer(header("cross-origin-opener-policy", "same-origin"))
        .layer(header("cross-origin-embedder-policy", "require-corp"))
}

async fn replaced(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let path = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    match site.replaced.get(path) {
        Some(bytes) => part(&request, path, bytes, site.stalls.get(path)),
        None => next.run(request).await,
    }
}

/// A file from where the request asks for it (`range: bytes=N-`).
fn part(request: &Request, path: &str, bytes: &[u8], stall: Option<&Stall>) -> Response {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let total = bytes.len();
    let Some(rest) = bytes.get(start.unwrap_or(0)..).filter(|rest| !rest.is_empty() || start.is_none())
    else {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    };
    let one_less = |left: usize| left.checked_sub(1);
    let stall =
        stall.filter(|stall| stall.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok());
    let body = match stall {
        Some(stall) => {
            let first = rest[..stall.at.min(rest.len())].to_vec();
            Body::from_stream(stream::iter([Ok::<_, std::io::Error>(first)]).chain(stream::pending()))
        }
        None => Body::from(rest.to_vec()),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    // Browsers refuse scripts and WebAssembly of another type; files from the folder have this one too.
    let media_type = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, rest.len().into());
    if let Some(start) = start {
        let range = format!("bytes {start}-{}/{total}", total.saturating_sub(1));
        headers.extend(HeaderValue::try_from(range).map(|range| (header::CONTENT_RANGE, range)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}
