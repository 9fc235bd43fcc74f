//! Tools that cargo installs, into the cache folder.

use std::fs;

use anyhow::{Context, Result};

use super::say;
use crate::{command, paths};

/// Trunk 0.22 wants a newer rustc than ours.
const TRUNK: &str = "0.21.14";

/// A crate with a binary of the same name.
struct Tool {
    name: &'static str,
    version: String,
    why: &'static str,
    /// What `cargo install` is told besides.
    arguments: &'static [&'static str],
    /// Compiling these tools takes longer than running them ever will.
    opt_level: &'static str,
}

/// Trunk: builds the page. Without TLS, which it needs to fetch tools and to look for new versions
/// of itself: it gets its tools from us.
pub(super) fn ensure_trunk() -> Result<()> {
    let why = "it builds and serves the page";
    let arguments = &["--locked", "--no-default-features"];
    install_if_absent("trunk", &Tool { name: "trunk", version: TRUNK.into(), why, arguments, opt_level: "0" })
}

/// wasm-bindgen's command line, of exactly the version the page is compiled with.
///
/// Without its own lock file, which names a version of a crate that was withdrawn. Optimised a
/// little: it rewrites megabytes.
pub(super) fn ensure_wasm_bindgen() -> Result<()> {
    let lock =
        fs::read_to_string(paths::root().join("Cargo.lock")).context("Cargo.lock could not be read")?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock names no wasm-bindgen")?;
    let why = "it makes the JavaScript around WebAssembly, and must be of the library's version";
    install_if_absent(
        "wasm-bindgen",
        &Tool { name: "wasm-bindgen-cli", version, why, arguments: &[], opt_level: "1" },
    )
}

/// cargo-nextest, in whichever version is there.
pub(super) fn ensure_nextest() -> Result<()> {
    if command::find("cargo-nextest").is_some() {
        return Ok(());
    }
    say("installing cargo-nextest", "it runs the tests");
    install("cargo-nextest", None, &["--locked"], "1")
}

fn install_if_absent(binary: &str, tool: &Tool) -> Result<()> {
    // "trunk 0.21.14"
    let found = command::output(command::program(binary).arg("--version")).unwrap_or_default();
    if found.split_whitespace().nth(1) == Some(&tool.version) {
        return Ok(());
    }
    say(&format!("compiling {} {}, a few minutes", tool.name, tool.version), tool.why);
    install(tool.name, Some(&tool.version), tool.arguments, tool.opt_level)
}

fn install(name: &str, version: Option<&str>, arguments: &[&str], opt_level: &str) -> Result<()> {
    let tools = paths::tools();
    fs::create_dir_all(&tools).with_context(|| format!("{} could not be created", tools.display()))?;
    let target = paths::cache().join("tools-target");
    let mut cargo = command::program("cargo");
    // Outside the workspace, so that its configuration does not apply.
    cargo.current_dir(&tools).args(["install", "--quiet", "--force", "--root"]).arg(&tools);
    cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level);
    // Trunk's own profile optimises all its crates as one, which takes longer than compiling them.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off");
    cargo.arg(name).args(arguments);
    if let Some(version) = version {
        cargo.args(["--version", version]);
    }
    command::run(&mut cargo).with_context(|| {
        format!("{name} could not be installed: put it on PATH by hand, e.g. from its releases page")
    })?;
    fs::remove_dir_all(target).context("the folder in which the tool was compiled could not be removed")
}

/// The version of `package` in a `Cargo.lock`.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    Some(lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_package_of_exactly_that_name_is_found() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"0.2.1\"\n";
        assert_eq!(locked_version(lock, "a").as_deref(), Some("0.2.1"));
        assert_eq!(locked_version(lock, "b"), None);
    }
}
