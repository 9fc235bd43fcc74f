//! New, renamed and deleted files, by the keyboard alone, and how each is undone.

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Key, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::{
    SOON, asks_before_leaving, control, on_disk, open, open_file, put, shows, wait_for_disk, wait_for_rows,
    with_folder,
};
use crate::site;

#[tokio::test]
async fn files_are_made_renamed_and_deleted_and_come_back() -> Result<()> {
    visit("change-files", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &[("a.py", "a = 1\n"), ("shop/cart.py", "total = 0\n")]).await?;
        wait_for_rows(page, &["shop/", "shop/cart.py", "a.py"]).await?;

        page.element("new-file").await?.click().await?;
        name(page, "a.py").await?;
        let problem =
            page.wait_until("a problem", "document.querySelector('.problem').textContent", SOON).await?;
        ensure!(problem == "a.py is there already.", "the page says {problem}");
        page.screenshot("name-taken").await?;
        name(page, "shop/new.py").await?;
        shows(page, |path| path == "shop/new.py").await?;
        ensure!(on_disk(page, "shop/new.py").await?.is_none(), "a new file is on disk before it is saved");
        ensure!(!asks_before_leaving(page).await?, "the page asks about an empty file");
        // The keyboard is in the new file.
        page.type_text("new = 1").await?;
        control(page, 's').await?;
        wait_for_disk(page, "shop/new.py", "new = 1").await?;

        open_file(page, "a.py").await?;
        page.go_to_end().await?;
        page.type_text("typed").await?;
        focus_row(page, "a.py").await?;
        page.press(&[Key::F2]).await?;
        name(page, "shop/b.py").await?;
        wait_for_rows(page, &["shop/", "shop/b.py", "shop/cart.py", "shop/new.py"]).await?;
        wait_for_disk(page, "shop/b.py", "a = 1\n").await?;
        ensure!(on_disk(page, "a.py").await?.is_none(), "the old path is still on disk");
        ensure!(
            page.editor_text().await? == "a = 1\ntyped",
            "the editor shows {:?}",
            page.editor_text().await?
        );

        focus_row(page, "shop/").await?;
        page.press(&[Key::Delete]).await?;
        page.wait_for_notice(&["Deleted 3 files, on disk too."], SOON).await?;
        page.screenshot("deleted").await?;
        wait_for_rows(page, &[]).await?;
        ensure!(on_disk(page, "shop/cart.py").await?.is_none(), "a deleted file is on disk");
        page.click_in_notice("Undo").await?;
        wait_for_rows(page, &["shop/", "shop/b.py", "shop/cart.py", "shop/new.py"]).await?;
        wait_for_disk(page, "shop/b.py", "a = 1\n").await?;
        open_file(page, "shop/b.py").await?;
        ensure!(page.editor_text().await? == "a = 1\ntyped", "what was typed did not come back");

        // The renaming is the newest that is left to undo.
        focus_row(page, "shop/b.py").await?;
        control(page, 'z').await?;
        wait_for_rows(page, &["shop/", "shop/cart.py", "shop/new.py", "a.py"]).await?;
        wait_for_disk(page, "a.py", "a = 1\n").await
    })
    .await
}

#[tokio::test]
async fn what_changed_on_disk_is_not_deleted_unseen() -> Result<()> {
    visit("delete-changed", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &[("a.py", "a = 1\n"), ("b.py", "b = 1\n")]).await?;
        put(page, "a.py", "by another\n").await?;
        focus_row(page, "a.py").await?;
        page.press(&[Key::Delete]).await?;
        page.wait_for_notice(&["a.py was not deleted", "changed on disk"], SOON).await?;
        wait_for_rows(page, &["a.py", "b.py"]).await?;
        // A file that the project left out is in the way.
        put(page, "data.bin", "\0").await?;
        focus_row(page, "b.py").await?;
        page.press(&[Key::F2]).await?;
        name(page, "data.bin").await?;
        page.wait_for_notice(&["b.py was not renamed", "data.bin is on disk already"], SOON).await?;
        ensure!(on_disk(page, "data.bin").await?.as_deref() == Some("\0"), "it was overwritten");
        Ok(())
    })
    .await
}

/// Puts the keyboard on a row of the explorer.
async fn focus_row(page: &Page, path: &str) -> Result<()> {
    let focus = format!("document.querySelector(\"[role='treeitem'][data-path='{path}']\").focus()");
    page.evaluate(&focus).await.map(|_| ())
}

/// Types a path into the line that has the keyboard, in the place of what stands there.
async fn name(page: &Page, path: &str) -> Result<()> {
    let focused = "document.activeElement?.dataset?.testid === 'file-name'";
    page.wait_until("a name is asked for", focused, SOON).await?;
    control(page, 'a').await?;
    page.type_text(path).await?;
    page.press(&[Key::Enter]).await
}
