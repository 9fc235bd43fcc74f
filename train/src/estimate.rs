//! What training a projector through burn takes: memory, arithmetic, time.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use llavacode_core::config::{DecoderConfig, PromptConfig};

/// Bytes that training a projector takes on the device: weights of reader and encoder, and the
/// activations of one sequence of `rows` rows through the reader, kept for the backward pass.
///
/// An upper bound by count: every intermediate tensor of a layer is kept once, attention's scores
/// twice (before and after softmax), logits three times for `targets` rows.
pub fn memory_estimate(
    reader: &DecoderConfig,
    encoder: &DecoderConfig,
    rows: usize,
    targets: usize,
) -> MemoryEstimate {
    let weights = |config: &DecoderConfig| {
        let (hidden, dim) = (config.hidden_size, config.head_dim());
        let attention = config.qkv_size() * hidden + hidden * config.num_attention_heads * dim;
        let layer = attention + 3 * config.intermediate_size * hidden + 2 * hidden;
        let embeddings = if config.tie_word_embeddings { 1 } else { 2 };
        4 * (config.num_hidden_layers * layer + embeddings * config.vocab_size * hidden) as u64
    };
    let row = 8 * reader.hidden_size + 6 * reader.qkv_size() + 6 * reader.intermediate_size;
    let scores = 2 * reader.num_attention_heads * rows;
    let activations = 4 * (reader.num_hidden_layers * rows * (row + scores)) as u64;
    MemoryEstimate {
        reader: weights(reader),
        encoder: weights(encoder),
        activations,
        logits: 3 * 4 * (targets * reader.vocab_size) as u64,
    }
}

/// Bytes, by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The reader's weights in 32-bit floats.
    pub reader: u64,
    /// The encoder's.
    pub encoder: u64,
    /// Of one sequence through the reader.
    pub activations: u64,
    /// Of the rows that predict.
    pub logits: u64,
}

impl MemoryEstimate {
    /// Altogether.
    pub fn total(&self) -> u64 {
        self.reader + self.encoder + self.activations + self.logits
    }
}

/// Most floating-point operations that one sample of a step takes by the paper's loss: its prompt is read and
/// differentiated twice, for the cross-entropy and for REINFORCE, and read once more for the rollout; its
/// chunks are embedded. Weights get no gradient, so a backward pass costs what a forward pass does.
pub fn flop_of_a_sample(
    reader: &DecoderConfig,
    encoder: &DecoderConfig,
    prompt: &PromptConfig,
    chunk_tokens: usize,
) -> f64 {
    let chunks = prompt.top_k;
    let rows = prompt.prefix_tokens + prompt.suffix_tokens + chunks * prompt.soft_tokens.get();
    let answer = prompt.max_new_tokens;
    let head = 2.0 * (reader.vocab_size * reader.hidden_size) as f64;
    let read = pass(reader, rows + answer) + answer as f64 * head;
    let rollout = pass(reader, rows + answer) + answer as f64 * head;
    4.0 * read + rollout + chunks as f64 * pass(encoder, chunk_tokens)
}

/// Operations of a forward pass over a sequence of so many rows, the head not counted.
fn pass(config: &DecoderConfig, rows: usize) -> f64 {
    let attention = config.num_attention_heads * config.head_dim();
    let products = config.hidden_size * (config.qkv_size() + attention + 3 * config.intermediate_size);
    let scores = 2 * rows * attention;
    2.0 * (config.num_hidden_layers * rows) as f64 * (products + scores) as f64
}

/// Floating-point operations a second that a device reaches in the reader's largest product, of 512 rows: the
/// best of five.
pub fn product_rate(config: &DecoderConfig, device: &Device) -> f64 {
    const ROWS: usize = 512;
    let (inner, outer) = (config.hidden_size, config.intermediate_size);
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let (x, w) = (random([ROWS, inner]), random([inner, outer]));
    let once = || {
        let started = Instant::now();
        // A number read back is a product that is over.
        let sum = x.clone().matmul(w.clone()).sum();
        std::hint::black_box(sum.into_data());
        started.elapsed().as_secs_f64()
    };
    let best = (0..5).map(|_| once()).fold(f64::INFINITY, f64::min);
    2.0 * (ROWS * inner * outer) as f64 / best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_two_operations_for_a_weight_and_a_row() {
        // Qwen2.5-Coder-1.5B, from its config.json.
        let config: DecoderConfig = serde_json::from_str(
            r#"{"model_type": "qwen2", "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960,
                "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
                "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
                "tie_word_embeddings": true}"#,
        )
        .unwrap();
        // Its card: 1.31 thousand million weights without the embedding.
        let per_row = pass(&config, 1) / 2.0;
        assert!((per_row / 1.31e9 - 1.0).abs() < 0.01, "{per_row}");
        let many = pass(&config, 1000) / 2000.0;
        assert!(many > per_row && many < 1.1 * per_row, "attention adds {}", many - per_row);

        let prompt = PromptConfig::default();
        let whole = flop_of_a_sample(&config, &config, &prompt, 512);
        let rows = prompt.prefix_tokens + prompt.suffix_tokens;
        assert!(whole > 5.0 * pass(&config, rows), "five passes at least");
        assert!(whole > flop_of_a_sample(&config, &config, &prompt, 256));
    }
}
