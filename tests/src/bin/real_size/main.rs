//! Loads models of real size into the built page and has them complete, to see what that takes.
//!
//! The files are of random weights in the published models' exact shapes: what they complete is
//! nonsense. `cargo xtask real-size` builds the page and runs this.

#[cfg(not(target_family = "wasm"))]
mod cases;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod table;
#[cfg(not(target_family = "wasm"))]
mod watch;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    native::main()
}

/// There is nothing to drive a browser with inside one.
#[cfg(target_family = "wasm")]
fn main() {}
