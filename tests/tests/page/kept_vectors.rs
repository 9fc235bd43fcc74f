//! Chunks' vectors outlast the page, wherever the browser keeps them and whenever the page ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_core::random::SplitMix64;
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
fn long(site: Site, files: usize) -> Result<Site> {
    let mut demo: Value = serde_json::from_slice(&site.read(DEMO)?)?;
    let more = (0..files).map(|file| {
        let text: String = (0..300).map(|line| format!("gauge_{file}_{line} = read({line})\n")).collect();
        json!({ "path": format!("gauges/gauge_{file}.py"), "text": text })
    });
    demo["files"].as_array_mut().context("the demo has no files")?.extend(more);
    let text = serde_json::to_vec(&demo)?;
    Ok(site.replace(DEMO, text))
}

/// How many chunks have their vectors, where these are so many and some have none yet.
fn chunks_shown(count: u64) -> String {
    format!(
        "(text => {{ const found = /Indexing (\\d+) of (\\d+)/.exec(text);\
           return found && +found[1] >= {count} && +found[1] < +found[2] ? +found[1] : null; }})\
         (document.querySelector(\"[data-testid='index-state']\")?.textContent)"
    )
}

/// Waits until so many chunks have their vectors, and some have not. Says how many have.
async fn wait_for_chunks(page: &Page, count: u64) -> Result<u64> {
    let what = format!("{count} chunks are embedded");
    let done = page.wait_until(&what, &chunks_shown(count), PATIENCE).await?;
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
    visit("kept-reload", long(Site::built()?, 20)?, "?device=cpu", &BrowserOptions::default(), async |page| {
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

/// In a page that asks for no completions, which have chunks embedded out of turn: holds its workers, and
/// what they tell of indexing: the chunks that have vectors, and how often vectors had been written.
const LISTENS: &str = "\
    localStorage.setItem('llavacode.settings', '{ \"automatic\": false }');\
    window.workers = [];\
    window.told = [];\
    window.Worker = class extends Worker {\
      constructor(...of) {\
        super(...of);\
        workers.push(this);\
        this.addEventListener('message', ({ data }) => {\
          if (data?.event?.type === 'indexing') told.push([data.event.done, data.wrote]);\
        });\
      }\
    };";

/// In a worker: counts the writes of vectors, which are longer than a header, and says the count with all
/// it tells. Each takes at least longer than a batch should, so that batches stay small and a fast machine
/// does not come to the end before it is stopped.
const WRITES: &str = "\
    { let wrote = 0;\
      const write = FileSystemSyncAccessHandle.prototype.write;\
      FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {\
        if (bytes.byteLength > 8) {\
          const until = performance.now() + 130;\
          while (performance.now() < until);\
          wrote += 1;\
        }\
        return write.call(this, bytes, options);\
      };\
      const post = self.postMessage;\
      self.postMessage = function (message, ...rest) {\
        if (message?.event) message.wrote = wrote;\
        return post.call(self, message, ...rest);\
      }; }";

/// How often the work is ended.
const KILLS: usize = 10;
/// Chooses the moments.
const SEED: u64 = 20_251_128;
const QUERY: &str = "?model=pico&device=cpu";

#[tokio::test]
async fn ten_ends_at_any_moment_lose_nothing_that_was_told() -> Result<()> {
    let site = long(site()?, 17)?.in_page_first(LISTENS)?.in_worker_first(WRITES)?;
    visit("kept-kills", site, QUERY, &BrowserOptions::default(), async |page| {
        let mut random = SplitMix64::new(SEED);
        let mut shown = 0;
        for kill in 0..KILLS {
            let recalled = recalled(page).await?;
            ensure!(recalled >= shown, "{shown} chunks had vectors before end {kill}, {recalled} after it");
            wait_for_chunks(page, recalled + 1 + random.below(40) as u64).await?;
            tokio::time::sleep(Duration::from_millis(random.below(300) as u64)).await;
            let now = page.evaluate(&chunks_shown(1)).await?;
            shown = now.as_u64().with_context(|| format!("end {kill} is not in the middle: {now}"))?;
            end(page, kill).await?;
        }
        let recalled = recalled(page).await?;
        ensure!(recalled >= shown, "{shown} chunks had vectors before the last end, {recalled} after it");
        page.wait_until_usable().await?;
        let (chunks, embedded) = index(page).await?;
        ensure!(embedded > 0, "all {chunks} chunks had been embedded: the last end was not in the middle");
        ensure!(embedded + shown <= chunks, "{shown} had vectors; {embedded} of {chunks} were made anew");
        let state = page.text("index-state").await?;
        ensure!(state.contains("kept for the next visit"), "the index says {state:?}");
        nothing_is_embedded_again(page).await
    })
    .await
}

/// The chunks that had their vectors from the disk before the first batch of this visit was embedded.
async fn recalled(page: &Page) -> Result<u64> {
    let expression = "told.some(([, wrote]) => wrote > 0) \
        ? { chunks: Math.max(0, ...told.filter(([, wrote]) => wrote === 0).map(([done]) => done)) } : null";
    let recalled = page.wait_until("a batch is embedded", expression, PATIENCE).await?;
    recalled["chunks"].as_u64().context("a number of chunks")
}

/// Ends the page's work, each time in the next of four ways, and opens the page again.
async fn end(page: &Page, kill: usize) -> Result<()> {
    match kill % 4 {
        0 => page.reload().await,
        1 => {
            page.open(DEMO).await?;
            page.open(QUERY).await
        }
        2 => {
            let next = page.client().new_window(true).await?;
            page.client().close_window().await?;
            page.client().switch_to_window(next.handle).await?;
            page.open(QUERY).await
        }
        _ => {
            page.evaluate("workers.at(-1).terminate()").await?;
            page.reload().await
        }
    }
}

#[tokio::test]
async fn two_tabs_that_index_at_once_lose_nothing() -> Result<()> {
    visit("kept-tabs", long(Site::built()?, 20)?, "?device=cpu", &BrowserOptions::default(), async |page| {
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
async fn what_earlier_versions_kept_in_databases_goes() -> Result<()> {
    visit("kept-earlier", site()?, "?device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        // Whole indexes, and then a record a text.
        for name in ["llavacode", "llavacode-vectors"] {
            let make = format!(
                "new Promise((done, failed) => {{ const request = indexedDB.open('{name}', 1);\
                 request.onsuccess = () => {{ request.result.close(); done(true); }};\
                 request.onerror = () => failed(request.error); }})"
            );
            page.evaluate_async(&make).await?;
        }
        nothing_is_embedded_again(page).await?;
        let gone = format!(
            "window.gone === true || ({DATABASES}.then(names => \
             {{ window.gone = !['llavacode', 'llavacode-vectors'].some(name => names.includes(name)); }}), false)"
        );
        page.wait_until("the databases are deleted", &gone, Duration::from_secs(10)).await.map(|_| ())
    })
    .await
}
