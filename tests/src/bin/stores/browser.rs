//! What the program gives to `tests/peers/stores.js` and `stores_worker.js`: a project that is made up, for
//! any store, and our own index of it.

use llavacode_core::bench::scale::{Edit, Layout, Opened, Project, Question, Scale, WIDTH, embedding};
use llavacode_core::device::Device;
use llavacode_core::index::{Chunk, Ranker};
use serde::Serialize;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `performance.now`.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
}

fn json(value: &impl Serialize) -> Result<String, JsError> {
    Ok(serde_json::to_string(value)?)
}

fn embeddings(chunks: &[Chunk]) -> Vec<f32> {
    chunks.iter().flat_map(|chunk| embedding(&chunk.text)).collect()
}

fn texts(chunks: Vec<Chunk>) -> Vec<String> {
    chunks.into_iter().map(|chunk| chunk.text.to_string()).collect()
}

/// Numbers of an embedding.
#[wasm_bindgen]
pub fn width() -> usize {
    WIDTH
}

/// A project, what is asked of it and how it is edited.
#[wasm_bindgen]
pub struct Generated {
    project: Project,
    questions: Vec<Question>,
    edits: Vec<Edit>,
}

/// The numbers of the chunks that an edit takes out, and the texts of those that it brings.
#[derive(Serialize)]
struct Difference {
    removed: Vec<u32>,
    added: Vec<String>,
}

#[wasm_bindgen]
impl Generated {
    /// One of at least so many chunks, with so many questions and edits.
    #[wasm_bindgen(constructor)]
    pub fn new(chunks: usize, questions: usize, edits: usize) -> Self {
        let project = Project::of(chunks);
        Self { project, questions: project.questions(questions), edits: project.edits(edits) }
    }

    /// Files.
    pub fn files(&self) -> usize {
        self.project.files()
    }

    /// Chunks of all files.
    pub fn chunks(&self) -> usize {
        self.project.chunks()
    }

    /// The texts of a file's chunks.
    pub fn texts(&self, file: usize) -> Vec<String> {
        texts(self.project.chunks_of(file))
    }

    /// Their embeddings, one behind the other.
    pub fn embeddings(&self, file: usize) -> Vec<f32> {
        embeddings(&self.project.chunks_of(file))
    }

    /// The questions' texts.
    pub fn question_texts(&self) -> Vec<String> {
        self.questions.iter().map(|question| question.text.clone()).collect()
    }

    /// Their embeddings, one behind the other.
    pub fn question_embeddings(&self) -> Vec<f32> {
        self.questions.iter().flat_map(|question| question.embedding.iter().copied()).collect()
    }

    /// What brute force answers to the questions, as JSON.
    pub fn nearest(&self) -> Result<String, JsError> {
        json(&self.project.nearest(&self.questions))
    }

    /// What each edit does to the chunks, as JSON.
    pub fn edits(&self) -> Result<String, JsError> {
        let difference = |edit: &Edit| {
            let (removed, added) = self.project.difference(edit);
            Difference { removed, added: texts(added) }
        };
        json(&self.edits.iter().map(difference).collect::<Vec<_>>())
    }

    /// The embeddings of the chunks that an edit brings, one behind the other.
    pub fn edit_embeddings(&self, edit: usize) -> Vec<f32> {
        embeddings(&self.project.difference(&self.edits[edit]).1)
    }
}

/// Our index of the same project.
#[wasm_bindgen]
pub struct Ours {
    scale: Scale<fn() -> f64>,
    opened: Opened,
    questions: Vec<Question>,
    edits: Vec<Edit>,
}

#[wasm_bindgen]
impl Ours {
    /// Opens it; with `parts`, chunks are embedded as pico does.
    #[wasm_bindgen(constructor)]
    pub fn new(chunks: usize, questions: usize, edits: usize, parts: bool) -> Self {
        let project = Project::of(chunks);
        let layout = if parts { Layout::PICO } else { Layout::WHOLE };
        let (scale, opened) = Scale::open(project, layout, now_ms as fn() -> f64);
        Self { scale, opened, questions: project.questions(questions), edits: project.edits(edits) }
    }

    /// What opening took, as JSON.
    pub fn opened(&self) -> Result<String, JsError> {
        json(&self.opened)
    }

    /// What a ranker answers to the questions, and how long each took, as JSON.
    pub fn search(&self, ranker: &str) -> Result<String, JsError> {
        let known = Ranker::ALL.into_iter().find(|known| known.key() == ranker);
        let ranker = known.ok_or_else(|| JsError::new(&format!("no ranker is called {ranker}")))?;
        json(&self.scale.search(ranker, &self.questions))
    }

    /// What embeddings answer that the browser's GPU compares, software or not.
    pub async fn search_on_gpu(&self) -> Result<String, JsError> {
        let device = Device::wgpu_options().init_async().await?;
        json(&self.scale.search_on(&device, &self.questions).await?)
    }

    /// Milliseconds of each edit.
    pub fn edit(&mut self) -> Vec<f64> {
        self.scale.edit(&self.edits)
    }
}
