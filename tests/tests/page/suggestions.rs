//! Ghost text: a line of it, another lane's, and what became of it.

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::SOON;
use crate::site;

#[tokio::test]
async fn a_suggestion_is_accepted_by_lines_counted_and_exchanged_for_another_lanes() -> Result<()> {
    visit("suggestions", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        let ghost = suggestion(page).await?;
        let texts = texts(page).await?;
        page.press(&[Key::Alt, Key::Letter(']')]).await?;
        if let Some(other) = texts.iter().find(|text| !text.is_empty() && **text != ghost) {
            let changed = format!(
                "(ghost => ghost !== null && ghost !== {} ? ghost : null)\
                 (document.querySelector(\"[data-testid='ghost']\")?.textContent ?? null)",
                serde_json::json!(ghost)
            );
            page.wait_until(&format!("{other:?}, or another's"), &changed, SOON).await?;
            page.screenshot("another-lanes").await?;
            page.press(&[Key::Alt, Key::Letter('[')]).await?;
        }
        let back = page.wait_for_ghost(SOON).await?;
        ensure!(back == ghost, "{back:?} is shown, not {ghost:?}");

        // Something else is typed: it was not wanted.
        page.type_text("\u{e9}").await?;
        wait_for_counts(page, (0, 1)).await?;

        // A line of it is taken, and the cursor's key without ghost text does what it always does.
        page.press(&[Key::Escape]).await?;
        let before = page.editor_text().await?;
        page.press(&[Key::Control, Key::Down]).await?;
        ensure!(page.editor_text().await? == before, "without ghost text the key changed the text");
        page.type_text("\ndef station_").await?;
        let ghost = suggestion(page).await?;
        page.press(&[Key::Control, Key::Down]).await?;
        let line = ghost.trim_start_matches('\n').lines().next().unwrap_or_default();
        let after = page.editor_text().await?;
        ensure!(after.ends_with(&format!("def station_{line}")), "of {ghost:?} the editor took:\n{after}");
        let accepted = counts(page).await?.0;
        ensure!(accepted == 1, "{accepted} are counted as accepted");

        page.reload().await?;
        page.wait_until("the page is back", "document.querySelector('.cm-line') !== null", SOON).await?;
        ensure!(counts(page).await?.0 == 1, "the counts were not kept");
        page.screenshot("counts").await.map(|_| ())
    })
    .await
}

/// The whole suggestion at the place just typed at, once every lane on offer has answered there. The
/// answers to the place before stand until the first of it is shown.
async fn suggestion(page: &Page) -> Result<String> {
    page.wait_for_ghost(PATIENCE).await?;
    let done =
        "[...document.querySelectorAll('.lane:not([hidden])')].every(lane => lane.dataset.state === 'done')";
    page.wait_until("every lane is done", done, PATIENCE).await?;
    page.wait_for_ghost(SOON).await
}

/// The lanes' texts.
async fn texts(page: &Page) -> Result<Vec<String>> {
    let texts =
        "[...document.querySelectorAll('.lane:not([hidden]) .lane-text')].map(text => text.textContent)";
    let texts = page.evaluate(texts).await?;
    Ok(texts.as_array().into_iter().flatten().filter_map(|text| text.as_str()).map(str::to_owned).collect())
}

/// How many suggestions were accepted and rejected, of all lanes: of two that say the same either may be
/// the one shown.
async fn counts(page: &Page) -> Result<(u64, u64)> {
    let of = |name: &str| {
        format!(
            "[...document.querySelectorAll('.counts')].reduce((sum, counts) => sum + Number(counts.dataset.{name}), 0)"
        )
    };
    let accepted = page.evaluate(&of("accepted")).await?.as_u64();
    let rejected = page.evaluate(&of("rejected")).await?.as_u64();
    Ok((accepted.context("no count")?, rejected.context("no count")?))
}

async fn wait_for_counts(page: &Page, wanted: (u64, u64)) -> Result<()> {
    let start = std::time::Instant::now();
    while counts(page).await? != wanted {
        ensure!(start.elapsed() < SOON, "counted were {:?}", counts(page).await?);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test]
async fn what_the_reader_is_unsure_of_is_held_back_until_it_is_asked_for() -> Result<()> {
    let unsure = crate::with_least_confidence(site()?, 1.0)?;
    visit("held-back", unsure, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        let held = "[...document.querySelectorAll('.lane:not([hidden]) .note')].some(note => note.textContent.includes('held back'))";
        page.wait_until("the suggestion is held back", held, PATIENCE).await?;
        page.screenshot("held-back").await?;
        ensure!(page.evaluate("document.querySelector('.cm-ghost') === null").await? == true, "it is shown all the same");
        let text = page.text("lane-excerpt-text").await?;
        ensure!(!text.trim().is_empty(), "the card does not show it");

        page.press(&[Key::Control, Key::Letter(' ')]).await?;
        page.wait_for_ghost(PATIENCE).await?;
        ensure!(page.evaluate(held).await? == false, "it is said to be held back");
        Ok(())
    })
    .await
}
