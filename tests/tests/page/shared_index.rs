//! Vectors that somebody else has made.

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use llavacode_core::bundle::read_manifest;
use llavacode_core::engine::{Engine, NativeHost};
use llavacode_core::index::Index;
use llavacode_core::weights::{FolderFiles, sha256_hex};
use llavacode_core::workspace::{SHARED_MANIFEST, SharedPlan};
use llavacode_tests::harness::{PATIENCE, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::Value;

use crate::folder::SOON;
use crate::{DEMO, site};

#[tokio::test]
async fn a_shared_index_is_read_in_the_place_of_computing_it() -> Result<()> {
    let site = with_shared_index(site()?).await?.in_page_first(
        "if (!localStorage.getItem('llavacode.settings'))\
           localStorage.setItem('llavacode.settings', JSON.stringify({ shared_index: 'team/' }));",
    )?;
    visit("shared-index", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.wait_for_state("index-state", "ready", PATIENCE).await?;
        let said = page.evaluate("document.querySelector('.index > .hint').textContent").await?;
        let said = said.as_str().unwrap_or_default();
        let parts = said.split(", ").find_map(|part| part.strip_suffix(" parts from the shared index"));
        let parts: usize = parts.context("it does not say what was shared")?.parse()?;
        ensure!(said.starts_with("0 new in ") && parts > 20, "of the index it is said {said:?}");
        page.evaluate("document.querySelector(\"[data-testid='shared-index']\").open = true").await?;
        page.screenshot("shared-index").await?;

        // One that is not there is told, and nothing else is lost.
        page.evaluate("document.querySelector(\"[data-testid='shared-index-address']\").value = 'nowhere'")
            .await?;
        page.element("shared-index-use").await?.click().await?;
        page.wait_for_notice(&["The shared index is not used", "nowhere/index.json"], SOON).await?;
        page.wait_for_state("index-state", "ready", PATIENCE).await?;
        Ok(())
    })
    .await
}

/// The page with an index of its demo's files in the folder `team`.
async fn with_shared_index(mut site: Site) -> Result<Site> {
    let demo: Value = serde_json::from_slice(&site.read(DEMO)?)?;
    let bundle = FolderFiles { root: concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle").into() };
    let manifest = read_manifest(&bundle).await?;
    let mut index = Index::in_parts(manifest.chunking, manifest.prompt.soft_tokens);
    for file in demo["files"].as_array().context("the demo has no files")? {
        let text = |field: &str| file[field].as_str().with_context(|| format!("a file without {field}"));
        index.update_file(text("path")?, text("text")?);
    }
    let plan = SharedPlan::new(&manifest, &index, 64);
    let host = NativeHost::default();
    let engine = Engine::load_models(&bundle, manifest, &Device::flex(), host, |_| ()).await?;
    let mut made = Vec::new();
    for shard in 0..plan.shards() {
        let bytes = plan.make(shard, &engine, 64, |_| ()).await?;
        made.push((bytes.len() as u64, sha256_hex(&bytes)));
        site = site.replace(&format!("team/{}", SharedPlan::file(shard)), bytes);
    }
    let (name, directory) = plan.directory();
    let json = serde_json::to_vec(&plan.manifest(made))?;
    Ok(site.replace(&format!("team/{name}"), directory).replace(&format!("team/{SHARED_MANIFEST}"), json))
}
