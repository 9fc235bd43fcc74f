//! An engine that was ended, hangs, or lost its GPU, is noticed and started again, and what was asked of it arrives.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{ON_WEBGPU, PATIENCE, Page, visit};
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

#[tokio::test]
async fn an_engine_that_lost_its_gpu_is_started_again_and_completes() -> Result<()> {
    // A lane without soft tokens: a software GPU takes long to embed.
    let settings =
        "localStorage.setItem('llavacode.settings', '{ \"compare\": false, \"ghost_lane\": \"base\" }')";
    let site = with_workers(site()?)?.in_page_first(settings)?.in_worker_first(
        "const devices = [];\
         const request = GPUAdapter.prototype.requestDevice;\
         GPUAdapter.prototype.requestDevice = async function (...of) {\
           const device = await request.apply(this, of);\
           devices.push(device);\
           return device;\
         };\
         self.addEventListener('message', ({ data }) => { if (data === 'lose') devices.forEach(d => d.destroy()); });",
    )?;
    visit("lost-gpu", site, &format!("{ON_WEBGPU}&model=pico"), &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        // In the middle of what was asked for.
        page.wait_until(
            "a lane is at work",
            "document.querySelector('.lane[data-state=running]') !== null",
            PATIENCE,
        )
        .await?;
        page.evaluate("workers.at(-1).postMessage('lose')").await?;
        page.wait_for_notice(&["The GPU was lost", "started again", "your text is kept"], PATIENCE).await?;
        page.screenshot("lost-gpu").await?;
        page.wait_for_ghost(PATIENCE).await?;
        page.wait_for_state("status", "ready", PATIENCE).await?;
        let backend =
            page.evaluate("document.querySelector(\"[data-testid='status']\").dataset.backend").await?;
        ensure!(backend == "webgpu", "it computes on {backend}");
        let text = page.editor_text().await?;
        ensure!(text.ends_with("def station_"), "the editor shows:\n{text}");
        Ok(())
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
