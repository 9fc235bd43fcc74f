//! The lanes' panel: chunks left out, how many there are, and how the lanes compare.

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::Value;

use crate::folder::SOON;
use crate::site;

#[tokio::test]
async fn a_chunk_is_left_out_by_the_keyboard_and_the_next_best_takes_its_place() -> Result<()> {
    visit("left-out", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        answered(page).await?;
        let before = places(page, "li:not(.out)").await?;
        ensure!(before.len() > 2, "only {before:?} were retrieved");

        page.evaluate("document.querySelectorAll('.chunk')[1].focus()").await?;
        page.press(&[Key::Enter]).await?;
        page.wait_until("one is left out", "document.querySelector('.out .chunk[aria-pressed=\"true\"]') !== null", SOON)
            .await?;
        answered(page).await?;
        page.screenshot("left-out").await?;
        let line = page.text("left-out").await?;
        ensure!(line.starts_with("1 left out, until the cursor moves"), "the page says {line:?}");
        ensure!(places(page, "li.out").await? == before[1..2], "another one is out than was pressed");
        let without = places(page, "li:not(.out)").await?;
        ensure!(!without.contains(&before[1]) && without.len() == before.len(), "left are {without:?} of {before:?}");
        page.evaluate("document.querySelector(\"[data-testid='lane-compressed-prompt']\").click()").await?;
        let chips = "[...document.querySelectorAll(\"[data-testid='prompt-view'] .chip\")].map(chip => chip.textContent)";
        let chips = strings(page.evaluate(chips).await?);
        ensure!(!chips.is_empty() && !chips.contains(&before[1]), "the prompt has {chips:?}");
        page.press(&[Key::Escape]).await?;

        // It is where it was, and so is the keyboard.
        page.evaluate("document.querySelectorAll('.chunk')[1].focus()").await?;
        page.press(&[Key::Enter]).await?;
        answered(page).await?;
        ensure!(places(page, "li:not(.out)").await? == before, "not what was there before");
        let focused = page.evaluate("[...document.querySelectorAll('.chunk')].indexOf(document.activeElement)").await?;
        ensure!(focused == 1, "the keyboard is at {focused}");

        page.press(&[Key::Enter]).await?;
        page.type_text(" ").await?;
        answered(page).await
    })
    .await
}

#[tokio::test]
async fn lanes_are_drawn_on_one_axis_and_compared_with_the_one_shown() -> Result<()> {
    visit("compared", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        answered(page).await?;
        page.screenshot("compared").await?;
        let ends = strings(page.evaluate("[...document.querySelectorAll('.lane:not([hidden]) .axis-end')].map(end => end.textContent)").await?);
        ensure!(!ends[0].is_empty() && ends.iter().all(|end| *end == ends[0]), "the axes end at {ends:?}");
        let scales = "[...document.querySelectorAll('.lane:not([hidden])')].map(lane => {\
             const bar = lane.querySelector('.bar');\
             const parts = [...bar.children].reduce((sum, part) => sum + part.getBoundingClientRect().width, 0);\
             return parts / bar.clientWidth / Number(lane.querySelector('.ttft').dataset.ms);\
           })";
        let scales = page.evaluate(scales).await?;
        let scales: Vec<f64> = scales.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        ensure!(
            scales.len() > 2 && scales.iter().all(|scale| (scale / scales[0] - 1.0).abs() < 0.05),
            "a millisecond is not as long everywhere: {scales:?}"
        );

        let lanes = "[...document.querySelectorAll('.lane:not([hidden])')].map(lane => \
             [lane.querySelector('.lane-diff').dataset.kind, lane.querySelector('.lane-text').textContent].join(' '))";
        let lanes = strings(page.evaluate(lanes).await?);
        let of = |lane: &String| lane.split_once(' ').map(|(kind, text)| (kind.to_owned(), text.to_owned()));
        let lanes: Vec<(String, String)> = lanes.iter().filter_map(of).collect();
        let shown = lanes.iter().find(|(kind, _)| kind == "shown").context("none is said to be shown")?;
        for (kind, text) in &lanes {
            let same = text == &shown.1;
            ensure!(same == (kind == "same" || kind == "shown"), "{text:?} against {:?} is {kind}", shown.1);
        }

        // Fewer chunks, and the wish is kept.
        page.evaluate(
            "(input => { input.value = '2'; input.dispatchEvent(new Event('change', { bubbles: true })); })\
             (document.querySelector(\"[data-testid='top-k']\"))",
        )
        .await?;
        answered(page).await?;
        let few = places(page, "li").await?;
        ensure!(few.len() == 2, "{few:?} were retrieved");
        page.reload().await?;
        page.wait_until_usable().await?;
        let kept = page.evaluate("document.querySelector(\"[data-testid='top-k']\").value").await?;
        ensure!(kept == "2", "{kept} is what was kept");
        Ok(())
    })
    .await
}

/// Waits until every lane on offer has answered.
async fn answered(page: &Page) -> Result<()> {
    // The pause before it asks, and the click before it is seen.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let done =
        "[...document.querySelectorAll('.lane:not([hidden])')].every(lane => lane.dataset.state === 'done')";
    page.wait_until("every lane is done", done, PATIENCE).await.map(|_| ())
}

/// The places of the chunks listed, of those that a selector takes.
async fn places(page: &Page, items: &str) -> Result<Vec<String>> {
    let script = format!(
        "[...document.querySelectorAll('.chunks {items} .chunk-place')].map(place => place.textContent)"
    );
    Ok(strings(page.evaluate(&script).await?))
}

fn strings(values: Value) -> Vec<String> {
    values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
