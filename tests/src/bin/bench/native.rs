//! The run: open, wait, click, wait, read, write.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use clap::Parser;
use llavacode_core::bench::Report;
use llavacode_tests::device::Device;
use llavacode_tests::document::write_between;
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::{BrowserOptions, Gpu};
use serde_json::{Map, Value, json};

use super::{figures, first, table};

/// The model that is part of the page.
const PICO: &str = "pico";

#[derive(Parser)]
#[command(about = "Measures the built page in a browser.")]
struct Arguments {
    /// Folder of the built page
    #[arg(long)]
    dist: PathBuf,
    /// Folder for the reports
    #[arg(long)]
    out: PathBuf,
    /// Sizes of the page's programs, as JSON; they go into the report as they are
    #[arg(long, default_value = "{}")]
    wasm_sizes: String,
    /// What was built
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// What the page computes on
    #[arg(long, value_enum, default_value_t = Device::Webgpu)]
    device: Device,
    /// Which model completes, as in the page's address
    #[arg(long, default_value = PICO)]
    model: String,
    /// Show the browser's window
    #[arg(long)]
    headed: bool,
    /// Flag for the browser, repeatable; the first replaces those that choose the software GPU
    #[arg(long, allow_hyphen_values = true)]
    chrome_flag: Vec<String>,
    /// Give up after so many minutes
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Only the first so many tasks; they are shuffled, so any first ones are a fair sample
    #[arg(long)]
    tasks: Option<usize>,
    /// Only the first so many files of the demo project, to index less
    #[arg(long)]
    files: Option<usize>,
    /// A zip archive or wheel of 300 files or more to index, repeatable; the first suggestion is measured in the
    /// first one
    #[arg(long)]
    package: Vec<PathBuf>,
    /// Measure nothing: show a report that was made before, and write its table where one is asked for
    #[arg(long)]
    report: Option<PathBuf>,
    /// A file for the report without the tasks' texts; what it has of other devices and of `stores` stays
    #[arg(long)]
    json: Option<PathBuf>,
    /// A document to write the table into, between its lines `<!-- bench-pico-webgpu:begin -->` and
    /// `<!-- bench-pico-webgpu:end -->`, or those of another model and device
    #[arg(long)]
    document: Option<PathBuf>,
}

/// The page with at most so many elements in a JSON list of its demo.
fn shorten(site: Site, path: &str, list: &str, most: Option<usize>) -> Result<Site> {
    let Some(most) = most else { return Ok(site) };
    let mut json: Value = serde_json::from_slice(&site.read(path)?)?;
    let elements = json.pointer_mut(list).and_then(Value::as_array_mut);
    elements.with_context(|| format!("{path} holds no list"))?.truncate(most);
    let bytes = serde_json::to_vec(&json)?;
    Ok(site.replace(path, bytes))
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.report {
        let json = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return show(&arguments, &serde_json::from_slice(&json).context("that is no report")?);
    }
    let sizes: Value = serde_json::from_str(&arguments.wasm_sizes).context("--wasm-sizes is no JSON")?;
    let gpu = match arguments.chrome_flag.as_slice() {
        [] => Gpu::Software,
        flags => Gpu::Flags(flags.to_vec()),
    };
    let options = BrowserOptions { gpu, headed: arguments.headed, ..BrowserOptions::default() };
    let site = Site::new(&arguments.dist)?;
    let site = shorten(site, "demo/tasks.json", "", arguments.tasks)?;
    let site = shorten(site, "demo/workspace.json", "/files", arguments.files)?;
    let query = format!("?model={}&device={}", arguments.model, arguments.device.key());
    let first = match arguments.package.as_slice() {
        [] => None,
        packages => Some(first::measure(&arguments.dist, packages, &query, &options).await?),
    };
    visit("bench", site, &query, &options, async |page| {
        let patience = Duration::from_secs(60 * arguments.minutes);
        wait_for(page, &arguments.model, patience).await?;
        let mut report = measure(page, patience).await?;
        let date = page.evaluate("new Date().toISOString()").await?;
        report.insert("wasm".into(), sizes.clone());
        report.insert("date".into(), date.clone());
        report.insert("commit".into(), json!(arguments.commit));
        report.insert("browser".into(), json!(page.browser().version()));
        if let Some(first) = &first {
            report.insert("first_suggestion_ms".into(), json!(first.suggestion_ms));
            report.insert("packages".into(), json!(first.packages));
        }
        let date = date.as_str().unwrap_or_default().replace(':', "-");
        let file = keep(&arguments.out, &date, &report).context("the report could not be written")?;
        show(&arguments, &report)?;
        println!("\nall of it: {}", file.display());
        Ok(())
    })
    .await
}

/// Prints a report, and writes it where that is asked for.
fn show(arguments: &Arguments, report: &Map<String, Value>) -> Result<()> {
    let measured = serde_json::from_value::<Report>(json!(report))?;
    table::print(&measured, report);
    let mut searching = String::new();
    if let Some(json) = &arguments.json {
        let kept = fs::read(json).map_or(Ok(Value::Null), |bytes| serde_json::from_slice(&bytes))?;
        let figures = figures::with_kept(report.clone(), &kept, arguments.device.key());
        fs::write(json, serde_json::to_string_pretty(&figures)? + "\n")?;
        searching = figures::searching(&figures);
        print!("{searching}");
    }
    if let Some(document) = &arguments.document {
        let name = format!("bench-{}-{}", arguments.model, arguments.device.key());
        write_between(document, &name, &(table::markdown(&measured, report) + &searching))?;
    }
    Ok(())
}

/// Waits until the model is in use: pico is at first, and any other takes its place.
async fn wait_for(page: &Page, model: &str, patience: Duration) -> Result<()> {
    println!("waiting for the model and the index");
    page.wait_until_usable().await?;
    if model == PICO {
        return Ok(());
    }
    let in_use =
        "document.querySelector(\"[data-testid='model']\")?.textContent.startsWith('pico') === false";
    page.wait_until(&format!("{model} is in use"), in_use, patience).await?;
    page.wait_until_usable().await?;
    // It completes what pico had completed; the measurement would wait for that, too.
    page.wait_for_state("lane-full_rag", "done", patience).await
}

/// Has the page measure itself and reads its report and what it says of itself.
async fn measure(page: &Page, patience: Duration) -> Result<Map<String, Value>> {
    let mut facts = Map::new();
    for (name, expression) in [
        ("backend", "document.querySelector(\"[data-testid='status']\").dataset.backend"),
        ("computes", "document.querySelector(\"[data-testid='backend']\").textContent"),
        ("adapter", "document.querySelector(\"[data-testid='adapter']\").textContent"),
        ("model", "document.querySelector(\"[data-testid='model']\").textContent"),
        ("memory", "document.querySelector(\"[data-testid='memory']\").textContent"),
    ] {
        facts.insert(name.into(), page.evaluate(expression).await?);
    }
    println!("measuring on {} ({})", facts["adapter"], facts["backend"]);
    page.element("tab-measure").await?.click().await?;
    page.element("measure-run").await?.click().await?;
    follow(page, patience).await?;
    let text = page.text("measure-report").await?;
    let mut report: Map<String, Value> =
        serde_json::from_str(&text).context("the page's report is no JSON")?;
    for (name, value) in facts {
        report.entry(name).or_insert(value);
    }
    Ok(report)
}

/// Prints each new stage of the measurement until it is done.
async fn follow(page: &Page, patience: Duration) -> Result<()> {
    let (start, mut printed) = (Instant::now(), String::new());
    let state = "document.querySelector(\"[data-testid='measure']\").dataset.state";
    let line = "document.querySelector(\"[data-testid='measure'] [role='status']\").textContent";
    loop {
        let state = page.evaluate(state).await?;
        let line = page.evaluate(line).await?.as_str().unwrap_or_default().to_owned();
        match state.as_str() {
            Some("done") => return Ok(()),
            Some("error") => bail!("the page could not measure: {line}; {}", page.notices().await?),
            _ if start.elapsed() > patience => bail!("not done after {} s: {line}", patience.as_secs()),
            _ => {}
        }
        if line != printed {
            println!("{:>6.0} s  {line}", start.elapsed().as_secs_f64());
            printed = line;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Writes `latest.json` and a dated copy.
fn keep(folder: &Path, date: &str, report: &Map<String, Value>) -> io::Result<PathBuf> {
    let text = serde_json::to_string_pretty(report)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{date}.json")), &text)?;
    let latest = folder.join("latest.json");
    fs::write(&latest, &text)?;
    Ok(latest)
}
