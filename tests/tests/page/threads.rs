//! The CPU's threads: as many as suit the machine where the browser allows them, one where it does not, and
//! a completion in any case.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

/// Threads that the page takes without being asked for a number.
async fn usual(page: &Page) -> Result<u64> {
    let cores = page.evaluate("navigator.hardwareConcurrency").await?.as_u64().unwrap_or(1);
    Ok(if cores == 2 { 2 } else { (cores / 2).clamp(1, 8) })
}

async fn completes_on(page: &Page, threads: u64) -> Result<()> {
    page.wait_until_usable().await?;
    let words = if threads == 1 { "CPU, 1 thread".to_owned() } else { format!("CPU, {threads} threads") };
    let said = page.text("backend").await?;
    ensure!(said == words, "the status line says {said:?} and not {words:?}");
    page.go_to_end().await?;
    page.type_text("\n\ndef station_").await?;
    page.wait_for_ghost(PATIENCE).await?;
    Ok(())
}

/// What the status line says when pointed at.
async fn why(page: &Page) -> Result<String> {
    let title = page.evaluate("document.querySelector(\"[data-testid='backend']\").title").await?;
    Ok(title.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn as_many_as_suit_the_machine_or_as_are_asked_for() -> Result<()> {
    visit("threads", site()?, "?device=cpu", &BrowserOptions::default(), async |page| {
        completes_on(page, usual(page).await?).await?;
        page.open("?device=cpu&threads=3").await?;
        completes_on(page, 3).await?;
        page.open("?device=cpu&threads=1").await?;
        completes_on(page, 1).await
    })
    .await
}

#[tokio::test]
async fn a_server_that_does_not_isolate_the_page_costs_one_visit() -> Result<()> {
    let site = site()?.not_isolated();
    visit("threads-not-isolated", site, "?device=cpu", &BrowserOptions::default(), async |page| {
        completes_on(page, 1).await?;
        let why = why(page).await?;
        ensure!(why.contains("open it again"), "the status line explains: {why:?}");
        page.wait_until_kept().await?;
        page.reload().await?;
        completes_on(page, usual(page).await?).await
    })
    .await
}

#[tokio::test]
async fn a_helper_that_does_not_start_leaves_one_thread() -> Result<()> {
    for (name, script) in [
        ("threads-broken", "throw new Error('no helper today');"),
        // It never says that it listens.
        ("threads-silent", "self.wasm_bindgen = () => new Promise(() => {});"),
    ] {
        let site = site()?.replace("helper.js", script.into());
        visit(name, site, "?device=cpu&threads=2", &BrowserOptions::default(), async |page| {
            page.wait_for_state("status", "ready", Duration::from_secs(60)).await?;
            completes_on(page, 1).await?;
            let why = why(page).await?;
            ensure!(why.contains("no other could be started"), "the status line explains: {why:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
