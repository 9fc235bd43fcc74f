//! Loading models of real size into the release page.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{command, page, paths, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// Take dist/ as it is
    #[arg(long)]
    no_build: bool,
    /// Only these cases, repeatable: 0.5b-q8, 0.5b-q4, 1.5b-q4, 1.5b-q8
    #[arg(long)]
    case: Vec<String>,
    /// Let the first token of each case be enough
    #[arg(long)]
    first_token: bool,
    /// Give a case up after so many minutes
    #[arg(long, default_value_t = 30)]
    minutes: u32,
}

/// Builds the page and runs `tests/src/bin/real_size` on it. The model files are kept in the cache.
pub(crate) fn run(options: &Options) -> Result<()> {
    let browser = setup::browser()?;
    if !options.no_build {
        page::build(&setup::for_page()?)?;
    }
    command::build(&["--bin", "real_size", "--example", "write_gguf"])?;
    let mut program = Command::new(command::release_program("real_size")?);
    program.arg("--write-gguf").arg(command::release_program("examples/write_gguf")?);
    program.arg("--dist").arg(paths::dist()).arg("--out").arg(paths::reports().join("real-size"));
    program.arg("--models").arg(paths::cache().join("real-size"));
    program.args(["--commit", &command::commit(), "--minutes", &options.minutes.to_string()]);
    if options.first_token {
        program.arg("--first-token");
    }
    program.args(options.case.iter().map(|case| format!("--case={case}")));
    command::run(browser.tell(&mut program))
}
