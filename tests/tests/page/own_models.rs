//! Models of one's own: a GGUF file by its address or from the disk, with no manifest to write.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

/// A small Llama of random weights: it completes nonsense.
const TINY: &[u8] = include_bytes!("../../fixtures/llama_cpp/tiny_llama/model.gguf");
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_gguf_file_is_loaded_by_its_address() -> Result<()> {
    let site = site()?.replace("elsewhere/tiny.gguf", TINY.to_vec());
    visit("own-address", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        load_from(page, "elsewhere/tiny.gguf").await?;
        runs_without_projector(page, "own-address").await
    })
    .await
}

#[tokio::test]
async fn a_gguf_file_is_loaded_from_the_disk() -> Result<()> {
    visit("own-file", site()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/llama_cpp");
        page.choose_file("model-files-input", &fixtures.join("tiny_llama/model.gguf")).await?;
        runs_without_projector(page, "own-file").await
    })
    .await
}

#[tokio::test]
async fn addresses_of_no_model_are_refused_with_a_sentence() -> Result<()> {
    let truncated = TINY[..TINY.len() / 2].to_vec();
    let site = site()?
        .replace("elsewhere/page.gguf", b"<!doctype html><p>Please log in.".to_vec())
        .replace("elsewhere/half.gguf", truncated);
    visit("own-refused", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        for (address, parts) in [
            ("elsewhere/nothing.gguf", ["nothing.gguf", "404"]),
            ("elsewhere/page.gguf", ["GGUF", "does not begin as such a file does"]),
            ("elsewhere/half.gguf", ["GGUF", "cut short"]),
        ] {
            load_from(page, address).await?;
            page.wait_for_notice(&parts, SOON).await?;
        }
        page.go_to_end().await?;
        page.type_text("\n# still here").await?;
        ensure!(page.editor_text().await?.ends_with("# still here"), "the editor lost what was typed");
        page.screenshot("own-refused").await.map(|_| ())
    })
    .await
}

/// Gives the Models dialog an address.
async fn load_from(page: &Page, address: &str) -> Result<()> {
    page.element("models-open").await?.click().await?;
    let field = page.element("bundle-url").await?;
    field.clear().await?;
    field.send_keys(address).await?;
    page.element("load-url").await?.click().await?;
    Ok(())
}

/// The model completes in the lanes that need no projector, and the dialog says why there are no others.
async fn runs_without_projector(page: &Page, name: &str) -> Result<()> {
    let loaded = "document.querySelector(\"[data-testid='model']\")?.textContent.includes('pico') === false \
                  && document.querySelector(\"[data-testid='status']\").dataset.state === 'ready'";
    page.wait_until("the model is in use", loaded, SOON).await?;
    page.wait_for_state("lane-base", "done", PATIENCE).await?;
    page.wait_for_state("lane-full_rag", "done", PATIENCE).await?;
    let hidden = !page.element("lane-compressed").await?.is_displayed().await?;
    ensure!(hidden, "there is a compressed lane without a projector");
    page.element("models-open").await?.click().await?;
    let about = page.text("models").await?;
    ensure!(about.contains("Without a projector") && about.contains("Licence"), "the dialog says: {about}");
    page.screenshot(name).await.map(|_| ())
}
