//! Vectors of a workspace's chunks: what completions then find ready.

use std::borrow::Cow;

use burn::tensor::Tensor;
use llavacode_api::completion::Lane;

use super::{Engine, Host};
use crate::{
    Result, device,
    index::{ChunkId, Index, Vectors, chunker::parts, dense::dot, vectors::Row},
    model::{encoder::Encoder, projector::Projector, token_ids},
    workspace::Embed,
};

/// Most rows of one pass of the encoder, padding included; a longer sequence has a pass to itself.
const PASS_ROWS: usize = 1024;

/// Parts from which on a GPU compares their embeddings: so many take the processor a few milliseconds, and
/// the way to the device and back takes about as long.
const SEARCHED_ON_DEVICE: usize = 1 << 16;

impl<H: Host> Embed for Engine<H> {
    fn embeds(&self) -> bool {
        self.embedder.is_some()
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vectors>> {
        self.embed_texts(texts).await
    }
}

impl<H: Host> Engine<H> {
    /// Numbers of each of a text's vectors, the embedding's first: what [`Self::embed_texts`] gives.
    pub fn vector_widths(&self) -> Vec<usize> {
        let embedding = self.embedder.as_ref().map(|embedder| embedder.encoder.width());
        let projectors = self.projector.iter().chain(&self.xrag_projector);
        embedding.into_iter().chain(projectors.map(Projector::output_width)).collect()
    }

    /// Each text's embedding (width: the encoder's, length 1) and its projections: by each
    /// projector, xRAG's behind the paper's, a vector of the reader's hidden size. A text is what a soft
    /// token stands for: a part of a chunk ([`parts`](crate::index::chunker::parts)). None at all where
    /// the bundle has no encoder.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn embed_texts(&self, texts: &[String]) -> Result<Vec<Vectors>> {
        let Some(embedder) = self.embedder.as_ref().filter(|_| !texts.is_empty()) else {
            return Ok(Vec::new());
        };
        let sequences = texts
            .iter()
            .map(|text| embedder.input(&self.manifest.encoder, text))
            .collect::<Result<Vec<_>>>()?;
        let encoded = self.encode(&embedder.encoder, &sequences);
        let projectors = self.projector.iter().chain(&self.xrag_projector);
        let projections = projectors.map(|projector| projector.forward(encoded.clone()));
        let embeddings = embedder.encoder.embeddings(encoded.clone());
        let vectors: Vec<Tensor<2>> = std::iter::once(embeddings).chain(projections).collect();
        let widths: Vec<usize> = vectors.iter().map(|vectors| vectors.dims()[1]).collect();
        // One read for all of them: a read waits for the device.
        let numbers = device::read(Tensor::cat(vectors, 1)).await?;
        Ok(numbers.chunks(numbers.len() / texts.len()).map(|row| of_one_text(row, &widths)).collect())
    }

    /// Multiplications and additions that embedding and projecting these texts takes, padding not counted.
    ///
    /// # Errors
    /// [`Error::MissingToken`](crate::Error::MissingToken) as [`Self::embed_texts`].
    pub(crate) fn embedding_flops(&self, texts: &[String]) -> Result<f64> {
        let Some(embedder) = &self.embedder else { return Ok(0.0) };
        let projectors = self.projector.iter().chain(&self.xrag_projector);
        let projecting: f64 = projectors.map(Projector::flops).sum();
        let of_text = |text: &String| {
            let len = embedder.input(&self.manifest.encoder, text)?.len();
            Ok(embedder.encoder.flops(len) + projecting)
        };
        texts.iter().map(of_text).sum()
    }

    /// The embedding of a query as if it were a chunk: the mean of its parts', of length 1. `None` where
    /// the bundle has no encoder.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) async fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>> {
        let parts =
            parts(text, self.manifest.prompt.soft_tokens.get()).map(Cow::into_owned).collect::<Vec<_>>();
        let vectors = self.embed_texts(&parts).await?;
        let mut embeddings = vectors.iter().filter_map(|vectors| vectors.rows().first());
        let Some(first) = embeddings.next() else { return Ok(None) };
        let mut mean: Vec<f32> = first.numbers().collect();
        for embedding in embeddings {
            mean.iter_mut().zip(embedding.numbers()).for_each(|(sum, number)| *sum += number);
        }
        let length = dot(&mean, &mean).sqrt().max(f32::MIN_POSITIVE);
        mean.iter_mut().for_each(|number| *number /= length);
        Ok(Some(mean))
    }

    /// Whether the device compares an index's embeddings with a query's.
    pub(super) fn searches_on_device(&self, index: &Index) -> bool {
        let is_fast = device::has_kernels(&self.device) && !device::is_software(&self.device);
        is_fast && index.stats().parts >= SEARCHED_ON_DEVICE
    }

    /// Embeddings of some sequences, in their order.
    fn encode(&self, encoder: &Encoder, sequences: &[Vec<u32>]) -> Tensor<2> {
        let mut by_length: Vec<usize> = (0..sequences.len()).collect();
        by_length.sort_by_key(|&number| sequences[number].len());
        let longest: fn(usize) -> usize =
            if device::has_kernels(&self.device) { |_| usize::MAX } else { hardly_longer };
        let passes = passes(by_length.iter().map(|&number| sequences[number].clone()), longest);
        let embeddings = Tensor::cat(passes.iter().map(|pass| encoder.encode(pass)).collect(), 0);
        let mut places = vec![0; sequences.len()];
        for (place, &number) in by_length.iter().enumerate() {
            places[number] = place as u32;
        }
        embeddings.select(0, token_ids(&places, &self.device))
    }

    /// What stands for a chunk in a lane's prompt, `[soft tokens, hidden]`; `None` if the chunk is not
    /// embedded yet, or the lane has no soft tokens.
    pub(super) fn soft_vectors(&self, index: &Index, lane: Lane, id: ChunkId) -> Option<Vec<f32>> {
        let projector = match lane {
            Lane::Base | Lane::FullRag | Lane::Cached | Lane::Digest | Lane::Excerpt => return None,
            Lane::Compressed | Lane::Expansion => 0,
            Lane::Xrag => usize::from(self.projector.is_some()),
        };
        index.projections(id, projector)
    }
}

/// The vectors side by side in `row`, each as wide as `widths` says.
fn of_one_text(row: &[f32], widths: &[usize]) -> Vectors {
    let mut rest = row;
    let rows = widths.iter().map(|&width| {
        let (vector, behind) = rest.split_at(width);
        rest = behind;
        Row::quantize(vector)
    });
    Vectors::from_rows(rows.collect())
}

/// What the encoder reads at once, of sequences that come the shortest first; `longest` says how long one may
/// be beside the first of its pass. What a pass pads is computed for nothing.
fn passes(sequences: impl Iterator<Item = Vec<u32>>, longest: impl Fn(usize) -> usize) -> Vec<Vec<Vec<u32>>> {
    let mut passes: Vec<Vec<Vec<u32>>> = Vec::new();
    for sequence in sequences {
        let fits = |pass: &&mut Vec<Vec<u32>>| {
            (pass.len() + 1) * sequence.len() <= PASS_ROWS && sequence.len() <= longest(pass[0].len())
        };
        match passes.last_mut().filter(fits) {
            Some(pass) => pass.push(sequence),
            None => passes.push(vec![sequence]),
        }
    }
    passes
}

/// How long a sequence may be on the processor beside one of this length: there a small pass costs little
/// more than its rows. A GPU is slow at many small ones.
fn hardly_longer(shortest: usize) -> usize {
    shortest + shortest / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_as_full_as_their_rows_allow() {
        let lengths = [[3; 100].as_slice(), &[16; 70], &[500, 510, 2000]].concat();
        let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![7; length]).collect();
        let sizes = |longest: fn(usize) -> usize| -> Vec<usize> {
            let passes = passes(sequences.iter().cloned(), longest);
            assert_eq!(passes.concat(), sequences, "all of them, in their order");
            passes.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(|_| usize::MAX), [100, 64, 6, 2, 1]);
        assert_eq!(sizes(hardly_longer), [100, 64, 6, 2, 1], "of hardly different lengths are the same ones");
        assert_eq!(sizes(|_| 16), [100, 64, 6, 1, 1, 1]);
        let lengths = [3, 4, 8, 9, 10, 24, 27, 28];
        let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![7; length]).collect();
        let passes = passes(sequences.into_iter(), hardly_longer);
        assert_eq!(passes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2, 1, 2, 1]);
    }
}
