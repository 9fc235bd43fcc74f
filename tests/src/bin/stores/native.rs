//! The run: open the page of the stores, have each open a project, answer and edit, by turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fantoccini::wd::TimeoutConfiguration;
use llavacode_tests::document::write_between;
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::report::{Opened, Project, Report, Run, STORES, Searched, Store};

#[derive(Parser)]
#[command(about = "Measures the index at scale beside other stores.")]
struct Arguments {
    /// Folder with the stores' page and, in `node_modules`, their packages
    #[arg(long)]
    peers: PathBuf,
    /// Folder with this program in WebAssembly, as wasm-bindgen makes it
    #[arg(long)]
    program: PathBuf,
    /// Where the report is written
    #[arg(long)]
    out: PathBuf,
    /// What was built
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// How often each store opens each project
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Chunks of the projects
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    chunks: Vec<usize>,
    /// Questions to each ranker
    #[arg(long, default_value_t = 50)]
    questions: usize,
    /// Edits, each of another file
    #[arg(long, default_value_t = 20)]
    edits: usize,
    /// Seconds after which a ranker of another store is asked no further question
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A document to write the table into, between its lines `<!-- stores:begin -->` and `<!-- stores:end -->`
    #[arg(long)]
    document: Option<PathBuf>,
    /// A file of the page's figures, to write into it what our index takes to be searched
    #[arg(long)]
    figures: Option<PathBuf>,
}

/// What a store gave, or why it did not.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Refused { refused: String },
    Given(T),
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.questions > 0, "without a question there is nothing to measure");
    let site = Site::new(&arguments.peers)?;
    let package = "node_modules/@orama/orama/package.json";
    site.read(package).context("the stores' packages are missing: run `cargo xtask stores`")?;
    let site = with_folder(site, "program", &arguments.program)?;
    visit("stores", site, "stores.html", &BrowserOptions::default(), async |page| {
        let ready = "document.documentElement.dataset.state === 'ready'";
        page.wait_until("the stores' page is loaded", ready, Duration::from_secs(60)).await?;
        page.client().update_timeouts(patience()).await?;
        let adapter: String = answer(page, "adapter()").await?;
        let mut report = Report::new(&page.browser().version(), &adapter, &arguments.commit);
        for &chunks in &arguments.chunks {
            let script = format!("prepare({chunks}, {}, {})", arguments.questions, arguments.edits);
            let project: Project = answer(page, &script).await?;
            println!("{} chunks", project.chunks);
            for turn in 0..arguments.repeat {
                for store in &STORES {
                    let run = measure(page, store, project.chunks, turn, &arguments)
                        .await
                        .with_context(|| format!("{}, {} chunks", store.name, project.chunks))?;
                    println!("{turn} {}: {run}", store.name);
                    report.runs.push(run);
                }
            }
            report.projects.push(project);
        }
        let date = page.evaluate("new Date().toISOString().slice(0, 10)").await?;
        report.date = date.as_str().unwrap_or_default().to_owned();
        fs::write(&arguments.out, serde_json::to_string_pretty(&report.json())? + "\n")?;
        let table = report.markdown();
        println!("\n{table}");
        if let Some(figures) = &arguments.figures {
            let json = fs::read(figures).with_context(|| format!("{} cannot be read", figures.display()))?;
            let mut json: Value = serde_json::from_slice(&json)?;
            for (name, figures) in report.figures() {
                json["index"][name] = figures;
            }
            fs::write(figures, serde_json::to_string_pretty(&json)? + "\n")?;
        }
        match &arguments.document {
            Some(document) => write_between(document, "stores", &table),
            None => Ok(()),
        }
    })
    .await
}

/// A store may take many minutes to open a hundred thousand chunks.
fn patience() -> TimeoutConfiguration {
    TimeoutConfiguration::new(Some(Duration::from_secs(7_200)), None, None)
}

/// A site that has a folder's files too, at a path of its own.
fn with_folder(mut site: Site, at: &str, folder: &Path) -> Result<Site> {
    let unread = || format!("{} cannot be read: run `cargo xtask stores`", folder.display());
    for entry in fs::read_dir(folder).with_context(unread)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("{at}/{name}");
        site = match file.is_dir() {
            true => with_folder(site, &path, &file)?,
            false => site.replace(&path, fs::read(&file)?),
        };
    }
    Ok(site)
}

/// The value of a promise of the page's.
async fn answer<T: DeserializeOwned>(page: &Page, script: &str) -> Result<T> {
    let value = page.evaluate_async(script).await?;
    T::deserialize(&value).with_context(|| format!("{script}: {value}"))
}

/// Has a store open the project, answer all questions by each of its rankers, and edit.
async fn measure(
    page: &Page,
    store: &'static Store,
    chunks: usize,
    turn: usize,
    arguments: &Arguments,
) -> Result<Run> {
    let mut run = Run::new(store, chunks, turn);
    let options = json!({ "parts": store.parts });
    // How much memory it takes is no matter of chance, and takes long to be told.
    let script = format!("openStore({}, {options}, {})", json!(store.program), turn == 0);
    match answer::<Answer<Opened>>(page, &script).await? {
        Answer::Given(opened) => run.opened = Some(opened),
        Answer::Refused { refused } => {
            run.refused.insert("open", refused);
            return Ok(run);
        }
    }
    for &ranker in store.rankers {
        let script = format!("searchStore({}, {})", json!(ranker), arguments.seconds * 1_000);
        match answer::<Answer<Searched>>(page, &script).await? {
            Answer::Given(searched) => _ = run.searched.insert(ranker, searched),
            Answer::Refused { refused } => _ = run.refused.insert(ranker, refused),
        }
    }
    match answer::<Answer<Vec<f64>>>(page, "editStore()").await? {
        Answer::Given(ms) => run.edit_ms = ms,
        Answer::Refused { refused } => _ = run.refused.insert("edit", refused),
    }
    page.evaluate("closeStore()").await?;
    Ok(run)
}
