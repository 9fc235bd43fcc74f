//! A folder on disk that the page may write to. The browser's chooser cannot be driven, so that it
//! gives a folder of the origin-private file system, which is read and written in the same way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, Page};
use llavacode_tests::server::Site;
use serde_json::{Value, json};

/// What the page says and does comes at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const PICKER: &str = "\
    window.showDirectoryPicker = async () =>\
      (await navigator.storage.getDirectory()).getDirectoryHandle('shop', { create: true });\
    window.disk = async path => {\
      const parts = ['shop', ...path.split('/')];\
      let folder = await navigator.storage.getDirectory();\
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });\
      return [folder, parts.at(-1)];\
    };";

/// A page whose chooser of folders gives this one.
pub(crate) fn with_folder(site: Site) -> Result<Site> {
    site.in_page_first(PICKER)
}

/// Puts a file on disk.
pub(crate) async fn put(page: &Page, path: &str, text: &str) -> Result<()> {
    let script = format!(
        "disk({}).then(async ([folder, name]) => {{\
           const stream = await (await folder.getFileHandle(name, {{ create: true }})).createWritable();\
           await stream.write({});\
           await stream.close();\
           return true;\
         }})",
        json!(path),
        json!(text)
    );
    page.evaluate_async(&script).await.map(|_| ())
}

/// A file's text on disk; `None` if it is not there.
pub(crate) async fn on_disk(page: &Page, path: &str) -> Result<Option<String>> {
    // One that is being written cannot be read for a moment.
    let script = format!(
        "(async () => {{\
           const [folder, name] = await disk({});\
           for (let tries = 0; ; tries += 1) {{\
             try {{ return await (await (await folder.getFileHandle(name)).getFile()).text(); }}\
             catch (error) {{\
               if (error.name === 'NotFoundError') return null;\
               if (error.name !== 'NotReadableError' || tries > 50) throw error;\
               await new Promise(again => setTimeout(again, 50));\
             }}\
           }}\
         }})()",
        json!(path)
    );
    Ok(page.evaluate_async(&script).await?.as_str().map(str::to_owned))
}

/// Waits until a file on disk has this text.
pub(crate) async fn wait_for_disk(page: &Page, path: &str, text: &str) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let found = on_disk(page, path).await?;
        if found.as_deref() == Some(text) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < SOON,
            "{path} holds {found:?} on disk; the page says: {}",
            page.notices().await?
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Puts these files into the folder and opens it.
pub(crate) async fn open(page: &Page, files: &[(&str, &str)]) -> Result<()> {
    for (path, text) in files {
        put(page, path, text).await?;
    }
    // The files of the visit before come back by themselves, and would come after these.
    page.wait_until("the page shows a file", "document.querySelector('.cm-line') !== null", SOON).await?;
    shows(page, |path| !path.is_empty()).await?;
    page.element("open-folder").await?.click().await?;
    let named = "document.querySelector(\"[data-testid='workspace-name']\").textContent === 'shop'";
    page.wait_until("the folder is open", named, SOON).await.map(|_| ())
}

/// Waits for the open file's path to be as `wanted`, and returns it.
pub(crate) async fn shows(page: &Page, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let start = std::time::Instant::now();
    loop {
        // While the page loads there is none.
        let path = page.text("path").await.unwrap_or_default();
        if wanted(&path) {
            return Ok(path);
        }
        ensure!(start.elapsed() < SOON, "the page shows {path}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Opens a file by its row in the explorer.
pub(crate) async fn open_file(page: &Page, path: &str) -> Result<()> {
    let script = format!("document.querySelector(\"[data-path='{path}'][role='treeitem']\").click()");
    page.evaluate(&script).await?;
    shows(page, |shown| shown == path).await.map(|_| ())
}

/// The explorer's rows, folders with `/` at their end.
pub(crate) async fn rows(page: &Page) -> Result<Vec<String>> {
    let rows = page
        .evaluate("[...document.querySelectorAll(\"[role='treeitem']\")].map(r => r.dataset.path)")
        .await?;
    let rows = rows.as_array().context("the explorer has no rows")?;
    Ok(rows.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Waits until the explorer has exactly these rows.
pub(crate) async fn wait_for_rows(page: &Page, wanted: &[&str]) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let found = rows(page).await?;
        if found == wanted {
            return Ok(());
        }
        let said = page.notices().await?;
        ensure!(
            start.elapsed() < SOON,
            "the explorer shows {found:?}, not {wanted:?}; the page says: {said}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the open file is marked as not saved.
pub(crate) async fn wait_for_mark(page: &Page, marked: bool) -> Result<()> {
    let mark = format!(
        "[...document.querySelectorAll(\".place [data-testid='unsaved'], .tab.active [data-testid='unsaved'], \
         .row.active [data-testid='unsaved']\")].every(mark => mark.hidden === {})",
        !marked
    );
    page.wait_until(&format!("the file is marked: {marked}"), &mark, SOON).await.map(|_| ())
}

/// Whether the browser would ask before the page is left.
pub(crate) async fn asks_before_leaving(page: &Page) -> Result<bool> {
    let asks = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))";
    Ok(page.evaluate(asks).await? == true)
}

/// Presses a letter with Control.
pub(crate) async fn control(page: &Page, letter: char) -> Result<()> {
    page.press(&[Key::Control, Key::Letter(letter)]).await
}
