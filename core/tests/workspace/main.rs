//! The workspace: what is embedded, what is recalled, and what survives.

mod caches;
mod embedding;
mod segments;
mod shared;

use std::cell::{Cell, RefCell};

use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::{Index, Vectors};
use llavacode_core::workspace::{Embed, VectorCache, Workspace};
use llavacode_core::{Error, Result};

/// The paper's.
const CHUNKING: ChunkingConfig = ChunkingConfig { lines: 10, stride: 5 };
const MODEL: &str = "a model";
const BATCH: usize = 8;

/// An embedder that notes what it embeds, and may fail.
#[derive(Default)]
struct Embedder {
    seen: RefCell<Vec<String>>,
    fails: Cell<bool>,
    absent: bool,
}

impl Embed for Embedder {
    fn embeds(&self) -> bool {
        !self.absent
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vectors>> {
        if self.fails.get() {
            return Err(Error::Device { reason: "it is gone".into() });
        }
        self.seen.borrow_mut().extend_from_slice(texts);
        Ok(texts.iter().map(|text| vectors_of(text)).collect())
    }
}

impl Embedder {
    /// How many texts it embedded since it was asked last.
    fn count(&self) -> usize {
        self.seen.borrow_mut().drain(..).count()
    }
}

fn vectors_of(text: &str) -> Vectors {
    Vectors::new(&[text.len() as f32, 1.0], [&[text.lines().count() as f32, 0.5, -1.0][..]])
}

fn workspace<C: VectorCache>(cache: C) -> Workspace<C> {
    Workspace::new(Index::new(CHUNKING), MODEL, cache)
}

/// Steps until nothing waits; says how many texts were recalled and how many embedded.
fn embed_all<C: VectorCache>(workspace: &mut Workspace<C>, embedder: &Embedder) -> (usize, usize) {
    let mut sum = (0, 0);
    loop {
        let step = pollster::block_on(workspace.embed_next(embedder, BATCH)).expect("it embeds");
        if step.is_over() {
            return sum;
        }
        assert!(step.embedded <= BATCH, "{step:?}");
        sum = (sum.0 + step.recalled, sum.1 + step.embedded);
    }
}

/// A file of `count` lines, each different.
fn numbered(name: &str, count: usize) -> String {
    (0..count).map(|n| format!("{name}_{n} = {n}\n")).collect()
}
