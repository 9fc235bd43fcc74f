//! Step `excerpt`: how much each feature of a line counts where an excerpt is chosen.
//!
//! A line of the chunks is *right* for a sample if it has a name that the target needs
//! ([`needed`]); where the target needs none, if no other line is much more like the true one. The weights
//! make right lines likely: they minimise `−ln Σ p` over the right lines, `p` being the softmax of all lines'
//! scores. No reader takes part, so a thousand samples take a second.

use std::fmt::Write;

use llavacode_core::{
    engine::ChunkSpan,
    index::ChunkId,
    metrics::edit_similarity,
    prompt::{
        Cursor, PromptBuilder, PromptChunk,
        excerpt::{self, FEATURES, Features, Line, Weights, excerpt, features, lines_of},
    },
    tokenize::Tokenizer,
    words::words,
};

use crate::{
    random::SplitMix64,
    samples::{Sample, needed},
};

/// Edit similarity to the true line from which on a line may be right.
const ALIKE: f64 = 0.6;
/// How much less than the best one's it may be.
const NEARLY: f64 = 0.05;
/// AdaGrad's rate.
const RATE: f64 = 0.3;
/// How much weights are drawn to nought.
const WEIGHT_DECAY: f64 = 1e-4;

/// What is learned from a sample.
#[derive(Debug, Clone)]
pub struct Example {
    /// Of the lines that may stand in an excerpt.
    features: Vec<Features>,
    /// Which of them are right.
    right: Vec<bool>,
    /// Whether something stands before the cursor in its line.
    is_inside: bool,
}

/// A sample as the page would see it.
struct Seen<'a> {
    spans: Vec<ChunkSpan>,
    sample: &'a Sample,
    before: String,
    local: llavacode_core::prompt::LocalPart,
}

impl<'a> Seen<'a> {
    fn new(sample: &'a Sample, builder: &PromptBuilder) -> Self {
        let Sample { path, prefix, suffix, chunks, .. } = sample;
        let spans = chunks.iter().map(|chunk| ChunkSpan {
            path: chunk.path.clone(),
            start_line: chunk.start_line,
            end_line: chunk.end_line,
        });
        let local = builder.local_part(Cursor { path, prefix, suffix });
        Self { spans: spans.collect(), sample, before: builder.before_word(&local), local }
    }

    fn cursor(&self) -> Cursor<'_> {
        self.local.cursor(&self.before)
    }

    fn chunks(&self) -> Vec<PromptChunk<'_>> {
        let chunks = self.sample.chunks.iter().zip(&self.spans);
        chunks.map(|(chunk, span)| PromptChunk { id: ChunkId::new(0, 0), span, text: &chunk.text }).collect()
    }
}

/// What a sample teaches; `None` where no line is right.
pub fn example(sample: &Sample, builder: &PromptBuilder) -> Option<Example> {
    let seen = Seen::new(sample, builder);
    let lines = lines_of(&seen.chunks());
    let right = right_lines(sample, &lines);
    let features = features(&lines, seen.cursor());
    let may_stand = |line: &usize| lines[*line].may_stand();
    let standing: Vec<usize> = (0..lines.len()).filter(may_stand).collect();
    let example = Example {
        features: standing.iter().map(|&line| features[line]).collect(),
        right: standing.iter().map(|&line| right[line]).collect(),
        is_inside: sample.is_inside_a_line(),
    };
    example.right.contains(&true).then_some(example)
}

fn right_lines(sample: &Sample, lines: &[Line<'_>]) -> Vec<bool> {
    let names = needed(sample);
    if !names.is_empty() {
        return lines.iter().map(|line| names.iter().any(|name| line.words.contains(name))).collect();
    }
    let begun = sample.prefix.rsplit('\n').next().unwrap_or_default();
    let whole = format!("{begun}{}", sample.target);
    let alike: Vec<f64> = lines
        .iter()
        .map(|line| if line.may_stand() { edit_similarity(line.text, &whole) } else { 0.0 })
        .collect();
    let most = alike.iter().copied().fold(0.0, f64::max);
    alike.into_iter().map(|alike| alike >= ALIKE && alike >= most - NEARLY).collect()
}

/// Learns weights in so many passes over the examples; says what each pass cost, nats an example.
pub fn learn(examples: &[Example], passes: usize, mut say: impl FnMut(f64)) -> Weights {
    let nought = [0.0; FEATURES.len()];
    let mut weights = Weights { inside: nought, beginning: nought };
    let mut squares = Weights { inside: [1e-6; FEATURES.len()], beginning: [1e-6; FEATURES.len()] };
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut random = SplitMix64::new(1);
    for _ in 0..passes {
        random.shuffle(&mut order);
        let mut nats = 0.0;
        for &number in &order {
            let example = &examples[number];
            let (weights, squares) = match example.is_inside {
                true => (&mut weights.inside, &mut squares.inside),
                false => (&mut weights.beginning, &mut squares.beginning),
            };
            let (cost, gradient) = differentiate(example, weights);
            nats += cost;
            for ((weight, square), gradient) in weights.iter_mut().zip(squares).zip(gradient) {
                let gradient = gradient + WEIGHT_DECAY * *weight;
                *square += gradient * gradient;
                *weight -= RATE * gradient / square.sqrt();
            }
        }
        say(nats / examples.len().max(1) as f64);
    }
    weights
}

/// `−ln Σ p` over the right lines, and its gradient.
fn differentiate(example: &Example, weights: &Features) -> (f64, Features) {
    let scores: Vec<f64> = example.features.iter().map(|line| excerpt::score(line, weights)).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let all: f64 = exponentials.iter().sum();
    let right: f64 =
        exponentials.iter().zip(&example.right).filter(|(_, right)| **right).map(|(e, _)| e).sum();
    let mut gradient = [0.0; FEATURES.len()];
    for ((line, e), is_right) in example.features.iter().zip(exponentials).zip(&example.right) {
        let pull = e / all - if *is_right { e / right } else { 0.0 };
        gradient.iter_mut().zip(line).for_each(|(sum, feature)| *sum += pull * feature);
    }
    ((all / right).ln(), gradient)
}

/// What excerpts keep of some samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    /// Samples that need a name.
    pub needing: usize,
    /// Of these, those whose names all stand in the excerpt.
    pub with_names: usize,
    /// Mean over all samples of the edit similarity between the true line and the excerpt's line that is
    /// most like it.
    pub likeness: f64,
}

/// What excerpts of so many tokens keep.
pub fn measure(
    samples: &[Sample],
    builder: &PromptBuilder,
    tokenizer: &Tokenizer,
    weights: &Weights,
    room: usize,
) -> Kept {
    let cost = |line: &str| tokenizer.encode(&format!("{line}\n")).len();
    let mut kept = Kept::default();
    for sample in samples {
        let seen = Seen::new(sample, builder);
        let text = excerpt(&seen.chunks(), seen.cursor(), weights, room, true, cost);
        let names = needed(sample);
        if !names.is_empty() {
            kept.needing += 1;
            kept.with_names += usize::from(names.iter().all(|name| words(&text).any(|word| word == *name)));
        }
        let begun = sample.prefix.rsplit('\n').next().unwrap_or_default();
        let whole = format!("{begun}{}", sample.target);
        kept.likeness += text.lines().map(|line| edit_similarity(line, &whole)).fold(0.0, f64::max);
    }
    kept.likeness /= samples.len().max(1) as f64;
    kept
}

/// The source file in which `core` holds the weights.
pub fn source_of(weights: &Weights) -> String {
    let mut text = String::from(
        "//! Written by `llavacode-train excerpt`.\n\nuse super::Weights;\n\n/// What was learned.\n\
         pub const WEIGHTS: Weights = Weights {\n",
    );
    for (field, values) in [("inside", weights.inside), ("beginning", weights.beginning)] {
        let _ = writeln!(text, "    {field}: [");
        for (value, feature) in values.iter().zip(FEATURES) {
            let _ = writeln!(text, "        {value:.3}, // {feature}");
        }
        text.push_str("    ],\n");
    }
    text + "};\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_example(random: &mut SplitMix64, right: impl Fn(&Features) -> bool) -> Example {
        let features: Vec<Features> = (0..20).map(|_| std::array::from_fn(|_| random.uniform())).collect();
        let right = features.iter().map(right).collect();
        Example { features, right, is_inside: random.uniform() < 0.5 }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut random = SplitMix64::new(5);
        let mut example = random_example(&mut random, |_| false);
        (example.right[3], example.right[11]) = (true, true);
        let weights: Features = std::array::from_fn(|_| random.normal());
        let (_, gradient) = differentiate(&example, &weights);
        for at in 0..FEATURES.len() {
            let cost = |by: f64| {
                let mut moved = weights;
                moved[at] += by;
                differentiate(&example, &moved).0
            };
            let difference = (cost(1e-5) - cost(-1e-5)) / 2e-5;
            assert!((difference - gradient[at]).abs() < 1e-6, "{at}: {difference} {}", gradient[at]);
        }
    }

    #[test]
    fn what_makes_a_line_right_is_learned() {
        let mut random = SplitMix64::new(9);
        let examples: Vec<Example> = (0..300)
            .map(|_| random_example(&mut random, |line| line[2] - line[5] > 0.5))
            .filter(|example| example.right.contains(&true))
            .collect();
        let mut costs = Vec::new();
        let weights = learn(&examples, 10, |nats| costs.push(nats));
        for weights in [weights.inside, weights.beginning] {
            let others = (0..FEATURES.len()).filter(|at| ![2, 5].contains(at)).map(|at| weights[at].abs());
            let most = others.fold(0.0, f64::max);
            assert!(weights[2] > 3.0 * most && weights[5] < -3.0 * most, "{weights:?}");
        }
        assert!(costs[9] < 0.7 * costs[0], "{costs:?}");
    }

    #[test]
    fn lines_with_a_needed_name_are_right_and_else_those_most_alike() {
        let sample: Sample = serde_json::from_value(serde_json::json!({
            "package": "p", "path": "a.py", "prefix": "level = gauge.", "target": "read_level()", "suffix": "\n",
            "chunks": [{ "path": "b.py", "start_line": 0, "end_line": 3,
                "text": "height = gauge.read_level(then)\nlevel = gauge.read_depth()\n\n" }],
        }))
        .expect("a sample");
        let chunks = [("b.py", &sample.chunks[0].text)];
        let span = ChunkSpan { path: chunks[0].0.into(), start_line: 0, end_line: 3 };
        let chunk = PromptChunk { id: ChunkId::new(0, 0), span: &span, text: chunks[0].1 };
        let lines = lines_of(&[chunk]);
        assert_eq!(right_lines(&sample, &lines)[..2], [true, false]);
        let known = Sample { prefix: "read_level()\nlevel = gauge.".into(), ..sample.clone() };
        assert_eq!(right_lines(&known, &lines)[..2], [false, true]);
    }

    #[test]
    fn the_source_says_each_weight_with_its_feature() {
        let weights = Weights { inside: [0.5; FEATURES.len()], beginning: [-1.0; FEATURES.len()] };
        let source = source_of(&weights);
        assert_eq!(source.matches("0.500, // ").count(), FEATURES.len());
        assert_eq!(source.matches(FEATURES[0]).count(), 2);
    }
}
