//! Vectors of a workspace's chunks: what completions then find ready.

use burn::tensor::Tensor;
use llavacode_api::completion::Lane;

use super::{Engine, Host};
use crate::{
    Error, Result,
    bundle::Embedder,
    index::{ChunkId, Index, Vectors, chunker::parts},
    model::{
        encoder::{Encoder, mean_of_parts},
        token_ids,
    },
    workspace::Embed,
};

/// Chunks embedded at a time: enough to fill a device, few enough that a completion soon gets its
/// turn.
pub const EMBED_BATCH: usize = 8;

/// Most rows of one pass of the encoder, padding included; a longer sequence has a pass to itself.
const PASS_ROWS: usize = 1024;

impl<H: Host> Embed for Engine<H> {
    fn embeds(&self) -> bool {
        self.embedder.is_some()
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vectors>> {
        self.embed_texts(texts).await
    }
}

impl<H: Host> Engine<H> {
    /// Each text's embedding (width: the encoder's hidden size, length 1) and its projections: for each
    /// projector, xRAG's behind the paper's, a vector of the reader's hidden size a soft token. A text
    /// of several soft tokens is embedded in as many parts; its own embedding is their mean. None at all
    /// where the bundle has no encoder.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn embed_texts(&self, texts: &[String]) -> Result<Vec<Vectors>> {
        let Some(embedder) = self.embedder.as_ref().filter(|_| !texts.is_empty()) else {
            return Ok(Vec::new());
        };
        let soft = self.manifest.prompt.soft_tokens.get();
        let parts = texts.iter().flat_map(|text| parts(text, soft));
        let sequences = parts.map(|part| self.encoder_input(embedder, part)).collect::<Result<Vec<_>>>()?;
        let of_parts = self.encode(&embedder.encoder, &sequences);
        let of_text = |vectors: Tensor<2>| vectors.reshape([texts.len() as i32, -1]);
        let projectors = self.projector.iter().chain(&self.xrag_projector);
        let projections: Vec<_> =
            projectors.map(|projector| of_text(projector.forward(of_parts.clone()))).collect();
        let embeddings = mean_of_parts(of_parts, soft);
        let device = |e: burn::tensor::ExecutionError| Error::Device { reason: e.to_string() };
        let embeddings = embeddings.into_data_async().await.map_err(device)?;
        let projections = match projections.is_empty() {
            true => None,
            false => Some(Tensor::cat(projections, 1).into_data_async().await.map_err(device)?),
        };
        let rows = |data: burn::tensor::TensorData| -> Vec<Vec<f32>> {
            let values: Vec<f32> = data.iter().collect();
            values.chunks(values.len() / texts.len()).map(<[f32]>::to_vec).collect()
        };
        let projections = projections.map_or_else(|| vec![Vec::new(); texts.len()], rows);
        let vectors = |(embedding, projections): (Vec<f32>, Vec<f32>)| Vectors {
            embedding: embedding.into(),
            projections: projections.into(),
        };
        Ok(rows(embeddings).into_iter().zip(projections).map(vectors).collect())
    }

    /// Embeddings of some sequences, in their order.
    fn encode(&self, encoder: &Encoder, sequences: &[Vec<u32>]) -> Tensor<2> {
        let mut by_length: Vec<usize> = (0..sequences.len()).collect();
        by_length.sort_by_key(|&number| sequences[number].len());
        let passes = passes(by_length.iter().map(|&number| sequences[number].clone()));
        let embeddings = Tensor::cat(passes.iter().map(|pass| encoder.encode(pass)).collect(), 0);
        let mut places = vec![0; sequences.len()];
        for (place, &number) in by_length.iter().enumerate() {
            places[number] = place as u32;
        }
        embeddings.select(0, token_ids(&places, &self.device))
    }

    /// What stands for a chunk in a lane's prompt, `[soft tokens, hidden]`; `None` if the chunk is not
    /// embedded yet, or the lane has no soft tokens.
    pub(super) fn soft_vectors<'i>(&self, index: &'i Index, lane: Lane, id: ChunkId) -> Option<&'i [f32]> {
        let projector = match lane {
            Lane::Base | Lane::FullRag => return None,
            Lane::Compressed => 0,
            Lane::Xrag => usize::from(self.projector.is_some()),
        };
        let width = self.manifest.prompt.soft_tokens.get() * self.reader.config().hidden_size;
        index.projections(id)?.chunks_exact(width).nth(projector)
    }

    /// A chunk's tokens as the encoder was trained on them. Never empty.
    fn encoder_input(&self, embedder: &Embedder, text: &str) -> Result<Vec<u32>> {
        let input = &self.manifest.encoder;
        let mut ids = embedder.tokenizer.encode(text);
        ids.truncate(input.max_tokens);
        if !input.append.is_empty() {
            ids.push(embedder.tokenizer.special(&input.append)?);
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
