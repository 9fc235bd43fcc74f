//! The built page, used as a user uses it, in a Chromium with a software GPU.
//!
//! `cargo xtask test --only page` builds the page, names it in `LLAVACODE_DIST` and runs these; on
//! their own they fail and say so.
#![cfg(not(target_family = "wasm"))]

use anyhow::{Context, Result};
use llavacode_tests::server::Site;
use serde_json::Value;

mod accessible;
mod bad_bundles;
mod bad_files;
mod better_model;
mod changing_files;
mod finding;
mod folder;
mod heartbeat;
mod journey;
mod kept_files;
mod kept_vectors;
mod lanes_panel;
mod link;
mod looks;
mod measuring;
mod opening;
mod own_models;
mod places;
mod policy;
mod saving;
mod shared_index;
mod suggestions;
mod threads;
mod without_storage;
mod without_webgpu;

const DEMO: &str = "demo/workspace.json";

/// The built page with few files in its demo: a software GPU indexes a few chunks a second. What is
/// not about the GPU is tested with `""` as the query, which takes the faster CPU here.
fn site() -> Result<Site> {
    let site = Site::built()?;
    let mut demo: Value = serde_json::from_slice(&site.read(DEMO)?)?;
    let open = demo["open"].clone();
    let files = demo["files"].as_array_mut().context("the demo has no files")?;
    files.sort_by_key(|file| file["path"] != open);
    files.truncate(4);
    let text = serde_json::to_vec(&demo)?;
    // What becomes of suggestions is tested at places where pico may be unsure.
    with_least_confidence(site.replace(DEMO, text), 0.0)
}

/// The page with a pico that holds back what it is less sure of.
fn with_least_confidence(site: Site, least: f64) -> Result<Site> {
    const MANIFEST: &str = "bundle/bundle.json";
    let mut manifest: Value = serde_json::from_slice(&site.read(MANIFEST)?)?;
    manifest["least_confidence"] = least.into();
    let text = serde_json::to_vec(&manifest)?;
    Ok(site.replace(MANIFEST, text))
}
