//! `corpus`, `tokenizer`, `samples`.

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::Result;
use llavacode_train::{
    checkpoint::write_whole,
    corpus::{self, Corpus, Manifest, Split, dedup::Deduplicator},
    samples::{self, CutConfig},
    tokenizer,
};

use super::{samples_path, tokenizer_path};

pub(super) fn make_corpus(work: &Path, manifest: &Path, wheels: Option<PathBuf>) -> Result<()> {
    let manifest = Manifest::read(manifest)?;
    let wheels = wheels.unwrap_or_else(|| work.join("wheels"));
    corpus::fetch(&manifest, &wheels, |line| println!("{line}"))?;
    let report = corpus::build(&manifest, &wheels, work, Deduplicator::default(), |line| println!("{line}"))?;
    println!("{}", serde_json::to_string_pretty(&report.splits)?);
    println!("{}", serde_json::to_string_pretty(&report.licenses)?);
    Ok(())
}

pub(super) fn make_tokenizer(work: &Path, manifest: &Path, vocabulary: usize) -> Result<()> {
    let corpus = Corpus::open(work, &Manifest::read(manifest)?)?;
    let texts = corpus.files(Split::Train)?.map(|file| file.map(|file| file.text));
    let json = tokenizer::train(texts, vocabulary, tokenizer::SAMPLE_BYTES)?;
    write_whole(&tokenizer_path(work), json.as_bytes())
}

pub(super) fn make_samples(
    work: &Path,
    manifest: &Path,
    counts: [(Split, usize); 3],
    seed: u64,
) -> Result<()> {
    let corpus = Corpus::open(work, &Manifest::read(manifest)?)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    for (split, count) in counts {
        let config = CutConfig { threads, ..CutConfig::new(count, seed) };
        let report = samples::cut(&corpus, split, &config, &samples_path(work, split))?;
        println!(
            "{split}: {} samples, {} of them inside a line, {:.1} chunks a sample",
            report.samples,
            report.inside,
            report.chunks as f64 / report.samples.max(1) as f64
        );
    }
    Ok(())
}
