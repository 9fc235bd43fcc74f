//! A tensor on its way from the file: bytes that come in pieces of any length become 32-bit floats,
//! or blocks of the format that the device keeps, without the floats in between being held.

use super::element::ElementType;
use crate::quant::{BLOCK, Blocks, WeightFormat};

/// What a tensor, or several of them, one below the other, became.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Floats(Vec<f32>),
    Blocks(Blocks, WeightFormat),
}

impl Values {
    /// None yet, with room for `rows` of `cols` values: a vector that grows holds three times what is in
    /// it while it moves. Blocks where the format has some and rows are whole ones.
    pub(super) fn new(format: WeightFormat, rows: usize, cols: usize) -> Self {
        match format.has_blocks(cols) {
            true => Self::Blocks(Blocks::with_room(rows * cols / BLOCK, format), format),
            false => Self::Floats(Vec::with_capacity(rows * cols)),
        }
    }

    /// Appends what stands below. Both are of one kind.
    pub(super) fn append(&mut self, below: Self) {
        match (self, below) {
            (Self::Floats(above), Self::Floats(mut below)) => above.append(&mut below),
            (Self::Blocks(above, _), Self::Blocks(below, _)) => above.append(below),
            (above, below) => debug_assert!(false, "{above:?} above {below:?}"),
        }
    }

    /// Row `r` of the result is row `order[r]`; rows are `cols` values wide.
    pub(super) fn reorder_rows(self, order: &[usize], cols: usize) -> Self {
        match self {
            Self::Blocks(blocks, format) => Self::Blocks(blocks.reorder_rows(order, cols, format), format),
            Self::Floats(values) => {
                Self::Floats(order.iter().flat_map(|&row| &values[row * cols..][..cols]).copied().collect())
            }
        }
    }

    fn push(&mut self, element: ElementType, bytes: &[u8], scratch: &mut Vec<f32>) {
        match self {
            Self::Floats(values) => element.decode(bytes, values),
            Self::Blocks(blocks, format) => {
                for block in bytes.chunks_exact(element.bytes()) {
                    if !element.repack(block, *format, blocks) {
                        element.decode(block, scratch);
                        let whole = scratch.len() - scratch.len() % BLOCK;
                        scratch[..whole].chunks_exact(BLOCK).for_each(|block| blocks.push(block, *format));
                        scratch.drain(..whole);
                    }
                }
            }
        }
    }
}

/// Takes a tensor's bytes.
#[derive(Debug)]
pub(super) struct ValueDecoder {
    element: ElementType,
    /// The start of a block whose end the next piece brings.
    started: Vec<u8>,
    values: Values,
    /// Values that are no whole block yet.
    scratch: Vec<f32>,
}

impl ValueDecoder {
    /// For a tensor whose numbers are stored as `element`.
    pub(super) fn new(element: ElementType, values: Values) -> Self {
        Self { element, started: Vec::with_capacity(element.bytes()), values, scratch: Vec::new() }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        let bytes = self.element.bytes();
        if !self.started.is_empty() {
            let (end, rest) = piece.split_at(piece.len().min(bytes - self.started.len()));
            self.started.extend_from_slice(end);
            piece = rest;
            if self.started.len() < bytes {
                return;
            }
            self.values.push(self.element, &self.started, &mut self.scratch);
            self.started.clear();
        }
        let (blocks, rest) = piece.split_at(piece.len() - piece.len() % bytes);
        self.values.push(self.element, blocks, &mut self.scratch);
        self.started.extend_from_slice(rest);
    }

    /// The values of all whole blocks.
    pub(super) fn finish(self) -> Values {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{pack, unpack};

    const ALL: [ElementType; 11] = [
        ElementType::F32,
        ElementType::F16,
        ElementType::BF16,
        ElementType::Q4_0,
        ElementType::Q4_1,
        ElementType::Q5_0,
        ElementType::Q5_1,
        ElementType::Q8_0,
        ElementType::Q4K,
        ElementType::Q5K,
        ElementType::Q6K,
    ];
    const FORMATS: [WeightFormat; 4] =
        [WeightFormat::F32, WeightFormat::Q8, WeightFormat::Q4, WeightFormat::Q4_1];

    /// So many values of a type, in bytes that are all small: no scale among them is infinite or not
    /// a number.
    fn some(element: ElementType, values: usize) -> Vec<u8> {
        (0..values / element.values() * element.bytes()).map(|i| (i * 37 % 59) as u8).collect()
    }

    fn decode(element: ElementType, format: WeightFormat, pieces: &[&[u8]]) -> Values {
        let mut decoder = ValueDecoder::new(element, Values::new(format, 3, 256));
        pieces.iter().for_each(|piece| decoder.push(piece));
        decoder.finish()
    }

    fn floats(values: Values) -> Vec<f32> {
        match values {
            Values::Floats(values) => values,
            Values::Blocks(blocks, format) => unpack(&blocks, format),
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_values() {
        for (element, format) in ALL.into_iter().flat_map(|e| FORMATS.map(|f| (e, f))) {
            let bytes = some(element, 768);
            let whole = decode(element, format, &[&bytes]);
            assert_eq!(floats(whole.clone()).len(), 768, "{element:?} to {format:?}");
            for length in [1, 2, 3, 5, 17, 100, 211] {
                let pieces: Vec<_> = bytes.chunks(length).collect();
                assert_eq!(decode(element, format, &pieces), whole, "{element:?} to {format:?} by {length}");
            }
        }
    }

    #[test]
    fn blocks_the_device_has_too_are_not_rounded() {
        for element in [ElementType::Q4_0, ElementType::Q4_1, ElementType::Q8_0] {
            let bytes = some(element, 768);
            let exact = floats(decode(element, WeightFormat::F32, &[&bytes]));
            assert_eq!(floats(decode(element, element.device_format(), &[&bytes])), exact, "{element:?}");
        }
        let bytes = some(ElementType::Q4_0, 256);
        let exact = floats(decode(ElementType::Q4_0, WeightFormat::F32, &[&bytes]));
        assert_eq!(floats(decode(ElementType::Q4_0, WeightFormat::Q4_1, &[&bytes])), exact);
    }

    #[test]
    fn q4_k_loses_no_more_than_its_scales_rounding() {
        let bytes = some(ElementType::Q4K, 2560);
        let exact = floats(decode(ElementType::Q4K, WeightFormat::F32, &[&bytes]));
        let repacked = floats(decode(ElementType::Q4K, WeightFormat::Q4_1, &[&bytes]));
        let rounded = unpack(&pack(&exact, WeightFormat::Q4_1), WeightFormat::Q4_1);
        let error = |found: &[f32]| -> f32 { found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum() };
        let size: f32 = exact.iter().map(|v| v.abs()).sum();
        assert!(error(&repacked) < 1e-3 * size, "{} of {size}", error(&repacked));
        assert!(error(&repacked) < error(&rounded), "{} {}", error(&repacked), error(&rounded));
    }

    #[test]
    fn what_is_not_repacked_is_rounded_as_packing_does() {
        for element in [ElementType::F16, ElementType::Q5_1, ElementType::Q6K] {
            let bytes = some(element, 512);
            let exact = floats(decode(element, WeightFormat::F32, &[&bytes]));
            let blocks = Values::Blocks(pack(&exact, WeightFormat::Q8), WeightFormat::Q8);
            assert_eq!(decode(element, WeightFormat::Q8, &[&bytes]), blocks, "{element:?}");
        }
    }

    #[test]
    fn rows_are_reordered_in_every_format() {
        let values: Vec<f32> = (0..4 * 64).map(|i| (i / 64) as f32 + (i % 16) as f32 / 16.0).collect();
        let order = [2, 0, 3, 1];
        let expected: Vec<f32> = order.iter().flat_map(|&row| &values[row * 64..][..64]).copied().collect();
        assert_eq!(Values::Floats(values.clone()).reorder_rows(&order, 64), Values::Floats(expected.clone()));
        for format in [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8] {
            let blocks = Values::Blocks(pack(&values, format), format);
            let expected = Values::Blocks(pack(&expected, format), format);
            assert_eq!(blocks.reorder_rows(&order, 64), expected, "{format:?}");
        }
    }
}
