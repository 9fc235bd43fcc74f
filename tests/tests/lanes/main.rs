//! The lanes of an engine, natively on the CPU, with the bundle that comes with the page.
#![cfg(not(target_family = "wasm"))]

mod decoding;
mod reuse;

use std::{fs, num::NonZeroUsize, path::Path};

use burn::tensor::Device;
use llavacode_core::{
    Error,
    bundle::{MANIFEST, PROJECTOR, XRAG_PROJECTOR},
    config::{BundleManifest, FileEntry, PromptConfig, PromptStyle, WeightFormat},
    engine::{
        CancelFlag, ChunkSpan, Completion, CompletionEvent, CompletionRequest, Engine, Lane, NativeHost,
        Place, PromptPart,
    },
    index::{Query, Ranker, chunker},
    weights::{MemoryFiles, sha256_hex},
    workspace::{MemoryCache, Workspace},
};

/// The bundle's files, with the projector of xRAG's lane or without one, its prompts changed.
fn bundle(xrag: Option<Vec<u8>>, change: impl FnOnce(&mut PromptConfig)) -> MemoryFiles {
    changed_bundle(xrag, |manifest| change(&mut manifest.prompt))
}

fn changed_bundle(xrag: Option<Vec<u8>>, change: impl FnOnce(&mut BundleManifest)) -> MemoryFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle");
    let read = |path: &str| fs::read(folder.join(path)).expect("the bundle is complete");
    let mut manifest: BundleManifest = serde_json::from_slice(&read(MANIFEST)).expect("a manifest");
    manifest.files.remove(XRAG_PROJECTOR);
    change(&mut manifest);
    let mut files = MemoryFiles::default();
    for path in manifest.files.keys() {
        files.files.insert(path.clone(), read(path).into());
    }
    if let Some(bytes) = xrag {
        let entry = FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) };
        manifest.files.insert(XRAG_PROJECTOR.into(), entry);
        files.files.insert(XRAG_PROJECTOR.into(), bytes.into());
    }
    files.files.insert(MANIFEST.into(), serde_json::to_vec(&manifest).expect("JSON").into());
    files
}

/// Texts embedded at once.
const BATCH: usize = 64;

/// Gives the bundle the lanes that are a matter of its prompts.
fn with_every_lane(prompt: &mut PromptConfig) {
    prompt.sink_token = Some("<|endoftext|>".into());
    prompt.digest_tokens = 20;
    prompt.excerpt_tokens = 40;
    prompt.expansion_tokens = 20;
}

/// Gives a chunk so many soft tokens.
fn soft_tokens(count: usize) -> impl FnOnce(&mut PromptConfig) {
    move |prompt| prompt.soft_tokens = NonZeroUsize::new(count).expect("not none")
}

/// An engine, and a workspace of one file.
struct Page {
    engine: Engine<NativeHost>,
    workspace: Workspace<MemoryCache>,
}

impl Page {
    async fn open(files: MemoryFiles) -> Self {
        let engine = Engine::load(&files, &Device::flex(), NativeHost::default(), |_| ()).await;
        let engine = engine.expect("the bundle loads");
        let workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        let mut page = Self { engine, workspace };
        let text = "class Circle:\n    def area(self):\n        return 3 * self.radius\n";
        page.workspace.update("shapes.py", text);
        page.embed().await;
        page
    }

    async fn embed(&mut self) {
        let step = async |page: &mut Self| page.workspace.embed_next(&page.engine, BATCH).await;
        while !step(self).await.expect("the CPU computes").is_over() {}
    }

    async fn complete(&mut self, lane: Lane, request: &CompletionRequest) -> Result<Completion, Error> {
        self.complete_at(&mut Place::new(request.clone()), lane).await
    }

    /// Gives a completion up as soon as its chunks are found.
    async fn give_up(&mut self, lane: Lane, request: &CompletionRequest) -> Result<Completion, Error> {
        let cancel = CancelFlag::default();
        let mut place = Place::new(request.clone());
        self.engine.complete(&mut self.workspace, &mut place, lane, &cancel, |_| cancel.cancel()).await
    }

    /// The chunks that the compressed lane has soft tokens of.
    async fn soft_spans(&mut self, request: &CompletionRequest) -> Vec<ChunkSpan> {
        let done = self.complete(Lane::Compressed, request).await.expect("it completes");
        let span = |part| if let PromptPart::Soft { span, .. } = part { Some(span) } else { None };
        done.prompt.into_iter().filter_map(span).collect()
    }

    async fn complete_at(&mut self, place: &mut Place, lane: Lane) -> Result<Completion, Error> {
        let cancel = CancelFlag::default();
        self.engine.complete(&mut self.workspace, place, lane, &cancel, |_| ()).await
    }
}

fn request() -> CompletionRequest {
    let cursor = CompletionRequest::at("main.py", "circle = Circle()\nprint(circle.", "\n");
    CompletionRequest { cold: true, ..cursor }
}

/// The projector's file with every weight nought, so that its vectors are nought too.
fn nought() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle").join(PROJECTOR);
    let mut bytes = fs::read(path).expect("the projector");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    bytes[8 + header..].fill(0);
    bytes
}

/// The encoder is kept in 8 bits a weight; its vectors are kept in 8 bits a number anyway.
#[tokio::test]
async fn the_encoders_8_bits_hardly_move_its_vectors() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/demo/workspace.json");
    let demo: serde_json::Value = serde_json::from_slice(&fs::read(demo).expect("the demo")).expect("JSON");
    let text = demo["files"][0]["text"].as_str().expect("a file's text");
    let texts: Vec<String> = chunker::parts(text, 40).map(Into::into).collect();
    let vectors = async |format: WeightFormat| {
        let files = changed_bundle(None, |manifest| manifest.quantization.encoder = format.into());
        let engine = Engine::load(&files, &Device::flex(), NativeHost::default(), |_| ()).await;
        engine.expect("the bundle loads").embed_texts(&texts).await.expect("the CPU computes")
    };
    let (exact, rounded) = (vectors(WeightFormat::F32).await, vectors(WeightFormat::Q8).await);
    // The embedding, and the projection that is a soft token.
    for kind in [0, 1] {
        let (mut difference, mut size) = (0.0, 0.0);
        for (exact, rounded) in exact.iter().zip(&rounded) {
            for (a, b) in exact.rows()[kind].numbers().zip(rounded.rows()[kind].numbers()) {
                difference += (a - b).powi(2);
                size += a.powi(2);
            }
        }
        let error = (difference / size).sqrt();
        println!("vectors of kind {kind} move by {error:.4}");
        assert!(error > 0.0 && error < 0.03, "vectors of kind {kind} move by {error}");
    }
}

#[tokio::test]
async fn without_its_projector_xrags_lane_is_refused() {
    let mut page = Page::open(bundle(None, soft_tokens(1))).await;
    assert_eq!(page.engine.lanes(), [Lane::Base, Lane::FullRag, Lane::Excerpt, Lane::Compressed]);
    let refused = page.complete(Lane::Xrag, &request()).await;
    assert_eq!(refused, Err(Error::LaneMissing { lane: "xrag", file: XRAG_PROJECTOR }));
    let done = page.complete(Lane::Compressed, &request()).await;
    assert_eq!(done.expect("the lane is there").soft_tokens, 1);
}

#[tokio::test]
async fn each_lane_with_soft_tokens_reads_its_own_projection() {
    let mut page = Page::open(bundle(Some(nought()), |prompt| {
        soft_tokens(3)(prompt);
        with_every_lane(prompt);
    }))
    .await;
    assert_eq!(page.engine.lanes(), Lane::ALL);
    let texts: Vec<String> = page.workspace.index().chunks().map(|chunk| chunk.text.to_string()).collect();
    let vectors = page.engine.embed_texts(&texts).await.expect("the CPU computes");
    for vectors in vectors {
        let [_, paper, xrag] = vectors.rows() else { panic!("an embedding and two projections") };
        assert!(paper.numbers().any(|x| x != 0.0) && xrag.numbers().all(|x| x == 0.0));
    }
    let mut prompts = Vec::new();
    for lane in [Lane::Compressed, Lane::Xrag] {
        let done = page.complete(lane, &request()).await.expect("it completes");
        assert_eq!((done.soft_tokens, done.reused_tokens), (3, 0));
        prompts.push(done.prompt);
    }
    assert_eq!(prompts[0], prompts[1], "the same layout; only the vectors differ");
}

#[tokio::test]
async fn a_chunk_of_several_soft_tokens_is_embedded_in_parts() {
    let text = "class Circle:\n    def area(self):\n        return 3 * self.radius";
    let parts: Vec<String> = chunker::parts(text, 3).map(|part| part.into_owned()).collect();
    let page = Page::open(bundle(None, soft_tokens(3))).await;
    let index = page.workspace.index();
    let query = Query { prefix: "Circle radius", top_k: 1, ..Query::default() };
    let id = index.retrieve(&query)[0].id;
    let of_parts = page.engine.embed_texts(&parts).await.expect("the CPU computes");
    let expected: Vec<f32> = of_parts.iter().flat_map(|part| part.rows()[1].numbers()).collect();
    let projections = index.projections(id, 0).expect("it is embedded");
    assert_eq!(projections.len(), expected.len());
    assert!(projections.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4), "in the parts' order");
    let embeddings: Vec<Vec<f32>> = of_parts.iter().map(|part| part.rows()[0].numbers().collect()).collect();
    let sum = |i: usize| embeddings.iter().map(|embedding| embedding[i]).sum::<f32>();
    let embedding = index.embedding(id).expect("it is embedded");
    let length = (0..embedding.len()).map(|i| sum(i).powi(2)).sum::<f32>().sqrt();
    for (i, x) in embedding.iter().enumerate() {
        assert!((x - sum(i) / length).abs() < 1e-4, "number {i} of the mean");
    }
}

#[tokio::test]
async fn every_ranker_retrieves_and_tells_the_ranks() {
    let mut page = Page::open(bundle(None, soft_tokens(3))).await;
    page.workspace.update("other.py", "def unrelated():\n    return 1\n");
    page.embed().await;
    for ranker in Ranker::ALL {
        let mut retrieved = Vec::new();
        let mut place = Place::new(CompletionRequest { ranker, ..request() });
        let cancel = CancelFlag::default();
        let done = page.engine.complete(&mut page.workspace, &mut place, Lane::FullRag, &cancel, |event| {
            if let CompletionEvent::Retrieved { chunks } = event {
                retrieved = chunks;
            }
        });
        done.await.expect("it completes");
        let chunk = retrieved.iter().find(|chunk| chunk.span.path == "shapes.py").expect("it is found");
        assert_eq!(chunk.ranks.lexical.is_some(), ranker.is_lexical(), "{ranker:?}: {chunk:?}");
        assert_eq!(chunk.ranks.dense.is_some(), ranker.is_dense(), "{ranker:?}: {chunk:?}");
    }
}

#[tokio::test]
async fn a_request_says_how_many_chunks_and_which_not() {
    let mut page = Page::open(bundle(None, soft_tokens(1))).await;
    for n in 0..12 {
        let text = format!("def area_{n}(circle):\n    return {n} * circle.radius\n");
        page.workspace.update(&format!("shapes_{n}.py"), &text);
    }
    page.embed().await;
    let most = page.engine.manifest.prompt.top_k;
    let mut spans = Vec::new();
    for (top_k, expected) in [(None, most), (Some(3), 3), (Some(0), 1), (Some(most + 5), most)] {
        let request = CompletionRequest { top_k, ..request() };
        spans = page.soft_spans(&request).await;
        assert_eq!(spans.len(), expected, "{top_k:?}");
    }
    let left_out = spans.swap_remove(0);
    let request = CompletionRequest { leave_out: vec![left_out.clone()], ..request() };
    let without = page.soft_spans(&request).await;
    assert_eq!(without.len(), most, "the next best takes its place");
    assert!(!without.contains(&left_out) && spans.iter().all(|span| without.contains(span)));
}

#[tokio::test]
async fn the_longest_prompt_of_every_lane_has_room() {
    let mut page = Page::open(bundle(Some(nought()), |prompt| {
        soft_tokens(6)(prompt);
        with_every_lane(prompt);
        // Less text than soft tokens: the cache must be as long as the longer of the two.
        (prompt.context_tokens, prompt.max_new_tokens) = (24, 3);
    }))
    .await;
    for n in 0..12 {
        let text = format!("def area_{n}(circle):\n    area = {n} * circle.radius\n    return area\n");
        page.workspace.update(&format!("shapes_{n}.py"), &text);
    }
    page.embed().await;
    let prompt = page.engine.manifest.prompt.clone();
    for lane in Lane::ALL {
        let request = CompletionRequest {
            prefix: "circle = Circle().area()\n".repeat(prompt.prefix_tokens) + "print(circle.",
            suffix: "\n    circle.radius".repeat(prompt.suffix_tokens),
            ..request()
        };
        let done = page.complete(lane, &request).await.expect("it completes");
        let soft = match lane {
            Lane::Compressed | Lane::Xrag => 6 * prompt.top_k,
            // The best chunk is text.
            Lane::Expansion => 6 * (prompt.top_k - 1),
            _ => 0,
        };
        assert_eq!(done.soft_tokens, soft, "{lane:?}");
        assert!(done.prompt_tokens + prompt.max_new_tokens <= page.engine.capacity(), "{lane:?}");
    }
}

#[tokio::test]
async fn lanes_at_one_place_answer_as_if_each_were_alone() {
    let mut page = Page::open(bundle(Some(nought()), |prompt| {
        soft_tokens(2)(prompt);
        with_every_lane(prompt);
    }))
    .await;
    let mut alone = Vec::new();
    for lane in Lane::ALL {
        alone.push(page.complete(lane, &request()).await.expect("it completes"));
    }
    let mut place = Place::new(request());
    for (lane, alone) in Lane::ALL.into_iter().zip(alone) {
        let together = page.complete_at(&mut place, lane).await.expect("it completes");
        assert_eq!((together.text, together.prompt), (alone.text, alone.prompt), "{lane:?}");
    }
}

#[tokio::test]
async fn what_lanes_share_is_made_once_and_each_that_uses_it_is_charged() {
    let mut page = Page::open(bundle(Some(nought()), soft_tokens(2))).await;
    page.workspace.update("late.py", "circle = Circle()\nprint(circle.radius)\n");
    assert!(page.workspace.waiting() > 0, "its chunk is embedded for the first lane that wants it");
    let mut place = Place::new(request());
    let mut ttft = Vec::new();
    for lane in [Lane::Compressed, Lane::Base, Lane::FullRag, Lane::Xrag] {
        ttft.push(page.complete_at(&mut place, lane).await.expect("it completes").ttft);
    }
    let [compressed, base, full_rag, xrag] = ttft.try_into().expect("four lanes");
    assert_eq!(page.workspace.waiting(), 0);
    assert_eq!((base.retrieve_ms, base.encode_ms, full_rag.encode_ms), (0.0, 0.0, 0.0));
    assert!(compressed.retrieve_ms > 0.0 && compressed.encode_ms > 0.0);
    assert_eq!((compressed.encoded_chunks, xrag.encoded_chunks, full_rag.encoded_chunks), (1, 1, 0));
    assert_eq!(compressed.retrieve_ms, full_rag.retrieve_ms);
    assert_eq!((compressed.retrieve_ms, compressed.encode_ms), (xrag.retrieve_ms, xrag.encode_ms));
    for ttft in [compressed, base, full_rag, xrag] {
        let parts = ttft.retrieve_ms + ttft.encode_ms + ttft.assemble_ms + ttft.prefill_ms;
        assert!((ttft.total_ms - parts).abs() < 1e-6 && ttft.assemble_ms > 0.0);
    }
}

#[tokio::test]
async fn without_a_sink_there_is_no_cached_lane() {
    let mut page = Page::open(bundle(None, soft_tokens(1))).await;
    let refused = page.complete(Lane::Cached, &request()).await;
    assert!(matches!(refused, Err(Error::LaneMissing { lane: "cached", .. })), "{refused:?}");
}
