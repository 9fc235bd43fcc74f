//! What must fit together in a bundle.

use super::layout::{MANIFEST, PROJECTOR, XRAG_PROJECTOR, has_encoder};
use crate::{
    Error, Result,
    config::{BundleManifest, DecoderConfig},
    model::projector::ProjectorConfig,
    tokenize::Tokenizer,
};

/// A projector without an encoder has nothing to project, and a chunk has one encoder.
pub(super) fn parts(manifest: &BundleManifest) -> Result<()> {
    let BundleManifest { files, encoder, .. } = manifest;
    let projector = [PROJECTOR, XRAG_PROJECTOR].into_iter().find(|file| files.contains_key(*file));
    let reason = match (has_encoder(files), encoder.reader_layers.is_empty(), projector) {
        (false, true, Some(projector)) => {
            format!("its `files` lists {projector} but no encoder, whose vectors that projects")
        }
        (true, false, _) => {
            "its `files` lists an encoder and `encoder.reader_layers` makes one of the reader: leave one of them out"
                .into()
        }
        _ => return Ok(()),
    };
    Err(Error::Format { file: MANIFEST.into(), format: "a bundle's manifest", reason })
}

/// The layers that are the encoder must be there, each named once.
pub(super) fn reader_layers(manifest: &BundleManifest, reader: &DecoderConfig) -> Result<()> {
    let layers = reader.num_hidden_layers;
    let mut named = manifest.encoder.reader_layers.clone();
    named.sort_unstable();
    let twice = named.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    let reason = match (named.last(), twice) {
        (Some(&deepest), _) if deepest > layers => {
            format!("`encoder.reader_layers` asks for layer {deepest} and the reader has {layers}")
        }
        (_, Some(layer)) => format!("`encoder.reader_layers` names layer {layer} twice: once will do"),
        _ => return Ok(()),
    };
    Err(Error::UnsupportedConfig { file: MANIFEST.into(), reason })
}

/// Each of a chunk's soft tokens stands for whole lines of it, and all of them have to leave the
/// reader room for the text.
pub(super) fn soft_tokens(manifest: &BundleManifest, reader: &DecoderConfig) -> Result<()> {
    let refuse = |reason| Err(Error::UnsupportedConfig { file: MANIFEST.into(), reason });
    let (soft, lines) = (manifest.prompt.soft_tokens.get(), manifest.chunking.lines);
    if soft > lines.max(1) {
        return refuse(format!(
            "`prompt.soft_tokens` is {soft} and a chunk has {lines} lines (`chunking.lines`): a soft token stands for a line at least, so lower it to {lines}"
        ));
    }
    let (top_k, positions) = (manifest.prompt.top_k, reader.max_position_embeddings);
    if top_k.saturating_mul(soft) >= positions {
        return refuse(format!(
            "`prompt.top_k` is {top_k} and `prompt.soft_tokens` is {soft}: so many soft tokens leave no room in the reader's {positions} positions, so lower one of them"
        ));
    }
    Ok(())
}

/// Bytes of weights that the CPU's memory takes: of the 4 GiB that WebAssembly addresses, half a GiB is
/// left for everything else.
pub(super) const ROOM_ON_CPU: u64 = if cfg!(target_pointer_width = "32") { 7 << 29 } else { u64::MAX };

/// On the CPU the weights are in the program's own memory, which would end where they do not fit.
pub(super) fn memory(file: &str, needed: u64, room: u64) -> Result<()> {
    if needed <= room {
        return Ok(());
    }
    let [needed, room] = [needed, room].map(|bytes| bytes as f64 / 1e9);
    let reason = format!(
        "on the CPU its weights, with those loaded before them, take {needed:.1} GB, and there is room for {room:.1}: choose WebGPU, or a smaller model"
    );
    Err(Error::UnsupportedConfig { file: file.into(), reason })
}

/// The projector must take what the encoder gives and give what the reader takes.
pub(super) fn projector(file: &str, config: &ProjectorConfig, input: usize, output: usize) -> Result<()> {
    let refuse = |reason| Err(Error::UnsupportedConfig { file: file.into(), reason });
    if config.widths.first() != Some(&input) {
        return refuse(format!(
            "the projector takes vectors of {} numbers and the encoder gives {input}: they belong to different bundles",
            config.widths.first().unwrap_or(&0)
        ));
    }
    if config.widths.last() != Some(&output) {
        return refuse(format!(
            "the projector gives vectors of {} numbers and the reader takes {output}: they belong to different bundles",
            config.widths.last().unwrap_or(&0)
        ));
    }
    Ok(())
}

/// Every id the tokenizer can give must have a row in the embedding.
pub(super) fn vocabulary(file: &str, tokenizer: &Tokenizer, rows: usize) -> Result<()> {
    let largest = tokenizer.largest_id();
    if (largest as usize) < rows {
        return Ok(());
    }
    Err(Error::UnsupportedConfig {
        file: file.into(),
        reason: format!(
            "the tokenizer gives ids up to {largest} and the model's embedding has {rows} rows: they belong to different models"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_beyond_the_cpus_memory_are_refused_with_a_way_on() {
        assert_eq!(memory("reader/model.gguf", 7 << 29, 7 << 29), Ok(()));
        let refused = memory("encoder/model.gguf", 4_400_000_000, 7 << 29).expect_err("too much").to_string();
        for part in ["encoder/model.gguf", "4.4 GB", "room for 3.8", "WebGPU"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
