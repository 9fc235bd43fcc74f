//! `excerpt`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use clap::Args;
use llavacode_core::prompt::{
    PromptBuilder,
    excerpt::{FEATURES, WEIGHTS, Weights},
};
use llavacode_train::{
    checkpoint::write_whole,
    corpus::Split,
    excerpt::{example, learn, measure, source_of},
    gguf::GgufReader,
    samples::{Sample, SampleFile},
};

use super::{open_samples, reader_files::Layout};

/// Arguments of `excerpt`.
#[derive(Args)]
pub(super) struct ExcerptArguments {
    /// GGUF file of the reader whose tokens excerpts are measured in
    #[arg(long)]
    reader: PathBuf,
    /// The manifest that says how prompts are laid out for it
    #[arg(long, default_value = "public/models/smollm2-135m/bundle.json")]
    bundle: PathBuf,
    /// Samples of each kind to learn from: that need a name only a chunk has, and any
    #[arg(long, default_value_t = 5000)]
    samples: usize,
    /// Best chunks of a sample to learn from
    #[arg(long, default_value_t = 8)]
    chunks: usize,
    /// Of each kind to measure on, of the validation packages; with as many chunks as the manifest says
    #[arg(long, default_value_t = 400)]
    validation: usize,
    /// Passes over the samples
    #[arg(long, default_value_t = 8)]
    passes: usize,
    /// Source file to write the weights into
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Learns by which weights an excerpt's lines are chosen.
pub(super) fn run_excerpt(work: &Path, arguments: ExcerptArguments) -> Result<()> {
    let Layout { prompt, .. } = Layout::read(&arguments.bundle)?;
    let tokenizer = GgufReader::load(&arguments.reader)?.tokenizer;
    let room = prompt.excerpt_tokens;
    let top_k = prompt.top_k;
    let builder = PromptBuilder::new(Arc::clone(&tokenizer), prompt)?;
    let of_both_kinds = |split, count, chunks| -> Result<[Vec<Sample>; 2]> {
        let (file, _) = open_samples(work, split)?;
        let any = first_with_chunks(&file, count)?;
        let mut kinds = [file.needing_context(count)?, any];
        kinds.iter_mut().flatten().for_each(|sample| sample.chunks.truncate(chunks));
        Ok(kinds)
    };
    let learned_from = of_both_kinds(Split::Train, arguments.samples, arguments.chunks)?.concat();
    let examples: Vec<_> = learned_from.iter().filter_map(|sample| example(sample, &builder)).collect();
    println!("{} examples of {} samples", examples.len(), learned_from.len());
    let weights = learn(&examples, arguments.passes, |nats| println!("{nats:.4} nats an example"));
    for (name, (inside, beginning)) in FEATURES.iter().zip(weights.inside.iter().zip(weights.beginning)) {
        println!("{inside:8.3} {beginning:8.3}  {name}");
    }
    let [needing, any] = of_both_kinds(Split::Validation, arguments.validation, top_k)?;
    let say = |name: &str, weights: &Weights| {
        let with_names = measure(&needing, &builder, &tokenizer, weights, room);
        let likeness = measure(&any, &builder, &tokenizer, weights, room).likeness;
        println!(
            "{name}: of {} lines that need a name {:.1} % have all of them in {room} tokens, \
             and the true line's likeness there is {:.1} %; of {} any lines it is {:.1} %",
            with_names.needing,
            100.0 * with_names.with_names as f64 / with_names.needing.max(1) as f64,
            100.0 * with_names.likeness,
            any.len(),
            100.0 * likeness,
        );
    };
    say("in the repository", &WEIGHTS);
    say("learned", &weights);
    match &arguments.out {
        Some(out) => write_whole(out, source_of(&weights).as_bytes()),
        None => Ok(()),
    }
}

fn first_with_chunks(file: &SampleFile, count: usize) -> Result<Vec<Sample>> {
    let usable = |sample: &Result<Sample>| {
        sample.as_ref().map_or(true, |sample| !sample.chunks.is_empty() && !sample.target.trim().is_empty())
    };
    file.iter().filter(usable).take(count).collect()
}
