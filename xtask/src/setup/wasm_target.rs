//! A compiler for WebAssembly: rustup's target, or Debian's own compiler where rustup's downloads
//! cannot be reached.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{debian_rust, say};
use crate::{command, paths};

/// The target.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Set to `1` to go straight to Debian's compiler, on machines that cannot reach rustup's downloads.
const SKIP_RUSTUP: &str = "LLAVACODE_SKIP_RUSTUP_TARGET";

/// Makes sure that some toolchain compiles to WebAssembly.
///
/// # Returns
/// The toolchain's name for `RUSTUP_TOOLCHAIN`, or `None` for the active one.
pub(super) fn ensure() -> Result<Option<String>> {
    if has_standard_library(None) {
        return Ok(None);
    }
    let linked = linked_name();
    if has_standard_library(Some(&linked)) {
        return Ok(Some(linked));
    }
    if env::var_os(SKIP_RUSTUP).is_none_or(|value| value != "1") {
        say(&format!("adding the target {TARGET}"), "the page and its worker are WebAssembly");
        let added = command::run(command::program("rustup").args(["target", "add", TARGET]));
        if added.is_ok() && has_standard_library(None) {
            return Ok(None);
        }
    }
    say("unpacking Debian's Rust compiler for the web", "rustup's standard library cannot be had here");
    debian_rust::install(&linked)?;
    Ok(Some(linked))
}

/// The name under which Debian's compiler is linked; each cache folder has its own.
fn linked_name() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let (cache, default) = (paths::cache(), env::home_dir().map(|home| home.join(".cache/llavacode")));
    if default.is_some_and(|default| default == cache) {
        return "llavacode-wasm".into();
    }
    let mut hasher = DefaultHasher::new();
    cache.hash(&mut hasher);
    format!("llavacode-wasm-{:08x}", hasher.finish() as u32)
}

/// Whether a toolchain (`None`: the active one) has the target's standard library.
pub(super) fn has_standard_library(toolchain: Option<&str>) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    if let Some(name) = toolchain {
        rustc.env("RUSTUP_TOOLCHAIN", name);
    }
    command::output(&mut rustc).is_ok_and(|folder| holds_library(Path::new(&folder), "libstd-"))
}

fn holds_library(folder: &Path, prefix: &str) -> bool {
    let is_it = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "rlib")
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    fs::read_dir(folder)
        .is_ok_and(|entries| entries.filter_map(|entry| entry.ok()).any(|entry| is_it(&entry.path())))
}
