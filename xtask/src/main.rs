//! Sets up, builds, serves, tests and measures the project: `cargo xtask --help`.

mod bench;
mod command;
mod models;
mod page;
mod paths;
mod peers;
mod policy;
mod real_size;
mod setup;
mod soak;
mod stores;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Sets up, builds, serves, tests and measures the project.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build the release page, serve it and rebuild it on changes
    Serve(page::ServeOptions),
    /// Install what is missing, build the release page into dist/ and print its size
    Build,
    /// Install what is missing and test everything: natively, in a browser, and the page
    Test(test::Options),
    /// Drive the release page in a browser and measure it: target/bench/latest.json
    Bench(bench::Options),
    /// Load models of real size, of random weights, into the page and have them complete
    RealSize(real_size::Options),
    /// Measure the page's engine beside others that run in a browser
    Peers(peers::Options),
    /// Measure the index at 1,000 to 100,000 chunks, beside other stores that run in a browser
    Stores(stores::Options),
    /// Type into the release page for an hour and see whether memory, suggestions and engine hold
    Soak(soak::Options),
    /// Only install what is missing for all of the above
    Setup,
    /// List the models that set-up fetches; fetch, remove or verify one
    Models {
        #[command(subcommand)]
        action: Option<models::Action>,
    },
    /// Called by trunk whenever it has built the page
    #[command(hide = true)]
    FinishPage,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Serve(options) => page::serve(&options),
        Task::Build => page::build(&setup::for_page()?),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::RealSize(options) => real_size::run(&options),
        Task::Peers(options) => peers::run(&options),
        Task::Stores(options) => stores::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Setup => setup::everything(),
        Task::Models { action } => models::run(action.as_ref()),
        Task::FinishPage => page::finish(),
    }
}
