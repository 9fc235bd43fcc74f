//! The built page, used as a person uses it, in a Chromium with a software GPU.
//!
//! `cargo xtask test --only page` builds the page, names it in `LLAVACODE_DIST` and runs these; on
//! their own they fail and say so.
#![cfg(not(target_family = "wasm"))]

mod bad_bundles;
mod bad_files;
mod journey;
mod looks;
mod without_storage;
mod without_webgpu;
