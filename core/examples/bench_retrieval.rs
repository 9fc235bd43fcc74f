//! How long the pure-CPU steps of a completion take: indexing, retrieval, prompt building,
//! reading vectors' records back.
//!
//! ```text
//! cargo run --release -p llavacode-core --example bench_retrieval -- [folder of sources]
//! ```
//! Without a folder it makes up sources with a vocabulary as skewed as real code's.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llavacode_core::config::{ChunkOrder, ChunkingConfig, ContextPlacement, PromptConfig};
use llavacode_core::engine::Lane;
use llavacode_core::index::{Index, Query, Ranker, RetrievedHit, TextHash, Vectors, filter};
use llavacode_core::metrics::{median, percentile};
use llavacode_core::prompt::{Cursor, PromptBuilder, PromptChunk};
use llavacode_core::tokenize::Tokenizer;
use llavacode_core::workspace::{decode, encode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Parts of a chunk: pico's.
const PARTS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Width of the made-up vectors: the real encoder's.
const WIDTH: usize = 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut random = StdRng::seed_from_u64(1);
    let files = match std::env::args().nth(1) {
        Some(folder) => read_sources(Path::new(&folder))?,
        None => (0..1000).map(|n| (format!("pkg/{n}.py"), made_up(&mut random, 200))).collect(),
    };

    let chunking = ChunkingConfig { lines: 10, stride: 5 };
    let mut index = Index::new(chunking);
    let took = time(|| files.iter().for_each(|(path, text)| _ = index.update_file(path, text)));
    let stats = index.stats();
    println!("index {} files, {} chunks: {took:.1?}", stats.files, stats.chunks);
    let mut in_parts = Index::in_parts(chunking, PARTS);
    let took = time(|| files.iter().for_each(|(path, text)| _ = in_parts.update_file(path, text)));
    let distinct = in_parts.stats().parts;
    println!("in {PARTS} parts each, {}, of which {distinct} differ: {took:.1?}", stats.chunks * PARTS.get());
    drop(in_parts);

    let mut vector = || -> Vec<f32> {
        let direction: Vec<f32> = (0..WIDTH).map(|_| random.random_range(-1.0..1.0)).collect();
        let norm = direction.iter().map(|x| x * x).sum::<f32>().sqrt();
        direction.into_iter().map(|x| x / norm).collect()
    };
    let paths: Vec<String> = index.paths().map(str::to_owned).collect();
    let of_path = |path: &String| index.pending_parts_of(path).map(|(part, _)| part).collect::<Vec<_>>();
    let parts: Vec<TextHash> = paths.iter().flat_map(of_path).collect();
    for part in &parts {
        index.set_vectors(*part, &Vectors::new(&vector(), [&[0.5; 1536][..]]));
    }
    println!("vectors: {} MB", index.stats().vector_bytes / 1_000_000);
    let embedding = vector();
    for ranker in Ranker::ALL {
        report(&format!("retrieve, {}", ranker.key()), &files, |path, prefix, _| {
            let embedding = Some(&*embedding);
            index.retrieve(&Query { path, prefix, top_k: 10, ranker, embedding, ..Query::default() });
        });
    }

    let json = include_bytes!("../tests/fixtures/tokenizer.json");
    let tokenizer = Arc::new(Tokenizer::from_json("tokenizer.json", json)?);
    let builder = PromptBuilder::new(tokenizer, prompt_config())?;
    let retrieve = |path: &str, prefix: &str| {
        let query = Query { path, prefix, top_k: 10, ..Query::default() };
        index.retrieve(&query)
    };
    let chunks = |hits: &[RetrievedHit]| -> Vec<PromptChunk<'_>> {
        let chunk = |hit: &RetrievedHit| {
            let chunk = index.chunk(hit.id)?;
            Some(PromptChunk { id: hit.id, span: &chunk.span, text: &chunk.text })
        };
        hits.iter().filter_map(chunk).collect()
    };
    for lane in Lane::ALL {
        let hits = retrieve("", &files[0].1);
        let chunks = chunks(&hits);
        report(&format!("build prompt, {}", lane.key()), &files, |path, prefix, suffix| {
            builder.build(lane, &builder.local_part(Cursor { path, prefix, suffix }), &chunks);
        });
    }
    report("all lanes at a cursor, each by itself", &files, |path, prefix, suffix| {
        for lane in Lane::ALL {
            let hits = if lane.retrieves() { retrieve(path, prefix) } else { Vec::new() };
            builder.build(lane, &builder.local_part(Cursor { path, prefix, suffix }), &chunks(&hits));
        }
    });
    report("all lanes at a cursor, what they share once", &files, |path, prefix, suffix| {
        let hits = retrieve(path, prefix);
        let local = builder.local_part(Cursor { path, prefix, suffix });
        for lane in Lane::ALL {
            builder.build(lane, &local, &chunks(&hits));
        }
    });

    let vectors: Vec<_> = parts.iter().filter_map(|&part| Some((part, index.vectors(part)?))).collect();
    let mut records = Vec::new();
    let took =
        time(|| records = vectors.iter().map(|(part, vectors)| encode("bench", *part, vectors)).collect());
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("write the vectors' records, {} MB: {took:.1?}", bytes / 1_000_000);
    let read =
        || vectors.iter().zip(&records).all(|((text, _), record)| decode("bench", *text, record).is_some());
    let took = time(|| assert!(read()));
    println!("read them back: {took:.1?}");
    Ok(())
}

/// Runs a step at 200 places of the files and prints its median and 90th percentile.
fn report(name: &str, files: &[(String, String)], step: impl Fn(&str, &str, &str)) {
    let times: Vec<f64> = (0..200)
        .map(|n| {
            let (path, text) = &files[n * 7919 % files.len()];
            let cursor = text.floor_char_boundary(text.len() * (n % 10) / 10);
            time(|| step(path, &text[..cursor], &text[cursor..])).as_secs_f64() * 1e3
        })
        .collect();
    let of = |p| percentile(&times, p).unwrap_or_default();
    println!("{name}: median {:.2} ms, p90 {:.2} ms", median(&times).unwrap_or_default(), of(90.0));
}

fn time(step: impl FnOnce()) -> Duration {
    let start = Instant::now();
    step();
    start.elapsed()
}

fn read_sources(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                let name = path.to_string_lossy().into_owned();
                // Only the file's own name: the folder was asked for.
                if let Ok(text) = filter::accept("source.py", &std::fs::read(&path)?) {
                    files.push((name, text));
                }
            }
        }
    }
    Ok(files)
}

/// Words drawn with probability about 1 / rank, six a line.
fn made_up(random: &mut StdRng, lines: usize) -> String {
    let mut word = || {
        let rank = 20_000f64.powf(random.random_range(0.0..1.0)) as u32;
        format!("word{rank}")
    };
    (0..lines)
        .map(|_| format!("    {} = {}.{}({}, {})  # {}\n", word(), word(), word(), word(), word(), word()))
        .collect()
}

fn prompt_config() -> PromptConfig {
    PromptConfig {
        context_placement: ContextPlacement::BeforePrefix,
        chunk_order: ChunkOrder::BestLast,
        context_header: String::new(),
        sink_token: None,
        prefix_tokens: 320,
        suffix_tokens: 64,
        suffix_as_context: false,
        chunk_tokens: 96,
        context_tokens: 512,
        digest_tokens: 0,
        excerpt_tokens: 0,
        expansion_tokens: 0,
        top_k: 10,
        soft_tokens: NonZeroUsize::MIN,
        reread_tokens: 0,
        max_new_tokens: 50,
        token_healing: false,
        draft_tokens: 0,
        style: None,
    }
}
