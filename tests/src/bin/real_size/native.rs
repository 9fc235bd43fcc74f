//! The run: write the files, open the page, give them to it, wait, read, write.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::processes;
use llavacode_tests::server::Site;
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::{Value, json};

use super::cases::{CASES, Case};
use super::table;
use super::watch::{Watch, instrument};

/// The lanes of a pair without a projector.
const LANES: [&str; 2] = ["base", "full_rag"];

#[derive(Parser)]
#[command(about = "Loads models of real size into the built page.")]
struct Arguments {
    /// Folder of the built page
    #[arg(long)]
    dist: PathBuf,
    /// Folder for the report
    #[arg(long)]
    out: PathBuf,
    /// Folder of the model files; those that are missing are written
    #[arg(long)]
    models: PathBuf,
    /// The program that writes them
    #[arg(long)]
    write_gguf: PathBuf,
    /// What was built
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Only these cases, repeatable
    #[arg(long)]
    case: Vec<String>,
    /// Let the first token of each case be enough
    #[arg(long)]
    first_token: bool,
    /// Give a case up after so many minutes
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

#[tokio::main]
pub(super) async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let chosen = |case: &&Case| arguments.case.is_empty() || arguments.case.iter().any(|key| key == case.key);
    let site = instrument(tiny_demo(Site::new(&arguments.dist)?)?)?;
    let patience = Duration::from_secs(60 * arguments.minutes);
    let mut results = Vec::new();
    for case in CASES.iter().filter(chosen) {
        println!("\n{}", case.title());
        let files = case.files(&arguments.models, &arguments.write_gguf)?;
        let mut result = Value::Null;
        let measured = async |page: &Page| {
            let lanes: &[&str] = if case.lanes && !arguments.first_token { &LANES } else { &[] };
            result = measure(page, lanes, &files, patience).await;
            Ok(())
        };
        let query = "?model=pico&device=webgpu";
        let outcome = visit("real-size", site.clone(), query, &BrowserOptions::default(), measured).await;
        if let Err(error) = outcome {
            result = json!({ "failed": format!("{error:#}") });
        }
        result["case"] = json!(case.title());
        let sizes = files.iter().map(|file| Ok(fs::metadata(file)?.len())).collect::<Result<Vec<_>>>()?;
        result["file_bytes"] = json!(sizes.iter().sum::<u64>());
        if let Some(failed) = result["failed"].as_str() {
            println!("failed: {failed}");
        }
        results.push(result);
        // After each case: the next one may take half an hour.
        keep(&arguments, &results)?;
    }
    println!("\n{}", table::markdown(&results));
    println!("all of it: {}", report(&arguments.out).display());
    Ok(())
}

/// The page with two files of a few lines as its demo: a software GPU reads few tokens a second.
fn tiny_demo(site: Site) -> Result<Site> {
    let file = |path: &str, text: &str| json!({ "path": path, "text": text });
    let text = "\"\"\"Metres of water.\"\"\"\n\nfrom gauge import level\n\n\ndef deep(now):\n    return ";
    let demo = json!({
        "name": "gauge",
        "files": [
            file("gauge.py", "def level(now):\n    return 2.5\n"),
            file("deep.py", text),
        ],
        "open": "deep.py",
        "cursor": { "line": 7, "column": 12 },
    });
    Ok(site.replace("demo/workspace.json", serde_json::to_vec(&demo)?))
}

/// What was seen of a case; with what went wrong as `failed`, if something did.
async fn measure(page: &Page, lanes: &[&str], files: &[PathBuf], patience: Duration) -> Value {
    let mut result = json!({});
    if let Err(error) = follow(page, lanes, files, patience, &mut result).await {
        result["failed"] = json!(format!("{error:#}"));
    }
    if let Ok(seen) = page.evaluate("window.realSize").await {
        result["worker_peak_bytes"] = seen["worker"].clone();
        result["buffers_peak_bytes"] = seen["buffers"].clone();
        result["largest_buffer_bytes"] = seen["largest"].clone();
    }
    if let Some(driver) = page.browser().process() {
        let peaks = processes::peaks(driver);
        result["renderer_peak_bytes"] = json!(peaks.renderer);
        result["gpu_process_peak_bytes"] = json!(peaks.gpu);
    }
    result["browser"] = json!(page.browser().version());
    result
}

async fn follow(
    page: &Page,
    lanes: &[&str],
    files: &[PathBuf],
    patience: Duration,
    result: &mut Value,
) -> Result<()> {
    page.wait_until_usable().await.context("the model that comes with the page")?;
    let mut watch = Watch::start(page, patience).await?;
    // Opened, the dialog takes over the device that the page is on.
    page.element("models-open").await?.click().await?;
    page.choose_files("model-files-input", files).await?;
    let ready = watch.wait("loading", |event| event["type"] == "ready").await?;
    for (name, key) in [
        ("load_ms", "load_ms"),
        ("worker_bytes", "worker_loaded_bytes"),
        ("memory_bytes", "device_bytes"),
        ("adapter", "adapter"),
        ("backend", "backend"),
    ] {
        result[key] = ready[name].clone();
    }
    let indexed = watch.wait("indexing", |event| event["type"] == "indexed").await?;
    result["chunks"] = indexed["embedded"].clone();
    result["index_ms"] = indexed["elapsed_ms"].clone();
    let first = watch.wait("the first token", |event| event["event"] == "first_token").await?;
    let lane = first["lane"].as_str().context("a completion without a lane")?;
    result["lanes"][lane]["ttft"] = first["ttft"].clone();
    for lane in lanes {
        let is_done = |event: &Value| event["lane"] == *lane && event["event"] == "done";
        let done = watch.wait(lane, is_done).await?;
        for key in ["ttft", "prompt_tokens", "new_tokens", "decode_tokens_per_s", "stop"] {
            result["lanes"][lane][key] = done[key].clone();
        }
    }
    Ok(())
}

fn report(folder: &Path) -> PathBuf {
    folder.join("latest.json")
}

fn keep(arguments: &Arguments, results: &[Value]) -> Result<()> {
    fs::create_dir_all(&arguments.out)?;
    let all = json!({ "commit": arguments.commit, "cases": results });
    fs::write(report(&arguments.out), serde_json::to_string_pretty(&all)?)?;
    Ok(())
}
