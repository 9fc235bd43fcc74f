//! How long one waits for the first suggestion, after the page is opened and after a project is, and what it
//! takes to index projects, to edit a file of theirs and to come back to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, Page, visit};
use llavacode_tests::processes;
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Map, Value, json};

/// The page is opened so often.
const OPENED: usize = 5;
/// The longest wait.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest wait for a package's index.
const INDEX_PATIENCE: Duration = Duration::from_secs(1800);

/// Notes when a suggestion is shown the first time, by the page's clock.
const CLOCK: &str = "new MutationObserver(() => {\
      if (!window.firstGhost && document.querySelector('.cm-ghost')?.textContent) window.firstGhost = performance.now();\
    }).observe(document, { subtree: true, childList: true, characterData: true });";

/// From here on notes how long each key takes from its event until behind the next frame.
const KEYS: &str = "(() => {\
      window.keyToPaint = [];\
      addEventListener('keydown', ({ timeStamp }) => requestAnimationFrame(() => {\
        const { port1, port2 } = new MessageChannel();\
        port1.onmessage = () => window.keyToPaint.push(performance.now() - timeStamp);\
        port2.postMessage(0);\
      }), true);\
      return true;\
    })()";
/// What is typed while a package is indexed, and the pause behind each key.
const TYPED: &str = "\n\ndef total_of(readings):\n    return sum(reading.level for reading in readings)\n";
const BETWEEN_KEYS: Duration = Duration::from_millis(80);

/// What is added to a file of an indexed package.
const EDIT: &str = "\n\ndef deepest_of(readings):\n    return min(reading.level for reading in readings)\n";

/// What was measured.
pub(super) struct First {
    /// Milliseconds to the first suggestion: `open`, the median with everything in the browser's cache, and
    /// `package_<lane>` from the moment a package's archive is chosen, in lanes of their own.
    pub(super) suggestion_ms: Map<String, Value>,
    /// Of each package its `name` and `chunks`; `index_s` from the moment its archive is chosen until all are
    /// indexed, and `key_to_paint_ms`, the 95th percentile of keys that are pressed meanwhile; `edit_ms`, the
    /// milliseconds to bring the index to an edited file; `reload_s` from a reload until all are indexed again,
    /// of what was kept; and `renderer_peak_bytes`, what the page's process had resident at its most.
    pub(super) packages: Vec<Map<String, Value>>,
}

/// Opens the page, and packages in it. The first suggestion is waited for in the first one.
///
/// # Errors
/// If the page does not get so far.
pub(super) async fn measure(
    dist: &Path,
    packages: &[PathBuf],
    query: &str,
    options: &BrowserOptions,
) -> Result<First> {
    let mut found = Map::new();
    let site = Site::new(dist)?.in_page_first(CLOCK)?;
    visit("first-open", site, query, options, async |page| {
        page.wait_until_usable().await?;
        let mut times = Vec::new();
        for _ in 0..OPENED {
            page.reload().await?;
            times.push(first_ghost(page).await?);
        }
        times.sort_by(f64::total_cmp);
        println!("first suggestion {times:.0?} ms after the page is opened");
        found.insert("open".into(), json!(times[OPENED / 2]));
        Ok(())
    })
    .await?;
    let folder = tempfile::tempdir()?;
    let mut indexed = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        // A wheel is a zip archive by another name, and the page goes by the name.
        let archive = folder.path().join(format!("package{number}.zip"));
        std::fs::copy(package, &archive).with_context(|| format!("{} cannot be read", package.display()))?;
        let lanes: &[&str] = if number == 0 { &["base", "full_rag", "compressed"] } else { &["base"] };
        for &lane in lanes {
            let settings = json!({ "ghost_lane": lane, "compare": false }).to_string();
            let script = format!("localStorage.setItem('llavacode.settings', {});{CLOCK}", json!(settings));
            let site = Site::new(dist)?.in_page_first(&script)?;
            visit(&format!("first-{lane}"), site, query, options, async |page| {
                let (chosen, ms) =
                    in_package(page, &archive).await.with_context(|| format!("in the lane {lane}"))?;
                println!("first suggestion {ms:.0} ms after {} is chosen, {lane}", package.display());
                if number == 0 {
                    found.insert(format!("package_{lane}"), json!(ms));
                }
                if lane == "base" {
                    let mut figures = index(page, chosen).await?;
                    figures.insert("name".into(), json!(name_of(package)));
                    println!("indexed: {}", json!(figures));
                    indexed.push(figures);
                }
                Ok(())
            })
            .await?;
        }
    }
    Ok(First { suggestion_ms: found, packages: indexed })
}

/// The name and version that a wheel's file name begins with, or all of another one's.
fn name_of(package: &Path) -> String {
    let stem = package.file_stem().unwrap_or_default().to_string_lossy();
    let is_wheel = package.extension().is_some_and(|ending| ending == "whl");
    let words = stem.split('-').take(if is_wheel { 2 } else { usize::MAX });
    words.collect::<Vec<_>>().join(" ")
}

/// Waits until a package that was chosen at a time of the page's clock is indexed, edits a file of it and
/// comes back to it.
async fn index(page: &Page, chosen: f64) -> Result<Map<String, Value>> {
    page.evaluate(KEYS).await?;
    for key in TYPED.chars() {
        page.type_text(&key.to_string()).await?;
        tokio::time::sleep(BETWEEN_KEYS).await;
    }
    let running = "document.querySelector(\"[data-testid='index-state']\").dataset.state !== 'ready'";
    ensure!(page.evaluate(running).await? == true, "the package is indexed too soon: give a larger one");
    let mut paints: Vec<f64> = serde_json::from_value(page.evaluate("window.keyToPaint").await?)?;
    ensure!(paints.len() >= TYPED.len() / 2, "only {} keys were seen", paints.len());
    paints.sort_by(f64::total_cmp);
    let paint = paints[(paints.len() * 95).div_ceil(100) - 1];
    let (now, chunks, _) = ready(page, "true").await?;
    let mut found = Map::from_iter([
        ("chunks".into(), json!(chunks)),
        ("index_s".into(), json!((now - chosen) / 1e3)),
        ("key_to_paint_ms".into(), json!(paint)),
    ]);
    // What was typed while it was indexed may still be on its way to the index.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, chunks, took) = ready(page, "true").await?;
    page.type_text(EDIT).await?;
    // The chunks may be counted anew before the time that they took is told.
    let (.., edit_ms) = ready(page, &format!("ms !== {took}")).await?;
    found.insert("edit_ms".into(), json!(edit_ms));
    page.reload().await?;
    // With the demo, or with nothing, it is ready before its time.
    let (now, ..) = ready(page, &format!("chunks > {}", chunks / 2)).await?;
    found.insert("reload_s".into(), json!(now / 1e3));
    if let Some(driver) = page.browser().process() {
        found.insert("renderer_peak_bytes".into(), json!(processes::peaks(driver).renderer));
    }
    Ok(found)
}

/// Waits until the index is ready and a condition on its `chunks` and `ms` holds: when that is by the page's
/// clock, its chunks, and the milliseconds that the last change to it took.
async fn ready(page: &Page, condition: &str) -> Result<(f64, usize, f64)> {
    let script = format!(
        "(() => {{
          const {{ dataset }} = document.querySelector(\"[data-testid='index-state']\");
          const [chunks, ms] = [dataset.chunks, dataset.ms].map(Number);
          return dataset.state === 'ready' && {condition} && [performance.now(), chunks, ms];
        }})()"
    );
    let found = page.wait_until("the package is indexed", &script, INDEX_PATIENCE).await?;
    serde_json::from_value(found).context("the page has no clock")
}

/// Opens an archive as a project and asks for a suggestion at the end of its first file: when it was chosen
/// by the page's clock, and the milliseconds from then until one is shown.
async fn in_package(page: &Page, package: &Path) -> Result<(f64, f64)> {
    page.wait_until_usable().await?;
    first_ghost(page).await?;
    let before = page.text("workspace-name").await?;
    let chosen = page.evaluate("(() => { window.firstGhost = 0; return performance.now(); })()").await?;
    page.choose_file("file-input", package).await?;
    let other = format!(
        "document.querySelector(\"[data-testid='workspace-name']\").textContent !== {}",
        json!(before)
    );
    page.wait_until("the package is open", &other, PATIENCE).await?;
    page.go_to_end().await?;
    page.type_text("\n\ndef ").await?;
    page.evaluate("(() => { window.firstGhost = 0; })()").await?;
    page.press(&[Key::Control, Key::Letter(' ')]).await?;
    let shown = first_ghost(page).await?;
    let files = page
        .evaluate("Number(document.querySelector(\"[data-testid='index-state']\").dataset.files)")
        .await?;
    ensure!(
        files.as_u64().is_some_and(|files| files >= 300),
        "the package has {files} files: give a larger one"
    );
    let chosen = chosen.as_f64().context("the page has no clock")?;
    Ok((chosen, shown - chosen))
}

/// When a suggestion was first shown, by the page's clock.
async fn first_ghost(page: &Page) -> Result<f64> {
    let shown = page.wait_until("a suggestion is shown", "window.firstGhost || null", PATIENCE).await?;
    shown.as_f64().context("the page has no clock")
}
