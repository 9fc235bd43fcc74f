//! Measures the page's engine beside others that run language models in a browser: the same model file,
//! the same prompts, the same browser, by turns.
//!
//! `cargo xtask peers` fetches the others, builds the page and runs this.

#[cfg(not(target_family = "wasm"))]
mod kept;
#[cfg(not(target_family = "wasm"))]
mod models;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod report;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    native::main()
}

/// There is nothing to drive a browser with inside one.
#[cfg(target_family = "wasm")]
fn main() {}
