//! Every backward pass against finite differences, in f64.

use llavacode_train::{
    nn::{
        adapter::Adapter,
        attention::{Heads, Scratch, attention, attention_backward},
        decode::Pick,
        decoder::{Decoder, Input, Tape},
        layout::Shape,
        ops,
    },
    random::SplitMix64,
};

const EPS: f64 = 1e-6;

fn normal(random: &mut SplitMix64, len: usize) -> Vec<f64> {
    (0..len).map(|_| random.normal()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Compares a gradient with central differences at up to 40 places drawn at random.
fn check(name: &str, x: &[f64], gradient: &[f64], random: &mut SplitMix64, f: impl Fn(&[f64]) -> f64) {
    assert_eq!(x.len(), gradient.len(), "{name}");
    assert!(gradient.iter().any(|g| g.abs() > 1e-4), "{name}: the gradient is nought");
    let mut places: Vec<usize> = (0..x.len()).collect();
    random.shuffle(&mut places);
    for &place in places.iter().take(40) {
        let mut moved = x.to_vec();
        moved[place] = x[place] + EPS;
        let above = f(&moved);
        moved[place] = x[place] - EPS;
        let difference = (above - f(&moved)) / (2.0 * EPS);
        let error = (difference - gradient[place]).abs() / difference.abs().max(1e-2);
        assert!(error < 1e-5, "{name}[{place}]: {} but finite differences {difference}", gradient[place]);
    }
}

#[test]
fn rms_norm() {
    let random = &mut SplitMix64::new(11);
    let (rows, width) = (5, 37);
    let (x, w, dy) = (normal(random, rows * width), normal(random, width), normal(random, rows * width));
    let value = |x: &[f64], w: &[f64]| {
        let mut y = vec![0.0; x.len()];
        ops::rms_norm(&mut y, x, w, 1e-6);
        dot(&y, &dy)
    };
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; width]);
    ops::rms_norm_backward(&mut dx, false, Some(&mut dw), &dy, &x, &w, 1e-6);
    check("dx", &x, &dx, random, |x| value(x, &w));
    check("dw", &w, &dw, random, |w| value(&x, w));
    let mut added = vec![1.0; x.len()];
    ops::rms_norm_backward(&mut added, true, None, &dy, &x, &w, 1e-6);
    assert!(added.iter().zip(&dx).all(|(a, d)| (a - 1.0 - d).abs() < 1e-12));
}

#[test]
fn swiglu() {
    let random = &mut SplitMix64::new(12);
    let (rows, width) = (4, 19);
    let (x, dy) = (normal(random, rows * 2 * width), normal(random, rows * width));
    let forward = |x: &[f64]| {
        let mut y = vec![0.0; rows * width];
        ops::swiglu(&mut y, x, width);
        y
    };
    let (mut dx, mut activation) = (x.clone(), vec![0.0; rows * width]);
    ops::swiglu_backward(&mut dx, &dy, &mut activation, width);
    assert!(activation.iter().zip(forward(&x)).all(|(a, y)| (a - y).abs() < 1e-12));
    check("dx", &x, &dx, random, |x| dot(&forward(x), &dy));
}

#[test]
fn cross_entropy() {
    let random = &mut SplitMix64::new(13);
    let x = normal(random, 50);
    let mut gradient = x.clone();
    ops::cross_entropy(&mut gradient, 17, 0.7);
    check("logits", &x, &gradient, random, |x| 0.7 * ops::cross_entropy(&mut x.to_vec(), 17, 0.7));
}

#[test]
fn attention_of_one_sequence() {
    let random = &mut SplitMix64::new(14);
    // One block, exactly one, and several with a rest.
    for (heads, len) in [
        (Heads { query: 2, key_value: 1, dim: 4 }, 7),
        (Heads { query: 3, key_value: 3, dim: 2 }, 64),
        (Heads { query: 4, key_value: 2, dim: 6 }, 150),
    ] {
        let out_width = heads.query * heads.dim;
        let (x, d_out) = (normal(random, len * heads.qkv()), normal(random, len * out_width));
        let forward = |x: &[f64]| {
            let (mut out, mut sums) = (vec![0.0; len * out_width], vec![0.0; len * heads.query]);
            attention(&mut out, &mut sums, x, heads, &mut Scratch::default());
            (out, sums)
        };
        let (out, sums) = forward(&x);
        let mut gradient = vec![0.0; x.len()];
        attention_backward(&mut gradient, &d_out, &out, &sums, &x, heads, &mut Scratch::default());
        check("qkv", &x, &gradient, random, |x| dot(&forward(x).0, &d_out));
    }
}

/// Qwen2's, Qwen3's and Llama's: whether q and k have norms, and whether there are biases.
const FAMILIES: [(bool, bool); 3] = [(false, true), (true, false), (false, false)];

fn shape((qk_norm, qkv_bias): (bool, bool)) -> Shape {
    Shape {
        vocabulary: 23,
        hidden: 12,
        layers: 2,
        heads: Heads { query: 4, key_value: 2, dim: 6 },
        intermediate: 10,
        qk_norm,
        qkv_bias,
        eps: 1e-6,
        rope_theta: 10_000.0,
    }
}

/// Two sequences with a soft vector in each, both kinds of loss at once: cross-entropy through the
/// head, and a product with the normed last rows, as an encoder's embedding has.
#[test]
fn the_whole_stack() {
    for family in FAMILIES {
        let random = &mut SplitMix64::new(15);
        let decoder = Decoder::<f64>::new(shape(family), 80);
        let mut parameters = decoder.layout.init(2, random);
        // Away from ones and zeros, and large enough for the gradients to show.
        parameters.iter_mut().for_each(|p| *p = 3.0 * *p + 0.3 * random.normal());
        let lengths = [70, 9];
        let tokens: Vec<u32> = (0..79).map(|_| random.below(23) as u32).collect();
        let soft = [(3, 1), (71, 0)];
        let vectors = normal(random, 2 * 12);
        let rows: Vec<usize> = (0..79).filter(|row| row % 3 != 1).collect();
        let pooled = [69, 78];
        let d_pooled = normal(random, 2 * 12);
        let input = Input { tokens: &tokens, lengths: &lengths, soft: &soft, vectors: &vectors[..] };
        let losses = |i: usize, logits: &mut [f64]| {
            let target = tokens[(rows[i] + 1) % 79] as usize;
            0.5 * ops::cross_entropy(logits, target, 0.5)
        };
        let value = |parameters: &[f64], vectors: &[f64]| {
            let mut tape = Tape::default();
            decoder.forward(parameters, Input { vectors, ..input }, &mut tape);
            decoder.clear_gradient(&mut tape);
            let loss = decoder.head_loss(parameters, &rows, &mut tape, None, losses);
            loss + dot(&decoder.normed_rows(parameters, &pooled, &tape), &d_pooled)
        };

        let mut tape = Tape::default();
        let (mut gradients, mut d_vectors) = (vec![0.0; parameters.len()], vec![0.0; vectors.len()]);
        decoder.forward(&parameters, input, &mut tape);
        decoder.clear_gradient(&mut tape);
        decoder.head_loss(&parameters, &rows, &mut tape, Some(&mut gradients), losses);
        decoder.normed_rows_backward(&parameters, &pooled, &d_pooled, &mut tape, Some(&mut gradients));
        decoder.backward(&parameters, input, &mut tape, Some(&mut gradients), &mut d_vectors);

        check("soft vectors", &vectors, &d_vectors, random, |v| value(&parameters, v));
        for tensor in &decoder.layout.tensors {
            let range = tensor.range();
            let part = |values: &[f64]| {
                let mut all = parameters.clone();
                all[range.clone()].copy_from_slice(values);
                value(&all, &vectors)
            };
            let (x, gradient) = (&parameters[range.clone()], &gradients[range.clone()]);
            if tensor.name.contains("k_proj.bias") {
                // Moves every score of a row alike, but for the rotation: small, yet not nought.
                assert!(gradient.iter().any(|g| g.abs() > 1e-9));
            }
            check(&tensor.name, x, gradient, random, part);
        }

        // A frozen reader gives the soft vectors the same gradients.
        let mut frozen = vec![0.0; vectors.len()];
        decoder.forward(&parameters, input, &mut tape);
        decoder.clear_gradient(&mut tape);
        decoder.head_loss(&parameters, &rows, &mut tape, None, losses);
        decoder.normed_rows_backward(&parameters, &pooled, &d_pooled, &mut tape, None);
        decoder.backward(&parameters, input, &mut tape, None, &mut frozen);
        assert_eq!(frozen, d_vectors);
    }
}

#[test]
fn factors_of_an_adapter() {
    for family in FAMILIES {
        let random = &mut SplitMix64::new(19);
        let plain = Decoder::<f64>::new(shape(family), 80);
        let mut parameters: Vec<f64> = plain.layout.init(2, random);
        parameters.iter_mut().for_each(|p| *p = 3.0 * *p + 0.3 * random.normal());
        let own = parameters.len();
        let adapter = Adapter::new(&plain.shape, &plain.layout, 3, 0.7);
        let mut adapted = plain.clone();
        adapted.adapt(adapter.clone());

        let tokens: Vec<u32> = (0..79).map(|_| random.below(23) as u32).collect();
        let (soft, vectors) = ([(3, 0)], normal(random, 12));
        let rows: Vec<usize> = (0..79).filter(|row| row % 3 != 1).collect();
        let input = Input { tokens: &tokens, lengths: &[70, 9], soft: &soft, vectors: &vectors[..] };
        let logits = |decoder: &Decoder<f64>, parameters: &[f64]| {
            let mut tape = Tape::default();
            decoder.forward(parameters, input, &mut tape);
            decoder.logits(parameters, &rows, &tape)
        };
        let before = logits(&plain, &parameters);
        parameters.extend(adapter.init::<f64>(random));
        assert_eq!(logits(&adapted, &parameters), before, "a fresh adapter changes nothing");
        parameters[own..].iter_mut().for_each(|p| *p += 0.3 * random.normal());
        let after = logits(&adapted, &parameters);
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0f64, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart(&after, &before) > 0.1);
        let merged = adapter.merged(&parameters);
        assert_eq!(merged.len(), own);
        assert!(apart(&logits(&plain, &merged), &after) < 1e-9, "the products are what is added");

        let losses = |i: usize, logits: &mut [f64]| {
            let target = tokens[(rows[i] + 1) % 79] as usize;
            0.5 * ops::cross_entropy(logits, target, 0.5)
        };
        let value = |parameters: &[f64], vectors: &[f64]| {
            let mut tape = Tape::default();
            adapted.forward(parameters, Input { vectors, ..input }, &mut tape);
            adapted.clear_gradient(&mut tape);
            adapted.head_loss(parameters, &rows, &mut tape, None, losses)
        };
        let mut tape = Tape::default();
        let (mut gradients, mut d_vectors) = (vec![0.0; adapter.len], vec![0.0; vectors.len()]);
        adapted.forward(&parameters, input, &mut tape);
        adapted.clear_gradient(&mut tape);
        adapted.head_loss(&parameters, &rows, &mut tape, Some(&mut gradients), losses);
        adapted.backward(&parameters, input, &mut tape, Some(&mut gradients), &mut d_vectors);
        check("soft vectors", &vectors, &d_vectors, random, |v| value(&parameters, v));
        for tensor in &adapter.tensors {
            let range = own + tensor.range().start..own + tensor.range().end;
            let part = |values: &[f64]| {
                let mut all = parameters.clone();
                all[range.clone()].copy_from_slice(values);
                value(&all, &vectors)
            };
            check(&tensor.name, &parameters[range.clone()], &gradients[tensor.range()], random, part);
        }
    }
}

#[test]
fn decoding_with_the_cache_is_reading_again() {
    for family in FAMILIES {
        let random = &mut SplitMix64::new(16);
        let decoder = Decoder::<f64>::new(shape(family), 80);
        let mut parameters = decoder.layout.init(2, random);
        parameters.iter_mut().for_each(|p| *p += 0.3 * random.normal());
        let prompt: Vec<u32> = (0..20).map(|_| random.below(23) as u32).collect();
        let read = |tokens: &[u32], tape: &mut Tape<f64>| {
            let lengths = [tokens.len()];
            decoder.forward(&parameters, Input { tokens, lengths: &lengths, soft: &[], vectors: &[] }, tape);
            decoder.logits(&parameters, &[tokens.len() - 1], tape)
        };
        let mut tape = Tape::default();
        let logits = read(&prompt, &mut tape);
        let mut cache = decoder.cache(&tape, 0, prompt.len());
        let decoded =
            decoder.generate(&parameters, &mut cache, logits, 12, &mut Pick::Greedy, |token| token == 99);
        assert_eq!(decoded.len(), 12);

        let mut again = prompt;
        for &token in &decoded {
            let logits = read(&again, &mut Tape::default());
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            assert_eq!(best, Some(token as usize));
            again.push(token);
        }
    }
}

#[test]
fn sampling_stays_within_the_likeliest_tokens() {
    let random = &mut SplitMix64::new(17);
    let logits = [0.0, 5.0, 4.9, -3.0];
    let mut counts = [0; 4];
    for _ in 0..500 {
        let mut pick = Pick::Sample { temperature: 0.9, top_p: 0.9, random };
        counts[pick.take(&mut logits.to_vec()) as usize] += 1;
    }
    assert!(counts[1] > 150 && counts[2] > 150, "{counts:?}");
    assert_eq!((counts[0], counts[3]), (0, 0));
}
