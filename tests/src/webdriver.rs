//! A browser of our own, driven through chromedriver.

use std::ffi::OsStr;
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
        let (driver, port) = start_driver(&program).await?;
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

/// How often chromedriver is started. It takes a port that is free for one version of the Internet
/// protocol and ends where the same port is taken for the other.
const STARTS: usize = 5;

/// Starts chromedriver and waits until it listens: its process and port.
async fn start_driver(program: &OsStr) -> Result<(Child, u16)> {
    let mut said = String::new();
    for _ in 0..STARTS {
        let mut driver = Command::new(program)
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
        said.clear();
        let port = timeout(Duration::from_secs(30), listening_port(&mut lines, &mut said))
            .await
            .context("chromedriver said nothing for 30 s")??;
        if let Some(port) = port {
            // Its output must go on being read, or it would block.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((driver, port));
        }
    }
    bail!("chromedriver was started {STARTS} times and ended each time before it listened: {said}")
}

/// The port that chromedriver says it listens on; `None` where it ends without one. What else it
/// says is added to `said`.
async fn listening_port(lines: &mut Lines<BufReader<ChildStdout>>, said: &mut String) -> Result<Option<u16>> {
    while let Some(line) = lines.next_line().await? {
        // "ChromeDriver was started successfully on port 41235."
        if let Some((_, port)) = line.split_once("successfully on port ") {
            let port = port.trim_end_matches('.').parse();
            return port.map(Some).with_context(|| format!("no port in \"{line}\""));
        }
        said.push_str(&line);
        said.push('\n');
    }
    Ok(None)
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

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program in `folder` that runs `script`.
    fn program(folder: &std::path::Path, script: &str) -> PathBuf {
        let path = folder.join("driver");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_driver_whose_port_was_taken_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "cd {}; if [ ! -e tried ]; then touch tried; echo port not available; exit 1; fi\n\
             echo ChromeDriver was started successfully on port 41235.; sleep 60",
            folder.path().display()
        );
        let (_driver, port) = start_driver(program(folder.path(), &script).as_os_str()).await.unwrap();
        assert_eq!(port, 41235);
    }

    #[tokio::test]
    async fn a_driver_that_never_listens_is_given_up_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "echo a >> \"$0.starts\"; echo port not available; exit 1");
        let error = start_driver(program.as_os_str()).await.unwrap_err().to_string();
        assert!(error.ends_with("before it listened: port not available\n"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("driver.starts")).unwrap().lines().count(), STARTS);
    }
}
