use std::cell::Cell;

use burn::tensor::{Device, Distribution, Tensor};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    kernel::{self, LayerCache},
    quant::{Matrix, WeightFormat},
};

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().try_to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn matrix(rows: usize, cols: usize, format: WeightFormat) -> Matrix {
    let values = random([rows, cols]).into_data().try_to_vec().unwrap();
    // Parts, as of a matrix that no single buffer holds.
    Matrix::in_parts(values, [rows, cols], format, rows * cols / 3, &Device::flex())
}

#[test]
fn threads_multiply_as_one_does_to_the_bit() {
    let mut random_number = StdRng::seed_from_u64(rand::random());
    for format in [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8] {
        for rows in [1, 2, 5, 37] {
            let (cols, out) =
                (32 * random_number.random_range(16..40), random_number.random_range(900..1500));
            let (weight, x) = (matrix(out, cols, format), random([rows, cols]));
            engage(Vec::new());
            let alone = bits(kernel::linear(x.clone(), &weight, None, None));
            for helpers in [1, 3] {
                engage(spawn(helpers));
                assert_eq!(count(), helpers + 1);
                // A second time with what the helpers know by now.
                for _ in 0..2 {
                    let shared = bits(kernel::linear(x.clone(), &weight, None, None));
                    assert!(shared == alone, "{format:?}, [{rows}, {cols}] by {out}, {helpers} helpers");
                }
                assert_eq!(count(), helpers + 1, "nobody was dismissed");
            }
        }
    }
}

#[test]
fn more_rows_than_a_channel_holds_go_in_parts() {
    let (weight, x) = (matrix(800, 512, WeightFormat::Q4_1), random([203, 512]));
    engage(Vec::new());
    let alone = bits(kernel::linear(x.clone(), &weight, None, None));
    let (ours, theirs) = channel(64 << 10);
    std::thread::spawn(move || serve(&theirs));
    engage(vec![Box::new(ours)]);
    assert!(rows_at_once(203, 512, 800) < 60);
    assert!(bits(kernel::linear(x, &weight, None, None)) == alone);
    assert_eq!(count(), 2);
}

#[test]
fn what_no_channel_holds_is_computed_alone() {
    let (weight, x) = (matrix(1600, 512, WeightFormat::Q4_1), random([1, 512]));
    engage(Vec::new());
    let alone = bits(kernel::linear(x.clone(), &weight, None, None));
    // Room for the activations, and not for half of a part's outputs.
    let (ours, theirs) = channel(1200);
    std::thread::spawn(move || serve(&theirs));
    engage(vec![Box::new(ours)]);
    assert!(bits(kernel::linear(x, &weight, None, None)) == alone);
    assert_eq!(count(), 2, "nobody was dismissed");
}

#[test]
fn threads_attend_as_one_does_to_the_bit() {
    let heads = Heads { query: 6, key_value: 2, dim: 48 };
    for (start, len) in [(0, 64), (0, 131), (90, 17), (200, 50), (3, 16)] {
        let cache = LayerCache { keys: random([1, 2, 300, 48]), values: random([1, 2, 300, 48]) };
        let (q, span) = (random([len, 6 * 48]), Span { batch: 1, start, len });
        engage(Vec::new());
        let alone = bits(kernel::attention(q.clone(), heads, &cache, span));
        for helpers in [1, 2, 4] {
            engage(spawn(helpers));
            let shared = bits(kernel::attention(q.clone(), heads, &cache, span));
            assert!(shared == alone, "{span:?}, {helpers} helpers");
            assert_eq!(count(), helpers + 1);
        }
    }
}

#[test]
fn parts_of_a_span_are_all_of_it_and_cost_about_the_same() {
    for (start, len, threads) in [(0, 512, 2), (0, 512, 8), (1000, 33, 4), (0, 16, 8), (5, 18, 3)] {
        let parts = parts(Span { batch: 1, start, len }, threads);
        assert_eq!((parts.len(), parts[0].start, parts[threads - 1].end), (threads, 0, len));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
        assert!(parts.iter().all(|part| part.is_empty() || part.len() >= PANEL_ROWS), "{parts:?}");
    }
    let [first, second] = &parts(Span { batch: 1, start: 0, len: 512 }, 2)[..] else { panic!() };
    // Half of the area of a triangle lies above 1/√2 of its height.
    assert!((first.len() as f64 / 512.0 - 0.707).abs() < 0.02, "{first:?} {second:?}");
}

#[test]
fn what_is_dropped_is_forgotten() {
    engage(spawn(1));
    let known = || TEAM.with_borrow(|team| team.as_ref().unwrap().known.len());
    let multiply = |weight: &Matrix| kernel::linear(random([4, 512]), weight, None, None);
    let kept = Matrix::from_values(vec![0.5; 512 * 512], 512, 512, WeightFormat::Q8, &Device::flex());
    multiply(&kept);
    let copy = kept.clone();
    multiply(&copy);
    assert_eq!(known(), 1, "a copy is the same matrix");
    for _ in 0..3 {
        multiply(&Matrix::from_values(vec![0.5; 512 * 512], 512, 512, WeightFormat::Q8, &Device::flex()));
        assert_eq!(known(), 2);
    }
}

/// A helper that stops answering after so many turns.
struct Failing {
    inner: End,
    turns: Cell<usize>,
}

impl Channel for Failing {
    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.inner.write(at, bytes);
    }

    fn read(&self, at: usize, bytes: &mut [u8]) {
        self.inner.read(at, bytes);
    }

    fn hand_over(&self) {
        self.inner.hand_over();
    }

    fn wait(&self, patience: Option<Duration>) -> bool {
        let left = self.turns.get();
        self.turns.set(left.saturating_sub(1));
        left > 0 && self.inner.wait(patience)
    }
}

#[test]
fn a_helper_that_fails_costs_speed_and_nothing_else() {
    let (weight, x) = (matrix(1000, 512, WeightFormat::Q8), random([30, 512]));
    engage(Vec::new());
    let alone = bits(kernel::linear(x.clone(), &weight, None, None));
    for turns in 0..12 {
        let (ours, theirs) = channel(CHANNEL_BYTES);
        std::thread::spawn(move || serve(&theirs));
        engage(vec![Box::new(Failing { inner: ours, turns: Cell::new(turns) })]);
        assert!(bits(kernel::linear(x.clone(), &weight, None, None)) == alone, "after {turns} turns");
    }
    let (ours, _theirs) = channel(CHANNEL_BYTES);
    engage(vec![Box::new(Failing { inner: ours, turns: Cell::new(0) })]);
    kernel::linear(x, &weight, None, None);
    assert_eq!(count(), 1, "it was dismissed");
}

/// A helper that has no room for weights.
#[test]
fn a_helper_without_room_is_dismissed() {
    let (ours, theirs) = channel(CHANNEL_BYTES);
    std::thread::spawn(move || {
        while theirs.wait(None) {
            Writer::new(&theirs).put(&[0u32]);
            theirs.hand_over();
        }
    });
    let (weight, x) = (matrix(1000, 512, WeightFormat::Q8), random([30, 512]));
    engage(Vec::new());
    let alone = bits(kernel::linear(x.clone(), &weight, None, None));
    engage(vec![Box::new(ours)]);
    assert!(bits(kernel::linear(x, &weight, None, None)) == alone);
    assert_eq!(count(), 1);
}
