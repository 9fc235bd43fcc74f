//! Types into the built page for hours, as a person would, to see whether it holds: its memory, its
//! suggestions, its engine.
//!
//! `cargo xtask soak` builds the page and runs this.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod report;
#[cfg(not(target_family = "wasm"))]
mod typist;
#[cfg(not(target_family = "wasm"))]
mod watch;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    native::main()
}

/// There is nothing to drive a browser with inside one.
#[cfg(target_family = "wasm")]
fn main() {}
