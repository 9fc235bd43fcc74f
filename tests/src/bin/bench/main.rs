//! Drives the built page in a browser, has it measure itself, and keeps the report.
//!
//! `cargo xtask bench` builds the page and runs this.

#[cfg(not(target_family = "wasm"))]
mod figures;
#[cfg(not(target_family = "wasm"))]
mod first;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod table;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    native::main()
}

/// There is nothing to drive a browser with inside one.
#[cfg(target_family = "wasm")]
fn main() {}
