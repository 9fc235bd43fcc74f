//! The helper's side: its rows of the weights, and what it computes with them.

use std::collections::HashMap;

use super::{
    Channel,
    order::{Order, Reader, Writer},
};
use crate::{
    kernel::cpu::{
        attend::attend,
        format::{BLOCK, Format, Q4, Q4_1, Q8},
        product::{Blocks, product},
        rows::Rows,
    },
    kernel::operands::{Heads, Span},
    quant::WeightFormat,
};

/// Carries out what comes through the channel, until its other end is gone or something comes that is no
/// order.
pub fn serve(channel: &dyn Channel) {
    let mut matrices = HashMap::new();
    while channel.wait(None) {
        match Order::read(channel) {
            None => return,
            Some(order) => carry_out(order, channel, &mut matrices),
        }
        channel.hand_over();
    }
}

/// Some rows of a weight matrix.
struct Share {
    format: WeightFormat,
    rows: usize,
    cols: usize,
    words: Vec<u32>,
    halves: Vec<u16>,
}

fn carry_out(order: Order, channel: &dyn Channel, matrices: &mut HashMap<u32, Share>) {
    let len = |number: u32| usize::try_from(number).expect("32 bits");
    let mut payload = Reader::new(channel);
    match order {
        Order::Begin { matrix, format, rows, cols } => {
            let share = Share::with_room(format, len(rows), len(cols));
            Writer::new(channel).put(&[u32::from(share.is_some())]);
            matrices.extend(share.map(|share| (matrix, share)));
        }
        Order::Values { matrix, words } => {
            let share = matrices.get_mut(&matrix).expect("a matrix that was begun");
            share.words.extend(payload.take::<u32>(len(words)));
        }
        Order::Scales { matrix, halves } => {
            let share = matrices.get_mut(&matrix).expect("a matrix that was begun");
            share.halves.extend(payload.take::<u16>(len(halves)));
        }
        Order::Forget { matrix } => drop(matrices.remove(&matrix)),
        Order::Product { matrix, rows } => {
            let share = &matrices[&matrix];
            Writer::new(channel).put(&share.product(&read_rows(&mut payload, len(rows), share.cols)));
        }
        Order::Attention { heads, span } => {
            Writer::new(channel).put(&attention(&mut payload, heads, span));
        }
        Order::Loop(measured) => Writer::new(channel).put(&[measured.run()]),
    }
}

impl Share {
    /// None of the rows yet; nothing where there is no room for them.
    fn with_room(format: WeightFormat, rows: usize, cols: usize) -> Option<Self> {
        let blocks = rows * cols / BLOCK;
        let (mut words, mut halves) = (Vec::new(), Vec::new());
        words.try_reserve_exact(blocks * format.words()).ok()?;
        halves.try_reserve_exact(blocks * format.scales()).ok()?;
        Some(Self { format, rows, cols, words, halves })
    }

    fn product(&self, x: &Rows) -> Vec<f32> {
        match self.format {
            WeightFormat::Q4 => self.product_of::<Q4>(x),
            WeightFormat::Q4_1 => self.product_of::<Q4_1>(x),
            WeightFormat::Q8 | WeightFormat::F32 => self.product_of::<Q8>(x),
        }
    }

    fn product_of<F: Format>(&self, x: &Rows) -> Vec<f32> {
        let mut y = vec![0.0; x.len() * self.rows];
        let weights = Blocks { words: &self.words, halves: &self.halves, rows: self.rows };
        product::<F>(x, weights, &mut y, self.rows, 0);
        y
    }
}

fn read_rows(payload: &mut Reader<'_>, rows: usize, cols: usize) -> Rows {
    let blocks = cols / BLOCK;
    let values = payload.take(rows * cols);
    let scales = payload.take(rows * blocks);
    Rows::from_parts(blocks, values, scales, payload.take(rows * blocks))
}

fn attention(payload: &mut Reader<'_>, heads: Heads, span: Span) -> Vec<f32> {
    let end = span.start + span.len;
    let q: Vec<f32> = payload.take(span.len * heads.query * heads.dim);
    let keys: Vec<f32> = payload.take(heads.key_value * end * heads.dim);
    let values: Vec<f32> = payload.take(keys.len());
    let mut y = vec![0.0; q.len()];
    attend(&q, heads, [&keys, &values], end, span, &mut y);
    y
}
