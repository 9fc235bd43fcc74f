//! Typing into the release page for long, to see whether it holds.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{command, page, paths, setup};

/// When a run fails; the limits are those of `tests/src/bin/soak/report.rs`.
const RULE: &str = "\
A line a minute says what was seen; every sample goes to target/soak/latest.json and a dated copy.

It ends with an error if the page stops answering or cannot be typed into, if the engine does not come back or \
comes back on another device than the one asked for, or if memory grows: if the WebAssembly memory of the worker \
or of the page, or the resident memory of the browser's processes, rises by more than 10 percent and by more than \
20 MB from minute ten to the end, by the line of least squares through the samples. Runs of less than 20 minutes \
are too short to tell, and say so. Notices and engines that were started again are listed; they are no error.";

#[derive(Args)]
#[command(after_help = RULE)]
pub(crate) struct Options {
    /// How long to type: 480 for a working day
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// What the page computes on
    #[arg(long, value_parser = ["cpu", "webgpu"], default_value = "cpu")]
    device: String,
    /// Which model completes
    #[arg(long, value_parser = ["pico", "smollm2-135m"], default_value = "pico")]
    model: String,
    /// Take dist/ as it is
    #[arg(long)]
    no_build: bool,
    /// Write the table into docs/measurements.md
    #[arg(long)]
    write: bool,
}

/// Builds the page and runs `tests/src/bin/soak` on it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let browser = setup::browser()?;
    if !options.no_build {
        page::build(&setup::for_page()?)?;
    }
    command::build(&["--bin", "soak"])?;
    let mut program = Command::new(command::release_program("soak")?);
    program.arg("--dist").arg(paths::dist()).arg("--out").arg(paths::reports().join("soak"));
    program.args(["--commit", &command::commit(), "--minutes", &options.minutes.to_string()]);
    program.args(["--device", &options.device, "--model", &options.model]);
    if options.write {
        program.arg("--document").arg(paths::root().join("docs/measurements.md"));
    }
    command::run(browser.tell(&mut program))
}
