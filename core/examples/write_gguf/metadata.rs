//! The key-value pairs that llama.cpp's converter and quantizer write.

use super::{
    mix::Mix,
    model::{Family, Model},
    vocabulary::Vocabulary,
};

/// A value.
#[derive(Debug)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<i32>),
}

/// All pairs, in the order of the converter.
pub(crate) fn pairs(model: &Model, mix: Mix, vocabulary: Vocabulary) -> Vec<(String, Value)> {
    let architecture = match model.family {
        Family::Llama => "llama",
        Family::Qwen2 => "qwen2",
        Family::Qwen3Embedding => "qwen3",
    };
    let size = |size: usize| Value::U32(size as u32);
    let text = |text: &str| Value::Text(text.into());
    let own = |key: &str| format!("{architecture}.{key}");
    let mut pairs = vec![
        ("general.architecture".into(), text(architecture)),
        ("general.type".into(), text("model")),
        ("general.name".into(), text(model.name)),
        ("general.license".into(), text("apache-2.0")),
        (own("block_count"), size(model.layers)),
        (own("context_length"), size(model.context)),
        (own("embedding_length"), size(model.hidden)),
        (own("feed_forward_length"), size(model.feed_forward)),
        (own("attention.head_count"), size(model.heads)),
        (own("attention.head_count_kv"), size(model.key_value_heads)),
        (own("rope.freq_base"), Value::F32(model.rope_base)),
        (own("attention.layer_norm_rms_epsilon"), Value::F32(model.epsilon)),
    ];
    match model.family {
        // Only of Llama does the converter say these.
        Family::Llama => pairs.extend([
            (own("vocab_size"), size(model.vocabulary)),
            (own("rope.dimension_count"), size(model.head_dim)),
        ]),
        Family::Qwen2 => {}
        Family::Qwen3Embedding => pairs.extend([
            (own("attention.key_length"), size(model.head_dim)),
            (own("attention.value_length"), size(model.head_dim)),
            // The last token's.
            (own("pooling_type"), Value::U32(3)),
        ]),
    }
    pairs.extend([
        ("general.file_type".into(), Value::U32(mix.number())),
        ("general.quantization_version".into(), Value::U32(2)),
    ]);
    let end = vocabulary.end_of_text;
    let ends_texts = model.family == Family::Qwen3Embedding;
    let tokenizer = [
        ("model", text("gpt2")),
        ("pre", text(vocabulary.pre)),
        ("tokens", Value::Texts(vocabulary.tokens)),
        ("token_type", Value::Numbers(vocabulary.types)),
        ("merges", Value::Texts(vocabulary.merges)),
        ("bos_token_id", Value::U32(end)),
        ("eos_token_id", Value::U32(end)),
        ("padding_token_id", Value::U32(end)),
        ("add_bos_token", Value::Bool(false)),
    ];
    pairs.extend(tokenizer.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)));
    if ends_texts {
        pairs.push(("tokenizer.ggml.add_eos_token".into(), Value::Bool(true)));
    }
    pairs
}
