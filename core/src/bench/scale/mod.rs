//! The index at scale: what it costs to open a project of any size, to search it and to edit it.
//!
//! No model takes part: vectors are made of a text's names ([`direction`]), and making them is in no
//! measured time. Everything else is what the page does: [`Index::update_file`], [`Index::set_vectors`],
//! [`Index::retrieve`].

mod project;

use std::collections::HashSet;
use std::iter;
use std::num::NonZeroUsize;

pub use project::{CHUNKING, Edit, Nearest, Project, Question, TOP_K, WIDTH, direction, embedding};
use serde::Serialize;

use crate::{
    Result,
    device::Device,
    index::{Index, OnDevice, Query, Ranker, RetrievedHit, TextHash, Vectors},
};

/// How chunks are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Parts that a chunk is embedded in.
    pub parts: NonZeroUsize,
    /// Vectors that a part has beside its embedding, as wide as it.
    pub projections: usize,
}

impl Layout {
    /// A chunk has an embedding and nothing else: what any store of vectors holds.
    pub const WHOLE: Self = Self { parts: NonZeroUsize::MIN, projections: 0 };
    /// Pico's: eight parts, each with its soft tokens of two lanes.
    pub const PICO: Self = Self { parts: NonZeroUsize::new(8).unwrap(), projections: 2 };
}

/// What opening took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Opened {
    /// Files.
    pub files: usize,
    /// Chunks.
    pub chunks: usize,
    /// Different texts among the chunks' parts.
    pub parts: usize,
    /// Milliseconds to cut the files and to index their words.
    pub text_ms: f64,
    /// Milliseconds to take the vectors in.
    pub vectors_ms: f64,
    /// Bytes of the vectors.
    pub vector_bytes: usize,
}

/// What a ranker answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Searched {
    /// Milliseconds of each question.
    pub ms: Vec<f64>,
    /// The numbers of the chunks found for each, best first; at most [`TOP_K`].
    pub found: Vec<Vec<u32>>,
}

/// A project in an index, and a clock.
#[derive(Debug)]
pub struct Scale<N> {
    project: Project,
    layout: Layout,
    index: Index,
    now_ms: N,
}

impl<N: Fn() -> f64> Scale<N> {
    /// Opens a project; `now_ms` is a clock in milliseconds.
    pub fn open(project: Project, layout: Layout, now_ms: N) -> (Self, Opened) {
        let index = Index::in_parts(CHUNKING, layout.parts);
        let mut scale = Self { project, layout, index, now_ms };
        let mut opened = Opened::default();
        for file in 0..project.files() {
            opened.text_ms += scale.update(file, &project.text(file));
        }
        for file in 0..project.files() {
            opened.vectors_ms += scale.embed(file);
        }
        let stats = scale.index.stats();
        (opened.files, opened.chunks, opened.parts) = (stats.files, stats.chunks, stats.parts);
        opened.vector_bytes = stats.vector_bytes;
        (scale, opened)
    }

    /// Asks every question once, and the first one before the clock runs. Only before the first edit: later
    /// the chunks have other numbers.
    pub fn search(&self, ranker: Ranker, questions: &[Question]) -> Searched {
        if let Some(first) = questions.first() {
            self.answer(ranker, first, None);
        }
        let mut searched = Searched::default();
        for question in questions {
            let start = (self.now_ms)();
            let hits = self.answer(ranker, question, None);
            searched.ms.push((self.now_ms)() - start);
            searched.found.push(self.numbers(&hits));
        }
        searched
    }

    /// The same by embeddings that a GPU compares; putting them there is in no time.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn search_on(&self, device: &Device, questions: &[Question]) -> Result<Searched> {
        let mut on_device = OnDevice::default();
        if let Some(first) = questions.first() {
            on_device.products(&self.index, &first.embedding, device).await?;
        }
        let mut searched = Searched::default();
        for question in questions {
            let start = (self.now_ms)();
            let products = on_device.products(&self.index, &question.embedding, device).await?;
            let hits = self.answer(Ranker::Dense, question, products.as_deref());
            searched.ms.push((self.now_ms)() - start);
            searched.found.push(self.numbers(&hits));
        }
        Ok(searched)
    }

    fn answer(&self, ranker: Ranker, question: &Question, products: Option<&[f32]>) -> Vec<RetrievedHit> {
        self.index.retrieve(&Query {
            path: "question.py",
            prefix: &question.text,
            top_k: TOP_K,
            ranker,
            embedding: Some(&question.embedding),
            products,
            ..Query::default()
        })
    }

    fn numbers(&self, hits: &[RetrievedHit]) -> Vec<u32> {
        let number = |hit: &RetrievedHit| self.project.number(&self.index.chunk(hit.id)?.span);
        hits.iter().filter_map(number).collect()
    }

    /// Brings each edited file up to date, its vectors too: milliseconds of each.
    pub fn edit(&mut self, edits: &[Edit]) -> Vec<f64> {
        edits.iter().map(|edit| self.update(edit.file, &edit.text) + self.embed(edit.file)).collect()
    }

    /// Milliseconds to bring a file to a text.
    fn update(&mut self, file: usize, text: &str) -> f64 {
        let path = self.project.path(file);
        self.timed(|index| {
            index.update_file(&path, text);
        })
    }

    /// Milliseconds to take in the vectors that a file lacks, which are made before the clock runs.
    fn embed(&mut self, file: usize) -> f64 {
        let mut seen = HashSet::new();
        let path = self.project.path(file);
        let pending = self.index.pending_parts_of(&path).filter(|(part, _)| seen.insert(*part));
        let parts: Vec<(TextHash, Vec<f32>)> = pending.map(|(part, text)| (part, direction(&text))).collect();
        let projections = self.layout.projections;
        self.timed(|index| {
            for (part, direction) in &parts {
                let projections = iter::repeat_n(direction.as_slice(), projections);
                index.set_vectors(*part, &Vectors::new(direction, projections));
            }
        })
    }

    fn timed(&mut self, step: impl FnOnce(&mut Index)) -> f64 {
        let start = (self.now_ms)();
        step(&mut self.index);
        (self.now_ms)() - start
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LAYOUTS: [Layout; 2] = [Layout::WHOLE, Layout::PICO];

    #[test]
    fn each_step_is_timed_by_itself() {
        let calls = Cell::new(0.0);
        let clock = || {
            calls.set(calls.get() + 1.0);
            calls.get()
        };
        let project = Project::of(400);
        let (mut scale, opened) = Scale::open(project, Layout::WHOLE, clock);
        assert_eq!((opened.files, opened.chunks, opened.parts), (10, 400, 400));
        assert_eq!((opened.text_ms, opened.vectors_ms), (10.0, 10.0));
        assert_eq!(opened.vector_bytes, 400 * (WIDTH + size_of::<f32>()));
        assert_eq!(scale.search(Ranker::Bm25, &project.questions(3)).ms, [1.0; 3]);
        assert_eq!(scale.edit(&project.edits(2)), [2.0; 2]);
    }

    #[test]
    fn vectors_in_8_bits_find_almost_what_brute_force_finds() {
        let project = Project::of(1_000);
        let questions = project.questions(20);
        let nearest = project.nearest(&questions);
        for layout in LAYOUTS {
            let (scale, opened) = Scale::open(project, layout, || 0.0);
            assert!(layout == Layout::WHOLE || opened.parts > 3 * opened.chunks, "{opened:?}");
            let found = scale.search(Ranker::Dense, &questions).found;
            let same = |(found, nearest): (&Vec<u32>, &Vec<u32>)| {
                found.iter().filter(|chunk| nearest.contains(chunk)).count()
            };
            let recalled: usize = found.iter().zip(&nearest.found).map(same).sum();
            assert!(recalled > 20 * TOP_K * 9 / 10, "{layout:?}: {recalled} of {}", 20 * TOP_K);
        }
    }

    #[test]
    fn every_ranker_finds_chunks_for_every_question() {
        let project = Project::of(400);
        let questions = project.questions(5);
        for layout in LAYOUTS {
            let (scale, _) = Scale::open(project, layout, || 0.0);
            for ranker in Ranker::ALL {
                let searched = scale.search(ranker, &questions);
                assert!(searched.found.iter().all(|found| found.len() == TOP_K), "{ranker:?} {searched:?}");
            }
        }
    }

    #[test]
    fn an_edited_line_is_found_and_the_index_has_the_chunks_that_the_edit_leaves() {
        let project = Project::of(400);
        let edits = project.edits(3);
        for layout in LAYOUTS {
            let (mut scale, opened) = Scale::open(project, layout, || 0.0);
            scale.edit(&edits);
            let mut chunks = opened.chunks;
            for edit in &edits {
                let query = Query { prefix: &edit.line, top_k: 2, ..Query::default() };
                let hits = scale.index.retrieve(&query);
                assert_eq!(hits.len(), 2, "windows that overlap by half hold a line twice");
                for hit in hits {
                    let chunk = scale.index.chunk(hit.id).expect("a hit is a chunk");
                    assert!(chunk.text.contains(&edit.line), "{}", chunk.text);
                }
                let (gone, came) = project.difference(edit);
                chunks = chunks - gone.len() + came.len();
            }
            let stats = scale.index.stats();
            assert_eq!((stats.chunks, stats.pending_chunks), (chunks, 0));
        }
    }
}
