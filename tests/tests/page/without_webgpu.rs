//! Browsers without WebGPU: the same models run on the CPU, and the page says so.

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::{BrowserOptions, Gpu};

use crate::site;

#[tokio::test]
async fn where_no_gpu_answers_the_cpu_completes() -> Result<()> {
    falls_back("no-adapter", site()?).await
}

#[tokio::test]
async fn where_webgpu_is_unknown_the_cpu_completes() -> Result<()> {
    let script = "Object.defineProperty(self.navigator, 'gpu', { value: undefined });";
    falls_back("no-webgpu", site()?.in_worker_first(script)?).await
}

async fn falls_back(name: &str, site: Site) -> Result<()> {
    let options = BrowserOptions { gpu: Gpu::Missing, ..BrowserOptions::default() };
    visit(name, site, &options, async |page| {
        page.wait_until_usable().await?;
        let backend =
            page.evaluate("document.querySelector(\"[data-testid='status']\").dataset.backend").await?;
        ensure!(backend == "cpu", "computed on {backend}");
        let said = page.text("backend").await?;
        ensure!(said.contains("CPU: ") && said.len() > "CPU: ".len(), "the status line says {said:?}");
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(PATIENCE).await?;
        page.screenshot(name).await?;
        Ok(())
    })
    .await
}
