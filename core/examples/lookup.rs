//! What prompt lookup gains: tasks of a project, completed token by token and with draft tokens.
//!
//! ```text
//! cargo run --release -p llavacode-core --example lookup -- <bundle folder> <workspace.json> <tasks.json> [tasks]
//! ```
//! On two threads of the CPU. The two take turns, so that a slow moment of the machine falls on both.

use std::{error::Error, fs, time::Instant};

use burn::tensor::Device;
use llavacode_core::{
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    kernel::threads,
    tasks::Task,
    weights::FolderFiles,
    workspace::{MemoryCache, Pace, Workspace},
};

/// One way of decoding, over all tasks of a lane.
#[derive(Default)]
struct Sums {
    decode_seconds: f64,
    tokens: usize,
    draft: usize,
    accepted: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, project, tasks, rest @ ..] = &arguments[..] else {
        return Err("usage: lookup <bundle folder> <workspace.json> <tasks.json> [tasks]".into());
    };
    let mut tasks: Vec<Task> = serde_json::from_slice(&fs::read(tasks)?)?;
    if let Some(most) = rest.first() {
        tasks.truncate(most.parse()?);
    }
    let project: serde_json::Value = serde_json::from_slice(&fs::read(project)?)?;
    let files = project["files"].as_array().ok_or("the workspace has no files")?;
    threads::engage(threads::spawn(1));
    pollster::block_on(async {
        let files_of_bundle = FolderFiles { root: bundle.into() };
        let host = NativeHost::default();
        let mut engine = Engine::load(&files_of_bundle, &Device::flex(), host, |_| ()).await?;
        let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        for file in files {
            let (path, text) = (file["path"].as_str(), file["text"].as_str());
            workspace.update(path.unwrap_or_default(), text.unwrap_or_default());
        }
        let batch = Pace::of_parts(engine.manifest.prompt.soft_tokens).batch();
        while !workspace.embed_next(&engine, batch).await?.is_over() {}
        for lane in engine.lanes() {
            let mut ways = [Sums::default(), Sums::default()];
            let mut differ = 0;
            for task in &tasks {
                let mut texts = Vec::new();
                for (draft_tokens, sums) in [0, usize::MAX].into_iter().zip(&mut ways) {
                    engine.look_up(draft_tokens);
                    let cursor = CompletionRequest::at(&task.path, &task.prefix, &task.suffix);
                    let mut place = Place::new(cursor);
                    let (cancel, started) = (CancelFlag::default(), Instant::now());
                    let done = engine.complete(&mut workspace, &mut place, lane, &cancel, |_| ()).await?;
                    sums.decode_seconds += started.elapsed().as_secs_f64() - done.ttft.total_ms / 1e3;
                    sums.tokens += done.new_tokens;
                    sums.draft += done.draft_tokens;
                    sums.accepted += done.accepted_tokens;
                    texts.push((done.text, done.stop));
                }
                differ += usize::from(texts[0] != texts[1]);
            }
            let [plain, lookup] = ways;
            println!(
                "{:<10} {} tokens in {:.1} s, with lookup {:.1} s ({:.2} times as fast); {} of {} draft tokens right; {differ} of {} completions differ",
                lane.key(),
                plain.tokens,
                plain.decode_seconds,
                lookup.decode_seconds,
                plain.decode_seconds / lookup.decode_seconds,
                lookup.accepted,
                lookup.draft,
                tasks.len(),
            );
        }
        Ok(())
    })
}
