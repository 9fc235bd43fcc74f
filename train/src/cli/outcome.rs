//! `evaluate`, `release`, `bench`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use llavacode_core::config::{ContextPlacement, ModelType, WeightFormat};
use llavacode_train::{
    bench,
    checkpoint::write_whole,
    corpus::{Corpus, Manifest, Split},
    embed::{ChunkEncoder, EncoderInput, TrainedEncoder},
    evaluate::{self, Evaluation, Report},
    frozen::EngineReader,
    model::{Model, pico_config},
    projector::TrainedProjector,
    reader::Placements,
    release, report, tokenizer,
};

use super::{CHUNK_TOKENS, MICRO_BATCH, Placement, load_tokenizer, open_samples, pair, tokenizer_path};

pub(super) fn run_evaluation(
    work: &Path,
    tasks: usize,
    projector: &Path,
    (retrieval_tasks, manifest): (usize, &Path),
    out: &Path,
) -> Result<()> {
    let tokenizer = load_tokenizer(work)?;
    let reader = Model::load(&work.join("reader"))?;
    let hidden = reader.decoder.shape.hidden;
    let mut encoder = TrainedEncoder::new(Model::load(&work.join("encoder"))?, MICRO_BATCH);
    let load = |folder: &Path| -> Result<Option<TrainedProjector>> {
        let path = work.join(folder).join("projector.safetensors");
        path.exists().then(|| pair::load_projector(&path)).transpose()
    };
    let (paper, xrag) = (load(projector)?, load(Path::new("xrag"))?);
    let soft = paper.as_ref().and_then(|p| p.config.widths.last()).map_or(1, |width| width / hidden);
    let placements = Placements::new(Arc::clone(&tokenizer), soft)?;
    let (samples, mark) = open_samples(work, Split::Test)?;
    let end = Some(tokenizer.special("<|endoftext|>")?);
    let mut engine = EngineReader::new(reader, MICRO_BATCH);
    let mut parts = Evaluation {
        reader: &mut engine,
        encoder: &mut encoder as &mut dyn ChunkEncoder,
        projector: paper.as_ref(),
        xrag: xrag.as_ref(),
        placements: &placements,
        input: EncoderInput { tokenizer: &tokenizer, max_tokens: CHUNK_TOKENS, end },
        formats: (WeightFormat::Q4, WeightFormat::Q8),
    };
    let mut found = evaluate::evaluate(&mut parts, &samples, tasks, &mark)?;
    if retrieval_tasks > 0 {
        let packages = Corpus::open(work, &Manifest::read(manifest)?)?.packages(Split::Test)?;
        evaluate::ablate_retrieval(&mut parts, &packages, &samples, retrieval_tasks, &mut found)?;
    }
    let out = work.join(out);
    fs::create_dir_all(&out)?;
    write_whole(&out.join("evaluation.json"), &serde_json::to_vec_pretty(&found)?)?;
    let table = report::markdown(&found);
    write_whole(&out.join("evaluation.md"), table.as_bytes())?;
    report::plot(&found, &out.join("evaluation.svg"))?;
    println!("{table}");
    Ok(())
}

pub(super) fn make_release(
    work: &Path,
    bundle: PathBuf,
    version: String,
    description: String,
    placement: Placement,
    docs: &Path,
) -> Result<()> {
    let evaluation = work.join("evaluation");
    let json = fs::read(evaluation.join("evaluation.json"))
        .context("there is no evaluation: run the step `evaluate` first")?;
    let found: Report = serde_json::from_slice(&json)?;
    let parts = release::Release {
        reader: work.join("reader"),
        encoder: work.join("encoder"),
        projector: work.join("projector/projector.safetensors"),
        xrag_projector: Some(work.join("xrag/projector.safetensors")).filter(|file| file.exists()),
        tokenizer: tokenizer_path(work),
        bundle,
        version,
        description,
        placement: match placement {
            Placement::BeforePrefix => ContextPlacement::BeforePrefix,
            Placement::AfterSuffix => ContextPlacement::AfterSuffix,
        },
    };
    let manifest = release::release(&parts, &found)?;
    fs::create_dir_all(docs)?;
    for file in ["evaluation.md", "evaluation.svg", "evaluation.json"] {
        fs::copy(evaluation.join(file), docs.join(file))?;
    }
    println!("{} {} is in {}.", manifest.name, manifest.version, parts.bundle.display());
    Ok(())
}

pub(super) fn run_bench(len: usize) -> Result<()> {
    let config = pico_config(ModelType::Qwen2, tokenizer::VOCABULARY, 192, 5);
    let speed = bench::bench(&config, len, MICRO_BATCH)?;
    let of_peak = |tokens: f64| 100.0 * tokens * speed.flop_per_token / speed.peak;
    println!("matrix products of 1024 × 1024, every processor: {:.1} GFLOP/s", speed.peak / 1e9);
    println!("a token of a sequence of {len}: {:.1} MFLOP", speed.flop_per_token / 1e6);
    for (name, tokens) in [("engine", speed.engine), ("burn's autodiff on flex", speed.burn)] {
        println!(
            "{name}: {tokens:.0} tokens/s, {:.1} GFLOP/s, {:.0} % of the matrix products'",
            tokens * speed.flop_per_token / 1e9,
            of_peak(tokens)
        );
    }
    println!("the optimiser's share of the engine's step: {:.1} %", 100.0 * speed.optimizer_share);
    Ok(())
}
