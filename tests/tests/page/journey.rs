//! From opening the page to finding everything again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, ON_WEBGPU, PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use super::site;

const LANES: [&str; 5] = ["lane-base", "lane-full_rag", "lane-excerpt", "lane-compressed", "lane-xrag"];

#[tokio::test]
async fn a_user_gets_every_lanes_completion_accepts_one_and_finds_it_after_a_reload() -> Result<()> {
    visit("journey", site()?, ON_WEBGPU, &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        let backend =
            page.evaluate("document.querySelector(\"[data-testid='status']\").dataset.backend").await?;
        ensure!(backend == "webgpu", "computed on {backend}, not on WebGPU");

        complete_at_the_end(page).await?;
        let accepted = accept(page).await?;
        look_at_the_prompt(page).await?;
        look_at_the_release(page).await?;

        // Edits are kept after a pause.
        tokio::time::sleep(Duration::from_secs(2)).await;
        page.reload().await?;
        page.wait_until_usable().await?;
        let (chunks, embedded) = index(page).await?;
        ensure!(chunks > embedded, "all {chunks} chunks were embedded again after the reload");
        ensure!(embedded * 4 < chunks, "{embedded} of {chunks} chunks were embedded again for one edit");
        let text = page.editor_text().await?;
        ensure!(text.contains(&accepted), "after the reload the line {accepted:?} is gone from:\n{text}");
        Ok(())
    })
    .await
}

/// Types at the end of the open file and waits until all lanes have answered at that place.
async fn complete_at_the_end(page: &Page) -> Result<()> {
    page.go_to_end().await?;
    page.evaluate(
        "(() => {\
           window.finished = {};\
           for (const lane of document.querySelectorAll('.lane'))\
             new MutationObserver(() => {\
               if (lane.dataset.state === 'done') window.finished[lane.dataset.testid] = true;\
             }).observe(lane, { attributes: true, attributeFilter: ['data-state'] });\
           return true;\
         })()",
    )
    .await?;
    page.type_text("\n\ndef station_").await?;
    for lane in LANES {
        page.wait_until(&format!("{lane} finishes"), &format!("window.finished['{lane}'] ?? null"), PATIENCE)
            .await?;
        page.wait_for_state(lane, "done", PATIENCE).await?;
        let ttft = page
            .evaluate(&format!("Number(document.querySelector(\"[data-testid='{lane}-ttft']\").dataset.ms)"))
            .await?;
        ensure!(ttft.as_f64().is_some_and(|ms| ms > 0.0), "{lane} shows {ttft} ms to the first token");
    }
    let chunks = page.evaluate("document.querySelectorAll(\"[data-testid='chunks'] .chunk\").length").await?;
    ensure!(chunks.as_u64().is_some_and(|count| (1..=10).contains(&count)), "{chunks} chunks were retrieved");
    page.screenshot("lanes").await.map(|_| ())
}

/// What the bundle's release measured is told beside the page's own measurement, every lane of it.
async fn look_at_the_release(page: &Page) -> Result<()> {
    page.element("tab-measure").await?.click().await?;
    let rows = "Array.from(document.querySelectorAll(\"[data-testid='released'] table\"), table => \
        Array.from(table.querySelectorAll('tbody tr'), row => row.innerText))";
    let rows = page.evaluate(rows).await?;
    let tables = rows.as_array().context("no tables")?;
    ensure!(tables.len() == 2, "two sets of tasks were measured, the page tells of {rows}");
    for table in tables {
        let table: Vec<&str> =
            table.as_array().into_iter().flatten().filter_map(|row| row.as_str()).collect();
        let lanes = ["Base", "Full RAG", "Excerpt", "Compressed", "xRAG"];
        let named = table.iter().zip(lanes).filter(|(row, lane)| row.starts_with(lane)).count();
        ensure!(
            named == lanes.len() && table.len() == lanes.len(),
            "the lanes are not told of one by one: {table:?}"
        );
        let verdict = |row: &&&str| ["gains", "loses", "level"].iter().any(|word| row.contains(word));
        ensure!(
            table.iter().filter(verdict).count() == lanes.len() - 1,
            "base has no verdict, the others have: {table:?}"
        );
    }
    page.screenshot("released").await.map(|_| ())
}

/// Takes the ghost text by Tab and returns the line it stands in.
async fn accept(page: &Page) -> Result<String> {
    let ghost = page.wait_for_ghost(PATIENCE).await?;
    let before = page.editor_text().await?;
    let line = before.lines().last().context("the editor is empty")?;
    ensure!(line.ends_with("def station_"), "the editor's last line is {line:?}");
    page.press(&[Key::Tab]).await?;
    let after = page.editor_text().await?;
    ensure!(
        after.contains(&format!("def station_{ghost}")),
        "Tab did not put {ghost:?} into the editor, which holds:\n{after}"
    );
    Ok(format!("def station_{}", ghost.lines().next().unwrap_or_default()))
}

/// Looks at what the compressed lane read: at most ten chunks, a chip for the soft tokens of each.
async fn look_at_the_prompt(page: &Page) -> Result<()> {
    page.wait_for_state("lane-compressed", "done", PATIENCE).await?;
    page.element("lane-compressed-prompt").await?.click().await?;
    let chips = page
        .wait_until(
            "chunks in the prompt's view",
            "document.querySelectorAll(\"[data-testid='prompt-view'] .chip\").length",
            Duration::from_secs(10),
        )
        .await?;
    ensure!(chips.as_u64().is_some_and(|count| count <= 10), "the prompt names {chips} chunks");
    page.screenshot("prompt").await?;
    page.element("prompt-close").await?.click().await?;
    Ok(())
}

/// Chunks in the index, and how many of them were embedded now.
pub(crate) async fn index(page: &Page) -> Result<(u64, u64)> {
    let chunks = page
        .evaluate("Number(document.querySelector(\"[data-testid='index-state']\").dataset.chunks)")
        .await?;
    let text = page.text("index-state").await?;
    // "184 chunks indexed … 0 new in 12 ms, kept for the next visit"
    let (before, _) = text.split_once(" new in").with_context(|| format!("the index says {text:?}"))?;
    let digits = before.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    Ok((
        chunks.as_u64().context("the index has no number of chunks")?,
        digits.parse().with_context(|| format!("the index says {text:?}"))?,
    ))
}
