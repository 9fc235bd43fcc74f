//! A tensor as a file holds it.

use std::ops::Range;

use super::ElementType;

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// Its type, or the name of one that is not read.
    pub(super) element: Result<ElementType, String>,
    pub(super) shape: Vec<usize>,
    /// Its bytes in the file; none where the type is not read.
    pub(super) place: Range<u64>,
    /// The order its rows are in.
    pub(super) rows: RowOrder,
}

/// The order of a matrix's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// As Hugging Face's checkpoints have them.
    Plain,
    /// In each of so many heads, the two rows that rotate together stand side by side. llama.cpp's
    /// converter puts q and k of Llama models so, for its rotary embedding of neighbouring pairs; ours
    /// rotates halves, as the checkpoints do.
    RotaryPairs {
        /// Heads; their rows are of an even number.
        heads: usize,
    },
}

impl RowOrder {
    /// Which of the file's rows stands at each place of a plain order, of `rows`; `None` where it is
    /// the same one.
    pub(super) fn plain(self, rows: usize) -> Option<Vec<usize>> {
        let Self::RotaryPairs { heads } = self else { return None };
        let dim = rows / heads;
        let places = (0..heads).flat_map(|head| (0..dim).map(move |i| (head, i)));
        Some(places.map(|(head, i)| head * dim + i % (dim / 2) * 2 + i / (dim / 2)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves() {
        // Two heads of six rows: the file has (0, 3), (1, 4), (2, 5) side by side.
        let file = ["a0", "a3", "a1", "a4", "a2", "a5", "b0", "b3", "b1", "b4", "b2", "b5"];
        let order = RowOrder::RotaryPairs { heads: 2 }.plain(12).expect("another order");
        let rows: Vec<&str> = order.iter().map(|&row| file[row]).collect();
        assert_eq!(rows, ["a0", "a1", "a2", "a3", "a4", "a5", "b0", "b1", "b2", "b3", "b4", "b5"]);
        assert_eq!(RowOrder::Plain.plain(12), None);
    }
}
