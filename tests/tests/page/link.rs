//! The first screen's introduction, and links that carry settings and a place.

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::SOON;
use crate::site;

#[tokio::test]
async fn a_link_restores_settings_and_place_and_has_no_source_text() -> Result<()> {
    visit("link", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        // What is copied is looked at in the place of the clipboard, which a test may not read.
        page.evaluate(
            "(() => { navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }; return true; })()",
        )
        .await?;
        page.element("cold").await?.click().await?;
        page.element("multi-line").await?.click().await?;
        page.go_to_end().await?;
        let place = page.text("path").await?;
        page.element("copy-link").await?.click().await?;
        let link = page.wait_until("the link is copied", "window.copied ?? null", SOON).await?;
        let link = link.as_str().context("no link")?.to_owned();
        let (_, query) = link.split_once('?').context("the link carries nothing")?;
        ensure!(query.contains("cold=false") && query.contains("multi_line=true"), "{link}");
        ensure!(query.contains(&format!("at={place}:")), "{link} does not name {place}");
        ensure!(!query.contains("def") && !query.contains("import") && query.len() < 300, "{link}");

        // Somebody else opens it, at another place of that file.
        let query = query.replace(&at(query)?, &format!("at={place}:3:1"));
        page.evaluate("(localStorage.removeItem('llavacode.settings'), true)").await?;
        page.open(&format!("?{query}")).await?;
        page.wait_until_usable().await?;
        page.wait_for_notice(&["settings of the link"], SOON).await?;
        ensure!(switches(page).await? == [false, true], "the settings are not the link's");
        ensure!(page.text("status").await?.contains(PLACE), "the status line says {}", page.text("status").await?);
        let address = page.evaluate("location.search").await?;
        ensure!(address == "", "the address still says {address}");
        page.screenshot("link").await?;

        // Back to one's own, and a reload does not bring the link's again.
        page.click_in_notice("Back to mine").await?;
        ensure!(switches(page).await? == [true, false], "the settings are not one's own");
        page.reload().await?;
        page.wait_until_usable().await?;
        ensure!(switches(page).await? == [true, false], "the settings are not kept");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_the_lanes_are_is_said_once_and_can_be_asked_for() -> Result<()> {
    visit("intro", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        ensure!(page.element("intro").await?.is_displayed().await?, "a newcomer is told nothing");
        page.element("intro-close").await?.click().await?;
        page.reload().await?;
        page.wait_until_usable().await?;
        ensure!(!page.element("intro").await?.is_displayed().await?, "it is told again");
        let button = page.element("intro-open").await?;
        button.click().await?;
        ensure!(page.element("intro").await?.is_displayed().await?, "it cannot be asked for");
        button.click().await?;
        ensure!(!page.element("intro").await?.is_displayed().await?, "it cannot be put away");
        Ok(())
    })
    .await
}

/// What the status line says at line 3, column 1.
const PLACE: &str = "Ln 3, Col 1";

/// The parameter that names the place.
fn at(query: &str) -> Result<String> {
    let place = query.split('&').find(|parameter| parameter.starts_with("at="));
    Ok(place.context("there is no place")?.to_owned())
}

/// Whether the lanes start cold, and whether completions go on after a line's end.
async fn switches(page: &Page) -> Result<[bool; 2]> {
    let checked = |testid: &str| format!("document.querySelector(\"[data-testid='{testid}']\").checked");
    let cold = page.evaluate(&checked("cold")).await?;
    let several = page.evaluate(&checked("multi-line")).await?;
    Ok([cold == true, several == true])
}
