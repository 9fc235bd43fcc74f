//! How the page looks: dark and light, in a large window and in a small one.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use llavacode_tests::harness::{Key, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

#[tokio::test]
async fn the_page_follows_the_systems_colours() -> Result<()> {
    visit("colours", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.prefer_colours("dark").await?;
        page.screenshot("dark").await?;
        let dark = brightness(page).await?;
        page.prefer_colours("light").await?;
        page.screenshot("light").await?;
        let light = brightness(page).await?;
        ensure!(dark < 96.0 && light > 160.0, "the ground's brightness is {dark} dark and {light} light");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_cut_off_in_a_small_window() -> Result<()> {
    visit("small", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        for (width, height) in [(1024, 640), (600, 800), (390, 780)] {
            let metrics = serde_json::json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
            });
            page.browser().devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
            page.screenshot(&format!("width-{width}")).await?;
            let overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth").await?;
            ensure!(
                overflow.as_i64().is_some_and(|pixels| pixels <= 0),
                "at {width} pixels the page is {overflow} pixels too wide"
            );
            for part in ["editor", "status"] {
                let shown = page.element(part).await?.is_displayed().await?;
                ensure!(shown, "at {width} pixels {part} is not shown");
            }
            page.element("models-open").await?.click().await?;
            for scheme in ["dark", "light"] {
                page.prefer_colours(scheme).await?;
                page.screenshot(&format!("models-{width}-{scheme}")).await?;
            }
            let dialog = "document.querySelector(\"[data-testid='models']\")";
            let wider = page.evaluate(&format!("{dialog}.scrollWidth - {dialog}.clientWidth")).await?;
            ensure!(
                wider.as_i64().is_some_and(|pixels| pixels <= 0),
                "at {width} pixels the dialog is cut off"
            );
            page.press(&[Key::Escape]).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn notices_cover_neither_the_editor_nor_the_lanes() -> Result<()> {
    visit("notices", site()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        // As many as there are at once: a file deleted is a notice.
        for _ in 0..3 {
            let file = "[data-testid='file-tree'] [data-path$='.py']";
            page.client().find(Locator::Css(file)).await?.click().await?;
            page.element("delete-file").await?.click().await?;
        }
        let count = "document.querySelectorAll(\"[data-testid='notice']\").length >= 3";
        page.wait_until("three notices", count, std::time::Duration::from_secs(10)).await?;
        for (width, height) in [(1500, 950), (900, 800), (390, 780)] {
            let metrics = serde_json::json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
            });
            page.browser().devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
            for scheme in ["dark", "light"] {
                page.prefer_colours(scheme).await?;
                page.screenshot(&format!("notices-{width}-{scheme}")).await?;
            }
            let covered = page.evaluate(COVERED).await?;
            ensure!(covered == "", "at {width} pixels notices cover {covered}");
        }
        Ok(())
    })
    .await
}

/// What the notices cover of the editor and of the lanes, as far as these are to be seen in their columns.
const COVERED: &str = "(() => {\
   const seen = (element) => {\
     let { left, top, right, bottom } = element.getBoundingClientRect();\
     for (let over = element.parentElement; over; over = over.parentElement) {\
       if (getComputedStyle(over).overflow === 'visible') continue;\
       const clip = over.getBoundingClientRect();\
       [left, top] = [Math.max(left, clip.left), Math.max(top, clip.top)];\
       [right, bottom] = [Math.min(right, clip.right), Math.min(bottom, clip.bottom)];\
     }\
     return { left, top, right, bottom };\
   };\
   const all = (selector) => [...document.querySelectorAll(selector)];\
   const covers = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5\
     && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;\
   const notices = all(\"[data-testid='notice']\").map(seen);\
   if (notices.length < 3 || notices.some(({ top, bottom }) => bottom > innerHeight + 0.5)) return 'themselves';\
   return all('.editor-pane, .side, .lane, .chunks').filter((part) => part.checkVisibility())\
     .filter((part) => notices.some((notice) => covers(notice, seen(part))))\
     .map((part) => part.className).join(', ');\
 })()";

/// Mean of the page's background colour, 0 to 255.
async fn brightness(page: &Page) -> Result<f64> {
    let mean = page
        .evaluate(
            "(() => {\
               const canvas = new OffscreenCanvas(1, 1).getContext('2d');\
               canvas.fillStyle = getComputedStyle(document.body).backgroundColor;\
               canvas.fillRect(0, 0, 1, 1);\
               const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;\
               return (r + g + b) / 3;\
             })()",
        )
        .await?;
    Ok(mean.as_f64().unwrap_or(f64::NAN))
}
