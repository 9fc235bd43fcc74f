//! `budgets`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::Result;
use clap::Args;
use llavacode_core::{config::PromptConfig, engine::Lane};
use llavacode_train::{
    asking::{Asking, cost::cost, task::Tasks},
    corpus::Split,
    gguf::GgufReader,
    model::Model,
    samples::Sample,
};

use super::{open_samples, outcome::write_between, reader_files::ReaderFiles};

/// Arguments of `budgets`.
#[derive(Args)]
pub(super) struct BudgetsArguments {
    #[command(flatten)]
    files: ReaderFiles,
    /// Lines of each kind
    #[arg(long, default_value_t = 48)]
    lines: usize,
    /// Most tokens of the context, one lane each
    #[arg(long, value_delimiter = ',', default_value = "32,64,128")]
    tokens: Vec<usize>,
    /// Rows that a thread reads at once
    #[arg(long, default_value_t = 640)]
    micro_batch: usize,
    /// Document into which the table is written, between its marks `budgets:begin` and `:end`
    #[arg(long)]
    document: Option<PathBuf>,
}

/// Says what validation lines cost a reader by how much context it has, and how that was chosen.
pub(super) fn run_budgets(work: &Path, arguments: BudgetsArguments) -> Result<()> {
    let (GgufReader { reader, tokenizer }, prompt) = arguments.files.load()?;
    let mut model = Model::of_reader(&reader)?;
    model.decoder.freeze(&model.parameters);
    drop(reader);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut asking = Asking::new(model, Arc::clone(&tokenizer), threads, arguments.micro_batch);
    let lay_out = |config: PromptConfig| Tasks::new(Arc::clone(&tokenizer), config);

    let mut lanes = vec![("no context".to_owned(), Lane::Base, lay_out(prompt.clone())?)];
    for &tokens in &arguments.tokens {
        let config = PromptConfig { context_tokens: tokens, excerpt_tokens: tokens, ..prompt.clone() };
        lanes.push((
            format!("the best chunks' first {tokens} tokens"),
            Lane::FullRag,
            lay_out(config.clone())?,
        ));
        lanes.push((format!("excerpt of {tokens} tokens"), Lane::Excerpt, lay_out(config)?));
    }
    let whole = format!("full RAG, {} tokens", prompt.context_tokens);
    lanes.push((whole, Lane::FullRag, lay_out(prompt)?));

    let (samples, _) = open_samples(work, Split::Validation)?;
    let with_chunks = |sample: &Sample| !sample.chunks.is_empty();
    let kinds = [
        ("need a name only a chunk has", samples.needing_context(arguments.lines)?),
        ("any", samples.first(arguments.lines)?.into_iter().filter(with_chunks).collect()),
    ];
    let mut table = String::from("| lines | context | nats a character | positions |\n|---|---|--:|--:|\n");
    for (kind, samples) in &kinds {
        for (name, lane, layout) in &lanes {
            let tasks: Vec<_> = samples.iter().map(|sample| layout.task(*lane, sample)).collect();
            let found = cost(&mut asking, &tasks, &[]);
            let row = format!(
                "| {kind} ({}) | {name} | {:.3} | {:.0} |",
                samples.len(),
                found.per_character,
                found.positions
            );
            println!("{row}");
            table.push_str(&(row + "\n"));
        }
    }
    match &arguments.document {
        Some(document) => write_between(document, "budgets", &table),
        None => Ok(()),
    }
}
