//! Files and edits that version 1 of the page's database kept: of a file its text alone, and no folder.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Value, json};

use crate::folder::{asks_before_leaving, open_file, rows, shows, wait_for_mark, wait_for_rows};
use crate::places::cursor_line;
use crate::{DEMO, site};

/// A file of the page's origin, from which a script reaches its storage while the page is not open.
const BESIDE: &str = DEMO;
const QUERY: &str = "?model=pico&device=cpu";

/// Leaves behind what version 1 did.
async fn keep_as_version_1(page: &Page, view: Value, files: Value) -> Result<()> {
    let make = format!(
        "new Promise((done, failed) => {{\
           localStorage.setItem('llavacode.view', {});\
           const request = indexedDB.open('llavacode-page', 1);\
           request.onupgradeneeded = () => request.result.createObjectStore('files');\
           request.onerror = () => failed(request.error);\
           request.onsuccess = () => {{\
             const transaction = request.result.transaction('files', 'readwrite');\
             for (const [path, text] of Object.entries({files})) transaction.objectStore('files').put(text, path);\
             transaction.oncomplete = () => {{ request.result.close(); done(true); }};\
             transaction.onabort = () => failed(transaction.error);\
           }};\
         }})",
        json!(view.to_string())
    );
    page.evaluate_async(&make).await.map(|_| ())
}

/// The database's version, and the names of its stores.
const DATABASE: &str = "new Promise((done, failed) => {\
    const request = indexedDB.open('llavacode-page');\
    request.onerror = () => failed(request.error);\
    request.onsuccess = () => {\
      const { version, objectStoreNames } = request.result;\
      request.result.close();\
      done([version, ...Array.from(objectStoreNames)]);\
    };\
  })";

#[tokio::test]
async fn files_of_version_1_are_there_and_are_edited_and_kept_on() -> Result<()> {
    visit("kept-version-1", site()?, BESIDE, &BrowserOptions::default(), async |page| {
        let view = json!({
            "workspace": "shop", "is_demo": false, "edited": ["shop/cart.py"],
            "open": ["notes.py", "shop/cart.py"], "active": "shop/cart.py", "cursor": [1, 0],
        });
        let files = json!({ "shop/cart.py": "total = 0\r\nprint(total)\r\n", "notes.py": "note = 1\n" });
        keep_as_version_1(page, view, files).await?;
        page.open(QUERY).await?;
        shows(page, |path| path == "shop/cart.py").await?;
        wait_for_rows(page, &["shop/", "shop/cart.py", "notes.py"]).await?;
        let name = page.text("workspace-name").await?;
        ensure!(name == "shop", "the project is named {name}");
        let text = page.editor_text().await?;
        ensure!(text == "total = 0\nprint(total)\n", "the editor shows {text:?}");
        let line = cursor_line(page).await?;
        ensure!(line == "print(total)", "the cursor is in the line {line:?}");
        // What of it was saved, that version did not keep: each file counts as saved.
        wait_for_mark(page, false).await?;
        ensure!(!asks_before_leaving(page).await?, "the page asks before anything was typed");
        let database = page.evaluate_async(DATABASE).await?;
        ensure!(database == json!([2, "files", "folder"]), "the database is {database}");

        // From here on it is kept as this version keeps it, beside what is not touched.
        page.go_to_end().await?;
        page.type_text("# typed").await?;
        wait_for_mark(page, true).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        page.reload().await?;
        shows(page, |path| path == "shop/cart.py").await?;
        wait_for_mark(page, true).await?;
        let text = page.editor_text().await?;
        ensure!(text == "total = 0\nprint(total)\n# typed", "after a reload the editor shows {text:?}");
        open_file(page, "notes.py").await?;
        let text = page.editor_text().await?;
        ensure!(text == "note = 1\n", "the other file is {text:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_version_1s_demo_what_the_user_changed_is_there_in_the_newest_demo() -> Result<()> {
    visit("kept-demo-1", site()?, BESIDE, &BrowserOptions::default(), async |page| {
        let demo = page.evaluate("JSON.parse(document.body.textContent)").await?;
        let open = demo["open"].as_str().unwrap_or_default();
        let view = json!({
            "workspace": demo["name"], "is_demo": true, "edited": [open],
            "open": [open], "active": open, "cursor": [0, 0],
        });
        let files = json!({ open: "mine = 1\n", "gone.py": "of_an_older_demo = 1\n" });
        keep_as_version_1(page, view, files).await?;
        page.open(QUERY).await?;
        shows(page, |path| path == open).await?;
        let text = page.editor_text().await?;
        ensure!(text == "mine = 1\n", "the editor shows {text:?}");
        let rows = rows(page).await?;
        let served = demo["files"].as_array().map_or(0, Vec::len);
        let shown = rows.iter().filter(|row| !row.ends_with('/')).count();
        ensure!(!rows.iter().any(|row| row == "gone.py") && shown == served, "the explorer shows {rows:?}");
        Ok(())
    })
    .await
}
