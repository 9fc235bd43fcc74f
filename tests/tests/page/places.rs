//! The demo's places: lines whose rest is taken out, one of them where the page opens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::{SOON, control, open_file, shows, wait_for_mark};
use crate::site;

/// Every lane on show says whether it is right.
const JUDGED: &str = "(() => { const lanes = [...document.querySelectorAll('.lane:not([hidden])')];\
    return lanes.length > 2 && lanes.every(lane => lane.dataset.state === 'done' && !lane.querySelector('.verdict').hidden); })()";

#[tokio::test]
async fn the_demo_opens_at_a_place_and_says_which_lanes_are_right() -> Result<()> {
    visit("places", Site::built()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        judged(page).await?;
        page.screenshot("places").await?;
        page.wait_for_ghost(PATIENCE).await?;
        let first = page.text("place-target").await?;
        let opened = cursor_line(page).await?;
        ensure!(!first.trim().is_empty() && !opened.contains(&first), "the line shows {first:?}");
        let words = page.text("place-words").await?;
        ensure!(words.starts_with("pico completes it in"), "of the place it is said {words:?}");
        // What a card says is what it shows.
        let cards = "[...document.querySelectorAll('.lane:not([hidden])')].map(lane => \
            [lane.querySelector('.lane-text').textContent.trim(), lane.querySelector('.verdict').textContent])";
        for card in page.evaluate(cards).await?.as_array().context("no cards")? {
            let right = card[0].as_str() == Some(first.trim());
            ensure!((card[1] == "right") == right, "{card} where {first:?} was written");
        }

        page.element("place-1").await?.click().await?;
        page.wait_until("another place is shown", &format!("{TARGET} !== {}", serde_json::to_string(&first)?), SOON).await?;
        judged(page).await?;
        page.wait_for_ghost(PATIENCE).await?;
        let second = page.text("place-target").await?;
        ensure!(!cursor_line(page).await?.contains(&second), "the line still says {second:?}");

        // The line before is whole again, and nothing counts as unsaved.
        page.element("place-0").await?.click().await?;
        page.wait_until("the first place is shown", &format!("{TARGET} === {}", serde_json::to_string(&first)?), SOON).await?;
        ensure!(cursor_line(page).await? == opened, "the first line is not as it was");
        let place = page.evaluate("document.querySelector(\"[data-testid='place-1']\").title").await?;
        let path = place.as_str().and_then(|place| place.split(',').next()).context("it has no title")?.to_owned();
        open_file(page, &path).await?;
        let whole = format!(
            "[...document.querySelectorAll('.cm-line')].some(line => line.textContent.includes({}))",
            serde_json::to_string(second.trim())?
        );
        page.wait_until("the second line is whole again", &whole, SOON).await?;
        page.element("place-0").await?.click().await?;
        judged(page).await?;
        let marks = page.evaluate("document.querySelectorAll('.unsaved:not([hidden])').length").await?;
        ensure!(marks == 0, "{marks} files count as unsaved");

        // A line that the user changed is the user's.
        page.type_text("mine").await?;
        page.element("place-1").await?.click().await?;
        page.element("place-0").await?.click().await?;
        page.wait_for_notice(&["was changed", "“Demo” loads it again"], SOON).await?;

        // They are there without a network, too.
        page.wait_until_kept().await?;
        page.go_offline();
        page.reload().await?;
        let shown = "document.querySelector(\"[data-testid='places']\")?.hidden === false";
        page.wait_until("the places are there offline", shown, SOON).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_file_that_the_user_changed_elsewhere_stays_unsaved_at_its_place() -> Result<()> {
    let site = Site::built()?;
    visit("places-unsaved", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        let title = "document.querySelector(\"[data-testid='place-1']\")?.title ?? null";
        let title = page.wait_until("the places are offered", title, PATIENCE).await?;
        let (path, line) =
            title.as_str().and_then(|title| title.split_once(", line ")).context("it has no title")?;
        let other = page.text("path").await?;
        ensure!(other != path, "two places of the demo are in {path}");
        open_file(page, path).await?;
        page.go_to_end().await?;
        page.type_text("# mine").await?;
        wait_for_mark(page, true).await?;

        page.element("place-1").await?.click().await?;
        page.wait_until("the place is shown", &is_shown(1), SOON).await?;
        let target = page.text("place-target").await?;
        ensure!(!cursor_line(page).await?.contains(&target), "the line still says {target:?}");
        only_this_is_unsaved(page, path).await?;

        // Its line is whole again, and what was typed is there.
        page.element("place-0").await?.click().await?;
        page.wait_until("the first place is shown", &is_shown(0), SOON).await?;
        shows(page, |shown| shown == other).await?;
        only_this_is_unsaved(page, path).await?;
        open_file(page, path).await?;
        page.go_to_end().await?;
        // The editor draws the lines that are in sight.
        let text = page.editor_text().await?;
        ensure!(text.ends_with("# mine"), "{path} now ends with:\n{text}");
        control(page, 'p').await?;
        page.wait_until("the dialog", "document.activeElement?.dataset?.testid === 'go-to-text'", SOON)
            .await?;
        page.type_text(&format!("{path}:{line}")).await?;
        page.press(&[Key::Enter]).await?;
        let has_target = format!(
            "document.querySelector('.cm-content').textContent.includes({})",
            serde_json::to_string(target.trim())?
        );
        page.wait_until("the line is whole again", &has_target, SOON).await?;

        // The mark is kept with the file.
        tokio::time::sleep(Duration::from_secs(2)).await;
        page.reload().await?;
        shows(page, |shown| shown == path).await?;
        only_this_is_unsaved(page, path).await
    })
    .await
}

/// Whether a place's button says that it is the one shown.
fn is_shown(place: usize) -> String {
    format!(
        "document.querySelector(\"[data-testid='place-{place}']\").getAttribute('aria-pressed') === 'true'"
    )
}

async fn only_this_is_unsaved(page: &Page, path: &str) -> Result<()> {
    let marked = "[...document.querySelectorAll(\"[role='treeitem'] [data-testid='unsaved']:not([hidden])\")]\
        .map(mark => mark.closest('[data-path]').dataset.path).join()";
    page.wait_until(&format!("{path} alone is marked"), &format!("{marked} === '{path}'"), SOON)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_demo_without_places_opens_at_its_unfinished_line() -> Result<()> {
    let site = site()?.replace("demo/places.json", b"<!doctype html>".to_vec());
    visit("no-places", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.wait_until(
            "the unfinished line is shown",
            "document.querySelector('.cm-activeLine').textContent.includes('estimate = self._analyzer')",
            SOON,
        )
        .await?;
        let hidden = page.evaluate("document.querySelector(\"[data-testid='places']\").hidden").await?;
        ensure!(hidden == true, "places are offered where there are none");
        Ok(())
    })
    .await
}

/// What stood at the place shown.
const TARGET: &str = "document.querySelector(\"[data-testid='place-target']\").textContent";

async fn judged(page: &Page) -> Result<()> {
    page.wait_until("every lane is right or wrong", JUDGED, PATIENCE).await.map(|_| ())
}

/// The line the cursor is in, without a suggestion.
pub(crate) async fn cursor_line(page: &Page) -> Result<String> {
    let line = "(() => { const line = document.querySelector('.cm-activeLine').cloneNode(true);\
        line.querySelectorAll('.cm-ghost').forEach(ghost => ghost.remove()); return line.textContent; })()";
    Ok(page.evaluate(line).await?.as_str().unwrap_or_default().to_owned())
}
