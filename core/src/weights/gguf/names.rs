//! llama.cpp's names of types and tensors, in ours and Hugging Face's.

use super::super::ElementType;

/// ggml's types by number; the name of one that is not read.
pub(super) fn element_type(kind: u32) -> Result<ElementType, String> {
    match kind {
        0 => Ok(ElementType::F32),
        1 => Ok(ElementType::F16),
        2 => Ok(ElementType::Q4_0),
        3 => Ok(ElementType::Q4_1),
        6 => Ok(ElementType::Q5_0),
        7 => Ok(ElementType::Q5_1),
        8 => Ok(ElementType::Q8_0),
        12 => Ok(ElementType::Q4K),
        13 => Ok(ElementType::Q5K),
        14 => Ok(ElementType::Q6K),
        30 => Ok(ElementType::BF16),
        10 => Err("Q2_K".into()),
        11 => Err("Q3_K".into()),
        20 => Err("IQ4_NL".into()),
        23 => Err("IQ4_XS".into()),
        other => Err(format!("ggml's number {other}")),
    }
}

/// A tensor's name in Hugging Face's checkpoints; others stay as they are.
pub(super) fn hugging_face_name(name: &str) -> String {
    let in_layer = |rest: &str| {
        let (layer, rest) = rest.split_once('.')?;
        let (part, what) = rest.rsplit_once('.')?;
        let part = match part {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "attn_output" => "self_attn.o_proj",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            _ => return None,
        };
        Some(format!("model.layers.{layer}.{part}.{what}"))
    };
    let known = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight".into()),
        "output_norm.weight" => Some("model.norm.weight".into()),
        "output.weight" => Some("lm_head.weight".into()),
        _ => name.strip_prefix("blk.").and_then(in_layer),
    };
    known.unwrap_or_else(|| name.into())
}
