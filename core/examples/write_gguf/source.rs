//! A reader that is there already: its sizes, its vocabulary and its weights.

use std::{error::Error, fs, path::Path};

use llavacode_core::{
    config::{DecoderConfig, FileEntry, ModelType},
    device::Device,
    model::{
        decoder::{DecoderFormats, name_prefix},
        reader::Reader,
    },
    quant::Matrix,
    weights::{DiskSource, Header, load_weights},
};

use super::{
    model::{Family, Model, Tensor},
    vocabulary::Vocabulary,
};

/// A reader, its weights as 32-bit floats.
pub(crate) struct Source {
    pub(crate) model: Model,
    reader: Reader,
}

impl Source {
    /// Opens a GGUF file, or a folder of `config.json`, `tokenizer.json` and `model.safetensors`. Its
    /// vocabulary comes beside it.
    ///
    /// # Errors
    /// If it cannot be read, or is no reader whose embedding is its head.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vocabulary), Box<dyn Error>> {
        let folder = path.is_dir().then_some(path);
        let file = folder.map_or(path.to_owned(), |folder| folder.join("model.safetensors"));
        let name = file.display().to_string();
        let beside = |name: &str| folder.map(|folder| folder.join(name)).unwrap_or_default();
        let entry = FileEntry { bytes: fs::metadata(&file)?.len(), sha256: None };
        let config = beside("config.json");
        let json = match folder {
            Some(_) => fs::read(&config).map_err(|e| format!("{}: {e}", config.display()))?,
            None => Vec::new(),
        };
        let mut told = None;
        let plan = |header: &Header| {
            let (config, vocabulary) = match header.metadata() {
                Some(metadata) => (DecoderConfig::from_gguf(header)?, Vocabulary::of_file(metadata)),
                None => {
                    let config = DecoderConfig::from_json("config.json", &json)?;
                    (config, Vocabulary::whole(&beside("tokenizer.json")))
                }
            };
            let plan = Reader::plan(&config, DecoderFormats::DENSE, name_prefix(header));
            told = Some((config, vocabulary));
            Ok(plan)
        };
        let disk = DiskSource::open(&file)?;
        let (device, mut on_read) = (Device::flex(), |_| ());
        let loading = load_weights(&disk, &name, &entry, plan, &device, &mut on_read);
        let mut weights = pollster::block_on(loading)?;
        let (config, vocabulary) = told.ok_or("the header was not read")?;
        let vocabulary = vocabulary?;
        let reader = Reader::from_weights(&config, &mut weights)?;
        if reader.head.is_some() {
            return Err(format!("{name} has a head of its own, which is not written").into());
        }
        let family = match config.model_type {
            ModelType::Llama => Family::Llama,
            ModelType::Qwen2 => Family::Qwen2,
            ModelType::Qwen3 => return Err(format!("{name} is no reader of a kind written here").into()),
        };
        let model = Model {
            key: "",
            name: "Written from another file",
            family,
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            key_value_heads: config.num_key_value_heads,
            head_dim: config.head_dim(),
            feed_forward: config.intermediate_size,
            vocabulary: config.vocab_size,
            context: config.max_position_embeddings,
            rope_base: config.rope_theta as f32,
            epsilon: config.rms_norm_eps as f32,
            deviation: 0.0,
        };
        Ok((Self { model, reader }, vocabulary))
    }

    /// A tensor's values, in a GGUF file's order.
    ///
    /// # Panics
    /// If the model has no such tensor.
    pub(crate) fn values(&self, tensor: &Tensor) -> Vec<f32> {
        let decoder = &self.reader.decoder;
        let known = "a tensor of Model::tensors";
        if tensor.name == "token_embd.weight" {
            return floats(&decoder.embedding);
        }
        if tensor.name == "output_norm.weight" {
            return vector(&decoder.norm.weight.val());
        }
        let (layer, part) =
            tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).expect(known);
        let layer = &decoder.layers[layer.parse::<usize>().expect(known)];
        let Model { hidden, heads, key_value_heads, head_dim, feed_forward, .. } = self.model;
        let (queries, keys) = (heads * head_dim, key_value_heads * head_dim);
        let rows = |values: Vec<f32>, from: usize, count: usize, width: usize| {
            values[from * width..(from + count) * width].to_vec()
        };
        let bias = || vector(&layer.qkv_bias.as_ref().expect(known).val());
        match part {
            "attn_norm.weight" => vector(&layer.input_norm.weight.val()),
            "ffn_norm.weight" => vector(&layer.post_attention_norm.weight.val()),
            "ffn_down.weight" => floats(&layer.down),
            "ffn_gate.weight" => rows(floats(&layer.gate_up), 0, feed_forward, hidden),
            "ffn_up.weight" => rows(floats(&layer.gate_up), feed_forward, feed_forward, hidden),
            "attn_output.weight" => floats(&layer.output),
            "attn_q.weight" => self.rotated(rows(floats(&layer.qkv), 0, queries, hidden)),
            "attn_k.weight" => self.rotated(rows(floats(&layer.qkv), queries, keys, hidden)),
            "attn_v.weight" => rows(floats(&layer.qkv), queries + keys, keys, hidden),
            "attn_q.bias" => rows(bias(), 0, queries, 1),
            "attn_k.bias" => rows(bias(), queries, keys, 1),
            "attn_v.bias" => rows(bias(), queries + keys, keys, 1),
            _ => unreachable!("{known}: {}", tensor.name),
        }
    }

    /// Rows of q or k as llama.cpp's converter orders a Llama model's: those that rotate together stand side
    /// by side.
    fn rotated(&self, values: Vec<f32>) -> Vec<f32> {
        if self.model.family != Family::Llama {
            return values;
        }
        let (width, half) = (self.model.hidden, self.model.head_dim / 2);
        let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
        let heads = rows.chunks_exact(2 * half);
        heads.flat_map(|head| (0..half).flat_map(|i| [head[i], head[half + i]])).flatten().copied().collect()
    }
}

fn floats(matrix: &Matrix) -> Vec<f32> {
    match matrix {
        Matrix::Dense(dense) => vector(&dense.weight.val()),
        Matrix::Split(split) => split.parts.iter().flat_map(floats).collect(),
        Matrix::Quantized(_) => unreachable!("all are loaded as floats"),
    }
}

fn vector<const D: usize>(tensor: &burn::tensor::Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}
