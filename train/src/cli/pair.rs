//! `pair`: a projector for any Qwen2 reader and Qwen3 encoder, through burn.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use llavacode_core::{config::PromptConfig, model::projector::ProjectorConfig, weights::sha256_hex};
use llavacode_train::{
    burn_reader::{BurnEncoder, BurnReader},
    compressor::{self, CompressorOptions, Recipe, Trio},
    corpus::Split,
    embed::EncoderInput,
    estimate,
    pretrained::Pretrained,
    projector::TrainedProjector,
    prompts::Prompts,
    random::SplitMix64,
};
use safetensors::SafeTensors;

/// Arguments of `pair`.
#[derive(Args)]
pub(super) struct PairArguments {
    /// The reader: a folder of `config.json`, `tokenizer.json` and `model.safetensors`, or a GGUF file
    #[arg(long)]
    reader: PathBuf,
    /// The encoder, the same
    #[arg(long)]
    encoder: PathBuf,
    /// A bundle's `bundle.json`: the layout and budgets of its prompts are trained for
    #[arg(long)]
    bundle: PathBuf,
    /// Where burn computes
    #[arg(long, value_enum, default_value_t = BurnDevice::Cpu)]
    device: BurnDevice,
    #[arg(long)]
    steps: u64,
    /// Samples of a step
    #[arg(long, default_value_t = 66)]
    batch: usize,
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chunks embedded at once
    #[arg(long, default_value_t = 16)]
    encoder_batch: usize,
    /// Only say how much memory and time it takes
    #[arg(long)]
    estimate: bool,
    /// Folder in the work folder
    #[arg(long, default_value = "pair")]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BurnDevice {
    /// burn's flex backend
    Cpu,
    /// Any GPU, through wgpu
    Wgpu,
    /// The first NVIDIA GPU; needs `--features cuda`
    Cuda,
}

impl BurnDevice {
    fn open(self) -> Result<Device> {
        Ok(match self {
            Self::Cpu => Device::flex(),
            Self::Wgpu => Device::wgpu(Default::default()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::cuda(0),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => anyhow::bail!("this was built without CUDA: add `--features cuda` to the command"),
        }
        .autodiff())
    }
}

/// What of a bundle's manifest a projector is trained for.
#[derive(serde::Deserialize)]
struct Layout {
    prompt: PromptConfig,
    encoder: llavacode_core::config::EncoderInput,
}

/// Trains it.
pub(super) fn run(work: &Path, arguments: PairArguments) -> Result<()> {
    let json = fs::read(&arguments.bundle)
        .with_context(|| format!("{} cannot be read", arguments.bundle.display()))?;
    let layout: Layout = serde_json::from_slice(&json)
        .with_context(|| format!("{} is no bundle's manifest", arguments.bundle.display()))?;
    let reader = Pretrained::open(&arguments.reader)?;
    let encoder = Pretrained::open(&arguments.encoder)?;
    let (reader_config, encoder_config) = (reader.config.clone(), encoder.config.clone());
    let rows = layout.prompt.prefix_tokens + layout.prompt.suffix_tokens + layout.prompt.context_tokens;
    let memory =
        estimate::memory_estimate(&reader_config, &encoder_config, rows, layout.prompt.max_new_tokens);
    let gib = |bytes: u64| bytes as f64 / f64::from(1u32 << 30);
    println!(
        "memory on the device, at most: reader {:.2} GiB, encoder {:.2} GiB, activations {:.2} GiB, logits {:.2} GiB; {:.2} GiB altogether",
        gib(memory.reader),
        gib(memory.encoder),
        gib(memory.activations),
        gib(memory.logits),
        gib(memory.total())
    );
    let device = arguments.device.open()?;
    let flop = estimate::flop_of_a_sample(
        &reader_config,
        &encoder_config,
        &layout.prompt,
        layout.encoder.max_tokens,
    );
    let rate = estimate::product_rate(&reader_config, &device);
    let step = arguments.batch as f64 * flop / rate;
    println!(
        "arithmetic: {:.2} TFLOP a sample, at most; at the {:.0} GFLOP/s that the device reaches in the reader's largest product, a step of {} samples takes {step:.1} s and {} steps {:.1} h",
        flop / 1e12,
        rate / 1e9,
        arguments.batch,
        arguments.steps,
        arguments.steps as f64 * step / 3600.0
    );
    if arguments.estimate {
        return Ok(());
    }

    let reader_tokenizer = Arc::new(reader.tokenizer()?);
    let encoder_tokenizer = encoder.tokenizer()?;
    let end = match layout.encoder.append.as_str() {
        "" => None,
        token => Some(encoder_tokenizer.special(token)?),
    };
    let mut reader = BurnReader::load(&reader, &device)?;
    let mut encoder = BurnEncoder::load(&encoder, &device, arguments.encoder_batch)?;
    let form = ProjectorConfig::three_layer(encoder_config.hidden_size, reader_config.hidden_size);
    let mut projector =
        TrainedProjector::init(form, reader.embedding_scale(), &mut SplitMix64::new(arguments.seed));
    let (samples, mark) = super::open_samples(work, Split::Train)?;
    let out = work.join(&arguments.out);
    let options = CompressorOptions {
        out: out.clone(),
        samples: sha256_hex(format!("{mark} {:?} {:?}", reader_config, encoder_config).as_bytes()),
        recipe: Recipe::PAPER,
        train_encoder: false,
        seed: arguments.seed,
        steps: arguments.steps,
        batch: arguments.batch,
        needing: 0.0,
        rate: arguments.rate,
        encoder_rate: 0.0,
        checkpoint_every: 50,
        rollout: layout.prompt.max_new_tokens,
    };
    let prompts = Prompts::new(reader_tokenizer, layout.prompt)?;
    let mut trio = Trio {
        reader: &mut reader,
        encoder: &mut encoder,
        projector: &mut projector,
        prompts: &prompts,
        input: EncoderInput { tokenizer: &encoder_tokenizer, max_tokens: layout.encoder.max_tokens, end },
        device,
    };
    compressor::train(&mut trio, &samples, &options)?;
    projector.save(&out.join("projector.safetensors"))?;
    println!("The projector is in {}.", out.display());
    Ok(())
}

/// Reads a projector of any form: its tensors say which.
pub(super) fn load_projector(path: &Path) -> Result<TrainedProjector> {
    let data = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file = SafeTensors::deserialize(&data)?;
    let mut widths = Vec::new();
    for number in 1.. {
        let Ok(weight) = file.tensor(&format!("linear_{number}.weight")) else { break };
        let &[rows, cols] = weight.shape() else { continue };
        if widths.is_empty() {
            widths.push(cols);
        }
        widths.push(rows);
    }
    ensure!(widths.len() > 1, "{} is no projector", path.display());
    let norm = file.tensor("norm_1.weight").is_ok();
    TrainedProjector::load(path, ProjectorConfig { widths, norm })
}
