//! The processor's other cores.
//!
//! WebAssembly that can share its memory between threads takes a standard library of its own and keeps
//! wgpu's types to one thread, so the threads here share none. A helper is another instance, or natively
//! another thread, with a memory of its own, in which it keeps its rows of every weight matrix that it has
//! multiplied with. Between it and the engine lies one buffer ([`Channel`]): activations go in, its rows of
//! the product come back, while the engine computes the others. A turn costs some microseconds, so only
//! what takes longer is shared. Attention of many rows is shared in the same way, keys and values going
//! along.
//!
//! Every thread computes what the engine alone would have computed, to the bit, so the number of threads
//! changes no completion. The engine keeps all the rows: what a helper does not answer in time it computes
//! itself, and goes on alone.

mod channel;
mod helper;
mod order;

use std::{
    cell::RefCell,
    collections::HashMap,
    hint,
    ops::Range,
    sync::{Arc, Weak},
    time::Duration,
};

use self::order::{Order, PAYLOAD, Reader, Writer};
pub use self::{
    channel::{Channel, End, channel},
    helper::serve,
};
use super::{
    attend::{PANEL_ROWS, TILE_ROWS, attend},
    ceilings::Loop,
    format::{BLOCK, Format},
    product::{self, Blocks, PANEL},
    rows::Rows,
};
use crate::{
    kernel::operands::{Heads, Span},
    quant::Identity,
};

/// Bytes of the buffer between the engine and a helper: keys, values and queries of 2,048 positions of the
/// largest model that a browser's CPU carries.
pub const CHANNEL_BYTES: usize = 16 << 20;

/// Multiplications that take a thread longer than two turns: fewer are not shared.
const WORTH_SHARING: usize = 400_000;

/// How long a helper may take for one order.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// Those who help this thread.
    static TEAM: RefCell<Option<Team>> = const { RefCell::new(None) };
}

/// Has helpers, each at the other end of a channel, compute their share of what this thread computes on
/// the CPU. Those engaged before are dismissed.
pub fn engage(helpers: Vec<Box<dyn Channel>>) {
    let team = (!helpers.is_empty()).then(|| Team { helpers, known: HashMap::new(), last: 0 });
    drop(TEAM.replace(team));
}

/// Starts native threads for [`engage`].
pub fn spawn(count: usize) -> Vec<Box<dyn Channel>> {
    let start = |_| {
        let (ours, theirs) = channel(CHANNEL_BYTES);
        std::thread::spawn(move || serve(&theirs));
        Box::new(ours) as Box<dyn Channel>
    };
    (0..count).map(start).collect()
}

/// How many threads compute for this one, itself among them.
pub fn count() -> usize {
    1 + TEAM.with_borrow(|team| team.as_ref().map_or(0, |team| team.helpers.len()))
}

/// Into how many rows at a time to cut activations of `[rows, cols]` for products `width` wide, so that a
/// channel holds both: parts of about one size, none of which is too few for the tile.
pub(super) fn rows_at_once(rows: usize, cols: usize, width: usize) -> usize {
    let most = TEAM.with_borrow(|team| {
        let sent = cols * size_of::<i16>() + cols / BLOCK * 2 * size_of::<f32>();
        team.as_ref().map_or(usize::MAX, |team| team.room() / sent.max(width * size_of::<f32>()).max(1))
    });
    let parts = rows.div_ceil(most.saturating_sub(TILE_ROWS).max(TILE_ROWS)).max(1);
    rows.div_ceil(parts).next_multiple_of(TILE_ROWS).max(1)
}

/// [`product::product`], by as many threads as there are.
pub(super) fn product<F: Format>(
    x: &Rows,
    weights: Blocks<'_>,
    identity: &Identity,
    y: &mut [f32],
    width: usize,
    first: usize,
) {
    let multiplications = x.len() * weights.rows * x.blocks * BLOCK;
    let shared = multiplications >= WORTH_SHARING
        && with_team(|team| team.product::<F>(x, weights, identity, y, width, first));
    if !shared {
        product::product::<F>(x, weights, y, width, first);
    }
}

/// [`attend`], by as many threads as there are.
///
/// # Shapes
/// As there.
pub(super) fn attention(
    q: &[f32],
    heads: Heads,
    states: [&[f32]; 2],
    capacity: usize,
    span: Span,
    y: &mut [f32],
) {
    let multiplications = span.len * (span.start + span.len / 2) * heads.query * heads.dim;
    let shared = span.batch == 1
        && span.len >= 4 * TILE_ROWS
        && multiplications >= WORTH_SHARING
        && with_team(|team| team.attention(q, heads, states, capacity, span, y));
    if !shared {
        attend(q, heads, states, capacity, span, y);
    }
}

/// Has every thread go through a loop at the same time; how many did.
pub(in crate::kernel) fn measure(measured: Loop) -> usize {
    if with_team(|team| team.measure(measured)) {
        return count();
    }
    hint::black_box(measured.run());
    1
}

/// Whether a team is there and did it. One that failed is dismissed.
fn with_team(work: impl FnOnce(&mut Team) -> Option<()>) -> bool {
    TEAM.with_borrow_mut(|place| {
        let Some(team) = place else { return false };
        let done = work(team).is_some();
        if !done {
            log::warn!(
                "a helper thread does not answer or has no room: computing on one thread from here on"
            );
            *place = None;
        }
        done
    })
}

/// The helpers, and what they know.
struct Team {
    helpers: Vec<Box<dyn Channel>>,
    /// The matrices whose rows they have, by where their identity lies. It cannot lie anywhere else while
    /// this table refers to it.
    known: HashMap<usize, Known>,
    /// The number given out last.
    last: u32,
}

struct Known {
    alive: Weak<()>,
    number: u32,
}

impl Team {
    /// Bytes behind an order.
    fn room(&self) -> usize {
        let least = self.helpers.iter().map(|helper| helper.capacity()).min().unwrap_or_default();
        least.saturating_sub(PAYLOAD)
    }

    fn product<F: Format>(
        &mut self,
        x: &Rows,
        weights: Blocks<'_>,
        identity: &Identity,
        y: &mut [f32],
        width: usize,
        first: usize,
    ) -> Option<()> {
        let (ours, shares) = self.shares(weights.rows);
        let (values, scales, sums) = x.parts();
        let sent = size_of_val(values) + size_of_val(scales) + size_of_val(sums);
        let widest = shares.iter().map(|share| share.len()).max().unwrap_or_default();
        if sent.max(x.len() * widest * size_of::<f32>()) > self.room() {
            product::product::<F>(x, weights, y, width, first);
            return Some(());
        }
        let matrix = self.known::<F>(identity, weights, x.blocks, &shares)?;
        let rows = u32::try_from(x.len()).ok()?;
        for helper in &self.helpers {
            Order::Product { matrix, rows }.write(&**helper);
            let mut payload = Writer::new(&**helper);
            payload.put(values);
            payload.put(scales);
            payload.put(sums);
            helper.hand_over();
        }
        product::product::<F>(x, weights.part::<F>(ours, x.blocks), y, width, first);
        let mut part = Vec::new();
        for (helper, share) in self.helpers.iter().zip(shares) {
            if !helper.wait(Some(PATIENCE)) {
                return None;
            }
            part.resize(x.len() * share.len(), 0.0);
            Reader::new(&**helper).fill(&mut part);
            for (y, part) in y.chunks_exact_mut(width).zip(part.chunks_exact(share.len().max(1))) {
                y[first + share.start..][..share.len()].copy_from_slice(part);
            }
        }
        Some(())
    }

    /// Which rows of a matrix are the engine's and which each helper's: as many for each, in panels.
    fn shares(&self, rows: usize) -> (Range<usize>, Vec<Range<usize>>) {
        let threads = self.helpers.len() + 1;
        let end = |thread: usize| (rows * thread / threads).next_multiple_of(PANEL).min(rows);
        (0..end(1), (1..threads).map(|thread| end(thread)..end(thread + 1)).collect())
    }

    /// The number by which the helpers know a matrix; they are told its rows where they do not yet.
    fn known<F: Format>(
        &mut self,
        identity: &Identity,
        weights: Blocks<'_>,
        blocks: usize,
        shares: &[Range<usize>],
    ) -> Option<u32> {
        let place = Arc::as_ptr(&identity.0).addr();
        if let Some(known) = self.known.get(&place) {
            return Some(known.number);
        }
        self.forget_the_dropped()?;
        self.last += 1;
        let number = self.last;
        for (helper, share) in self.helpers.iter().zip(shares) {
            tell::<F>(&**helper, number, weights.part::<F>(share.clone(), blocks), blocks, self.room())?;
        }
        self.known.insert(place, Known { alive: Arc::downgrade(&identity.0), number });
        Some(number)
    }

    fn forget_the_dropped(&mut self) -> Option<()> {
        let dropped = self.known.extract_if(|_, known| known.alive.strong_count() == 0);
        for (_, Known { number, .. }) in dropped.collect::<Vec<_>>() {
            for helper in &self.helpers {
                ask(&**helper, Order::Forget { matrix: number })?;
            }
        }
        Some(())
    }

    fn attention(
        &mut self,
        q: &[f32],
        heads: Heads,
        states: [&[f32]; 2],
        capacity: usize,
        span: Span,
        y: &mut [f32],
    ) -> Option<()> {
        let width = heads.query * heads.dim;
        let positions = 2 * heads.key_value * (span.start + span.len) * heads.dim;
        if (positions + span.len * width) * size_of::<f32>() > self.room() {
            attend(q, heads, states, capacity, span, y);
            return Some(());
        }
        let parts = parts(span, self.helpers.len() + 1);
        let of = |part: &Range<usize>| part.start * width..part.end * width;
        let part_span =
            |part: &Range<usize>| Span { batch: 1, start: span.start + part.start, len: part.len() };
        for (helper, part) in self.helpers.iter().zip(&parts[1..]) {
            Order::Attention { heads, span: part_span(part) }.write(&**helper);
            let mut payload = Writer::new(&**helper);
            payload.put(&q[of(part)]);
            for states in states {
                for head in states.chunks_exact(capacity * heads.dim).take(heads.key_value) {
                    payload.put(&head[..(span.start + part.end) * heads.dim]);
                }
            }
            helper.hand_over();
        }
        let ours = &parts[0];
        attend(&q[of(ours)], heads, states, capacity, part_span(ours), &mut y[of(ours)]);
        for (helper, part) in self.helpers.iter().zip(&parts[1..]) {
            if !helper.wait(Some(PATIENCE)) {
                return None;
            }
            Reader::new(&**helper).fill(&mut y[of(part)]);
        }
        Some(())
    }

    fn measure(&mut self, measured: Loop) -> Option<()> {
        for helper in &self.helpers {
            Order::Loop(measured).write(&**helper);
            helper.hand_over();
        }
        hint::black_box(measured.run());
        self.helpers.iter().all(|helper| helper.wait(Some(PATIENCE))).then_some(())
    }
}

/// The rows of a span for each thread: later ones see more, so they are fewer.
fn parts(span: Span, threads: usize) -> Vec<Range<usize>> {
    // The sum of what the first so many rows see.
    let cost = |rows: usize| rows * span.start + rows * (rows + 1) / 2;
    let end = |thread: usize| {
        let wanted = cost(span.len) * thread / threads;
        let (mut least, mut most) = (0, span.len);
        while least < most {
            let middle = (least + most) / 2;
            if cost(middle) < wanted { least = middle + 1 } else { most = middle }
        }
        let end = least.next_multiple_of(PANEL_ROWS);
        // So few that they would be computed in another way stay with the others.
        if end + PANEL_ROWS > span.len { span.len } else { end }
    };
    (0..threads).map(|thread| end(thread)..end(thread + 1)).collect()
}

/// Tells a helper its rows of a matrix.
fn tell<F: Format>(
    helper: &dyn Channel,
    matrix: u32,
    share: Blocks<'_>,
    blocks: usize,
    room: usize,
) -> Option<()> {
    let [rows, cols] = [share.rows, blocks * BLOCK].map(u32::try_from);
    ask(helper, Order::Begin { matrix, format: F::FORMAT, rows: rows.ok()?, cols: cols.ok()? })?;
    let mut has_room = [0u32];
    Reader::new(helper).fill(&mut has_room);
    if has_room == [0] {
        return None;
    }
    for words in share.words.chunks(room / size_of::<u32>()) {
        Writer::new(helper).put(words);
        ask(helper, Order::Values { matrix, words: u32::try_from(words.len()).ok()? })?;
    }
    for halves in share.halves.chunks(room / size_of::<u16>()) {
        Writer::new(helper).put(halves);
        ask(helper, Order::Scales { matrix, halves: u32::try_from(halves.len()).ok()? })?;
    }
    Some(())
}

/// Has an order carried out and waits for it.
fn ask(helper: &dyn Channel, order: Order) -> Option<()> {
    order.write(helper);
    helper.hand_over();
    helper.wait(Some(PATIENCE)).then_some(())
}

#[cfg(test)]
mod tests;
