//! The run: open the page of the peers, load engines, have them complete by turns.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result};
use clap::Parser;
use llavacode_tests::document::write_between;
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Value, json};

use super::report::{Engine, Report, Run};

/// Tokens that each completion makes.
const NEW_TOKENS: usize = 32;

/// Where the model lies in the page.
const BUNDLE: &str = "models/smollm2-135m/";

#[derive(Parser)]
#[command(about = "Measures the built page's engine beside its peers.")]
struct Arguments {
    /// Folder of the built page
    #[arg(long)]
    dist: PathBuf,
    /// Folder with the peers' page and, in `node_modules`, their packages
    #[arg(long)]
    peers: PathBuf,
    /// Where the report is written
    #[arg(long)]
    out: PathBuf,
    /// What was built
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// How often each engine completes each prompt
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Lengths of the prompts, in tokens
    #[arg(long, value_delimiter = ',', default_value = "128,512,1024")]
    prompts: Vec<usize>,
    /// A document to write the table into, between its lines `<!-- peers:begin -->` and `<!-- peers:end -->`
    #[arg(long)]
    document: Option<PathBuf>,
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let site = with_peers(Site::new(&arguments.dist)?, &arguments.peers)?;
    let text = source_text(&site)?;
    let threads = thread::available_parallelism()?.get();
    visit("peers", site, "peers/index.html", &BrowserOptions::default(), async |page| {
        let ready = "document.documentElement.dataset.state === 'ready'";
        page.wait_until("the peers' page is loaded", ready, Duration::from_secs(60)).await?;
        page.client().update_timeouts(patience()).await?;
        let engines = load(page, threads).await?;
        let mut report = Report::new(&page.browser().version(), &arguments.commit, engines);
        // A first one each, so that every engine's code is compiled by the time it is measured.
        for engine in report.engines.clone() {
            complete(page, &engine, &text, 64).await.context(engine.name)?;
        }
        for turn in 0..arguments.repeat {
            for &tokens in &arguments.prompts {
                for engine in report.engines.clone() {
                    let run = complete(page, &engine, &text, tokens).await.context(engine.name.clone())?;
                    println!("{turn} {}: {run}", engine.name);
                    report.runs.push(run);
                }
            }
        }
        let date = page.evaluate("new Date().toISOString().slice(0, 10)").await?;
        report.date = date.as_str().unwrap_or_default().to_owned();
        fs::write(&arguments.out, serde_json::to_string_pretty(&report.json())? + "\n")?;
        let table = report.markdown();
        println!("\n{table}");
        match &arguments.document {
            Some(document) => write_between(document, "peers", &table),
            None => Ok(()),
        }
    })
    .await
}

/// A completion of a long prompt takes minutes on a slow machine.
fn patience() -> fantoccini::wd::TimeoutConfiguration {
    fantoccini::wd::TimeoutConfiguration::new(Some(Duration::from_secs(1_800)), None, None)
}

/// The built page with the peers' page and packages in it, and a manifest that lets prompts be long.
fn with_peers(site: Site, peers: &Path) -> Result<Site> {
    let mut site = site;
    let package = peers.join("node_modules/@wllama/wllama/esm");
    let files = [
        ("peers/index.html", peers.join("index.html")),
        ("peers/peers.js", peers.join("peers.js")),
        ("peers/wllama/index.js", package.join("index.js")),
        ("peers/wllama/wasm/wllama.wasm", package.join("wasm/wllama.wasm")),
    ];
    for (path, file) in files {
        let bytes = fs::read(&file)
            .with_context(|| format!("{} is missing: run `cargo xtask peers`", file.display()))?;
        site = site.replace(path, bytes);
    }
    let manifest = format!("{BUNDLE}bundle.json");
    let bytes = site.read(&manifest).context("the page has no SmolLM2: run `cargo xtask models` first")?;
    let mut json: Value = serde_json::from_slice(&bytes)?;
    json["prompt"]["prefix_tokens"] = json!(1_536);
    json["prompt"]["max_new_tokens"] = json!(NEW_TOKENS);
    json["prompt"]["token_healing"] = json!(false);
    Ok(site.replace(&manifest, serde_json::to_vec(&json)?))
}

/// The demo project's files, one after the other.
fn source_text(site: &Site) -> Result<String> {
    let workspace: Value = serde_json::from_slice(&site.read("demo/workspace.json")?)?;
    let files = workspace["files"].as_array().context("the demo has no files")?;
    Ok(files.iter().filter_map(|file| file["text"].as_str()).collect())
}

/// Loads every engine, with one thread and with all where it has threads.
async fn load(page: &Page, threads: usize) -> Result<Vec<Engine>> {
    let gguf = format!("{BUNDLE}reader/model.gguf");
    let mut wanted = Vec::new();
    for threads in [1, threads] {
        let threads_word = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let ours = json!({ "bundle": BUNDLE, "device": "cpu", "threads": threads });
        wanted.push((format!("llavacode, {threads_word}"), "llavacode", ours));
        let theirs = json!({ "gguf": gguf, "threads": threads, "gpuLayers": 0 });
        wanted.push((format!("wllama, {threads_word}"), "wllama", theirs));
    }
    let mut engines = Vec::new();
    for (name, engine, options) in wanted {
        println!("loading {name}");
        let loaded =
            page.evaluate_async(&format!("load({}, {}, {options})", json!(name), json!(engine))).await;
        engines.push(Engine::new(name.clone(), engine, loaded.context(name)?)?);
    }
    Ok(engines)
}

/// Has an engine complete a prompt of about so many tokens.
async fn complete(page: &Page, engine: &Engine, text: &str, tokens: usize) -> Result<Run> {
    /// Of the demo project, by SmolLM2's tokenizer.
    const CHARACTERS_A_TOKEN: f64 = 3.3;
    let characters = (tokens as f64 * CHARACTERS_A_TOKEN) as usize;
    let prompt: String = text.chars().take(characters).collect();
    let script = format!("complete({}, {}, {NEW_TOKENS})", json!(engine.name), json!(prompt));
    let done = page.evaluate_async(&script).await?;
    Run::new(&engine.name, tokens, &done)
}
