//! The run: open, wait, type, look, and say what came of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use llavacode_tests::device::Device;
use llavacode_tests::document::write_between;
use llavacode_tests::harness::{PATIENCE, Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;

use super::report::{Facts, Report};
use super::typist::{Typist, files};
use super::watch::{Watch, instrument};

/// The model that is part of the page.
const PICO: &str = "pico";

/// Every run types with the same chances; what it types depends on what is suggested.
const SEED: u64 = 60;

/// How long a software GPU may take to index the demo.
const INDEXING: Duration = Duration::from_secs(7_200);

#[derive(Parser)]
#[command(about = "Types into the built page and sees whether it holds.")]
struct Arguments {
    /// Folder of the built page
    #[arg(long)]
    dist: PathBuf,
    /// Folder for the reports
    #[arg(long)]
    out: PathBuf,
    /// What was built
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// How long to type
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// What the page computes on
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,
    /// Which model completes, as in the page's address
    #[arg(long, default_value = PICO)]
    model: String,
    /// A document to write the table into, between its lines `<!-- soak:begin -->` and `<!-- soak:end -->`
    #[arg(long)]
    document: Option<PathBuf>,
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let site = Site::new(&arguments.dist)?;
    if arguments.model != PICO {
        let manifest = format!("models/{}/bundle.json", arguments.model);
        site.read(&manifest).with_context(|| {
            format!("the page has no {}: run `cargo xtask models` first", arguments.model)
        })?;
    }
    let demo = files(&site.read("demo/workspace.json")?)?;
    let query = format!("?model={}&device={}", arguments.model, arguments.device.key());
    let mut report = None;
    let visited = visit("soak", instrument(site)?, &query, &BrowserOptions::default(), async |page| {
        let facts = wait_for(page, &arguments).await?;
        let time = Duration::from_secs(60 * arguments.minutes);
        let mut watch = Watch::start(page, Report::new(facts), &arguments.out, time).await?;
        let typed = Typist::new(page, demo, SEED).work(&mut watch).await;
        // A page that does not answer shows no evidence either: what was seen is told below.
        report = Some(watch.finish(typed).await);
        Ok(())
    })
    .await;
    if let Some(report) = &report {
        conclude(&arguments, report)?;
    }
    visited
}

/// Waits until the model is in use and the files are indexed, and says what runs where.
async fn wait_for(page: &Page, arguments: &Arguments) -> Result<Facts> {
    println!("waiting for the model and the index");
    page.wait_for_state("status", "ready", PATIENCE).await?;
    if arguments.model != PICO {
        let in_use =
            "document.querySelector(\"[data-testid='model']\")?.textContent.startsWith('pico') === false";
        page.wait_until(&format!("{} is in use", arguments.model), in_use, PATIENCE).await?;
    }
    page.wait_for_state("index-state", "ready", INDEXING).await?;
    // It has been read.
    page.element("intro-close").await?.click().await?;
    let text = async |expression: &str| -> Result<String> {
        Ok(page.evaluate(expression).await?.as_str().unwrap_or_default().to_owned())
    };
    let backend = text("document.querySelector(\"[data-testid='status']\").dataset.backend").await?;
    let device = arguments.device.key();
    ensure!(backend == device, "the page computes on {backend}, not on {device}");
    let words = [page.text("backend").await?, page.text("adapter").await?];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Ok(Facts {
        device: device.to_owned(),
        computes: words.join(", "),
        model: page.text("model").await?,
        browser: page.browser().version(),
        commit: arguments.commit.clone(),
        date: text("new Date().toISOString()").await?,
    })
}

/// Prints what follows from what was seen, and writes it where that is asked for.
///
/// # Errors
/// If the page did not hold.
fn conclude(arguments: &Arguments, report: &Report) -> Result<()> {
    println!("\n{}", report.markdown());
    report.keep(&arguments.out, "latest.json")?;
    let name = format!("{}.json", report.facts.date.replace(':', "-"));
    println!("all of it: {}", report.keep(&arguments.out, &name)?.display());
    if let Some(document) = &arguments.document {
        write_between(document, "soak", &report.markdown())?;
    }
    let failures = report.failures();
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(())
}
