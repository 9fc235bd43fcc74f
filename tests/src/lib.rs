//! Whole-system tests, and what they share.

#[cfg(not(target_family = "wasm"))]
pub mod device;
#[cfg(not(target_family = "wasm"))]
pub mod document;
#[cfg(not(target_family = "wasm"))]
pub mod harness;
pub mod llama_cpp;
pub mod parity;
#[cfg(not(target_family = "wasm"))]
pub mod processes;
#[cfg(not(target_family = "wasm"))]
pub mod server;
#[cfg(not(target_family = "wasm"))]
pub mod webdriver;
