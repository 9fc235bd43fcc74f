//! Measuring the release page in a browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use clap::Args;
use serde_json::{Map, json};

use crate::{
    command,
    models::{self, Package},
    page, paths, setup,
};

/// Projects of many files, and of very many.
const PACKAGES: [Package; 2] = [
    Package {
        name: "bokeh",
        version: "3.9.2",
        sha256: "448e07d5ee78231f5bdece3be020024bb98696c0d6b127e0e2df0b8ba8fa9765",
    },
    Package {
        name: "sympy",
        version: "1.14.0",
        sha256: "e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5",
    },
];

#[derive(Args)]
pub(crate) struct Options {
    /// What the page computes on
    #[arg(long, value_parser = ["webgpu", "cpu"], default_value = "webgpu")]
    device: String,
    /// Show the browser's window instead of running it headless
    #[arg(long)]
    headed: bool,
    /// Further flag for the browser, repeatable; the first replaces those that choose the software
    /// GPU. Example for a real one: --chrome-flag=--enable-features=Vulkan
    #[arg(long, allow_hyphen_values = true)]
    chrome_flag: Vec<String>,
    /// Measure dist/ as it is
    #[arg(long)]
    no_build: bool,
    /// Give up after so many minutes
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Measure only the first so many tasks; they are shuffled, so any first ones are a fair sample
    #[arg(long)]
    tasks: Option<usize>,
    /// Index only the first so many files of the demo project
    #[arg(long)]
    files: Option<usize>,
    /// Which model completes: pico, or one that `cargo xtask models` lists
    #[arg(long, default_value = "pico")]
    model: String,
    /// A zip archive or wheel of 300 files or more to index, repeatable; in the first one the first suggestion is
    /// measured, too. `bokeh` (31,000 chunks) and `sympy` (150,000) are fetched from the Python package index
    #[arg(long)]
    package: Vec<PathBuf>,
    /// Measure nothing: show a report that was made before, such as target/bench/latest.json
    #[arg(long)]
    report: Option<PathBuf>,
    /// Write the table into docs/measurements.md; of pico on the CPU the report into docs/bench.json, too
    #[arg(long)]
    write: bool,
}

/// Builds the page and runs `tests/src/bin/bench.rs` on it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let browser = setup::browser()?;
    if !options.no_build && options.report.is_none() {
        page::build(&setup::for_page()?)?;
    }
    let sizes: Map<_, _> = page::sizes()?
        .into_iter()
        .map(|(name, size)| (name.to_owned(), json!({ "raw_bytes": size.raw, "gzip_bytes": size.gzip })))
        .collect();

    command::build(&["--bin", "bench"])?;
    let mut bench = Command::new(command::release_program("bench")?);
    bench.arg("--dist").arg(paths::dist()).arg("--out").arg(paths::reports().join("bench"));
    bench.args(["--wasm-sizes", &json!(sizes).to_string(), "--commit", &command::commit()]);
    bench.args(["--device", &options.device, "--minutes", &options.minutes.to_string()]);
    if options.headed {
        bench.arg("--headed");
    }
    bench.args(["--model", &options.model]);
    if options.write {
        bench.arg("--document").arg(paths::root().join("docs/measurements.md"));
        if (options.model.as_str(), options.device.as_str()) == ("pico", "cpu") {
            bench.arg("--json").arg(paths::root().join("docs/bench.json"));
        }
    }
    if let Some(report) = &options.report {
        bench.arg("--report").arg(report);
    }
    for package in &options.package {
        bench.arg("--package");
        match PACKAGES.iter().find(|known| Path::new(known.name) == package) {
            Some(known) => {
                models::ensure_pip()?;
                let folder = paths::reports().join("packages").join(known.name);
                fs::create_dir_all(&folder)?;
                bench.arg(models::wheel_of(known, &folder)?)
            }
            None => bench.arg(package),
        };
    }
    for (flag, most) in [("--tasks", options.tasks), ("--files", options.files)] {
        if let Some(most) = most {
            bench.args([flag, &most.to_string()]);
        }
    }
    bench.args(options.chrome_flag.iter().map(|flag| format!("--chrome-flag={flag}")));
    command::run(browser.tell(&mut bench))
}
