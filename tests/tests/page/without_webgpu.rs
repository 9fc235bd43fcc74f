//! Browsers without WebGPU, or with one that the processor computes: the same models run on the CPU,
//! and the page says so.

use std::time::Duration;

use anyhow::{Result, ensure};
use fantoccini::Locator;
use llavacode_tests::harness::{PATIENCE, Page, visit};
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

#[tokio::test]
async fn a_software_gpu_is_passed_over_and_can_be_asked_for() -> Result<()> {
    visit("software-gpu", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_for_notice(&["CPU", "software"], PATIENCE).await?;
        page.screenshot("software-gpu").await?;
        ensure!(backend(page).await? == "cpu", "computed on {}", backend(page).await?);
        let offer = Locator::Css("[data-testid='notice'] .notice-actions button:first-child");
        page.client().find(offer).await?.click().await?;
        let on_webgpu = "document.querySelector(\"[data-testid='status']\").dataset.backend === 'webgpu'";
        page.wait_until("the engine runs on WebGPU", on_webgpu, Duration::from_secs(120)).await?;
        Ok(())
    })
    .await
}

async fn backend(page: &Page) -> Result<String> {
    let backend = page.evaluate("document.querySelector(\"[data-testid='status']\").dataset.backend").await?;
    Ok(backend.as_str().unwrap_or_default().to_owned())
}

async fn falls_back(name: &str, site: Site) -> Result<()> {
    let options = BrowserOptions { gpu: Gpu::Missing, ..BrowserOptions::default() };
    visit(name, site, "", &options, async |page| {
        page.wait_until_usable().await?;
        let backend = backend(page).await?;
        ensure!(backend == "cpu", "computed on {backend}");
        let said = page.text("backend").await?;
        ensure!(said.contains("CPU, ") && said.contains(": "), "the status line says {said:?}");
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(PATIENCE).await?;
        page.screenshot(name).await?;
        Ok(())
    })
    .await
}
