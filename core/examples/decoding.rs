//! Ways of decoding: tasks of a project, completed token by token, with draft tokens looked up, and with
//! steps queued ahead.
//!
//! ```text
//! cargo run --release -p llavacode-core --example decoding -- <bundle folder> <workspace.json> <tasks.json> [tasks] [gpu]
//! ```
//! On two threads of the CPU, or on the GPU. The ways take turns, so that a slow moment of the machine falls
//! on all of them.

use std::{error::Error, fs, time::Instant};

use burn::tensor::Device;
use llavacode_core::{
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    kernel::threads,
    tasks::Task,
    weights::FolderFiles,
    workspace::{MemoryCache, Pace, Workspace},
};

/// A way of decoding: draft tokens and steps ahead.
const WAYS: [(&str, usize, usize); 3] = [("plain", 0, 0), ("lookup", usize::MAX, 0), ("ahead", 0, 2)];

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
        return Err("usage: decoding <bundle folder> <workspace.json> <tasks.json> [tasks] [gpu]".into());
    };
    let mut tasks: Vec<Task> = serde_json::from_slice(&fs::read(tasks)?)?;
    if let Some(most) = rest.first() {
        tasks.truncate(most.parse()?);
    }
    let project: serde_json::Value = serde_json::from_slice(&fs::read(project)?)?;
    let files = project["files"].as_array().ok_or("the workspace has no files")?;
    let device = match rest.get(1).map(String::as_str) {
        Some("gpu") => Device::wgpu_options().init()?,
        _ => Device::flex(),
    };
    threads::engage(threads::spawn(1));
    pollster::block_on(async {
        let files_of_bundle = FolderFiles { root: bundle.into() };
        let host = NativeHost::default();
        let mut engine = Engine::load(&files_of_bundle, &device, host, |_| ()).await?;
        let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        for file in files {
            let (path, text) = (file["path"].as_str(), file["text"].as_str());
            workspace.update(path.unwrap_or_default(), text.unwrap_or_default());
        }
        let batch = Pace::of_parts(engine.manifest.prompt.soft_tokens).batch();
        while !workspace.embed_next(&engine, batch).await?.is_over() {}
        for lane in engine.lanes() {
            let mut ways: [Sums; WAYS.len()] = Default::default();
            let mut differ = 0;
            for task in &tasks {
                let mut texts = Vec::new();
                for ((_, draft_tokens, steps), sums) in WAYS.into_iter().zip(&mut ways) {
                    engine.look_up(draft_tokens);
                    engine.queue_ahead(steps);
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
                differ += usize::from(texts.iter().any(|text| *text != texts[0]));
            }
            let plain = ways[0].decode_seconds;
            println!(
                "{}: {} tokens; {differ} of {} completions differ",
                lane.key(),
                ways[0].tokens,
                tasks.len()
            );
            for ((name, ..), sums) in WAYS.into_iter().zip(&ways) {
                let seconds = sums.decode_seconds;
                print!("  {name:<8} {seconds:.2} s ({:.2} times as fast)", plain / seconds);
                match sums.draft {
                    0 => println!(),
                    draft => println!("; {} of {draft} draft tokens right", sums.accepted),
                }
            }
        }
        Ok(())
    })
}
