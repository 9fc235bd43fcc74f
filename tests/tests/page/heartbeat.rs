//! An engine that was ended, or hangs, is noticed and started again, and what was asked of it arrives.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

/// Half a minute and what a pass of pico's may take, in which a worker may be silent, and as much for the
/// machine that the test runs on.
const NOTICED: Duration = Duration::from_secs(90);

/// A page that keeps hold of the workers it starts, as only the page itself can end one.
fn with_workers(site: Site) -> Result<Site> {
    site.in_page_first(
        "window.workers = [];\
         window.Worker = class extends Worker { constructor(...of) { super(...of); workers.push(this); } };",
    )
}

#[tokio::test]
async fn an_engine_that_was_ended_is_started_again_and_completes() -> Result<()> {
    visit(
        "ended",
        with_workers(site()?)?,
        "?model=pico&device=cpu",
        &BrowserOptions::default(),
        async |page| {
            page.wait_until_usable().await?;
            page.evaluate("workers.at(-1).terminate()").await?;
            comes_back(page, "ended").await
        },
    )
    .await
}

#[tokio::test]
async fn an_engine_that_hangs_is_started_again_and_completes() -> Result<()> {
    let site = with_workers(site()?)?.in_worker_first(
        "self.addEventListener('message', ({ data }) => { if (data === 'hang') for (;;); });",
    )?;
    visit("hangs", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.evaluate("workers.at(-1).postMessage('hang')").await?;
        comes_back(page, "hangs").await
    })
    .await
}

/// Asks for a completion by typing, and waits for it.
async fn comes_back(page: &Page, name: &str) -> Result<()> {
    page.go_to_end().await?;
    page.type_text("\n\ndef station_").await?;
    page.wait_for_notice(&["has not answered for", "started again", "your text is kept"], NOTICED).await?;
    page.screenshot(name).await?;
    page.wait_for_ghost(PATIENCE).await?;
    page.wait_for_state("status", "ready", PATIENCE).await?;
    let workers = page.evaluate("workers.length").await?;
    ensure!(workers == 2, "{workers} workers were started");
    let text = page.editor_text().await?;
    ensure!(text.ends_with("def station_"), "the editor shows:\n{text}");
    Ok(())
}
