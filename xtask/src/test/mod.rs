//! Testing everything.

mod counts;
mod steps;

use std::process::Command;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use steps::Steps;

use crate::models::{self, Store};
use crate::setup::{self, PageTools};
use crate::{command, page, paths};

#[derive(Args)]
pub(crate) struct Options {
    /// Run only one part
    #[arg(long)]
    only: Option<Suite>,
    /// Run the later steps even if one fails
    #[arg(long)]
    keep_going: bool,
    /// Only the tests whose name contains this; format, lints and documentation are left out
    filter: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Suite {
    /// Format, lints, and the tests that need no browser
    Native,
    /// Kernels and shaders in a browser
    Browser,
    /// The built page, driven like a person would
    Page,
}

/// Runs every test, or those of one part.
///
/// # Errors
/// If a step failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let mut steps = Steps::new(options.keep_going);
    let outcome = (|| {
        if wanted(Suite::Native) {
            native(&mut steps, options.filter.as_deref())?;
        }
        if wanted(Suite::Browser) {
            browser(&mut steps, options.filter.as_deref())?;
        }
        if wanted(Suite::Page) {
            page(&mut steps, options.filter.as_deref())?;
        }
        Ok(())
    })();
    steps.print_summary();
    outcome.and_then(|()| if steps.failed() { bail!("some steps failed, see above") } else { Ok(()) })
}

fn native(steps: &mut Steps, filter: Option<&str>) -> Result<()> {
    setup::for_native_tests()?;
    if filter.is_none() {
        steps.run("format", cargo().args(["fmt", "--all", "--check"]))?;
        let mut clippy = cargo();
        clippy.args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        steps.run("lints", &mut clippy)?;
        steps.run("editor's tests", command::program("npm").current_dir(paths::front_end()).arg("test"))?;
    }
    run_nextest(steps, "native tests", "default", |tests| tests.args(filter))?;
    if filter.is_none() {
        steps.run("documentation's tests", cargo().args(["test", "--release", "--workspace", "--doc"]))?;
    }
    Ok(())
}

fn browser(steps: &mut Steps, filter: Option<&str>) -> Result<()> {
    let (browser, tools) = (setup::browser()?, setup::for_wasm_tests()?);
    let mut tests = wasm_tests(&tools);
    steps.run("tests in the browser", browser.tell(&mut tests).args(filter))
}

fn page(steps: &mut Steps, filter: Option<&str>) -> Result<()> {
    let (browser, tools) = (setup::browser()?, setup::for_page()?);
    setup::for_native_tests()?;
    steps.time("page's build", || page::build(&tools))?;
    run_nextest(steps, "page's tests", "page", |tests| {
        browser.tell(tests).env("LLAVACODE_DIST", paths::dist()).args(filter)
    })
}

/// Runs the tests of a profile of `.config/nextest.toml`, which says that they are reported.
///
/// The whole workspace each time: a part of it would have its dependencies compiled anew, with
/// fewer features.
fn run_nextest(
    steps: &mut Steps,
    name: &'static str,
    profile: &str,
    complete: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<()> {
    let mut nextest = cargo();
    // One failure does not hide the next.
    nextest.args(["nextest", "run", "--release", "--workspace", "--no-fail-fast", "--profile", profile]);
    models::tell(&Store::shared(), &mut nextest);
    let report = paths::reports().join("nextest").join(profile).join("junit.xml");
    steps.run_nextest(name, complete(&mut nextest), &report)
}

/// The app is named too so that the dependencies are the ones Trunk compiles.
fn wasm_tests(tools: &PageTools) -> Command {
    let mut tests = tools.program("cargo");
    tests.args(["test", "--profile", "wasm", "--target", "wasm32-unknown-unknown"]);
    tests.args(["-p", "llavacode-app", "-p", "llavacode-tests", "--test", "*_browser"]);
    tests.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
    // Seconds; a software GPU compiles shaders slowly.
    tests.env("WASM_BINDGEN_TEST_TIMEOUT", "1200");
    models::tell(&Store::shared(), &mut tests);
    tests
}

fn cargo() -> Command {
    let mut cargo = command::program("cargo");
    cargo.current_dir(paths::root());
    cargo
}
