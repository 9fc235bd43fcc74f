//! Saving: into the folder that was opened, or as a download; and what stands in its way.

use anyhow::{Result, ensure};
use llavacode_tests::harness::visit;
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::{
    SOON, asks_before_leaving, control, on_disk, open, open_file, put, shows, wait_for_disk, wait_for_mark,
    with_folder,
};
use crate::site;

const FILES: [(&str, &str); 2] =
    [("cart.py", "total = 0\r\nprint(total)\r\n"), ("api/views.py", "import cart\n")];

#[tokio::test]
async fn a_file_is_saved_where_it_came_from_as_it_was_written() -> Result<()> {
    visit("save", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &FILES).await?;
        open_file(page, "cart.py").await?;
        wait_for_mark(page, false).await?;
        ensure!(!asks_before_leaving(page).await?, "the page asks before anything was typed");
        page.go_to_end().await?;
        page.type_text("# typed").await?;
        wait_for_mark(page, true).await?;
        page.screenshot("unsaved").await?;
        ensure!(asks_before_leaving(page).await?, "the page lets what is unsaved go");
        control(page, 's').await?;
        wait_for_disk(page, "cart.py", "total = 0\r\nprint(total)\r\n# typed").await?;
        wait_for_mark(page, false).await?;
        ensure!(!asks_before_leaving(page).await?, "the page asks though everything is saved");

        // Both files at once, and after a reload, in which neither edits nor folder are lost.
        page.type_text(" again").await?;
        open_file(page, "api/views.py").await?;
        page.go_to_end().await?;
        page.type_text("cart.pay()").await?;
        wait_for_mark(page, true).await?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        page.reload().await?;
        shows(page, |path| path == "api/views.py").await?;
        wait_for_mark(page, true).await?;
        page.element("save-all").await?.click().await?;
        wait_for_disk(page, "api/views.py", "import cart\ncart.pay()").await?;
        wait_for_disk(page, "cart.py", "total = 0\r\nprint(total)\r\n# typed again").await?;
        ensure!(!asks_before_leaving(page).await?, "the page asks though everything is saved");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_another_program_wrote_is_not_overwritten_without_a_word() -> Result<()> {
    visit("changed-on-disk", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &FILES).await?;
        open_file(page, "api/views.py").await?;
        put(page, "api/views.py", "by another\n").await?;
        page.go_to_end().await?;
        page.type_text("mine").await?;
        control(page, 's').await?;
        page.wait_for_notice(&["api/views.py was changed on disk"], SOON).await?;
        page.screenshot("changed-on-disk").await?;
        ensure!(
            on_disk(page, "api/views.py").await?.as_deref() == Some("by another\n"),
            "it was overwritten"
        );
        wait_for_mark(page, true).await?;

        page.click_in_notice("Reload from disk").await?;
        wait_for_mark(page, false).await?;
        ensure!(
            page.editor_text().await? == "by another\n",
            "the editor shows {:?}",
            page.editor_text().await?
        );
        page.element("editor-content").await?.click().await?;
        control(page, 'z').await?;
        let back = page.editor_text().await?;
        ensure!(back == "import cart\nmine", "undo brings back {back:?}");
        // What is on disk is known now.
        control(page, 's').await?;
        wait_for_disk(page, "api/views.py", "import cart\nmine").await?;

        put(page, "api/views.py", "by another again\n").await?;
        page.go_to_end().await?;
        page.type_text("!").await?;
        control(page, 's').await?;
        page.wait_for_notice(&["api/views.py was changed on disk"], SOON).await?;
        page.click_in_notice("Overwrite").await?;
        wait_for_disk(page, "api/views.py", "import cart\nmine!").await
    })
    .await
}

#[tokio::test]
async fn what_the_disk_refuses_is_said_and_nothing_is_lost() -> Result<()> {
    let refuse = "\
        window.answer = 'denied';\
        FileSystemHandle.prototype.queryPermission = async () => window.answer === 'granted' ? 'granted' : 'prompt';\
        FileSystemHandle.prototype.requestPermission = async () => window.answer;\
        const write = FileSystemWritableFileStream.prototype.write;\
        FileSystemWritableFileStream.prototype.write = function (data) {\
          return window.full ? Promise.reject(new DOMException('no room', 'QuotaExceededError')) : write.call(this, data);\
        };";
    let site = with_folder(site()?)?.in_page_first(refuse)?;
    visit("refused-saving", site, "", &BrowserOptions::default(), async |page| {
        page.evaluate("window.answer = 'granted'").await?;
        open(page, &FILES).await?;
        open_file(page, "api/views.py").await?;
        page.evaluate("window.answer = 'denied'").await?;
        page.go_to_end().await?;
        page.type_text("typed").await?;
        control(page, 's').await?;
        page.wait_for_notice(&["may not write into the folder “shop”", "allow it"], SOON).await?;

        page.evaluate("window.answer = 'granted', window.full = true").await?;
        control(page, 's').await?;
        page.wait_for_notice(&["the disk is full", "Free some space"], SOON).await?;
        page.screenshot("disk-full").await?;
        let before = on_disk(page, "api/views.py").await?;
        ensure!(before.as_deref() == Some("import cart\n"), "half of it was written: {before:?}");

        page.evaluate("window.full = false").await?;
        let gone = "navigator.storage.getDirectory().then(root => root.removeEntry('shop', { recursive: true })).then(() => true)";
        page.evaluate_async(gone).await?;
        control(page, 's').await?;
        page.wait_for_notice(&["is not where it was", "Put it back"], SOON).await?;
        wait_for_mark(page, true).await?;
        let text = page.editor_text().await?;
        ensure!(text == "import cart\ntyped", "the editor shows {text:?}");

        // The folder is back.
        put(page, "cart.py", "").await?;
        control(page, 's').await?;
        wait_for_disk(page, "api/views.py", "import cart\ntyped").await?;
        wait_for_mark(page, false).await
    })
    .await
}

#[tokio::test]
async fn without_a_folder_files_are_downloaded() -> Result<()> {
    let catch = "\
        window.downloads = [];\
        const blobs = new Map();\
        const make = URL.createObjectURL;\
        URL.createObjectURL = blob => { const url = make.call(URL, blob); blobs.set(url, blob); return url; };\
        HTMLAnchorElement.prototype.click = function () {\
          const entry = { name: this.download };\
          window.downloads.push(entry);\
          blobs.get(this.href).text().then(text => { entry.text = text; });\
        };";
    let site = site()?.in_page_first(catch)?;
    visit("download", site, "", &BrowserOptions::default(), async |page| {
        let path = shows(page, |path| !path.is_empty()).await?;
        page.go_to_end().await?;
        page.type_text("\n# typed").await?;
        wait_for_mark(page, true).await?;
        ensure!(!asks_before_leaving(page).await?, "the page asks about the demo");
        control(page, 's').await?;
        let downloaded = page.wait_until("a download", "window.downloads[0]?.text ?? null", SOON).await?;
        let text = downloaded.as_str().unwrap_or_default();
        ensure!(text.ends_with("\n# typed"), "downloaded: {text}");
        let name = page.evaluate("window.downloads[0].name").await?;
        ensure!(path.ends_with(name.as_str().unwrap_or("nothing")), "{path} was downloaded as {name}");
        wait_for_mark(page, false).await
    })
    .await
}
