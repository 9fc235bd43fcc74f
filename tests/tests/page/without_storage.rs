//! A browser that refuses storage, as private windows do: the page says so and works.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

const REFUSE: &str = "\
    IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };\
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('refused', 'SecurityError'));";

#[tokio::test]
async fn where_storage_is_refused_the_page_says_so_and_completes() -> Result<()> {
    let site = site()?.in_page_first(REFUSE)?.in_worker_first(REFUSE)?;
    visit("no-storage", site, "", &BrowserOptions::default(), async |page| {
        page.wait_for_notice(&["storage"], PATIENCE).await?;
        page.wait_until_usable().await?;
        let index = page.text("index-state").await?;
        ensure!(index.contains("not kept"), "the index says {index:?}");
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(Duration::from_secs(120)).await?;
        page.screenshot("no-storage").await?;
        Ok(())
    })
    .await
}
