//! Model files that are not what they should be: each is refused with a sentence that names the
//! file and what is wrong with it, and the editor goes on working.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_core::config::{BundleManifest, FileEntry};
use llavacode_core::weights::sha256_hex;
use llavacode_tests::harness::visit;
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Map, Value, json};

use crate::site;

const MANIFEST: &str = "bundle/bundle.json";
const READER: &str = "bundle/reader/model.safetensors";
/// In every Qwen2 checkpoint; its matrix is not square in any of them.
const TENSOR: &str = "model.layers.0.mlp.down_proj.weight";

#[tokio::test]
async fn an_altered_weight_is_found_by_its_hash() -> Result<()> {
    let site = site()?;
    let mut weights = site.read(READER)?;
    let middle = weights.len() / 2;
    weights[middle] ^= 1;
    refused("altered-weight", site.replace(READER, weights), &["reader/model.safetensors", "SHA-256"]).await
}

#[tokio::test]
async fn a_truncated_weight_file_is_found_by_its_length() -> Result<()> {
    let site = site()?;
    let mut weights = site.read(READER)?;
    weights.truncate(weights.len() * 2 / 3);
    let length = weights.len().to_string();
    refused("truncated-weights", site.replace(READER, weights), &["reader/model.safetensors", &length]).await
}

#[tokio::test]
async fn a_checkpoint_without_a_tensor_is_refused() -> Result<()> {
    let site = site()?;
    let weights = with_header(&site.read(READER)?, |tensors| {
        let entry = tensors.remove(TENSOR).context("the reader has no such tensor")?;
        tensors.insert(format!("{TENSOR}.renamed"), entry);
        Ok(())
    })?;
    refused("missing-tensor", released(site, weights)?, &["reader/model.safetensors", "no tensor", TENSOR])
        .await
}

#[tokio::test]
async fn a_tensor_of_another_shape_is_refused() -> Result<()> {
    let site = site()?;
    let weights = with_header(&site.read(READER)?, |tensors| {
        let shape = tensors.get_mut(TENSOR).and_then(|entry| entry["shape"].as_array_mut());
        let shape = shape.context("the reader has no such tensor")?;
        ensure!(shape[0] != shape[1], "{TENSOR} is square, which proves nothing");
        shape.reverse();
        Ok(())
    })?;
    refused("wrong-shape", released(site, weights)?, &["reader/model.safetensors", "shape", TENSOR]).await
}

#[tokio::test]
async fn where_a_server_answers_every_path_with_the_page_a_missing_bundle_or_model_is_told_in_words()
-> Result<()> {
    let site = site()?.with_page_for_all();
    visit("missing", site, "?bundle=nowhere&device=cpu", &BrowserOptions::default(), async |page| {
        let soon = Duration::from_secs(60);
        page.wait_for_notice(&["there is no bundle at http://localhost:", "/nowhere/"], soon).await?;
        page.screenshot("missing").await?;
        page.element("models-open").await?.click().await?;
        page.element("bundle-url").await?.send_keys("nowhere/small.gguf").await?;
        page.element("load-url").await?.click().await?;
        page.wait_for_notice(&["There is no file at http://localhost:", "/nowhere/small.gguf"], soon)
            .await
            .map(|_| ())
    })
    .await
}

/// Opens the page and expects a notice with all `parts`, and an editor that can be written in.
async fn refused(name: &str, site: Site, parts: &[&str]) -> Result<()> {
    visit(name, site, "", &BrowserOptions::default(), async |page| {
        page.wait_for_notice(parts, Duration::from_secs(120)).await?;
        let state = page.evaluate("document.querySelector(\"[data-testid='status']\").dataset.state").await?;
        ensure!(state == "error", "the status is {state}");
        page.go_to_end().await?;
        page.type_text("\n# still here").await?;
        let text = page.editor_text().await?;
        ensure!(text.ends_with("# still here"), "the editor shows:\n{text}");
        page.screenshot(name).await?;
        Ok(())
    })
    .await
}

/// The site with these weights, its manifest saying that they are the right ones.
fn released(site: Site, weights: Vec<u8>) -> Result<Site> {
    let mut manifest: BundleManifest = serde_json::from_slice(&site.read(MANIFEST)?)?;
    let entry = FileEntry { bytes: weights.len() as u64, sha256: Some(sha256_hex(&weights)) };
    let known = manifest.files.insert("reader/model.safetensors".into(), entry);
    ensure!(known.is_some(), "the bundle's manifest does not name the reader's weights");
    Ok(site.replace(READER, weights).replace(MANIFEST, serde_json::to_vec(&manifest)?))
}

/// A safetensors file with another header: its length (8 bytes, little endian), JSON, then data.
fn with_header(file: &[u8], change: impl FnOnce(&mut Map<String, Value>) -> Result<()>) -> Result<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>().context("no safetensors file")?;
    let (header, data) = rest.split_at_checked(u64::from_le_bytes(*length) as usize).context("cut short")?;
    let mut header: Map<String, Value> = serde_json::from_slice(header)?;
    change(&mut header)?;
    let header = json!(header).to_string();
    Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat())
}
