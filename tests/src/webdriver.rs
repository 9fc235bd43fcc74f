//! A browser of our own, driven through chromedriver.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// What the browser computes graphics with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gpu {
    /// SwiftShader, the software GPU that Chromium ships.
    Software,
    /// None: WebGPU has no adapter to give.
    Missing,
    /// Whatever these flags choose.
    Flags(Vec<String>),
}

/// How to start a browser.
#[derive(Debug, Clone)]
pub struct BrowserOptions {
    /// Its GPU.
    pub gpu: Gpu,
    /// Show its window.
    pub headed: bool,
    /// Width and height of the window in CSS pixels.
    pub window: (u32, u32),
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self { gpu: Gpu::Software, headed: false, window: (1440, 900) }
    }
}

impl BrowserOptions {
    fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> = [
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // A page in the background is slowed down.
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
        ]
        .map(String::from)
        .into();
        flags.push(format!("--window-size={},{}", self.window.0, self.window.1));
        if !self.headed {
            flags.push("--headless".into());
        }
        if is_root() {
            // Chromium's sandbox refuses to run as root, as it does in containers.
            flags.push("--no-sandbox".into());
        }
        match &self.gpu {
            Gpu::Software => {
                flags
                    .extend(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"].map(String::from));
            }
            Gpu::Missing => flags.push("--disable-gpu".into()),
            Gpu::Flags(own) => flags.extend(own.iter().cloned()),
        }
        flags
    }
}

/// A browser. Dropping it ends it; [`Browser::close`] also lets it tidy up.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Child,
}

impl Browser {
    /// Starts chromedriver (`CHROMEDRIVER`, or from `PATH`) on a free port and with it a browser
    /// (`CHROME`, or the one chromedriver finds) with an empty profile.
    ///
    /// # Errors
    /// If either does not start.
    pub async fn start(options: &BrowserOptions) -> Result<Self> {
        let program = std::env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut driver = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("{} could not be started: see `cargo xtask setup`", program.to_string_lossy())
            })?;
        let stdout = driver.stdout.take().context("chromedriver has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = timeout(Duration::from_secs(30), listening_port(&mut lines))
            .await
            .context("chromedriver said nothing for 30 s")??;
        // Its output must go on being read, or it would block.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(options))
            .connect(&format!("http://localhost:{port}"))
            .await
            .context("the browser could not be started")?;
        Ok(Self { client, driver })
    }

    /// The WebDriver session.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Chromedriver's process, which the browser's descend from; `None` once it has ended.
    pub fn process(&self) -> Option<u32> {
        self.driver.id()
    }

    /// The browser's name and version.
    pub fn version(&self) -> String {
        let capability = |name| {
            self.client
                .capabilities()
                .and_then(|all| all.get(name))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!("{} {}", capability("browserName"), capability("browserVersion")).trim().to_owned()
    }

    /// What the page's console said since the last call, a line each.
    ///
    /// # Errors
    /// If the session is gone.
    pub async fn console(&self) -> Result<Vec<String>> {
        let log = self.client.issue_cmd(BrowserLog).await.context("the console could not be read")?;
        let line = |entry: &Value| {
            let text = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}", text("level"), text("message"))
        };
        Ok(log.as_array().map(|entries| entries.iter().map(line).collect()).unwrap_or_default())
    }

    /// Runs a command of Chromium's DevTools protocol.
    ///
    /// # Errors
    /// If it fails.
    pub async fn devtools(&self, command: &str, arguments: Value) -> Result<Value> {
        let command = DevTools { command: command.to_owned(), arguments };
        self.client.issue_cmd(command).await.context("a DevTools command failed")
    }

    /// Ends the session, the browser and chromedriver.
    ///
    /// # Errors
    /// If chromedriver cannot be ended.
    pub async fn close(mut self) -> Result<()> {
        // A session that is gone already needs no closing.
        let _ = timeout(Duration::from_secs(20), self.client.clone().close()).await;
        self.driver.kill().await.context("chromedriver could not be ended")
    }
}

async fn listening_port(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<u16> {
    while let Some(line) = lines.next_line().await? {
        // "ChromeDriver was started successfully on port 41235."
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return port.trim_end_matches('.').parse().with_context(|| format!("no port in \"{line}\""));
        }
    }
    bail!("chromedriver ended before it listened")
}

fn capabilities(options: &BrowserOptions) -> Capabilities {
    let mut chrome = json!({ "args": options.flags() });
    if let Some(binary) = std::env::var_os("CHROME").map(PathBuf::from) {
        chrome["binary"] = json!(binary);
    }
    let mut all = Capabilities::new();
    all.insert("browserName".into(), json!("chrome"));
    all.insert("goog:chromeOptions".into(), chrome);
    all.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
    // Compiling shaders on a software GPU can hold up the page's answer.
    all.insert("timeouts".into(), json!({ "script": 120_000, "pageLoad": 120_000 }));
    all
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Chromium's own command for the console's messages.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// Chromium's own command for its DevTools protocol.
#[derive(Debug)]
struct DevTools {
    command: String,
    arguments: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.arguments });
        (http::Method::POST, Some(body.to_string()))
    }
}
