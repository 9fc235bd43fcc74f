//! A decoder with its parameters, read and written as Hugging Face's files.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use anyhow::{Context, Result, ensure};
use half::f16;
use llavacode_core::{
    config::{DecoderConfig, ModelType, WeightFormat},
    kernel::reference::dense,
    model::reader::Reader,
    quant::{self, Matrix},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;

use crate::{
    checkpoint::{to_bytes, write_whole},
    nn::{
        attention::Heads,
        decoder::Decoder,
        layout::{Kind, Shape},
    },
    projector::values,
    random::SplitMix64,
};

/// A decoder and its parameters.
#[derive(Debug, Clone)]
pub struct Model {
    /// Sizes and layout.
    pub decoder: Decoder<f32>,
    /// All tensors, flat.
    pub parameters: Vec<f32>,
}

/// Pico's sizes, for a reader (Qwen2) or an encoder (Qwen3).
pub fn pico_config(model_type: ModelType, vocab_size: usize, hidden: usize, layers: usize) -> DecoderConfig {
    DecoderConfig {
        model_type,
        vocab_size,
        hidden_size: hidden,
        intermediate_size: hidden * 8 / 3,
        num_hidden_layers: layers,
        num_attention_heads: hidden / 32,
        num_key_value_heads: hidden / 32,
        head_dim: Some(32),
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
    }
}

impl Model {
    /// Positions the engine prepares angles for.
    const POSITIONS: usize = 2048;

    /// The parameters of a reader of core's, as it computes with them: blocks as 32-bit floats.
    ///
    /// # Errors
    /// If its head is not tied: the engine has tied heads only.
    pub fn of_reader(reader: &Reader) -> Result<Self> {
        let decoder = Decoder::new(shape_of(reader.config())?, Self::POSITIONS);
        let mut parameters = vec![0.0; decoder.layout.len];
        let mut put = |range: &Range<usize>, from: Vec<f32>| parameters[range.clone()].copy_from_slice(&from);
        let matrix = |matrix: &Matrix| values(dense(matrix));
        let stack = &reader.decoder;
        put(&decoder.layout.embedding, matrix(&stack.embedding));
        put(&decoder.layout.norm, values(stack.norm.weight.val()));
        for (layer, places) in stack.layers.iter().zip(&decoder.layout.layers) {
            put(&places.input_norm, values(layer.input_norm.weight.val()));
            put(&places.qkv, matrix(&layer.qkv));
            if let Some(bias) = &layer.qkv_bias {
                put(&places.qkv_bias, values(bias.val()));
            }
            if let Some((q, k)) = layer.q_norm.as_ref().zip(layer.k_norm.as_ref()) {
                put(&places.q_norm, values(q.weight.val()));
                put(&places.k_norm, values(k.weight.val()));
            }
            put(&places.output, matrix(&layer.output));
            put(&places.post_norm, values(layer.post_attention_norm.weight.val()));
            put(&places.gate_up, matrix(&layer.gate_up));
            put(&places.down, matrix(&layer.down));
        }
        Ok(Self { decoder, parameters })
    }

    /// A fresh one.
    ///
    /// # Errors
    /// If the config's head is not tied: the engine trains tied heads only.
    pub fn init(config: &DecoderConfig, random: &mut SplitMix64) -> Result<Self> {
        let shape = shape_of(config)?;
        let layers = shape.layers;
        let decoder = Decoder::new(shape, Self::POSITIONS);
        let parameters = decoder.layout.init(layers, random);
        Ok(Self { decoder, parameters })
    }

    /// Reads `config.json` and `model.safetensors` (32-bit floats) of a folder.
    ///
    /// # Errors
    /// If they are missing, damaged, or not of one model.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let json = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let config = DecoderConfig::from_json(&path.to_string_lossy(), &json)?;
        let decoder = Decoder::new(shape_of(&config)?, Self::POSITIONS);
        let path = folder.join("model.safetensors");
        let data = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let file = SafeTensors::deserialize(&data).with_context(|| format!("{}", path.display()))?;
        let mut parameters = vec![0.0; decoder.layout.len];
        for tensor in &decoder.layout.tensors {
            let view = file
                .tensor(&tensor.name)
                .or_else(|_| file.tensor(&format!("model.{}", tensor.name)))
                .with_context(|| format!("{} has no {}", path.display(), tensor.name))?;
            ensure!(
                view.dtype() == Dtype::F32 && view.shape() == tensor.shape(),
                "{}: {} is {:?} {:?}, the config asks for F32 {:?}",
                path.display(),
                tensor.name,
                view.dtype(),
                view.shape(),
                tensor.shape()
            );
            for (value, bytes) in parameters[tensor.range()].iter_mut().zip(view.data().chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        Ok(Self { decoder, parameters })
    }

    /// Writes `config.json` and `model.safetensors`: `model.` before the names of a reader, as its
    /// family's checkpoints have it, none before those of an encoder.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let shape = &self.decoder.shape;
        let (family, prefix, architecture) = match (shape.qk_norm, shape.qkv_bias) {
            (true, _) => ("qwen3", "", "Qwen3Model"),
            (false, true) => ("qwen2", "model.", "Qwen2ForCausalLM"),
            (false, false) => ("llama", "model.", "LlamaForCausalLM"),
        };
        let config = json!({
            "architectures": [architecture],
            "model_type": family,
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads.query,
            "num_key_value_heads": shape.heads.key_value,
            "head_dim": shape.heads.dim,
            "max_position_embeddings": 4096,
            "rms_norm_eps": shape.eps,
            "rope_theta": shape.rope_theta,
            "tie_word_embeddings": true,
            "hidden_act": "silu",
            "attention_bias": false,
            "use_sliding_window": false,
            "torch_dtype": "float32",
        });
        write_whole(&folder.join("config.json"), &(serde_json::to_vec_pretty(&config)?))?;
        let tensors = self.decoder.layout.tensors.iter().map(|tensor| {
            let name = format!("{prefix}{}", tensor.name);
            (name, tensor.shape(), &self.parameters[tensor.range()])
        });
        write_tensors(&folder.join("model.safetensors"), tensors)
    }

    /// The model with its matrices rounded to what the page computes with: see
    /// [`llavacode_core::quant`].
    pub fn quantized(&self, linear: WeightFormat, embedding: WeightFormat) -> Self {
        let mut model = self.clone();
        for tensor in &self.decoder.layout.tensors {
            let format = match tensor.kind {
                Kind::Embedding => embedding,
                Kind::Matrix { .. } => linear,
                Kind::Norm | Kind::Bias => continue,
            };
            if format != WeightFormat::F32 && tensor.cols.is_multiple_of(quant::BLOCK) {
                let values = &mut model.parameters[tensor.range()];
                let rounded = quant::unpack(&quant::pack(values, format), format);
                values.copy_from_slice(&rounded);
            }
        }
        model
    }

    /// The same function with more key-value heads: each head's keys and values are copied to the
    /// heads that come of it, and training may then tell them apart.
    ///
    /// # Errors
    /// If `count` is not a multiple of today's heads, or the query heads not one of `count`.
    pub fn with_key_value_heads(&self, count: usize) -> Result<Self> {
        let mut shape = self.decoder.shape.clone();
        let (query, before) = (shape.heads.query, shape.heads.key_value);
        ensure!(
            count > 0 && count.is_multiple_of(before) && query.is_multiple_of(count),
            "{before} key-value heads under {query} query heads cannot become {count}"
        );
        shape.heads.key_value = count;
        let decoder = Decoder::new(shape, Self::POSITIONS);
        let mut parameters = Vec::with_capacity(decoder.layout.len);
        for (from, to) in self.decoder.layout.tensors.iter().zip(&decoder.layout.tensors) {
            let values = &self.parameters[from.range()];
            let heads = if from.range().len() == to.range().len() { 1 } else { before };
            for head in values.chunks_exact(values.len() / heads) {
                (0..to.range().len() / values.len()).for_each(|_| parameters.extend_from_slice(head));
            }
        }
        Ok(Self { decoder, parameters })
    }

    /// Takes over the parameters of every tensor that both models have in the same shape; says how
    /// many. So an encoder starts from a reader's first layers.
    pub fn take_from(&mut self, other: &Self) -> usize {
        let theirs: BTreeMap<_, _> =
            other.decoder.layout.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut taken = 0;
        for tensor in &self.decoder.layout.tensors {
            let Some(from) = theirs.get(tensor.name.as_str()) else { continue };
            if (from.rows, from.cols) == (tensor.rows, tensor.cols) {
                self.parameters[tensor.range()].copy_from_slice(&other.parameters[from.range()]);
                taken += 1;
            }
        }
        taken
    }
}

/// Writes 32-bit tensors as a safetensors file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, Vec<usize>, &'a [f32])>,
) -> Result<()> {
    write_as(path, Dtype::F32, tensors.map(|(name, shape, values)| (name, shape, to_bytes(values))))
}

/// The same rounded to 16 bits.
///
/// # Errors
/// If the file cannot be written.
pub fn write_halves<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, Vec<usize>, &'a [f32])>,
) -> Result<()> {
    let halves = |values: &[f32]| values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    write_as(path, Dtype::F16, tensors.map(|(name, shape, values)| (name, shape, halves(values))))
}

fn write_as(
    path: &Path,
    dtype: Dtype,
    tensors: impl Iterator<Item = (String, Vec<usize>, Vec<u8>)>,
) -> Result<()> {
    let tensors: Vec<_> = tensors.collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    write_whole(path, &safetensors::serialize(views, None)?)
}

fn shape_of(config: &DecoderConfig) -> Result<Shape> {
    ensure!(config.tie_word_embeddings, "the engine trains models with a tied head");
    Ok(Shape {
        vocabulary: config.vocab_size,
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads: Heads {
            query: config.num_attention_heads,
            key_value: config.num_key_value_heads,
            dim: config.head_dim(),
        },
        intermediate: config.intermediate_size,
        qk_norm: config.model_type == ModelType::Qwen3,
        qkv_bias: config.model_type == ModelType::Qwen2,
        eps: config.rms_norm_eps,
        rope_theta: config.rope_theta,
    })
}
