//! Vectors that somebody else has made: at an address, or in files that the user chooses.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use llavacode_core::bundle::read_manifest;
use llavacode_core::engine::{Engine, NativeHost};
use llavacode_core::index::Index;
use llavacode_core::weights::{FolderFiles, sha256_hex};
use llavacode_core::workspace::{SHARED_MANIFEST, SharedPlan};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::Value;

use crate::folder::SOON;
use crate::{DEMO, site};

/// Texts of a shard.
const PER_SHARD: usize = 64;

#[tokio::test]
async fn a_shared_index_is_read_in_the_place_of_computing_it() -> Result<()> {
    let site = with_shared_index(site()?).await?.in_page_first(
        "if (!localStorage.getItem('llavacode.settings'))\
           localStorage.setItem('llavacode.settings', JSON.stringify({ shared_index: 'team/' }));",
    )?;
    visit("shared-index", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.wait_for_state("index-state", "ready", PATIENCE).await?;
        let said = page.evaluate(SAID).await?;
        let said = said.as_str().unwrap_or_default();
        let parts = said.split(", ").find_map(|part| part.strip_suffix(" parts from the shared index"));
        let parts: usize = parts.context("it does not say what was shared")?.parse()?;
        ensure!(said.starts_with("0 new in ") && parts > 20, "of the index it is said {said:?}");
        unfold(page).await?;
        page.screenshot("shared-index").await?;

        // One that is not there is told, and nothing else is lost.
        page.evaluate("document.querySelector(\"[data-testid='shared-index-address']\").value = 'nowhere'")
            .await?;
        page.element("shared-index-use").await?.click().await?;
        page.wait_for_notice(&["The shared index is not used", "nowhere/index.json"], SOON).await?;
        page.wait_for_state("index-state", "ready", PATIENCE).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_shared_index_is_read_from_files_that_the_user_chooses() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let file = folder.path().join(name);
        fs::write(&file, bytes).map(|()| file).map_err(Into::into)
    };
    let sources: Vec<(String, String)> = (0..4)
        .map(|file| {
            let lines = (0..60).map(|line| format!("depth_{file}_{line} = sounding({line})\n"));
            (format!("sounding_{file}.py"), lines.collect())
        })
        .collect();
    let project: Vec<PathBuf> =
        sources.iter().map(|(name, text)| write(name, text.as_bytes())).collect::<Result<_>>()?;
    let index = index_of(&sources).await?;
    let index: Vec<PathBuf> = index.iter().map(|(name, bytes)| write(name, bytes)).collect::<Result<_>>()?;
    let without =
        |name: &str| -> Vec<&PathBuf> { index.iter().filter(|file| !file.ends_with(name)).collect() };

    visit("shared-files", site()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        unfold(page).await?;
        let input = "shared-index-files-input";
        page.choose_files(input, &without(SHARED_MANIFEST)).await?;
        page.wait_for_notice(
            &["index.json is not among the files you chose", "choose the index's folder"],
            SOON,
        )
        .await?;
        page.choose_files(input, &without("00001.shard")).await?;
        page.wait_for_notice(&["00001.shard, one of its", "choose the index's folder"], SOON).await?;
        page.screenshot("shared-files-missing").await?;

        // The demo has nothing of it; the project it was made of has all.
        page.choose_files(input, &index).await?;
        said_with(page, "0 parts from the shared index").await?;
        wait_for_summary(page, true).await?;
        let chosen = page.text("shared-index-chosen").await?;
        let files = format!("{} files", index.len());
        ensure!(
            chosen.contains(&files) && chosen.contains("After a reload"),
            "of the files it is said {chosen}"
        );
        page.choose_files("file-input", &project).await?;
        let asked = "document.querySelector(\"[data-testid='incoming']\").open";
        page.wait_until("the page asks where they go", asked, SOON).await?;
        page.element("incoming-replace").await?.click().await?;
        let replaced = "document.querySelector(\"[data-testid='workspace-name']\").textContent === 'files'";
        page.wait_until("the project is open", replaced, SOON).await?;
        let said = said_with(page, "parts from the shared index").await?;
        ensure!(
            said.starts_with("0 new in ") && !said.contains(", 0 parts"),
            "of the index it is said {said:?}"
        );
        page.screenshot("shared-files").await?;

        // The files are lent for one visit, what they gave is kept.
        page.reload().await?;
        page.wait_until_usable().await?;
        let said = page.evaluate(SAID).await?;
        let said = said.as_str().unwrap_or_default();
        ensure!(
            said.starts_with("0 new in ") && !said.contains("shared"),
            "after a reload it is said {said:?}"
        );
        wait_for_summary(page, false).await?;
        ensure!(
            page.evaluate(CHOSEN_HIDDEN).await? == true,
            "the files are said to be in use after a reload"
        );

        // An address takes their place, they that of an address, and none takes both away.
        unfold(page).await?;
        page.choose_files(input, &index).await?;
        said_with(page, "0 parts from the shared index").await?;
        page.element("shared-index-address").await?.send_keys("nowhere").await?;
        page.element("shared-index-use").await?.click().await?;
        page.wait_for_notice(&["The shared index is not used", "nowhere/index.json"], SOON).await?;
        ensure!(page.evaluate(CHOSEN_HIDDEN).await? == true, "an address leaves the files in use");
        page.choose_files(input, &index).await?;
        said_with(page, "0 parts from the shared index").await?;
        let address = page.evaluate("document.querySelector(\"[data-testid='shared-index-address']\").value");
        ensure!(address.await? == "", "files leave the address in use");
        page.element("shared-index-none").await?.click().await?;
        wait_for_summary(page, false).await?;
        page.wait_for_state("index-state", "ready", PATIENCE).await?;
        ensure!(page.evaluate(CHOSEN_HIDDEN).await? == true, "none leaves the files in use");
        Ok(())
    })
    .await
}

/// What is said of the index that stands.
const SAID: &str = "document.querySelector('.index > .hint').textContent";

/// Whether nothing is said of chosen files.
const CHOSEN_HIDDEN: &str = "document.querySelector(\"[data-testid='shared-index-chosen']\").hidden";

async fn unfold(page: &Page) -> Result<()> {
    page.evaluate("document.querySelector(\"[data-testid='shared-index']\").open = true").await.map(|_| ())
}

/// Waits until this is said of the index.
async fn said_with(page: &Page, part: &str) -> Result<String> {
    let said = format!("(said => said.includes('{part}') ? said : null)({SAID})");
    let said = page.wait_until(&format!("{part:?} is said of the index"), &said, PATIENCE).await?;
    Ok(said.as_str().unwrap_or_default().to_owned())
}

/// Waits until the page says that a shared index is chosen, or that none is.
async fn wait_for_summary(page: &Page, is_chosen: bool) -> Result<()> {
    let summary = "document.querySelector(\"[data-testid='shared-index'] summary\").textContent";
    let says = format!("{summary}.includes('chosen') === {is_chosen}");
    page.wait_until(&format!("a shared index is chosen: {is_chosen}"), &says, SOON).await.map(|_| ())
}

/// The page with an index of its demo's files in the folder `team`.
async fn with_shared_index(site: Site) -> Result<Site> {
    let demo: Value = serde_json::from_slice(&site.read(DEMO)?)?;
    let mut sources = Vec::new();
    for file in demo["files"].as_array().context("the demo has no files")? {
        let text = |field: &str| file[field].as_str().with_context(|| format!("a file without {field}"));
        sources.push((text("path")?.to_owned(), text("text")?.to_owned()));
    }
    let files = index_of(&sources).await?;
    Ok(files.into_iter().fold(site, |site, (name, bytes)| site.replace(&format!("team/{name}"), bytes)))
}

/// The files of an index of these sources, path and text of each: by name.
async fn index_of(sources: &[(String, String)]) -> Result<Vec<(String, Vec<u8>)>> {
    let bundle = FolderFiles { root: concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle").into() };
    let manifest = read_manifest(&bundle).await?;
    let mut index = Index::in_parts(manifest.chunking, manifest.prompt.soft_tokens);
    for (path, text) in sources {
        index.update_file(path, text);
    }
    let plan = SharedPlan::new(&manifest, &index, PER_SHARD);
    let host = NativeHost::default();
    let engine = Engine::load_models(&bundle, manifest, &Device::flex(), host, |_| ()).await?;
    let (mut files, mut made) = (Vec::new(), Vec::new());
    for shard in 0..plan.shards() {
        let bytes = plan.make(shard, &engine, PER_SHARD, |_| ()).await?;
        made.push((bytes.len() as u64, sha256_hex(&bytes)));
        files.push((SharedPlan::file(shard), bytes));
    }
    let (name, directory) = plan.directory();
    files.push((name.to_owned(), directory));
    files.push((SHARED_MANIFEST.to_owned(), serde_json::to_vec(&plan.manifest(made))?));
    Ok(files)
}
