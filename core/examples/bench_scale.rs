//! What the index costs at 1,000, 10,000 and 100,000 chunks, or at the sizes that are given: opening it,
//! searching it by every ranker, and editing a file. `cargo xtask stores` measures the same in a browser.
//!
//! ```text
//! cargo run --release -p llavacode-core --example bench_scale -- [chunks…]
//! ```

use std::error::Error;
use std::time::Instant;

use llavacode_core::bench::scale::{Layout, Project, Scale};
use llavacode_core::device::Device;
use llavacode_core::index::Ranker;
use llavacode_core::metrics::percentile;

const QUESTIONS: usize = 50;
const EDITS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::wgpu_options().init().inspect_err(|error| println!("no GPU: {error}")).ok();
    let mut sizes: Vec<usize> =
        std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000, 100_000];
    }
    let start = Instant::now();
    for size in sizes {
        let project = Project::of(size);
        let (questions, edits) = (project.questions(QUESTIONS), project.edits(EDITS));
        for (name, layout) in [("an embedding a chunk", Layout::WHOLE), ("pico's parts", Layout::PICO)] {
            let now_ms = || start.elapsed().as_secs_f64() * 1e3;
            let (mut scale, opened) = Scale::open(project, layout, now_ms);
            println!(
                "{} chunks, {name}: text {:.0} ms, {} vectors of {:.0} MB {:.0} ms",
                opened.chunks,
                opened.text_ms,
                opened.parts,
                opened.vector_bytes as f64 / 1e6,
                opened.vectors_ms
            );
            for ranker in Ranker::ALL {
                print(ranker.key(), &scale.search(ranker, &questions).ms);
            }
            if let Some(device) = &device {
                let searched = pollster::block_on(scale.search_on(device, &questions))?;
                print("dense, on the GPU", &searched.ms);
            }
            print("edit", &scale.edit(&edits));
        }
    }
    Ok(())
}

fn print(what: &str, ms: &[f64]) {
    let [median, high, most] = [50.0, 95.0, 100.0].map(|p| percentile(ms, p).unwrap_or_default());
    println!("  {what}: median {median:.2} ms, p95 {high:.2} ms, at most {most:.2} ms");
}
