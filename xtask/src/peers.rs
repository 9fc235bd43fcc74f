//! Measuring the page's engine beside others.

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use clap::Args;

use crate::{command, page, paths, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// Take dist/ as it is
    #[arg(long)]
    no_build: bool,
    /// How often each engine completes each prompt
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Lengths of the prompts, in tokens
    #[arg(long, default_value = "128,512,1024")]
    prompts: String,
    /// Only this model, repeatable: smollm2-135m-q4_1, smollm2-135m-q8_0, pico-q8_0
    #[arg(long)]
    model: Vec<String>,
    /// Write the runs to docs/peers.json and the table into docs/measurements.md
    #[arg(long)]
    write: bool,
}

/// Fetches the peers' packages, builds the page and runs `tests/src/bin/peers`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let browser = setup::browser()?;
    let peers = fetch_packages()?;
    if !options.no_build {
        page::build(&setup::for_page()?)?;
    }
    command::build(&["--bin", "peers", "--example", "write_gguf"])?;
    let reports = paths::reports();
    std::fs::create_dir_all(&reports)?;
    let mut program = Command::new(command::release_program("peers")?);
    program.arg("--dist").arg(paths::dist()).arg("--peers").arg(&peers);
    program.args(["--commit", &command::commit(), "--repeat", &options.repeat.to_string()]);
    program.args(["--prompts", &options.prompts]);
    program.arg("--made").arg(reports.join("peers"));
    program.arg("--write-gguf").arg(command::release_program("examples/write_gguf")?);
    program.args(options.model.iter().map(|model| format!("--model={model}")));
    if options.write {
        program.arg("--out").arg(paths::root().join("docs/peers.json"));
        program.arg("--document").arg(paths::root().join("docs/measurements.md"));
    } else {
        program.arg("--out").arg(reports.join("peers.json"));
    }
    command::run(browser.tell(&mut program))
}

/// Fetches the packages that the page is compared with. Gives the folder that has them in `node_modules`.
pub(crate) fn fetch_packages() -> Result<PathBuf> {
    let peers = paths::root().join("tests/peers");
    setup::say("fetching the peers' packages", "they are pinned in tests/peers/package-lock.json");
    let arguments = ["ci", "--silent", "--no-audit", "--no-fund"];
    command::run(command::program("npm").current_dir(&peers).args(arguments))?;
    Ok(peers)
}
