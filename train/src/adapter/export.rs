//! An adapter's files: factors by PEFT's names, so that others read them too, and the model with them
//! added.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    checkpoint::write_whole,
    model::{Model, write_halves},
    nn::{
        adapter::{Adapter, DOWN, GATE_UP, OUTPUT, QKV},
        layout::Shape,
    },
};

/// Writes `adapter_model.safetensors`, in 16 bits a number, and `adapter_config.json`.
///
/// # Errors
/// If the folder cannot be written, or the model has no adapter.
pub fn save(model: &Model, folder: &Path) -> Result<()> {
    let adapter = adapter_of(model)?;
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let factors = &model.parameters[model.decoder.layout.len..];
    let mut tensors = Vec::new();
    for pair in adapter.tensors.chunks_exact(2) {
        let [a, b] = pair else { continue };
        let (layer, fused) = split_name(&a.name);
        let mut row = 0;
        for (name, rows) in matrices(fused, &model.decoder.shape, b.rows) {
            let at = |factor| format!("base_model.model.model.{layer}.{name}.lora_{factor}.weight");
            let b_rows = &factors[b.start + row * b.cols..][..rows * b.cols];
            tensors.push((at('A'), vec![a.rows, a.cols], &factors[a.range()]));
            tensors.push((at('B'), vec![rows, b.cols], b_rows));
            row += rows;
        }
    }
    write_halves(&folder.join("adapter_model.safetensors"), tensors.into_iter())?;
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": adapter.rank,
        "lora_alpha": adapter.scale * adapter.rank as f64,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    });
    write_whole(&folder.join("adapter_config.json"), &serde_json::to_vec_pretty(&config)?)
}

/// The model with its adapter's products added to its matrices.
///
/// # Errors
/// If it has none.
pub fn merged(model: &Model) -> Result<Model> {
    let adapter = adapter_of(model)?;
    let decoder = crate::nn::decoder::Decoder::new(model.decoder.shape.clone(), model.decoder.positions());
    Ok(Model { decoder, parameters: adapter.merged(&model.parameters) })
}

fn adapter_of(model: &Model) -> Result<&Adapter> {
    model.decoder.adapter().context("the model has no adapter")
}

/// `layers.N` and the matrix, of a factor's name.
fn split_name(name: &str) -> (&str, &str) {
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    let matrix = [QKV, OUTPUT, GATE_UP, DOWN].into_iter().find(|matrix| name.ends_with(matrix));
    let matrix = matrix.unwrap_or_default();
    (name[..name.len() - matrix.len()].trim_end_matches('.'), matrix)
}

/// The checkpoint's matrices of one that is used as a whole, with their rows.
fn matrices(fused: &str, shape: &Shape, rows: usize) -> Vec<(&'static str, usize)> {
    let (query, key_value) = (shape.heads.query * shape.heads.dim, shape.heads.key_value * shape.heads.dim);
    match fused {
        QKV => vec![
            ("self_attn.q_proj", query),
            ("self_attn.k_proj", key_value),
            ("self_attn.v_proj", key_value),
        ],
        GATE_UP => vec![("mlp.gate_proj", shape.intermediate), ("mlp.up_proj", shape.intermediate)],
        OUTPUT => vec![(OUTPUT, rows)],
        _ => vec![(DOWN, rows)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factors_name_tells_layer_and_matrix() {
        assert_eq!(split_name("layers.12.self_attn.qkv.a"), ("layers.12", QKV));
        assert_eq!(split_name("layers.0.mlp.down_proj.b"), ("layers.0", DOWN));
    }
}
