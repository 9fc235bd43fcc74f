//! What comes into the project when a folder, an archive or files are opened.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Key, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::folder::{SOON, control, open, rows, shows, wait_for_mark, wait_for_rows, with_folder};
use crate::site;

#[tokio::test]
async fn what_gitignore_names_is_left_out_of_a_folder() -> Result<()> {
    visit("gitignore", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        let files = [
            (".gitignore", "*.log\n/generated/\n!kept.log\n"),
            ("a.py", "a = 1\n"),
            ("a.log", "no\n"),
            ("kept.log", "yes\n"),
            ("generated/b.py", "no\n"),
            ("shop/.gitignore", "secret.py\n"),
            ("shop/cart.py", "c = 1\n"),
            ("shop/generated/d.py", "yes\n"),
            ("shop/secret.py", "no\n"),
        ];
        open(page, &files).await?;
        let wanted = [
            "shop/",
            "shop/generated/",
            "shop/generated/d.py",
            "shop/.gitignore",
            "shop/cart.py",
            ".gitignore",
            "a.py",
            "kept.log",
        ];
        wait_for_rows(page, &wanted).await
    })
    .await
}

#[tokio::test]
async fn a_zip_archive_opens_as_a_project() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("shop-main.zip");
    let files = [("shop/.gitignore", "*.log"), ("shop/a.log", "no"), ("shop/api/views.py", "v = 1\n")];
    pack(&archive, files.map(|(path, text)| (path.to_owned(), text)))?;
    let broken = folder.path().join("broken.zip");
    std::fs::write(&broken, b"PK\x03\x04 and nothing more")?;
    visit("zip", site()?, "", &BrowserOptions::default(), async |page| {
        shows(page, |path| !path.is_empty()).await?;
        page.choose_file("file-input", &broken).await?;
        page.wait_for_notice(&["broken.zip cannot be unpacked"], SOON).await?;
        page.choose_file("file-input", &archive).await?;
        wait_for_rows(page, &["api/", "api/views.py", ".gitignore"]).await?;
        ensure!(
            page.text("workspace-name").await? == "shop",
            "it is named {}",
            page.text("workspace-name").await?
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_a_large_project_the_folders_above_the_open_file_are_open() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("large.zip");
    let files = (0..200).map(|file| (format!("large/shop/f{file}.py"), "f = 1\n"));
    pack(&archive, files.chain([("large/api/views.py".to_owned(), "v = 1\n")]))?;
    visit("large", site()?, "", &BrowserOptions::default(), async |page| {
        shows(page, |path| !path.is_empty()).await?;
        page.choose_file("file-input", &archive).await?;
        wait_for_rows(page, &["api/", "api/views.py", "shop/"]).await?;
        page.element("editor-content").await?.click().await?;
        control(page, 'p').await?;
        page.wait_until("the dialog", "document.activeElement?.dataset?.testid === 'go-to-text'", SOON)
            .await?;
        page.type_text("f123").await?;
        page.press(&[Key::Enter]).await?;
        shows(page, |path| path == "shop/f123.py").await?;
        let row = "document.querySelector(\"[role='treeitem'][data-path='shop/f123.py']\")";
        page.wait_until(
            "its row is there",
            &format!("{row}?.getAttribute('aria-selected') === 'true'"),
            SOON,
        )
        .await?;
        let tree = "document.querySelector(\"[data-testid='file-tree']\")";
        let in_sight = format!(
            "(() => {{ const [row, tree] = [{row}, {tree}].map(element => element.getBoundingClientRect());
            return row.top >= tree.top && row.bottom <= tree.bottom; }})()"
        );
        page.wait_until("it is in sight", &in_sight, SOON).await?;
        Ok(())
    })
    .await
}

fn pack(archive: &Path, files: impl IntoIterator<Item = (String, &'static str)>) -> Result<()> {
    let mut zip = ZipWriter::new(File::create(archive)?);
    for (path, text) in files {
        zip.start_file(path, SimpleFileOptions::default())?;
        zip.write_all(text.as_bytes())?;
    }
    zip.finish()?;
    Ok(())
}

#[tokio::test]
async fn files_join_the_project_or_replace_it_as_the_user_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let file = folder.path().join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    };
    let (a, b) = (write("a.py", "a = 'from disk'\n")?, write("b.py", "b = 1\n")?);
    visit("incoming", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &[("a.py", "a = 1\n")]).await?;
        page.go_to_end().await?;
        page.type_text("typed").await?;
        wait_for_mark(page, true).await?;
        page.choose_files("file-input", &[&a, &b]).await?;
        asked(page).await?;
        page.screenshot("incoming").await?;
        page.element("incoming-join").await?.click().await?;
        // What is unsaved has not made place for it.
        wait_for_rows(page, &["a 2.py", "a.py", "b.py"]).await?;
        shows(page, |path| path == "a 2.py").await?;

        page.choose_file("file-input", &b).await?;
        asked(page).await?;
        page.press(&[Key::Escape]).await?;
        wait_for_rows(page, &["a 2.py", "a.py", "b.py"]).await?;

        page.choose_file("file-input", &b).await?;
        asked(page).await?;
        page.element("incoming-replace").await?.click().await?;
        page.client().accept_alert().await?;
        wait_for_rows(page, &["b.py"]).await?;
        // Saved in the folder that was open no longer, it would appear there.
        page.go_to_end().await?;
        page.type_text("b").await?;
        wait_for_mark(page, true).await?;
        let button = page.text("save").await?;
        ensure!(button == "Download", "the button says {button}");
        control(page, 's').await?;
        wait_for_mark(page, false).await
    })
    .await
}

#[tokio::test]
async fn another_projects_suggestions_are_not_shown() -> Result<()> {
    visit("switch", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(llavacode_tests::harness::PATIENCE).await?;
        page.element("automatic").await?.click().await?;
        // The demo's edit is given up.
        page.evaluate("window.confirm = () => true").await?;
        open(page, &[("a.py", "a = 1\n")]).await?;
        let left = page
            .evaluate("[...document.querySelectorAll('.lane-text, .chunk, .cm-ghost')].map(e => e.textContent).join('')")
            .await?;
        ensure!(left == "", "of the demo is still shown: {left}");
        ensure!(rows(page).await? == ["a.py"], "the explorer shows {:?}", rows(page).await?);
        Ok(())
    })
    .await
}

async fn asked(page: &Page) -> Result<()> {
    let open = "document.querySelector(\"[data-testid='incoming']\").open";
    page.wait_until("the page asks where they go", open, SOON).await.map(|_| ())
}
