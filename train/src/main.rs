//! `cargo run --release -p llavacode-train -- <step>`

mod cli;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    cli::Arguments::parse().run()
}
