//! LoRA (Hu et al., arXiv 2106.09685) in PEFT's files: `scale · B·A` is added to a checkpoint's matrices
//! while they stream in, before they are rounded to the device's format. What runs is one matrix, as without.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ByteSource, Header, Plan, VerifiedReader,
    load::read_rows,
    plan::{Kind, Wanted},
    values::Values,
};
use crate::{
    Error, Result,
    config::{FileEntry, WeightFormat},
    quant::pack,
};

/// What PEFT's names begin with, before those of the model itself.
const PREFIX: &str = "base_model.model.";
/// What a causal language model's stack begins with in Hugging Face's checkpoints.
const STACK: &str = "model.";

/// What of PEFT's `adapter_config.json` is read. Fields are PEFT's.
#[derive(Debug, Clone, Deserialize)]
pub struct AdapterConfig {
    /// `LORA`.
    pub peft_type: String,
    /// Rank of the products.
    pub r: usize,
    /// The products are multiplied by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// By `lora_alpha / √r` instead (rsLoRA).
    #[serde(default)]
    pub use_rslora: bool,
    /// Whether matrices are scaled too (DoRA), which is not read.
    #[serde(default)]
    pub use_dora: bool,
    /// Whether matrices lie the other way, which no reader's do here.
    #[serde(default)]
    pub fan_in_fan_out: bool,
}

impl AdapterConfig {
    /// Reads `adapter_config.json`.
    ///
    /// # Errors
    /// [`Error::Format`] if it is none, [`Error::UnsupportedConfig`] if it is of a kind that is not added.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self> {
        let config: Self = serde_json::from_slice(json).map_err(|error| Error::Format {
            file: file.into(),
            format: "an adapter's config",
            reason: error.to_string(),
        })?;
        let Self { peft_type, r, use_dora, fan_in_fan_out, lora_alpha, .. } = &config;
        let reason = match () {
            () if peft_type != "LORA" => format!("its `peft_type` is {peft_type}"),
            () if *use_dora => "it has `use_dora`".into(),
            () if *fan_in_fan_out => "it has `fan_in_fan_out`".into(),
            () if *r == 0 || !lora_alpha.is_finite() => {
                format!("its rank is {r}, its `lora_alpha` {lora_alpha}")
            }
            () => return Ok(config),
        };
        let reason = format!("{reason}: only plain LoRA is read");
        Err(Error::UnsupportedConfig { file: file.into(), reason })
    }

    fn scale(&self) -> f32 {
        let rank = self.r as f64;
        (self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }) as f32
    }
}

/// Products to be added to matrices.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    file: String,
    scale: f32,
    /// By the matrix's name in the stack: `layers.0.mlp.up_proj.weight`.
    factors: BTreeMap<String, Factors>,
}

/// `B·A`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Factors {
    /// `[rank, cols]`
    a: Vec<f32>,
    /// `[rows, rank]`
    b: Vec<f32>,
    rows: usize,
    cols: usize,
}

impl Adapter {
    /// Reads `adapter_model.safetensors`.
    ///
    /// # Errors
    /// Those of reading a checkpoint, and [`Error::UnsupportedConfig`] if there is something in it that is
    /// no factor of a product.
    pub async fn load<S: ByteSource>(
        source: &S,
        file: &str,
        entry: &FileEntry,
        config: &AdapterConfig,
        on_read: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let mut reader = VerifiedReader::open(source, file, entry, on_read).await?;
        let read = Self::read(&mut reader, config).await;
        if let Err(error @ Error::Read { .. }) = read {
            return Err(error);
        }
        reader.finish().await?;
        read
    }

    async fn read<S: ByteSource>(reader: &mut VerifiedReader<'_, S>, config: &AdapterConfig) -> Result<Self> {
        let header = Header::read(reader).await?;
        let file = header.file().to_owned();
        let refuse = |reason| Error::UnsupportedConfig { file: file.clone(), reason };
        let mut factors = BTreeMap::<String, Factors>::new();
        for tensor in header.in_file_order() {
            let Some((matrix, is_a)) = factor_name(&tensor) else {
                return Err(refuse(format!(
                    "it has {tensor}: only `lora_A` and `lora_B` beside a model's matrices are added"
                )));
            };
            let shape = header.shape(&tensor).unwrap_or_default().to_vec();
            let [rows, cols] = shape[..] else {
                return Err(refuse(format!("{tensor} is no matrix")));
            };
            let rank = if is_a { rows } else { cols };
            if rank != config.r {
                return Err(refuse(format!(
                    "{tensor} is {rows}×{cols}, and the rank is said to be {}",
                    config.r
                )));
            }
            let (element, stored) = header.expect(&tensor, &shape)?;
            reader.read(stored.place.start - reader.position(), |_| ()).await?;
            let Values::Floats(values) = read_rows(reader, element, WeightFormat::F32, rows, cols).await?
            else {
                continue;
            };
            if !values.iter().all(|value| value.is_finite()) {
                return Err(refuse(format!("{tensor} has values that are no numbers")));
            }
            let of = factors.entry(matrix).or_default();
            match is_a {
                true => (of.a, of.cols) = (values, cols),
                false => (of.b, of.rows) = (values, rows),
            }
        }
        if let Some((matrix, _)) = factors.iter().find(|(_, of)| of.a.is_empty() || of.b.is_empty()) {
            return Err(refuse(format!("{matrix} has one of `lora_A` and `lora_B` without the other")));
        }
        if factors.is_empty() {
            return Err(refuse("there is nothing in it to add".into()));
        }
        Ok(Self { file, scale: config.scale(), factors })
    }

    /// That every product has its matrix.
    pub(super) fn check(&self, plan: &Plan) -> Result<()> {
        let matrices =
            plan.parameters.iter().filter(|parameter| matches!(parameter.kind, Kind::Matrix { .. }));
        let shapes: BTreeMap<&str, &[usize]> = matrices
            .flat_map(|parameter| &parameter.parts)
            .map(|Wanted { tensor, shape }| (in_stack(tensor, &plan.prefix), shape.as_slice()))
            .collect();
        for (matrix, of) in &self.factors {
            let reason = match shapes.get(matrix.as_str()) {
                None => "which the model has not".into(),
                Some(shape) if **shape != [of.rows, of.cols] => format!("which is {shape:?} in the model"),
                Some(_) => continue,
            };
            let reason = format!(
                "it adds [{}, {}] to {matrix}, {reason}: it was trained for another model",
                of.rows, of.cols
            );
            return Err(Error::UnsupportedConfig { file: self.file.clone(), reason });
        }
        Ok(())
    }

    /// What is added to a tensor of a checkpoint whose stack's names begin with `prefix`.
    pub(super) fn product(&self, tensor: &str, prefix: &str) -> Option<Product<'_>> {
        let factors = self.factors.get(in_stack(tensor, prefix))?;
        Some(Product { factors, scale: self.scale })
    }
}

/// What is added to one matrix.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    factors: &'a Factors,
    scale: f32,
}

impl Product<'_> {
    /// Adds it to some rows of the matrix, the first of them being row `first`, and rounds them to a
    /// format of the device's.
    pub(super) fn add(self, values: Values, first: usize, format: WeightFormat) -> Values {
        let Values::Floats(mut values) = values else {
            debug_assert!(false, "what is added to is of floats");
            return values;
        };
        let Factors { a, b, cols, .. } = self.factors;
        let rank = a.len() / cols;
        for (row, b) in values.chunks_exact_mut(*cols).zip(b[first * rank..].chunks_exact(rank)) {
            for (&b, a) in b.iter().zip(a.chunks_exact(*cols)) {
                let b = self.scale * b;
                row.iter_mut().zip(a).for_each(|(value, a)| *value += b * a);
            }
        }
        match format.has_blocks(*cols) {
            true => Values::Blocks(pack(&values, format), format),
            false => Values::Floats(values),
        }
    }
}

/// A tensor's name without what the stack's names begin with.
fn in_stack<'a>(tensor: &'a str, prefix: &str) -> &'a str {
    tensor.strip_prefix(prefix).unwrap_or(tensor)
}

/// The matrix that a factor belongs to, and whether it is `A`.
fn factor_name(tensor: &str) -> Option<(String, bool)> {
    let name = tensor.strip_prefix(PREFIX)?;
    let name = name.strip_prefix(STACK).unwrap_or(name);
    let (matrix, factor) = name.strip_suffix(".weight")?.rsplit_once('.')?;
    let is_a = match factor {
        "lora_A" => true,
        "lora_B" => false,
        _ => return None,
    };
    Some((format!("{matrix}.weight"), is_a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{quant::unpack, weights::MemorySource};

    /// A safetensors file of matrices.
    fn file(tensors: &[(&str, [usize; 2], Vec<f32>)]) -> Vec<u8> {
        let mut end = 0;
        let entries: Vec<String> = tensors
            .iter()
            .map(|(name, [rows, cols], values)| {
                let start = end;
                end += size_of_val(values.as_slice());
                format!(
                    r#""{name}":{{"dtype":"F32","shape":[{rows},{cols}],"data_offsets":[{start},{end}]}}"#
                )
            })
            .collect();
        let header = format!("{{{}}}", entries.join(","));
        let numbers = tensors.iter().flat_map(|(_, _, values)| values).flat_map(|value| value.to_le_bytes());
        (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()).chain(numbers).collect()
    }

    const A: &str = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight";
    const B: &str = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight";

    fn load(config: &str, bytes: &[u8]) -> Result<Adapter> {
        let config = AdapterConfig::from_json("adapter_config.json", config.as_bytes())?;
        let entry = FileEntry { bytes: bytes.len() as u64, sha256: None };
        let source = MemorySource::new("adapter_model.safetensors", bytes);
        let mut on_read = |_| ();
        let loading = Adapter::load(&source, "adapter_model.safetensors", &entry, &config, &mut on_read);
        pollster::block_on(loading)
    }

    fn config(rest: &str) -> String {
        format!(r#"{{"peft_type":"LORA","r":2,"lora_alpha":6{rest}}}"#)
    }

    #[test]
    fn the_product_is_added_to_the_rows_it_belongs_to() {
        let a: Vec<f32> = (0..2 * 32).map(|i| (i % 7) as f32 - 3.0).collect();
        let b = vec![1.0, 0.0, 0.0, 0.5, -1.0, 2.0];
        let adapter = load(&config(""), &file(&[(A, [2, 32], a.clone()), (B, [3, 2], b)])).expect("loaded");
        let product = adapter.product("model.layers.0.mlp.up_proj.weight", "model.").expect("a product");
        assert!(adapter.product("model.layers.1.mlp.up_proj.weight", "model.").is_none());
        assert!(adapter.product("layers.0.mlp.up_proj.weight", "").is_some(), "a GGUF file's name");
        let matrix = vec![10.0; 3 * 32];
        let Values::Floats(whole) = product.add(Values::Floats(matrix.clone()), 0, WeightFormat::F32) else {
            panic!("floats stay floats")
        };
        let expected = |row: usize, col: usize| {
            let (x, y) = (a[col], a[32 + col]);
            10.0 + 3.0 * [x, 0.5 * y, 2.0 * y - x][row]
        };
        assert!((0..96).all(|at| (whole[at] - expected(at / 32, at % 32)).abs() < 1e-5));
        // Rows by themselves, and rounded.
        let last = product.add(Values::Floats(matrix[64..].to_vec()), 2, WeightFormat::F32);
        assert_eq!(last, Values::Floats(whole[64..].to_vec()));
        let Values::Blocks(blocks, _) = product.add(Values::Floats(matrix), 0, WeightFormat::Q8) else {
            panic!("a format of blocks")
        };
        assert_eq!(
            unpack(&blocks, WeightFormat::Q8),
            unpack(&pack(&whole, WeightFormat::Q8), WeightFormat::Q8)
        );
    }

    #[test]
    fn what_cannot_be_added_is_refused_with_its_name() {
        let a = (A, [2, 32], vec![0.5; 64]);
        let b = (B, [3, 2], vec![0.5; 6]);
        let both = file(&[a.clone(), b.clone()]);
        for (config, bytes, part) in [
            (config(r#","use_dora":true"#), both.clone(), "use_dora"),
            (config(r#","fan_in_fan_out":true"#), both.clone(), "fan_in_fan_out"),
            (r#"{"peft_type":"IA3","r":2,"lora_alpha":6}"#.into(), both.clone(), "IA3"),
            (r#"{"peft_type":"LORA","r":0,"lora_alpha":6}"#.into(), both.clone(), "rank is 0"),
            ("{}".into(), both.clone(), "adapter's config"),
            (r#"{"peft_type":"LORA","r":4,"lora_alpha":6}"#.into(), both.clone(), "rank is said to be 4"),
            (config(""), file(std::slice::from_ref(&a)), "without the other"),
            (config(""), file(&[]), "nothing in it"),
            (config(""), file(&[(A, [2, 32], vec![f32::NAN; 64]), b.clone()]), "no numbers"),
            (
                config(""),
                file(&[a, b, ("base_model.model.lm_head.weight", [1, 1], vec![0.0])]),
                "lm_head.weight: only `lora_A`",
            ),
        ] {
            let refused = load(&config, &bytes).expect_err(part).to_string();
            assert!(refused.contains(part), "{refused}");
        }
        let rs = load(&config(r#","use_rslora":true"#), &both).expect("loaded");
        assert!((rs.scale - 6.0 / 2f32.sqrt()).abs() < 1e-6);
    }
}
