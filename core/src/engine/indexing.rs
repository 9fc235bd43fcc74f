//! Vectors for the chunks of the index: what completions then find ready.

use burn::tensor::Tensor;

use super::{Engine, Host, Lane};
use crate::{
    Error, Result,
    index::{ChunkId, chunker::parts},
    model::{encoder::mean_of_parts, reader::token_ids},
};

/// Chunks embedded at a time: enough to fill a device, few enough that a completion soon gets its
/// turn.
pub const EMBED_BATCH: usize = 8;

/// Most rows of one pass of the encoder, padding included; a longer sequence has a pass to itself.
const PASS_ROWS: usize = 1024;

impl<H: Host> Engine<H> {
    /// Embeds and projects at most [`EMBED_BATCH`] of the chunks that have no vectors yet, and says how
    /// many it was: 0 when none is left. Between calls completions can be answered.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn embed_pending(&mut self) -> Result<usize> {
        let mut pending = self.index.pending();
        pending.truncate(EMBED_BATCH);
        if pending.is_empty() {
            return Ok(0);
        }
        let texts: Vec<_> = pending.iter().map(|chunk| chunk.text.to_string()).collect();
        let vectors = self.embed_texts(&texts).await?;
        for (chunk, (embedding, projections)) in pending.iter().zip(vectors) {
            self.index.set_vectors(chunk.hash, embedding, projections);
        }
        Ok(pending.len())
    }

    /// Each text's embedding (width: the encoder's hidden size, length 1) and its projections: for each
    /// projector, xRAG's behind the paper's, a vector of the reader's hidden size a soft token. A text
    /// of several soft tokens is embedded in as many parts; its own embedding is their mean.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn embed_texts(&self, texts: &[String]) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let soft = self.manifest.prompt.soft_tokens.get();
        let parts = texts.iter().flat_map(|text| parts(text, soft));
        let sequences = parts.map(|part| self.encoder_input(part)).collect::<Result<Vec<_>>>()?;
        let of_parts = self.encode(&sequences);
        let of_text = |vectors: Tensor<2>| vectors.reshape([texts.len() as i32, -1]);
        let projectors = std::iter::once(&self.projector).chain(&self.xrag_projector);
        let projections = projectors.map(|projector| of_text(projector.forward(of_parts.clone()))).collect();
        let projections = Tensor::cat(projections, 1);
        let embeddings = mean_of_parts(of_parts, soft);
        let device = |e: burn::tensor::ExecutionError| Error::Device { reason: e.to_string() };
        let embeddings = embeddings.into_data_async().await.map_err(device)?;
        let projections = projections.into_data_async().await.map_err(device)?;
        let rows = |data: burn::tensor::TensorData| -> Vec<Vec<f32>> {
            let values: Vec<f32> = data.iter().collect();
            values.chunks(values.len() / texts.len()).map(<[f32]>::to_vec).collect()
        };
        Ok(rows(embeddings).into_iter().zip(rows(projections)).collect())
    }

    /// Embeddings of some sequences, in their order.
    fn encode(&self, sequences: &[Vec<u32>]) -> Tensor<2> {
        let mut by_length: Vec<usize> = (0..sequences.len()).collect();
        by_length.sort_by_key(|&number| sequences[number].len());
        let passes = passes(by_length.iter().map(|&number| sequences[number].clone()));
        let embeddings = Tensor::cat(passes.iter().map(|pass| self.encoder.encode(pass)).collect(), 0);
        let mut places = vec![0; sequences.len()];
        for (place, &number) in by_length.iter().enumerate() {
            places[number] = place as u32;
        }
        embeddings.select(0, token_ids(&places, &self.device))
    }

    /// What stands for a chunk in a lane's prompt, `[soft tokens, hidden]`; `None` if the chunk is not
    /// embedded yet, or the lane has no soft tokens.
    pub(super) fn soft_vectors(&self, lane: Lane, id: ChunkId) -> Option<&[f32]> {
        let projector = match lane {
            Lane::Base | Lane::FullRag => return None,
            Lane::Compressed => 0,
            Lane::Xrag => 1,
        };
        let width = self.manifest.prompt.soft_tokens.get() * self.reader.config().hidden_size;
        self.index.projections(id)?.chunks_exact(width).nth(projector)
    }

    /// A chunk's tokens as the encoder was trained on them. Never empty.
    fn encoder_input(&self, text: &str) -> Result<Vec<u32>> {
        let input = &self.manifest.encoder;
        let mut ids = self.encoder_tokenizer.encode(text);
        ids.truncate(input.max_tokens);
        if !input.append.is_empty() {
            ids.push(self.encoder_tokenizer.special(&input.append)?);
        }
        if ids.is_empty() {
            ids.push(0);
        }
        Ok(ids)
    }
}

/// What the encoder reads at once, of sequences that come the shortest first: what a pass pads is
/// computed for nothing, and a device is slow at many small passes.
fn passes(sequences: impl Iterator<Item = Vec<u32>>) -> Vec<Vec<Vec<u32>>> {
    let mut passes: Vec<Vec<Vec<u32>>> = Vec::new();
    for sequence in sequences {
        match passes.last_mut() {
            Some(pass) if (pass.len() + 1) * sequence.len() <= PASS_ROWS => pass.push(sequence),
            _ => passes.push(vec![sequence]),
        }
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_as_full_as_their_rows_allow() {
        let lengths = [[3; 100].as_slice(), &[16; 70], &[500, 510, 2000]].concat();
        let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![7; length]).collect();
        let passes = passes(sequences.iter().cloned());
        assert_eq!(passes.concat(), sequences, "all of them, in their order");
        let sizes: Vec<usize> = passes.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 64, 6, 2, 1]);
    }
}
