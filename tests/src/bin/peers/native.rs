//! The run: make the models that are missing, open the page of the peers, load engines, have them complete by
//! turns.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use clap::Parser;
use fantoccini::wd::TimeoutConfiguration;
use llavacode_tests::document::write_between;
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::processes;
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Value, json};

use super::kept;
use super::models::{self, MODELS, Model};
use super::report::{self, Circumstances, Engine, Report, Run};

/// Tokens that each completion makes.
const NEW_TOKENS: usize = 32;
/// Characters of an engine's first completion, which is not measured.
const FIRST_CHARACTERS: usize = 600;

#[derive(Parser)]
#[command(about = "Measures the built page's engine beside its peers.")]
struct Arguments {
    /// Folder of the built page
    #[arg(long)]
    dist: PathBuf,
    /// Folder with the peers' page and, in `node_modules`, their packages
    #[arg(long)]
    peers: PathBuf,
    /// Folder for the models that are made of others
    #[arg(long)]
    made: PathBuf,
    /// The program that makes them
    #[arg(long)]
    write_gguf: PathBuf,
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
    /// Only these models, repeatable
    #[arg(long)]
    model: Vec<String>,
    /// A document to write the tables into, between its lines `<!-- peers:begin -->` and `<!-- peers:end -->`
    #[arg(long)]
    document: Option<PathBuf>,
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let known: Vec<&str> = MODELS.iter().map(|model| model.key).collect();
    if let Some(unknown) = arguments.model.iter().find(|key| !known.contains(&key.as_str())) {
        bail!("there is no model {unknown}; there is: {}", known.join(", "));
    }
    let site = with_peers(Site::new(&arguments.dist)?, &arguments.peers)?;
    let text = source_text(&site)?;
    let threads = thread::available_parallelism()?.get();
    let mut circumstances = Circumstances { commit: arguments.commit.clone(), ..Circumstances::default() };
    let mut reports = Vec::new();
    let chosen =
        |model: &&Model| arguments.model.is_empty() || arguments.model.iter().any(|key| key == model.key);
    for model in MODELS.iter().filter(chosen) {
        println!("\n{}", model.name);
        let (site, bytes) = model.put(site.clone(), &arguments.made, &arguments.write_gguf, NEW_TOKENS)?;
        visit("peers", site.clone(), "peers/index.html", &BrowserOptions::default(), async |page| {
            let ready = "document.documentElement.dataset.state === 'ready'";
            page.wait_until("the peers' page is loaded", ready, Duration::from_secs(60)).await?;
            page.client().update_timeouts(patience()).await?;
            let (engines, characters_a_token) = load(page, &site, threads, &text).await?;
            let mut report = Report::new(model.key, model.name.to_owned(), bytes, engines);
            for turn in 0..arguments.repeat {
                for &tokens in &arguments.prompts {
                    let prompt = beginning(&text, (tokens as f64 * characters_a_token) as usize);
                    for engine in report.engines.clone() {
                        let run = complete(page, &engine.name, &prompt, tokens).await?;
                        println!("{turn} {}: {run}", engine.name);
                        report.runs.push(run);
                    }
                }
            }
            let date = page.evaluate("new Date().toISOString().slice(0, 10)").await?;
            circumstances.date = date.as_str().unwrap_or_default().to_owned();
            circumstances.browser = page.browser().version();
            reports.push(report);
            Ok(())
        })
        .await?;
        // After each model: the next one may take a quarter of an hour.
        write_down(&arguments, &circumstances, &mut reports)?;
    }
    println!("\n{}", report::markdown(&circumstances, &reports));
    Ok(())
}

/// Writes the report, and its tables where they are wanted. What it has of models that are not measured now
/// stays.
fn write_down(arguments: &Arguments, now: &Circumstances, reports: &mut Vec<Report>) -> Result<()> {
    if let Ok(before) = fs::read(&arguments.out) {
        let before = serde_json::from_slice(&before)
            .with_context(|| format!("{} is no report: delete it", arguments.out.display()))?;
        let measured: Vec<String> = reports.iter().map(|report| report.key.clone()).collect();
        let measured: Vec<&str> = measured.iter().map(String::as_str).collect();
        reports.extend(kept::kept(&before, now, &measured)?);
        reports.sort_by_key(|report| MODELS.iter().position(|model| model.key == report.key));
    }
    let json = report::json(now, reports);
    fs::write(&arguments.out, serde_json::to_string_pretty(&json)? + "\n")?;
    match &arguments.document {
        Some(document) => write_between(document, "peers", &report::markdown(now, reports)),
        None => Ok(()),
    }
}

/// A completion of a long prompt takes minutes on a slow machine.
fn patience() -> TimeoutConfiguration {
    TimeoutConfiguration::new(Some(Duration::from_secs(1_800)), None, None)
}

/// What a visitor of the page downloads to run our engine, and of wllama's: without the model.
const OURS: [&str; 6] =
    ["engine.js", "engine_bg.wasm", "engine_loader.js", "helper.js", "helper_bg.wasm", "helper_loader.js"];
const WLLAMA: [&str; 2] = ["peers/wllama/index.js", "peers/wllama/wasm/wllama.wasm"];

/// The built page with the peers' page and packages in it.
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
    Ok(site)
}

/// The demo project's files, one after the other.
fn source_text(site: &Site) -> Result<String> {
    let workspace: Value = serde_json::from_slice(&site.read("demo/workspace.json")?)?;
    let files = workspace["files"].as_array().context("the demo has no files")?;
    Ok(files.iter().filter_map(|file| file["text"].as_str()).collect())
}

fn beginning(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// Loads every engine, with one thread and with all where it has threads, and has each complete once, so that
/// its code is compiled by the time it is measured. How many characters of the text a token has comes beside.
async fn load(page: &Page, site: &Site, threads: usize, text: &str) -> Result<(Vec<Engine>, f64)> {
    let gguf = format!("{}reader/model.gguf", models::BUNDLE);
    let mut wanted = Vec::new();
    for threads in [1, threads] {
        let threads_word = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let ours = json!({ "bundle": models::BUNDLE, "device": "cpu", "threads": threads });
        wanted.push((format!("llavacode, {threads_word}"), "llavacode", ours, OURS.as_slice()));
        let theirs = json!({ "gguf": gguf, "threads": threads, "gpuLayers": 0 });
        wanted.push((format!("wllama, {threads_word}"), "wllama", theirs, WLLAMA.as_slice()));
    }
    let resident = || processes::resident(page.browser().process()?).renderers;
    let prompt = beginning(text, FIRST_CHARACTERS);
    let (mut engines, mut characters_a_token) = (Vec::new(), 0.0);
    for (name, engine, options, program) in wanted {
        println!("loading {name}");
        let before = resident();
        let script = format!("load({}, {}, {options})", json!(name), json!(engine));
        let loaded = page.evaluate_async(&script).await.context(name.clone())?;
        let first = complete(page, &name, &prompt, 0).await?;
        if engine == "llavacode" {
            characters_a_token = prompt.chars().count() as f64 / first.prompt_tokens;
        }
        let memory = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
        let sizes =
            program.iter().map(|path| Ok(site.read(path)?.len() as u64)).collect::<Result<Vec<_>>>()?;
        engines.push(Engine::new(name, engine, loaded, sizes.iter().sum(), memory)?);
    }
    Ok((engines, characters_a_token))
}

/// Has an engine complete a prompt of about so many tokens.
async fn complete(page: &Page, engine: &str, prompt: &str, tokens: usize) -> Result<Run> {
    let script = format!("complete({}, {}, {NEW_TOKENS})", json!(engine), json!(prompt));
    let done = page.evaluate_async(&script).await.with_context(|| engine.to_owned())?;
    Run::new(engine, tokens, &done)
}
