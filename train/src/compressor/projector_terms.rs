//! The terms that burn differentiates: what the reader says of the vectors, alignment, the distance
//! from bags, contrastive.

use burn::tensor::{Tensor, TensorData};
use llavacode_core::model::encoder::{l2_normalise, mean_of_parts};

use super::{Batch, CompressorOptions, Entry, Trio};
use crate::projector::{Differentiated, values};

/// What enters the differentiated part of the loss.
pub(super) struct Terms {
    /// Gradients of the soft vectors, as the reader gives them.
    pub(super) d_vectors: Vec<f32>,
    /// Embeddings of the parts of queries, before they are divided by their length.
    pub(super) query_raw: Option<Vec<f32>>,
    /// The bags of the chunks' parts.
    pub(super) bags: Option<Vec<f32>>,
}

impl Terms {
    /// The loss, what of it is logged, and the leaf that the queries' gradients are found at.
    pub(super) fn loss(
        self,
        pass: &Differentiated,
        batch: &Batch,
        trio: &Trio<'_>,
        options: &CompressorOptions,
    ) -> (Tensor<1>, Entry, Option<Tensor<2>>) {
        let mut entry = Entry::default();
        let [rows, width] = pass.output.dims();
        let pull = Tensor::<2>::from_data(TensorData::new(self.d_vectors, [rows, width]), &trio.device);
        // Its gradient for the output is the reader's.
        let mut loss = (pass.output.clone() * pull).sum();
        if options.recipe.alignment > 0.0 {
            let term = alignment(pass.embeddings.clone(), pass.output.clone());
            entry.alignment = f64::from(values(term.clone())[0]);
            loss = loss + term * options.recipe.alignment;
        }
        if let Some(bags) = self.bags {
            let bags = Tensor::<2>::from_data(TensorData::new(bags, [rows, width]), &trio.device);
            let size = bags.clone().square().mean();
            // A vector of nought is at distance 1.
            let term = (pass.output.clone() - bags).square().mean() / size;
            entry.bag = f64::from(values(term.clone())[0]);
            loss = loss + term * options.recipe.bag;
        }
        let mut leaf = None;
        if let Some(raw) = self.query_raw {
            let width = trio.encoder.width();
            let rows = raw.len() / width;
            let raw =
                Tensor::<2>::from_data(TensorData::new(raw, [rows, width]), &trio.device).require_grad();
            let soft_tokens = trio.prompts.soft_tokens();
            let queries = mean_of_parts(l2_normalise(raw.clone()), soft_tokens);
            let chunks = mean_of_parts(pass.embeddings.clone(), soft_tokens);
            let positives: Vec<usize> = batch.first_part.iter().map(|part| part / soft_tokens).collect();
            let term = contrastive(queries, chunks, &positives, 0.05);
            entry.contrastive = f64::from(values(term.clone())[0]);
            loss = loss + term * options.recipe.contrastive;
            leaf = Some(raw);
        }
        (loss, entry, leaf)
    }
}

/// How far the cosines between projections are from those between embeddings:
/// `‖S(embeddings) − S(projections)‖_F / √2`, divided by the number of rows so that it does not
/// grow with the batch. It stops the projector from collapsing to one direction.
pub fn alignment(embeddings: Tensor<2>, projections: Tensor<2>) -> Tensor<1> {
    let [rows, _] = embeddings.dims();
    let cosines = |x: Tensor<2>| {
        let x = l2_normalise(x);
        x.clone().matmul(x.transpose())
    };
    let difference = cosines(embeddings) - cosines(projections);
    // The root's derivative at nought is infinite.
    (difference.powi_scalar(2).sum() / 2.0 + 1e-12).sqrt() / rows as f64
}

/// Cross-entropy of each query's own chunk among all chunks, by cosine over `temperature`
/// (InfoNCE). Row `i` of `queries` belongs to row `positives[i]` of `chunks`.
fn contrastive(queries: Tensor<2>, chunks: Tensor<2>, positives: &[usize], temperature: f64) -> Tensor<1> {
    let device = chunks.device();
    let count = positives.len();
    let scores = queries.matmul(chunks.transpose()) / temperature;
    let log_p = burn::tensor::activation::log_softmax(scores, 1);
    let ids: Vec<i32> = positives.iter().map(|&p| p as i32).collect();
    let ids = Tensor::<2, burn::tensor::Int>::from_data(TensorData::new(ids, [count, 1]), &device);
    -log_p.gather(1, ids).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn contrastive_prefers_the_own_chunk() {
        let device = Device::flex();
        let rows = |data: [[f32; 2]; 2]| Tensor::<2>::from_data(data, &device);
        let queries = rows([[1.0, 0.0], [0.0, 1.0]]);
        let right = contrastive(queries.clone(), rows([[1.0, 0.0], [0.0, 1.0]]), &[0, 1], 0.1);
        let wrong = contrastive(queries, rows([[1.0, 0.0], [0.0, 1.0]]), &[1, 0], 0.1);
        assert!(values(right)[0] < 1e-3);
        assert!(values(wrong)[0] > 9.0);
    }
}
