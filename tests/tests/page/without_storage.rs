//! A browser that refuses storage, as private windows do, or has no room: the page says so and works.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

const REFUSE: &str = "\
    IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };\
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('refused', 'SecurityError'));";

/// A full disk: every request of a database succeeds, and then the transaction is taken back; and of what
/// is written to a private file only the beginning is.
const FULL: &str = "\
    if (self.FileSystemSyncAccessHandle) {\
      const write = FileSystemSyncAccessHandle.prototype.write;\
      FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {\
        return write.call(this, bytes.subarray(0, 10), options);\
      };\
    }\
    { const put = IDBObjectStore.prototype.put;\
      IDBObjectStore.prototype.put = function (...values) {\
        const request = put.apply(this, values);\
        request.addEventListener('success', () => this.transaction.abort());\
        return request;\
      }; }";

#[tokio::test]
async fn where_the_disk_is_full_the_page_says_so_and_loses_nothing() -> Result<()> {
    let site = site()?.in_page_first(FULL)?.in_worker_first(FULL)?;
    visit("full-disk", site, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.wait_for_notice(&["index could not be kept", "the disk is full", "free some space"], PATIENCE)
            .await?;
        let index = page.text("index-state").await?;
        ensure!(index.contains("not kept"), "the index says {index:?}");
        page.go_to_end().await?;
        page.type_text("\n# written in spite of it").await?;
        page.wait_for_notice(&["files and edits are not kept", "full"], Duration::from_secs(30)).await?;
        let text = page.editor_text().await?;
        ensure!(text.ends_with("# written in spite of it"), "the editor shows:\n{text}");
        page.screenshot("full-disk").await?;
        Ok(())
    })
    .await
}

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
