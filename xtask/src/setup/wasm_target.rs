//! A compiler for WebAssembly: rustup's target, or a toolchain that [`PROVIDER`] links where
//! rustup's downloads cannot be reached.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::say;
use crate::{command, paths};

/// The target.
const TARGET: &str = "wasm32-unknown-unknown";

/// A program of the repository for machines of one kind: `PROVIDER NAME FOLDER` links a toolchain
/// NAME that compiles to WebAssembly, and may keep in FOLDER what it takes.
const PROVIDER: &str = ".ci/wasm-toolchain";

/// Set to `1` to go straight to [`PROVIDER`], on machines that cannot reach rustup's downloads.
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
    provide(&linked).with_context(|| {
        format!(
            "no compiler for WebAssembly can be had: install rustup from https://rustup.rs and run `rustup target add {TARGET}`"
        )
    })?;
    Ok(Some(linked))
}

fn provide(name: &str) -> Result<()> {
    say(&format!("calling {PROVIDER}"), &format!("rustup's {TARGET} cannot be had here"));
    let mut provider = command::program(&paths::root().join(PROVIDER).to_string_lossy());
    command::run(provider.arg(name).arg(paths::cache()))?;
    ensure!(
        has_standard_library(Some(name)),
        "the toolchain {name} that {PROVIDER} linked has no standard library for {TARGET}"
    );
    Ok(())
}

/// The name under which it is linked; each cache folder has its own.
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
fn has_standard_library(toolchain: Option<&str>) -> bool {
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_in_rustups_place_can_be_run() {
        let provider = paths::root().join(PROVIDER);
        assert!(command::find(&provider.to_string_lossy()).is_some());
    }
}
