//! Installing what is missing. Every step first looks whether there is anything to do, says in one
//! line what it does and why, and ends with a sentence that says how to get a tool that it cannot.

mod apt;
mod browser;
mod cargo_tools;
mod front_end;
mod models;
mod vulkan;
mod wasm_opt;
mod wasm_target;

use std::process::Command;

use anyhow::Result;

pub(crate) use browser::Browser;

use crate::{command, paths};

/// What it takes to build the page.
pub(crate) struct PageTools {
    /// The toolchain that compiles to WebAssembly; `None` where the active one does.
    wasm_toolchain: Option<String>,
}

impl PageTools {
    /// The program `name`, set up so that the cargo it calls compiles to WebAssembly.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = command::program(name);
        // The path of the cargo that runs us, of another toolchain; Trunk would call it.
        command.current_dir(paths::root()).env_remove("CARGO");
        if let Some(toolchain) = &self.wasm_toolchain {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
    }
}

/// Whatever building the page needs.
pub(crate) fn for_page() -> Result<PageTools> {
    // The quick steps that can fail come before those that compile for minutes.
    wasm_opt::ensure()?;
    front_end::ensure()?;
    models::ensure()?;
    let tools = for_wasm_tests()?;
    cargo_tools::ensure_trunk()?;
    Ok(tools)
}

/// Whatever compiling to WebAssembly and testing the result needs, the browser apart.
pub(crate) fn for_wasm_tests() -> Result<PageTools> {
    models::ensure()?;
    let wasm_toolchain = wasm_target::ensure()?;
    cargo_tools::ensure_wasm_bindgen()?;
    Ok(PageTools { wasm_toolchain })
}

/// Whatever the native tests need.
pub(crate) fn for_native_tests() -> Result<()> {
    front_end::ensure()?;
    models::ensure()?;
    vulkan::ensure();
    cargo_tools::ensure_nextest()
}

/// A browser and its driver.
pub(crate) fn browser() -> Result<Browser> {
    browser::ensure()
}

/// All of it.
pub(crate) fn everything() -> Result<()> {
    browser()?;
    for_native_tests()?;
    for_page()?;
    println!("Everything is there: `cargo xtask serve` builds and serves the page.");
    Ok(())
}

/// Says what is being done and why.
pub(crate) fn say(what: &str, why: &str) {
    println!("• {what}: {why}");
}
