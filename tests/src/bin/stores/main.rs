//! Measures the index at scale, beside stores that others offer to pages: the same project, the same
//! questions, the same browser, by turns.
//!
//! `cargo xtask stores` builds this twice and runs it. In WebAssembly it is the program that makes the
//! project up and holds our index, natively it drives the browser that the program runs in.

#[cfg(target_family = "wasm")]
#[allow(unreachable_pub, reason = "JavaScript reaches what is public, and nothing else")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
mod report;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    native::main()
}

#[cfg(target_family = "wasm")]
fn main() {
    llavacode_browser::run_constructors();
    std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
}
