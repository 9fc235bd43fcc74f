//! Models of one's own: a GGUF file by its address or from the disk, with no manifest to write.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, Page, visit};
use llavacode_tests::server::Server;
use llavacode_tests::webdriver::BrowserOptions;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

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
async fn lora_is_added_to_the_reader_it_was_trained_for_and_to_no_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [reader, config, factors] = ["tiny.gguf", "adapter_config.json", "adapter_model.safetensors"]
        .map(|name| folder.path().join(name));
    fs::write(&reader, TINY)?;
    fs::write(&config, r#"{ "peft_type": "LORA", "r": 2, "lora_alpha": 16 }"#)?;
    visit("own-lora", site()?, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.choose_file("model-files-input", &reader).await?;
        runs_without_projector(page, "own-lora-without").await?;
        let without = page.text("lane-base-text").await?;

        fs::write(&factors, lora(7)?)?;
        page.choose_files("model-files-input", &[&reader, &config, &factors]).await?;
        page.wait_for_notice(&["adapter_model.safetensors", "trained for another model"], SOON).await?;

        fs::write(&factors, lora(0)?)?;
        page.choose_files("model-files-input", &[&reader, &config, &factors]).await?;
        let changed = format!(
            "document.querySelector(\"[data-testid='lane-base-text']\").innerText !== {}",
            json!(without)
        );
        page.wait_until("the completion is another", &changed, SOON).await?;
        runs_without_projector(page, "own-lora").await?;
        let with = page.text("lane-base-text").await?;
        ensure!(with != without, "with and without LoRA it says {with}");
        let about = page.text("models").await?;
        ensure!(about.contains("tiny.gguf with LoRA, as you brought it"), "the dialog says: {about}");
        let notices = page.evaluate("document.querySelectorAll(\"[data-kind='error']\").length").await?;
        ensure!(notices == 0, "what was refused before still stands");
        Ok(())
    })
    .await
}

/// LoRA of rank 2 beside one matrix of the small Llama's layer, large enough to be seen.
fn lora(layer: usize) -> Result<Vec<u8>> {
    const WIDTH: usize = 64;
    let values: Vec<u8> =
        (0..2 * WIDTH).flat_map(|i| ((i * 37 % 23) as f32 / 11.0 - 1.0).to_le_bytes()).collect();
    let name =
        |factor| format!("base_model.model.model.layers.{layer}.self_attn.o_proj.lora_{factor}.weight");
    let tensors = [
        (name('A'), TensorView::new(Dtype::F32, vec![2, WIDTH], &values)?),
        (name('B'), TensorView::new(Dtype::F32, vec![WIDTH, 2], &values)?),
    ];
    Ok(safetensors::serialize(tensors, None)?)
}

#[tokio::test]
async fn a_download_survives_a_pause_and_a_reload_and_is_there_offline() -> Result<()> {
    let site = site()?
        .replace("elsewhere/tiny.gguf", TINY.to_vec())
        .stall_once("elsewhere/tiny.gguf", TINY.len() / 2);
    visit("own-download", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        load_from(page, "elsewhere/tiny.gguf").await?;
        let half = TINY.len() / 2 / 1000;
        wait_for_standing(page, "fetching").await?;
        page.wait_until("half of it is here", &format!("{STANDING}.textContent.includes('{half}')"), SOON).await?;
        page.screenshot("own-download-fetching").await?;
        page.click_in("model-other", "pause").await?;
        wait_for_standing(page, "paused").await?;

        // As at a next visit, without the choice in the address.
        page.open("?device=cpu").await?;
        page.wait_until_usable().await?;
        page.wait_for_notice(&["tiny.gguf", "interrupted"], SOON).await?;
        page.element("models-open").await?.click().await?;
        wait_for_standing(page, "paused").await?;
        page.screenshot("own-download-paused").await?;
        page.click_in("model-other", "use").await?;
        wait_for_standing(page, "here").await?;
        page.wait_until("the model is in use", IN_USE, SOON).await?;

        // The page's own files are kept once it is ready; then there is no server any more.
        page.wait_until_kept().await?;
        page.go_offline();
        page.open("?device=cpu").await?;
        page.wait_until_usable().await?;
        page.wait_until("the model is in use offline", IN_USE, PATIENCE).await?;
        page.wait_for_state("lane-full_rag", "done", PATIENCE).await?;
        page.element("models-open").await?.click().await?;
        let current = page.text("current").await?;
        ensure!(current.contains("loaded in"), "the dialog does not say how long it took: {current}");

        page.click_in("model-other", "delete").await?;
        page.wait_until("it is deleted", &format!("!{STANDING}"), SOON).await?;
        let left = "navigator.storage.getDirectory().then(root => root.getDirectoryHandle('models'))\
            .then(async folder => { const names = []; for await (const name of folder.keys()) names.push(name); return names.join(); })";
        let left = page.evaluate_async(left).await?;
        ensure!(left == "", "the disk still has {left}");
        page.screenshot("own-download-deleted").await.map(|_| ())
    })
    .await
}

#[tokio::test]
async fn a_full_disk_another_tab_and_a_server_without_cors_each_get_a_sentence() -> Result<()> {
    let elsewhere = Server::start(site()?.replace("tiny.gguf", TINY.to_vec())).await?;
    let site = site()?
        .replace("elsewhere/tiny.gguf", TINY.to_vec())
        .replace("elsewhere/slow.gguf", TINY.to_vec())
        .stall_once("elsewhere/slow.gguf", TINY.len() / 2);
    visit("own-obstacles", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        load_from(page, &format!("{}tiny.gguf", elsewhere.url())).await?;
        page.wait_for_notice(&["tiny.gguf", "CORS"], SOON).await?;

        let origin = page.evaluate("location.origin").await?;
        let quota = async |arguments: Value| {
            page.browser().devtools("Storage.overrideQuotaForOrigin", arguments).await
        };
        quota(json!({ "origin": origin, "quotaSize": 40_000 })).await?;
        load_from(page, "elsewhere/tiny.gguf").await?;
        page.wait_for_notice(&["The disk is full", "Delete a model"], SOON).await?;
        page.screenshot("own-obstacles").await?;
        // Without a size it is the browser's own again.
        quota(json!({ "origin": origin })).await?;

        load_from(page, "elsewhere/slow.gguf").await?;
        wait_for_standing_of(page, "slow.gguf", "fetching").await?;
        let first = page.client().window().await?;
        let second = page.client().new_window(true).await?;
        page.client().switch_to_window(second.handle).await?;
        page.open("?model=pico&device=cpu").await?;
        page.wait_until_usable().await?;
        load_from(page, "elsewhere/slow.gguf").await?;
        page.wait_for_notice(&["slow.gguf", "another tab"], SOON).await?;
        page.client().close_window().await?;
        page.client().switch_to_window(first).await.map_err(Into::into)
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
        page.screenshot("own-refused-dialog").await?;
        page.press(&[Key::Escape]).await?;
        page.go_to_end().await?;
        page.type_text("\n# still here").await?;
        ensure!(page.editor_text().await?.ends_with("# still here"), "the editor lost what was typed");
        page.screenshot("own-refused").await.map(|_| ())
    })
    .await
}

/// Where the one model stands that the page does not know.
const STANDING: &str = "document.querySelector(\"[data-testid='model-other'] [data-testid='standing']\")";
const IN_USE: &str = "document.querySelector(\"[data-testid='model']\")?.textContent.includes('pico') === false \
                      && document.querySelector(\"[data-testid='status']\").dataset.state === 'ready'";
async fn wait_for_standing(page: &Page, state: &str) -> Result<()> {
    let expression = format!("{STANDING}?.dataset.state === '{state}'");
    page.wait_until(&format!("the model is {state}"), &expression, SOON).await.map(|_| ())
}

/// Waits for the model of this file, one of several that the page does not know.
async fn wait_for_standing_of(page: &Page, file: &str, state: &str) -> Result<()> {
    let expression = format!(
        "[...document.querySelectorAll(\"[data-testid='model-other']\")].some(entry => \
             entry.textContent.includes('{file}') && entry.querySelector(\"[data-state='{state}']\"))"
    );
    page.wait_until(&format!("{file} is {state}"), &expression, SOON).await.map(|_| ())
}

/// Gives the Models dialog an address.
async fn load_from(page: &Page, address: &str) -> Result<()> {
    if page.evaluate("document.querySelector(\"[data-testid='models']\").open").await? != true {
        page.element("models-open").await?.click().await?;
    }
    let field = page.element("bundle-url").await?;
    field.clear().await?;
    field.send_keys(address).await?;
    page.element("load-url").await?.click().await?;
    Ok(())
}

/// The model completes in the lanes that need no projector, and the dialog says why there are no others.
async fn runs_without_projector(page: &Page, name: &str) -> Result<()> {
    page.wait_until("the model is in use", IN_USE, SOON).await?;
    page.wait_for_state("lane-base", "done", PATIENCE).await?;
    page.wait_for_state("lane-full_rag", "done", PATIENCE).await?;
    let hidden = !page.element("lane-compressed").await?.is_displayed().await?;
    ensure!(hidden, "there is a compressed lane without a projector");
    if page.evaluate("document.querySelector(\"[data-testid='models']\").open").await? != true {
        page.element("models-open").await?.click().await?;
    }
    let about = page.text("models").await?;
    ensure!(about.contains("Without a projector") && about.contains("Licence"), "the dialog says: {about}");
    page.screenshot(name).await.map(|_| ())
}
