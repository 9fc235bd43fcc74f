//! Chunks' vectors outlast the page, wherever the browser keeps them and whenever the page ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Value, json};

use super::{DEMO, journey::index, site};

/// In a worker: there are no private files.
const NO_FILES: &str = "\
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('refused', 'SecurityError'));";

/// The names of the segments.
const SEGMENTS: &str = "navigator.storage.getDirectory().then(root => root.getDirectoryHandle('vectors'))\
    .then(async folder => { const names = []; for await (const name of folder.keys()) \
    if (name.endsWith('.segment')) names.push(name); return names; })";

/// The names of the databases.
const DATABASES: &str = "indexedDB.databases().then(all => all.map(database => database.name))";

/// The page with a demo that takes a while: about 60 chunks more for each of so many files.
fn long_site(files: usize) -> Result<Site> {
    let site = Site::built()?;
    let mut demo: Value = serde_json::from_slice(&site.read(DEMO)?)?;
    let more = (0..files).map(|file| {
        let text: String = (0..300).map(|line| format!("gauge_{file}_{line} = read({line})\n")).collect();
        json!({ "path": format!("gauges/gauge_{file}.py"), "text": text })
    });
    demo["files"].as_array_mut().context("the demo has no files")?.extend(more);
    let text = serde_json::to_vec(&demo)?;
    Ok(site.replace(DEMO, text))
}

/// Waits until so many chunks have their vectors, and some have not. Says how many have.
async fn wait_for_chunks(page: &Page, count: u64) -> Result<u64> {
    let expression = format!(
        "(text => {{ const found = /Indexing (\\d+) of (\\d+)/.exec(text);\
           return found && +found[1] >= {count} && +found[1] < +found[2] ? +found[1] : null; }})\
         (document.querySelector(\"[data-testid='index-state']\")?.textContent)"
    );
    let done = page.wait_until(&format!("{count} chunks are embedded"), &expression, PATIENCE).await?;
    done.as_u64().context("a number of chunks")
}

async fn nothing_is_embedded_again(page: &Page) -> Result<()> {
    page.reload().await?;
    page.wait_until_usable().await?;
    let (chunks, embedded) = index(page).await?;
    ensure!(embedded == 0, "{embedded} of {chunks} chunks were embedded again");
    Ok(())
}

#[tokio::test]
async fn a_reload_in_the_middle_of_indexing_goes_on_from_the_last_batch() -> Result<()> {
    visit("kept-reload", long_site(20)?, "?device=cpu", &BrowserOptions::default(), async |page| {
        let done = wait_for_chunks(page, 150).await?;
        page.reload().await?;
        page.wait_until_usable().await?;
        let (chunks, embedded) = index(page).await?;
        ensure!(embedded > 0, "all {chunks} chunks had been embedded: it was no reload in the middle");
        // A chunk is told once all of it is kept.
        ensure!(embedded + done <= chunks, "{done} had vectors; {embedded} of {chunks} were made anew");
        nothing_is_embedded_again(page).await
    })
    .await
}

#[tokio::test]
async fn two_tabs_that_index_at_once_lose_nothing() -> Result<()> {
    visit("kept-tabs", long_site(20)?, "?device=cpu", &BrowserOptions::default(), async |page| {
        wait_for_chunks(page, 1).await?;
        let first = page.client().window().await?;
        let second = page.client().new_window(true).await?;
        page.client().switch_to_window(second.handle).await?;
        page.open("?device=cpu").await?;
        page.wait_until_usable().await?;
        page.client().close_window().await?;
        page.client().switch_to_window(first).await?;
        page.wait_until_usable().await?;
        let state = page.text("index-state").await?;
        ensure!(state.contains("kept for the next visit"), "the index says {state:?}");
        let segments = page.evaluate_async(SEGMENTS).await?;
        ensure!(segments.as_array().is_some_and(|names| names.len() >= 2), "one for each tab: {segments}");
        nothing_is_embedded_again(page).await
    })
    .await
}

#[tokio::test]
async fn without_private_files_the_database_keeps_them() -> Result<()> {
    let site = site()?.in_worker_first(NO_FILES)?;
    visit("kept-database", site, "?device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        nothing_is_embedded_again(page).await?;
        let databases = page.evaluate_async(DATABASES).await?;
        ensure!(databases.to_string().contains("llavacode-vectors"), "there are only {databases}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_an_earlier_version_kept_in_the_database_goes() -> Result<()> {
    visit("kept-earlier", site()?, "?device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        let make = "new Promise((done, failed) => { const request = indexedDB.open('llavacode-vectors', 1);\
            request.onsuccess = () => { request.result.close(); done(true); };\
            request.onerror = () => failed(request.error); })";
        page.evaluate_async(make).await?;
        nothing_is_embedded_again(page).await?;
        let gone = format!(
            "window.gone === true || ({DATABASES}.then(names => \
             {{ window.gone = !names.includes('llavacode-vectors'); }}), false)"
        );
        page.wait_until("the database is deleted", &gone, Duration::from_secs(10)).await.map(|_| ())
    })
    .await
}
