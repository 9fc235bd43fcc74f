//! What axe finds on the page, in its main states, dark and light.
//!
//! axe-core is pinned in `tests/axe` and fetched by npm. Where npm cannot fetch it the test says so and
//! ends; under `CI=true` it fails.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::json;

use crate::site;

/// Axe's script.
fn axe() -> Result<Option<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        let arguments = ["ci", "--silent", "--no-audit", "--no-fund"];
        let fetched = Command::new("npm").current_dir(&folder).args(arguments).status();
        if !fetched.is_ok_and(|status| status.success()) {
            ensure!(std::env::var("CI").is_err(), "npm could not fetch axe-core into {}", folder.display());
            println!("accessibility: skipped, since npm could not fetch axe-core into {}", folder.display());
            return Ok(None);
        }
    }
    let script = std::fs::read_to_string(&file);
    Ok(Some(script.with_context(|| format!("{} cannot be read", file.display()))?))
}

#[tokio::test]
async fn axe_finds_nothing_serious() -> Result<()> {
    let Some(axe) = axe()? else { return Ok(()) };
    visit("accessible", site()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.client().execute(&axe, Vec::new()).await?;
        page.wait_until("the editor", "document.querySelector('.cm-content') !== null", PATIENCE).await?;
        look(page, "first screen").await?;
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(PATIENCE).await?;
        for lane in ["lane-base", "lane-full_rag", "lane-excerpt", "lane-compressed", "lane-xrag"] {
            page.wait_for_state(lane, "done", PATIENCE).await?;
        }
        look(page, "lanes").await?;
        page.type_text("x").await?;
        page.wait_for_state("lane-xrag", "running", PATIENCE).await?;
        look(page, "waiting").await?;
        page.press(&[Key::Escape]).await?;
        page.element("compare").await?.click().await?;
        look(page, "one lane of five").await?;
        page.element("compare").await?.click().await?;
        for (open, state) in [("models-open", "models"), ("lane-full_rag-prompt", "prompt")] {
            page.element(open).await?.click().await?;
            look(page, state).await?;
            page.press(&[Key::Escape]).await?;
        }
        page.element("tab-measure").await?.click().await?;
        page.element("measure-run").await?.click().await?;
        let results = "document.querySelector(\"[data-testid='task-results'] .task\") !== null";
        page.wait_until("a line is measured", results, PATIENCE).await?;
        look(page, "measuring").await?;
        page.element("measure-run").await?.click().await?;
        page.element("tab-lanes").await?.click().await?;
        page.element("delete-file").await?.click().await?;
        page.wait_for_notice(&[], PATIENCE).await?;
        look(page, "notice").await
    })
    .await
}

/// Has axe look at the page as it is, in both themes.
async fn look(page: &Page, state: &str) -> Result<()> {
    for scheme in ["light", "dark"] {
        page.prefer_colours(scheme).await?;
        // Some colours change in a tenth of a second.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let found = page
            .evaluate_async(
                "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations\
                 .filter(({ impact }) => impact === 'serious' || impact === 'critical')\
                 .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 5).map(node => node.target.join(' ')\
                     + ' (' + [...node.any, ...node.all, ...node.none][0]?.message + ')').join('; ')))",
            )
            .await?;
        ensure!(found == json!([]), "{state}, {scheme}: {found:#}");
    }
    Ok(())
}
