//! Time to first token while a line is typed: at each word's end, with the KV cache as the word before left it.
//!
//! ```text
//! cargo run --release -p llavacode-core --example typing -- <bundle folder> <workspace.json> <tasks.json> [tasks]
//! ```
//! On two threads of the CPU.

use std::{error::Error, fs};

use burn::tensor::Device;
use llavacode_core::{
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    kernel::threads,
    metrics::{median, percentile},
    tasks::Task,
    weights::FolderFiles,
    workspace::{MemoryCache, Pace, Workspace},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, project, tasks, rest @ ..] = &arguments[..] else {
        return Err("usage: typing <bundle folder> <workspace.json> <tasks.json> [tasks]".into());
    };
    let mut tasks: Vec<Task> = serde_json::from_slice(&fs::read(tasks)?)?;
    if let Some(most) = rest.first() {
        tasks.truncate(most.parse()?);
    }
    let project: serde_json::Value = serde_json::from_slice(&fs::read(project)?)?;
    let files = project["files"].as_array().ok_or("the workspace has no files")?;
    threads::engage(threads::spawn(1));
    pollster::block_on(async {
        let (device, host) = (Device::flex(), NativeHost::default());
        let mut engine = Engine::load(&FolderFiles { root: bundle.into() }, &device, host, |_| ()).await?;
        let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        for file in files {
            let (path, text) = (file["path"].as_str(), file["text"].as_str());
            workspace.update(path.unwrap_or_default(), text.unwrap_or_default());
        }
        let batch = Pace::of_parts(engine.manifest.prompt.soft_tokens).batch();
        while !workspace.embed_next(&engine, batch).await?.is_over() {}
        for lane in engine.lanes() {
            let (mut times, mut reused, mut positions) = (Vec::new(), 0, 0);
            for task in &tasks {
                for (word, typed) in word_ends(&task.target).into_iter().enumerate() {
                    let prefix = task.prefix.clone() + &task.target[..typed];
                    let cursor = CompletionRequest::at(&task.path, prefix, &task.suffix);
                    // One arrives in the line from anywhere.
                    let request = CompletionRequest { cold: word == 0, ..cursor };
                    let (mut place, cancel) = (Place::new(request), CancelFlag::default());
                    let done = engine.complete(&mut workspace, &mut place, lane, &cancel, |_| ()).await?;
                    if word > 0 {
                        times.push(done.ttft.total_ms);
                        reused += done.reused_tokens;
                        positions += done.prompt_tokens;
                    }
                }
            }
            println!(
                "{:<10} {} words: first token after {:.0} ms (median), {:.0} ms (p90); {:.0} % of positions kept",
                lane.key(),
                times.len(),
                median(&times).unwrap_or_default(),
                percentile(&times, 90.0).unwrap_or_default(),
                100.0 * reused as f64 / positions.max(1) as f64
            );
        }
        Ok(())
    })
}

/// Where words end, in bytes, and nought.
fn word_ends(line: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends = line.char_indices().zip(line.chars().skip(1).map(Some).chain([None]));
    let ends = ends.filter(|((_, c), next)| is_word(*c) && !next.is_some_and(is_word));
    std::iter::once(0).chain(ends.map(|((at, c), _)| at + c.len_utf8())).collect()
}
