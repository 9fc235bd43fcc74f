//! A bundle's reader as the page runs it.

use std::{ops::Range, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use llavacode_core::{
    bundle::load_bundle,
    config::{BundleManifest, PromptConfig},
    engine::Lane,
    model::reader::Reader,
    prompt::{PromptBuilder, Segment},
    tokenize::Tokenizer,
    weights::{FolderFiles, sha256_hex},
};

use serde_json::Value;

use super::soft::SoftTokens;
use crate::{
    prompts::{chunk_number, prompt_of},
    samples::Sample,
};

/// A reader, and how prompts are laid out for it.
#[derive(Debug)]
pub struct BundleReader {
    /// What the report calls it.
    pub name: String,
    /// Tells its bundle from others of this name.
    pub mark: String,
    pub(super) reader: Reader,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) config: PromptConfig,
    prompts: PromptBuilder,
    /// The same without token healing.
    unhealed: PromptBuilder,
    /// With each of the budgets of [`SHORT`] for text, digest and excerpt.
    short: Vec<PromptBuilder>,
    /// The bundle's own before those that were added.
    soft: Vec<SoftTokens>,
}

/// How far up the cursor stands whose prompt a text is moved from.
const LINES_UP: usize = 3;

/// The sample with its cursor at the end of a line further up, where there are so many. What the target says
/// is not written there yet.
fn some_lines_up(sample: &Sample) -> Sample {
    let at = sample.prefix.rmatch_indices('\n').nth(LINES_UP - 1).map_or(0, |(at, _)| at);
    let (prefix, rest) = sample.prefix.split_at(at);
    Sample { prefix: prefix.into(), suffix: format!("{rest}{}", sample.suffix), ..sample.clone() }
}

/// Tokens of context in the lanes that have few.
const SHORT: [usize; 2] = [64, 128];

/// A way to ask a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// As in the report.
    pub name: &'static str,
    pub(super) lane: Lane,
    pub(super) healing: bool,
    /// How many positions at the prompt's end are read anew, the text further up being moved from the prompt
    /// of a cursor some lines up; without it everything is read for this prompt.
    pub(super) reread: Option<usize>,
    /// Which of [`SHORT`] the context has; the bundle's own budget without it.
    pub(super) short: Option<usize>,
    /// Whose vectors the soft tokens are.
    pub(super) vectors: SoftVectors,
    /// Which of the reader's soft tokens they are.
    pub(super) soft: usize,
}

/// Whose vectors stand in a lane of soft tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoftVectors {
    /// The chunks' own.
    Own,
    /// The chunks' own, from xRAG's projector.
    Xrag,
    /// A control: the same vector everywhere, the mean of many.
    Mean,
    /// A control: another package's chunks.
    Other,
}

/// What a reader reads before the first token it chooses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// A position each.
    pub tokens: Vec<u32>,
    /// What the completion has to begin with; no part of it.
    pub held: String,
    /// Stretches of the tokens that are read by themselves behind the first `sink` tokens, in order.
    pub alone: Vec<Range<usize>>,
    /// Where the text before the cursor begins.
    pub before_start: usize,
    /// The prompt from which that text is moved, and how many positions at the end are read anew.
    pub moved: Option<(Box<Question>, usize)>,
    /// Tokens before everything.
    pub sink: usize,
    /// Positions that read a vector in the place of a token's, ascending; the token there is
    /// [`SOFT_TOKEN`].
    pub soft: Vec<(usize, Vec<f32>)>,
}

/// Stands where a vector is read. No tokenizer has it.
pub const SOFT_TOKEN: u32 = u32::MAX;

impl BundleReader {
    /// Loads a bundle onto the CPU: its weights are rounded as on the page.
    ///
    /// # Errors
    /// If the folder holds no such bundle.
    pub fn load(folder: &Path) -> Result<Self> {
        let files = FolderFiles { root: folder.into() };
        let models = pollster::block_on(load_bundle(&files, &Device::flex(), |_| {}))
            .with_context(|| format!("the bundle {} cannot be loaded", folder.display()))?;
        let tokenizer = Arc::new(models.reader_tokenizer);
        let (mark, name) = (mark(&models.manifest)?, key(&models.manifest.name));
        let input = models.manifest.encoder;
        let (made, xrag) = (models.embedder.zip(models.projector), models.xrag_projector);
        let prompt = models.manifest.prompt;
        let prompts = PromptBuilder::new(Arc::clone(&tokenizer), prompt.clone())?;
        let count = prompt.soft_tokens.get();
        let mut reader = Self::new(name, mark, models.reader, tokenizer, prompt)?;
        reader.soft.extend(made.map(|(embedder, projector)| SoftTokens {
            added: None,
            count,
            prompts,
            embedder,
            projector,
            xrag,
            input,
            mean: Vec::new(),
        }));
        Ok(reader)
    }

    /// Adds the soft tokens that a run of the step `soft` made for this reader, the projector in 16 bits a number
    /// as in a bundle: the lane `compressed_8` if a chunk has eight, with its controls.
    ///
    /// # Errors
    /// If the run has made none, none of this width, or there are some of this number already.
    pub fn add_soft(&mut self, run: &Path) -> Result<()> {
        let made = SoftTokens::of_run(run, &self.reader, &self.tokenizer, &self.config)?;
        ensure!(
            self.soft.iter().all(|known| known.names() != made.names()),
            "two runs have {} soft tokens a chunk: give one of them",
            made.count
        );
        self.soft.push(made);
        Ok(())
    }

    /// Tells what a lane's scores are of: the bundle, and soft tokens that were added to it.
    pub(super) fn mark_of(&self, lane: &Asking) -> String {
        match self.soft.get(lane.soft).and_then(|made| made.added.as_ref()) {
            Some((_, mark)) if lane.lane == Lane::Compressed => format!("{}+{mark}", self.mark),
            _ => self.mark.clone(),
        }
    }

    /// A reader with its tokenizer and prompts.
    ///
    /// # Errors
    /// If the tokenizer lacks a token that the prompts need.
    pub fn new(
        name: String,
        mark: String,
        reader: Reader,
        tokenizer: Arc<Tokenizer>,
        config: PromptConfig,
    ) -> Result<Self> {
        ensure!(!name.is_empty(), "a bundle without a name cannot be reported: give it one in bundle.json");
        let prompts = PromptBuilder::new(Arc::clone(&tokenizer), config.clone())?;
        let without = PromptConfig { token_healing: false, ..config.clone() };
        let unhealed = PromptBuilder::new(Arc::clone(&tokenizer), without)?;
        let few = |tokens| PromptConfig {
            context_tokens: tokens,
            digest_tokens: tokens,
            excerpt_tokens: tokens,
            expansion_tokens: tokens,
            ..config.clone()
        };
        let short = SHORT.into_iter().map(|tokens| PromptBuilder::new(Arc::clone(&tokenizer), few(tokens)));
        let short = short.collect::<llavacode_core::Result<_>>()?;
        Ok(Self { name, mark, reader, tokenizer, config, prompts, unhealed, short, soft: Vec::new() })
    }

    /// The model.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What it is asked, in this order.
    pub fn lanes(&self) -> Vec<Asking> {
        let own = SoftVectors::Own;
        let lane = |name, lane, healing| Asking {
            name,
            lane,
            healing,
            reread: None,
            short: None,
            vectors: own,
            soft: 0,
        };
        if !self.config.token_healing {
            return vec![lane("base", Lane::Base, false), lane("full_rag", Lane::FullRag, false)];
        }
        vec![
            lane("base", Lane::Base, true),
            lane("base.unhealed", Lane::Base, false),
            lane("full_rag", Lane::FullRag, true),
            lane("full_rag.unhealed", Lane::FullRag, false),
        ]
    }

    /// What it is asked to see what cheaper ways to the chunks' text cost: `full_rag_128`, `full_rag_64`
    /// have less of the text, `digest`, `excerpt` and `excerpt_128` say in 128, 64 and 128 tokens what the
    /// lanes of these names do; `cached` reads each chunk by itself. `excerpt.reread_16` and `excerpt.reread_64`
    /// read so many positions anew and move the text further up from the prompt of a cursor [`LINES_UP`] lines up.
    /// Where the bundle has soft tokens, `compressed`, its two controls, `control_mean` and `control_other`
    /// (what they do is not the chunks' doing), and `expansion`, of whose chunks 128 tokens are text; `xrag`
    /// where it has that projector. Soft tokens that were added have a number in their lanes' names.
    pub fn every_lane(&self) -> Vec<Asking> {
        let healing = self.config.token_healing;
        let own = SoftVectors::Own;
        let lane =
            |name, lane| Asking { name, lane, healing, reread: None, short: None, vectors: own, soft: 0 };
        let [least, few] =
            [0, 1].map(|short| move |name, of| Asking { short: Some(short), ..lane(name, of) });
        let soft = |name, vectors, soft| Asking { vectors, soft, ..lane(name, Lane::Compressed) };
        let moved = |name, reread| Asking { reread: Some(reread), ..least(name, Lane::Excerpt) };
        let mut lanes = vec![
            lane("base", Lane::Base),
            lane("full_rag", Lane::FullRag),
            few("full_rag_128", Lane::FullRag),
            few("digest", Lane::Digest),
            least("full_rag_64", Lane::FullRag),
            least("excerpt", Lane::Excerpt),
            few("excerpt_128", Lane::Excerpt),
            moved("excerpt.reread_16", 16),
            moved("excerpt.reread_64", 64),
            lane("cached", Lane::Cached),
        ];
        for (number, made) in self.soft.iter().enumerate() {
            let [compressed, mean, other] = made.names();
            lanes.push(soft(compressed, SoftVectors::Own, number));
            lanes.push(soft(mean, SoftVectors::Mean, number));
            lanes.push(soft(other, SoftVectors::Other, number));
            if made.added.is_none() {
                lanes.push(few("expansion", Lane::Expansion));
            }
            if made.xrag.is_some() {
                lanes.push(Asking { vectors: SoftVectors::Xrag, ..lane("xrag", Lane::Xrag) });
            }
        }
        lanes
    }

    /// Takes the mean of these samples' soft vectors for the control.
    ///
    /// # Errors
    /// If a chunk cannot be embedded.
    pub fn learn_mean<'a>(&mut self, samples: impl Iterator<Item = &'a Sample> + Clone) -> Result<()> {
        self.soft.iter_mut().try_for_each(|soft| soft.learn_mean(samples.clone()))
    }

    /// Most positions a question and its answer take.
    pub(super) fn capacity(&self) -> usize {
        // A line has 500 bytes at most.
        (self.prompts.max_prompt_tokens() + 512 + self.config.max_new_tokens)
            .min(self.reader.config().max_position_embeddings)
    }

    /// A task in a lane.
    ///
    /// # Errors
    /// If a chunk cannot be embedded.
    pub fn question(&self, lane: Asking, sample: &Sample) -> Result<Question> {
        let mut question = self.question_of_its_own(lane, sample)?;
        if let Some(reread) = lane.reread {
            let before = self.question_of_its_own(lane, &some_lines_up(sample))?;
            question.moved = Some((Box::new(before), reread));
        }
        Ok(question)
    }

    fn question_of_its_own(&self, lane: Asking, sample: &Sample) -> Result<Question> {
        let soft = self.soft.get(lane.soft);
        let prompts = match lane {
            Asking { short: Some(short), .. } => &self.short[short],
            Asking { lane: Lane::Compressed, .. } if let Some(soft) = soft => &soft.prompts,
            Asking { healing: true, .. } => &self.prompts,
            _ => &self.unhealed,
        };
        let prompt = prompt_of(prompts, lane.lane, sample);
        let mut question =
            Question { held: prompt.taken_back, before_start: prompt.before_start, ..Question::default() };
        for segment in prompt.segments {
            match segment {
                Segment::Tokens(tokens) => question.tokens.extend(tokens),
                Segment::Alone(tokens) => {
                    let start = question.tokens.len();
                    question.tokens.extend(tokens);
                    question.alone.push(start..question.tokens.len());
                }
                Segment::Soft(id) => {
                    let Some(soft) = soft else { continue };
                    let text = &sample.chunks[chunk_number(id, sample.chunks.len())].text;
                    let vectors = match (lane.vectors, &soft.xrag) {
                        (SoftVectors::Mean, _) => vec![soft.mean.clone(); soft.count],
                        (SoftVectors::Xrag, Some(projector)) => soft.vectors(projector, text)?,
                        _ => soft.vectors(&soft.projector, text)?,
                    };
                    for vector in vectors {
                        question.soft.push((question.tokens.len(), vector));
                        question.tokens.push(SOFT_TOKEN);
                    }
                }
            }
        }
        if !question.alone.is_empty() {
            question.sink = usize::from(prompts.sink().is_some());
        }
        Ok(question)
    }
}

/// Tells a bundle from others that say something else. What was measured of it changes nothing of what it
/// says.
///
/// # Errors
/// None that a manifest has.
pub fn mark(manifest: &BundleManifest) -> Result<String> {
    let settings = BundleManifest { evaluation: Value::Null, least_confidence: 0.0, ..manifest.clone() };
    Ok(sha256_hex(&serde_json::to_vec(&settings)?)[..16].into())
}

/// A name as keys are written: `SmolLM2 135M` becomes `smollm2-135m`.
pub(super) fn key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_up_nothing_tells_of_the_target() {
        let sample = Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: "a = 1\nb = 2\nc = 3\nd = ".into(),
            target: "secret".into(),
            suffix: "\ne = 5\n".into(),
            chunks: Vec::new(),
        };
        let up = some_lines_up(&sample);
        assert_eq!((up.prefix.as_str(), up.suffix.as_str()), ("a = 1", "\nb = 2\nc = 3\nd = \ne = 5\n"));
        let short = Sample { prefix: "d = ".into(), ..sample };
        assert_eq!(some_lines_up(&short).prefix, "");
    }

    #[test]
    fn names_become_keys() {
        assert_eq!(key("SmolLM2 (135M)"), "smollm2-135m");
        assert_eq!(key("pico"), "pico");
    }
}
