//! A better model loads behind pico, and takes its place without what is shown going away.
//!
//! SmolLM2's weights are nobody's to commit: `LLAVACODE_SMOLLM2` names the file that set-up fetched,
//! and without it these tests say so and end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

/// A page with SmolLM2 beside it.
fn with_smollm2(name: &str) -> Result<Option<Site>> {
    let Some(file) = std::env::var_os("LLAVACODE_SMOLLM2") else {
        println!("{name}: skipped, since LLAVACODE_SMOLLM2 names no file; `cargo xtask models` fetches it");
        return Ok(None);
    };
    let weights = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let site = site()?;
    let manifest: serde_json::Value = serde_json::from_slice(&site.read("models/smollm2-135m/bundle.json")?)?;
    let files = manifest["files"].as_object().context("the manifest names no files")?;
    let bytes: u64 = files.values().filter_map(|file| file["bytes"].as_u64()).sum();
    let linear = &manifest["quantization"]["reader_linear"];
    let index = serde_json::json!({ "smollm2-135m": { "bytes": bytes, "reader_linear": linear } });
    let site = site
        .replace("models/index.json", index.to_string().into_bytes())
        .replace("models/smollm2-135m/reader/model.gguf", weights);
    Ok(Some(site))
}

#[tokio::test]
async fn pico_answers_first_and_smollm2_takes_over_without_a_flicker() -> Result<()> {
    let Some(site) = with_smollm2("takes over")? else { return Ok(()) };
    let query = "?model=smollm2-135m&device=cpu";
    visit("takes-over", site, query, &BrowserOptions::default(), async |page| {
        // It does not wait for its index.
        let first = page.wait_for_ghost(PATIENCE).await?;
        ensure!(page.text("model").await?.starts_with("pico"), "pico did not answer first");
        watch_the_ghost(page).await?;
        let taken_over = "document.querySelector(\"[data-testid='model']\")?.textContent.includes('SmolLM2')";
        page.wait_until("SmolLM2 is in use", taken_over, PATIENCE).await?;
        page.wait_for_state("lane-full_rag", "done", PATIENCE).await?;
        let second = page.wait_for_ghost(PATIENCE).await?;
        println!("pico suggests {first:?}, SmolLM2 {second:?}");
        ensure!(page.evaluate("window.ghostless").await? == 0, "the ghost text went away for a while");
        for (lane, hidden) in [("lane-full_rag", false), ("lane-excerpt", false), ("lane-compressed", true)] {
            let shown = page.element(lane).await?.is_displayed().await?;
            ensure!(shown != hidden, "{lane} is shown: {shown}");
        }
        let intro = page.text("intro").await?;
        ensure!(
            intro.contains("Cached RAG") && !intro.contains("Compressed"),
            "the introduction says: {intro}"
        );
        page.wait_for_state("lane-excerpt", "done", PATIENCE).await?;
        page.screenshot("takes-over").await?;
        let (takes, told) = (page.text("memory").await?, page.text("model-smollm2-135m").await?);
        ensure!(
            told.contains(&format!("Needs {takes} of memory")),
            "it takes {takes}, and the page told: {told}"
        );

        // It is on this device now: without a server it takes over again.
        page.wait_until_kept().await?;
        page.go_offline();
        page.open(query).await?;
        page.wait_until("SmolLM2 is in use offline", taken_over, PATIENCE).await?;
        page.wait_for_state("lane-full_rag", "done", PATIENCE).await
    })
    .await
}

#[tokio::test]
async fn on_a_slow_device_the_page_says_what_smollm2_would_cost() -> Result<()> {
    let Some(site) = with_smollm2("offer")? else { return Ok(()) };
    visit("offer", site, "?device=cpu", &BrowserOptions::default(), async |page| {
        let offer = "document.querySelector(\"[data-testid='offer'] p\")?.textContent ?? null";
        let offer = page.wait_until("the offer", offer, PATIENCE).await?;
        let text = offer.as_str().unwrap_or_default();
        ensure!(text.contains("108 MB") && text.contains("first token"), "the page offers: {text}");
        page.screenshot("offer").await?;
        page.element("offer-accept").await?.click().await?;
        let arriving =
            "document.querySelector(\"[data-testid='arriving']\")?.textContent.includes('SmolLM2')";
        page.wait_until("SmolLM2 is loading", arriving, Duration::from_secs(30)).await?;
        page.reload().await?;
        page.wait_until("the choice is remembered", arriving, PATIENCE).await.map(|_| ())
    })
    .await
}

/// Counts the moments from now on at which no ghost text is shown.
async fn watch_the_ghost(page: &Page) -> Result<()> {
    page.evaluate(
        "(() => {\
           window.ghostless = 0;\
           const look = () => { if (!document.querySelector(\"[data-testid='ghost']\")) window.ghostless += 1; };\
           new MutationObserver(look).observe(document.querySelector(\"[data-testid='editor']\"),\
             { childList: true, subtree: true, characterData: true });\
           return true;\
         })()",
    )
    .await
    .map(|_| ())
}
