//! Measuring the index at scale, beside other stores.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{command, paths, peers, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// How often each store opens each project
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Chunks of the projects
    #[arg(long, default_value = "1000,10000,100000")]
    chunks: String,
    /// Seconds after which a ranker of another store is asked no further question
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Write the runs to docs/stores.json, the table into docs/index.md, and what our index takes to be
    /// searched into docs/bench.json
    #[arg(long)]
    write: bool,
}

/// Fetches the stores' packages, builds the program of the tests that makes projects up and holds our index,
/// and runs `tests/src/bin/stores`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (browser, tools) = (setup::browser()?, setup::for_wasm_tests()?);
    let peers = peers::fetch_packages()?;
    let program = build(&tools)?;
    command::build(&["--bin", "stores"])?;
    let reports = paths::reports();
    fs::create_dir_all(&reports)?;
    let mut stores = Command::new(command::release_program("stores")?);
    stores.arg("--peers").arg(&peers).arg("--program").arg(&program);
    stores.args(["--commit", &command::commit(), "--repeat", &options.repeat.to_string()]);
    stores.args(["--chunks", &options.chunks, "--seconds", &options.seconds.to_string()]);
    if options.write {
        stores.arg("--out").arg(paths::root().join("docs/stores.json"));
        stores.arg("--document").arg(paths::root().join("docs/index.md"));
        stores.arg("--figures").arg(paths::root().join("docs/bench.json"));
    } else {
        stores.arg("--out").arg(reports.join("stores.json"));
    }
    command::run(browser.tell(&mut stores))
}

/// Builds the program in WebAssembly; where it and its JavaScript lie.
fn build(tools: &setup::PageTools) -> Result<PathBuf> {
    let mut cargo = tools.program("cargo");
    cargo.args(["build", "--profile", "wasm", "--target", "wasm32-unknown-unknown"]);
    // The app is named too so that the dependencies are the ones that the page and the tests have compiled.
    command::run(cargo.args(["-p", "llavacode-app", "-p", "llavacode-tests", "--bin", "stores"]))?;
    let folder = paths::reports().join("stores");
    if folder.exists() {
        // What an earlier version left there would be served.
        fs::remove_dir_all(&folder).with_context(|| format!("{} could not be emptied", folder.display()))?;
    }
    let mut bindgen = command::program("wasm-bindgen");
    bindgen.args(["--target", "web", "--no-typescript", "--out-dir"]).arg(&folder);
    bindgen.arg(paths::target().join("wasm32-unknown-unknown/wasm/stores.wasm"));
    command::run(&mut bindgen)?;
    Ok(folder)
}
