//! wasm-opt, from npm: systems' own packages of binaryen are years old.

use anyhow::{Context, Result, bail};

use super::say;
use crate::{command, paths};

const BINARYEN: &str = "132.0.0";

/// Makes sure that the wasm-opt of this version is the one that is found first.
pub(super) fn ensure() -> Result<()> {
    // "wasm-opt version 132 (version_132)"
    let found = command::output(command::program("wasm-opt").arg("--version")).unwrap_or_default();
    let major = BINARYEN.split('.').next();
    if found.split_whitespace().nth(2) == major {
        return Ok(());
    }
    ensure_npm()?;
    say(&format!("installing wasm-opt of binaryen {BINARYEN}"), "it makes the page's WebAssembly smaller");
    let mut npm = command::program("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(paths::tools());
    npm.arg(format!("binaryen@{BINARYEN}"));
    command::run(&mut npm).context("npm could not install binaryen: put its wasm-opt on PATH by hand")
}

/// Node.js and npm cannot be installed for the person: there are too many ways to have them.
pub(super) fn ensure_npm() -> Result<()> {
    if command::find("npm").is_none() || command::find("node").is_none() {
        bail!(
            "Node.js with npm is needed to bundle the editor and for wasm-opt: install it from https://nodejs.org or by `apt-get install nodejs npm`, and try again"
        );
    }
    Ok(())
}
