//! The page as a user meets it: opened, looked at, typed into.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};

use crate::server::{Server, Site};
use crate::webdriver::{Browser, BrowserOptions};

/// How long a model may take to load, compile its shaders and index the demo on a software GPU.
pub const PATIENCE: Duration = Duration::from_secs(900);

/// A page that is open in a browser of its own.
#[derive(Debug)]
pub struct Page {
    server: Server,
    browser: Browser,
}

/// Opens the page on WebGPU even where the processor plays the GPU, as it does where tests run.
pub const ON_WEBGPU: &str = "?device=webgpu";

/// Serves a site, opens it with a query such as [`ON_WEBGPU`] and hands the page to `test`. Whatever comes of it, the browser is
/// ended; if the test fails, a screenshot `<name>-failed.png` and the console's messages are kept.
///
/// # Errors
/// Those of `test`, or of starting server and browser.
pub async fn visit(
    name: &str,
    site: Site,
    query: &str,
    options: &BrowserOptions,
    test: impl AsyncFnOnce(&Page) -> Result<()>,
) -> Result<()> {
    let page = Page { server: Server::start(site).await?, browser: Browser::start(options).await? };
    let mut outcome = match page.open(query).await {
        Ok(()) => test(&page).await,
        failed => failed,
    };
    if let Err(error) = outcome {
        let seen = page.evidence(name).await.unwrap_or_else(|lost| format!("nothing was kept: {lost:#}"));
        outcome = Err(error.context(seen));
    }
    page.browser.close().await?;
    outcome
}

impl Page {
    /// Loads the page, with a query such as `?device=cpu` if it is not empty.
    ///
    /// # Errors
    /// If it does not load.
    pub async fn open(&self, query: &str) -> Result<()> {
        let url = format!("{}{query}", self.server.url());
        self.client().goto(&url).await.with_context(|| format!("{url} did not load"))
    }

    /// Loads it again.
    ///
    /// # Errors
    /// If it does not load.
    pub async fn reload(&self) -> Result<()> {
        self.client().refresh().await.context("the page did not load again")
    }

    /// Waits until the service worker keeps what a visit needs: the page, the engine, the built-in models.
    ///
    /// # Errors
    /// If it does not within a minute.
    pub async fn wait_until_kept(&self) -> Result<()> {
        let kept = "window.kept === true || (Promise.all(\
            ['./', 'engine_bg.wasm', 'bundle/reader/model.safetensors'].map(path => caches.match(path)))\
            .then(found => { window.kept = found.every(Boolean) && !!navigator.serviceWorker.controller; }), false)";
        self.wait_until("the page is kept for offline use", kept, Duration::from_secs(60)).await.map(|_| ())
    }

    /// Ends the server for good: what the page still shows, it has from this device.
    pub fn go_offline(&self) {
        self.server.stop();
    }

    /// Clicks the element with `data-testid` `button` within the one with `within`.
    ///
    /// # Errors
    /// If there is none, or it cannot be clicked.
    pub async fn click_in(&self, within: &str, button: &str) -> Result<()> {
        let selector = format!("[data-testid='{within}'] [data-testid='{button}']");
        let found = self.client().find(Locator::Css(&selector)).await;
        found.with_context(|| format!("there is no {button} in {within}"))?.click().await?;
        Ok(())
    }

    /// The browser it is open in.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// The WebDriver session.
    pub fn client(&self) -> &Client {
        self.browser.client()
    }

    /// The element with this `data-testid`.
    ///
    /// # Errors
    /// If there is none.
    pub async fn element(&self, testid: &str) -> Result<Element> {
        let selector = format!("[data-testid='{testid}']");
        self.client()
            .find(Locator::Css(&selector))
            .await
            .with_context(|| format!("the page has no element {testid}"))
    }

    /// The value of a script's expression.
    ///
    /// # Errors
    /// If it throws.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        self.client()
            .execute(&format!("return ({expression});"), Vec::new())
            .await
            .with_context(|| format!("the script failed: {expression}"))
    }

    /// The value of a promise.
    ///
    /// # Errors
    /// If it is rejected.
    pub async fn evaluate_async(&self, promise: &str) -> Result<Value> {
        let script = format!(
            "const done = arguments[0]; ({promise}).then(done, error => done({{ failed: String(error) }}));"
        );
        let value = self.client().execute_async(&script, Vec::new()).await.context("the script failed")?;
        ensure!(value.get("failed").is_none(), "{promise}: {value}");
        Ok(value)
    }

    /// Waits until an expression is truthy and returns it; `what` names it in the error.
    ///
    /// # Errors
    /// If it does not come true within `patience`.
    pub async fn wait_until(&self, what: &str, expression: &str, patience: Duration) -> Result<Value> {
        let start = Instant::now();
        loop {
            let value = self.evaluate(expression).await?;
            if !matches!(value, Value::Null | Value::Bool(false)) && value != json!("") && value != json!(0) {
                return Ok(value);
            }
            ensure!(start.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until an element's `data-state` is `state`.
    ///
    /// # Errors
    /// If it is not within `patience`, or becomes `error` before.
    pub async fn wait_for_state(&self, testid: &str, state: &str, patience: Duration) -> Result<()> {
        let expression = format!(
            "(s => s === '{state}' || s === 'error' ? s : null)\
             (document.querySelector(\"[data-testid='{testid}']\")?.dataset.state)"
        );
        let reached = self.wait_until(&format!("{testid} is {state}"), &expression, patience).await?;
        if reached != json!(state) {
            let notices = self.notices().await.unwrap_or_default();
            bail!("{testid} is {reached} instead of {state}; the page says: {notices}");
        }
        Ok(())
    }

    /// Waits until the model is loaded and the workspace indexed.
    ///
    /// # Errors
    /// If it is not within [`PATIENCE`].
    pub async fn wait_until_usable(&self) -> Result<()> {
        self.wait_for_state("status", "ready", PATIENCE).await?;
        self.wait_for_state("index-state", "ready", PATIENCE).await
    }

    /// Waits for a notice that contains each of these texts, and returns it.
    ///
    /// # Errors
    /// If there is none within `patience`.
    pub async fn wait_for_notice(&self, parts: &[&str], patience: Duration) -> Result<String> {
        let parts = json!(parts);
        let expression = format!(
            "[...document.querySelectorAll(\"[data-testid='notice'] p\")].map(n => n.textContent)\
             .find(text => {parts}.every(part => text.includes(part))) ?? null"
        );
        let notice = match self.wait_until(&format!("a notice with {parts}"), &expression, patience).await {
            Ok(notice) => notice,
            Err(error) => bail!("{error}; the page says: {}", self.notices().await.unwrap_or_default()),
        };
        Ok(notice.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the button that says so, of the newest notice that has one.
    ///
    /// # Errors
    /// If there is none.
    pub async fn click_in_notice(&self, label: &str) -> Result<()> {
        let path = format!("(//*[@data-testid='notice']//button[normalize-space()='{label}'])[last()]");
        let found = self.client().find(Locator::XPath(&path)).await;
        found.with_context(|| format!("no notice offers {label}"))?.click().await?;
        Ok(())
    }

    /// All notices, one a line.
    ///
    /// # Errors
    /// If the page is gone.
    pub async fn notices(&self) -> Result<String> {
        let expression = "[...document.querySelectorAll(\"[data-testid='notice'] p\")].map(n => n.textContent).join('\\n')";
        Ok(self.evaluate(expression).await?.as_str().unwrap_or_default().to_owned())
    }

    /// What an element says.
    ///
    /// # Errors
    /// If there is none.
    pub async fn text(&self, testid: &str) -> Result<String> {
        // WebDriver's own `text` gives nothing for what is scrolled out of view.
        let expression = format!("document.querySelector(\"[data-testid='{testid}']\")?.textContent ?? null");
        let text = self.evaluate(&expression).await?;
        text.as_str().map(str::to_owned).with_context(|| format!("the page has no element {testid}"))
    }

    /// The lines that the editor shows, without ghost text.
    ///
    /// # Errors
    /// If there is no editor.
    pub async fn editor_text(&self) -> Result<String> {
        let expression = "[...document.querySelectorAll(\"[data-testid='editor'] .cm-line\")].map(line => {\
             const copy = line.cloneNode(true);\
             copy.querySelectorAll('.cm-ghost').forEach(ghost => ghost.remove());\
             return copy.textContent;\
             }).join('\\n')";
        Ok(self.evaluate(expression).await?.as_str().unwrap_or_default().to_owned())
    }

    /// The ghost text, once there is some.
    ///
    /// # Errors
    /// If there is none within `patience`.
    pub async fn wait_for_ghost(&self, patience: Duration) -> Result<String> {
        let expression = "document.querySelector(\"[data-testid='ghost']\")?.textContent ?? null";
        let ghost = self.wait_until("ghost text", expression, patience).await?;
        Ok(ghost.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks into the editor and puts the cursor at the end of the text.
    ///
    /// # Errors
    /// If there is no editor.
    pub async fn go_to_end(&self) -> Result<()> {
        self.element("editor-content").await?.click().await?;
        self.press(&[Key::Control, Key::End]).await
    }

    /// Types, key by key, wherever the cursor is.
    ///
    /// # Errors
    /// If the page is gone.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        let mut keys = KeyActions::new("keyboard".into());
        for value in text.chars().map(|letter| if letter == '\n' { Key::Enter.value() } else { letter }) {
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client().perform_actions(keys).await.context("typing failed")
    }

    /// Presses keys together, the last one being the one that counts.
    ///
    /// # Errors
    /// If the page is gone.
    pub async fn press(&self, together: &[Key]) -> Result<()> {
        let down = together.iter().map(|key| KeyAction::Down { value: key.value() });
        let up = together.iter().rev().map(|key| KeyAction::Up { value: key.value() });
        let keys = down.chain(up).fold(KeyActions::new("keyboard".into()), |keys, action| keys.then(action));
        self.client().perform_actions(keys).await.context("pressing keys failed")
    }

    /// Gives a file to the input with this `data-testid`, as choosing it does.
    ///
    /// # Errors
    /// If there is no such input.
    pub async fn choose_file(&self, testid: &str, file: &Path) -> Result<()> {
        self.choose_files(testid, &[file]).await
    }

    /// Gives it several files at once.
    ///
    /// # Errors
    /// If there is no such input, or it takes only one.
    pub async fn choose_files(&self, testid: &str, files: &[impl AsRef<Path>]) -> Result<()> {
        let paths: Vec<_> = files.iter().map(|file| file.as_ref().to_string_lossy()).collect();
        let input = self.element(testid).await?;
        input.send_keys(&paths.join("\n")).await.context("the files were not taken")
    }

    /// Has the browser prefer a colour scheme, `dark` or `light`.
    ///
    /// # Errors
    /// If the browser does not do so.
    pub async fn prefer_colours(&self, scheme: &str) -> Result<()> {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let arguments = json!({ "features": [feature] });
        self.browser.devtools("Emulation.setEmulatedMedia", arguments).await.map(|_| ())
    }

    /// Keeps what the window shows as `target/screenshots/<name>.png`.
    ///
    /// # Errors
    /// If it cannot be taken or written.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, self.client().screenshot().await?)?;
        Ok(file)
    }

    async fn evidence(&self, name: &str) -> Result<String> {
        let file = self.screenshot(&format!("{name}-failed")).await?;
        let console = self.browser.console().await?.join("\n");
        Ok(format!("see {}; the console said:\n{console}", file.display()))
    }
}

/// Keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter or a sign.
    Letter(char),
    /// Alt.
    Alt,
    /// Control.
    Control,
    /// Delete.
    Delete,
    /// The arrow down.
    Down,
    /// End.
    End,
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// F2.
    F2,
    /// Shift.
    Shift,
    /// Tab.
    Tab,
}

impl Key {
    fn value(self) -> char {
        use fantoccini::key::Key as Code;
        char::from(match self {
            Self::Letter(letter) => return letter,
            Self::Alt => Code::Alt,
            Self::Control => Code::Control,
            Self::Delete => Code::Delete,
            Self::Down => Code::Down,
            Self::End => Code::End,
            Self::Enter => Code::Enter,
            Self::Escape => Code::Escape,
            Self::F2 => Code::F2,
            Self::Shift => Code::Shift,
            Self::Tab => Code::Tab,
        })
    }
}
