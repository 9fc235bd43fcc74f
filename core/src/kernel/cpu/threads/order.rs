//! What the engine asks of a helper, as it goes through a [`Channel`]: eight words at the beginning of
//! the buffer, and what is computed with behind them. The answer takes the place of both.

use bytemuck::{Pod, bytes_of, bytes_of_mut, cast_slice, cast_slice_mut};

use super::Channel;
use crate::{
    kernel::{
        cpu::ceilings::Loop,
        operands::{Heads, Span},
    },
    quant::WeightFormat,
};

/// Words of an order's head.
const HEAD: usize = 8;
/// Bytes before what is computed with.
pub(super) const PAYLOAD: usize = HEAD * size_of::<u32>();

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Make room for rows of a matrix. The answer says whether there is any.
    Begin { matrix: u32, format: WeightFormat, rows: u32, cols: u32 },
    /// Append words to its values.
    Values { matrix: u32, words: u32 },
    /// Append halves to its scales.
    Scales { matrix: u32, halves: u32 },
    /// Free it.
    Forget { matrix: u32 },
    /// Multiply rows of activations with it.
    Product { matrix: u32, rows: u32 },
    /// Attend from the rows of a span of one sequence to it and all before it.
    Attention { heads: Heads, span: Span },
    /// Go through a loop that only measures.
    Loop(Loop),
}

impl Order {
    /// Writes it to the beginning of the buffer.
    pub(super) fn write(self, channel: &dyn Channel) {
        let word = |number: usize| u32::try_from(number).expect("sizes of 32 bits");
        let mut head = [0; HEAD];
        let mut put = |words: &[u32]| head[..words.len()].copy_from_slice(words);
        match self {
            Self::Begin { matrix, format, rows, cols } => put(&[0, matrix, number(format), rows, cols]),
            Self::Values { matrix, words } => put(&[1, matrix, words]),
            Self::Scales { matrix, halves } => put(&[2, matrix, halves]),
            Self::Forget { matrix } => put(&[3, matrix]),
            Self::Product { matrix, rows } => put(&[4, matrix, rows]),
            Self::Attention { heads, span } => put(&[
                5,
                word(heads.query),
                word(heads.key_value),
                word(heads.dim),
                word(span.start),
                word(span.len),
            ]),
            Self::Loop(Loop::MultiplyAdd { steps }) => put(&[6, steps]),
            Self::Loop(Loop::Read { words, times }) => put(&[7, words, times]),
        }
        channel.write(0, bytes_of(&head));
    }

    /// Reads it from the beginning of the buffer; `None` for what is none.
    pub(super) fn read(channel: &dyn Channel) -> Option<Self> {
        let mut head = [0u32; HEAD];
        channel.read(0, bytes_of_mut(&mut head));
        let [kind, matrix, ..] = head;
        Some(match kind {
            0 => Self::Begin { matrix, format: format(head[2])?, rows: head[3], cols: head[4] },
            1 => Self::Values { matrix, words: head[2] },
            2 => Self::Scales { matrix, halves: head[2] },
            3 => Self::Forget { matrix },
            4 => Self::Product { matrix, rows: head[2] },
            5 => {
                let [query, key_value, dim, start, len] =
                    std::array::from_fn(|i| usize::try_from(head[1 + i]).expect("32 bits"));
                Self::Attention {
                    heads: Heads { query, key_value, dim },
                    span: Span { batch: 1, start, len },
                }
            }
            6 => Self::Loop(Loop::MultiplyAdd { steps: head[1] }),
            7 => Self::Loop(Loop::Read { words: head[1], times: head[2] }),
            _ => return None,
        })
    }
}

const FORMATS: [WeightFormat; 3] = [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8];

fn number(format: WeightFormat) -> u32 {
    FORMATS.iter().position(|&known| known == format).unwrap_or(FORMATS.len()) as u32
}

fn format(number: u32) -> Option<WeightFormat> {
    FORMATS.get(usize::try_from(number).ok()?).copied()
}

/// Writes slices behind an order, one after the other.
pub(super) struct Writer<'a> {
    channel: &'a dyn Channel,
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(channel: &'a dyn Channel) -> Self {
        Self { channel, at: PAYLOAD }
    }

    pub(super) fn put<T: Pod>(&mut self, values: &[T]) {
        let bytes: &[u8] = cast_slice(values);
        self.channel.write(self.at, bytes);
        self.at += bytes.len();
    }
}

/// Reads them again.
pub(super) struct Reader<'a> {
    channel: &'a dyn Channel,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(channel: &'a dyn Channel) -> Self {
        Self { channel, at: PAYLOAD }
    }

    pub(super) fn fill<T: Pod>(&mut self, values: &mut [T]) {
        let bytes: &mut [u8] = cast_slice_mut(values);
        self.channel.read(self.at, bytes);
        self.at += bytes.len();
    }

    /// So many more.
    pub(super) fn take<T: Pod>(&mut self, len: usize) -> Vec<T> {
        let mut values = vec![T::zeroed(); len];
        self.fill(&mut values);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::{super::channel, *};

    #[test]
    fn every_order_is_read_as_it_was_written() {
        let heads = Heads { query: 9, key_value: 3, dim: 64 };
        let span = Span { batch: 1, start: 7, len: 5 };
        let mut orders = vec![
            Order::Values { matrix: 1, words: 2 },
            Order::Scales { matrix: 3, halves: 4 },
            Order::Forget { matrix: 5 },
            Order::Product { matrix: 6, rows: 7 },
            Order::Attention { heads, span },
            Order::Loop(Loop::MultiplyAdd { steps: 8 }),
            Order::Loop(Loop::Read { words: 16, times: 2 }),
        ];
        orders.extend(FORMATS.map(|format| Order::Begin { matrix: 9, format, rows: 8, cols: 64 }));
        let (ours, _) = channel(64);
        for order in orders {
            order.write(&ours);
            assert_eq!(Order::read(&ours), Some(order));
        }
        ours.write(0, &[9, 0, 0, 0]);
        assert_eq!(Order::read(&ours), None);
    }
}
