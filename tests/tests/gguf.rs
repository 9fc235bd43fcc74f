//! GGUF files: every type that is read gives what llama.cpp's own package makes of it, and a file
//! that is nonsense is refused with a sentence.
#![cfg(not(target_family = "wasm"))]

use burn::tensor::Device;
use llavacode_core::{
    Error, Result,
    config::{FileEntry, WeightFormat},
    quant::{Matrix, pack, unpack},
    weights::{Header, MemorySource, Tensors, Weights, load_weights, sha256_hex},
};
use llavacode_tests::parity::{self, GGUF_BLOCKS};

const FILE: &str = "reader/model.gguf";
const TYPES: [&str; 11] =
    ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"];

/// The matrix of this name, `[3, 512]`.
fn matrix(tensors: &mut Tensors<'_>, name: &str) -> Result<Matrix> {
    tensors.matrix(name, [3, 512], WeightFormat::F32)
}

/// Loads the matrices of these names.
async fn load(bytes: &[u8], names: &[&str]) -> Result<Weights> {
    let entry = FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(bytes)) };
    let all =
        |mut tensors: Tensors<'_>| names.iter().try_for_each(|name| matrix(&mut tensors, name).map(drop));
    let plan = |_: &Header| Ok(Tensors::plan("", all));
    load_weights(&MemorySource::new(FILE, bytes), FILE, &entry, plan, &Device::flex(), &mut |_| ()).await
}

#[tokio::test]
async fn every_type_gives_the_references_values() {
    let mut weights = load(GGUF_BLOCKS.weights, &TYPES).await.expect("the fixture");
    let expected = GGUF_BLOCKS.expected();
    for name in TYPES {
        let Ok(Matrix::Dense(matrix)) = matrix(&mut Tensors::of(&mut weights), name) else {
            panic!("no {name}")
        };
        let (found, expected) = (parity::values(matrix.weight.val()).await, expected.floats(name));
        assert!(expected.iter().any(|x| x.abs() > 0.1), "{name}: {expected:?}");
        let error = parity::relative_error(&found, &expected);
        assert!(error < 1e-6, "{name}: relative error {error:.1e}");
    }
}

#[test]
fn blocks_that_the_kernels_have_too_are_not_rounded_again() {
    for (name, format) in [("Q4_0", WeightFormat::Q4), ("Q8_0", WeightFormat::Q8)] {
        let values = GGUF_BLOCKS.expected().floats(name);
        assert_eq!(unpack(&pack(&values, format), format), values, "{name}");
    }
}

/// A file in the making.
#[derive(Clone)]
struct Gguf(Vec<u8>);

impl Gguf {
    fn new(version: u32, tensors: u64, pairs: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(version).u64(tensors).u64(pairs)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    fn tensor(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let entry = self.text(name).u32(shape.len() as u32);
        shape.iter().fold(entry, |entry, &size| entry.u64(size)).u32(kind).u64(offset)
    }

    /// Pads the header and appends so many bytes.
    fn data(mut self, bytes: usize) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(32) + bytes, 0);
        self.0
    }
}

#[tokio::test]
async fn tensors_are_found_wherever_they_lie() {
    // In another order than they are listed in, with a gap, after values of several types.
    let header = Gguf::new(2, 2, 3)
        .text("a list of lists of letters")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("ab")
        .text("")
        .text("numbers")
        .u32(9)
        .u32(5)
        .u64(3)
        .bytes(&[0; 12])
        .text("general.alignment")
        .u32(4)
        .u32(32)
        .tensor("late", &[512, 3], 0, 8192)
        .tensor("early", &[512, 3], 1, 0);
    let mut file = header.data(8192 + 6144);
    let end = file.len();
    file[end - 4..].copy_from_slice(&2.5f32.to_le_bytes());
    let mut weights = load(&file, &["early", "late"]).await.expect("a file");
    let Ok(Matrix::Dense(late)) = matrix(&mut Tensors::of(&mut weights), "late") else { panic!("not there") };
    let values = parity::values(late.weight.val()).await;
    assert_eq!((values.iter().sum::<f32>(), values.last()), (2.5, Some(&2.5)));
}

#[tokio::test]
async fn nonsense_headers() {
    let one = |shape: &[u64], kind, offset| Gguf::new(3, 1, 0).tensor("Q4_0", shape, kind, offset);
    let pair = |kind: u32| Gguf::new(3, 0, 1).text("key").u32(kind);
    let overlapping = Gguf::new(3, 2, 0).tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 16).data(64);
    let twice = Gguf::new(3, 2, 0).tensor("a", &[8], 0, 0).tensor("a", &[8], 0, 32).data(64);
    let odd_heads = Gguf::new(3, 1, 2)
        .text("general.architecture")
        .u32(8)
        .text("llama")
        .text("llama.attention.head_count")
        .u32(4)
        .u32(1)
        .tensor("blk.0.attn_q.weight", &[32, 3], 0, 0)
        .data(384);
    let cases = [
        ("nothing but the magic", b"GGUF".to_vec(), "ends within its header"),
        ("an old version", Gguf::new(1, 0, 0).0, "version 1"),
        ("the other byte order", Gguf::new(3u32.swap_bytes(), 0, 0).0, "version 50331648"),
        ("tensors without end", Gguf::new(3, u64::MAX, 0).0, "ends within its header"),
        ("pairs without end", Gguf::new(3, 0, u64::MAX).0, "ends within its header"),
        ("a name without end", Gguf::new(3, 1, 0).u64(u64::MAX).0, "claims"),
        ("a name that is no text", Gguf::new(3, 1, 0).u64(2).bytes(&[0xff; 2]).0, "UTF-8"),
        ("a text without end", pair(8).u64(u64::MAX).0, "ends within its header"),
        ("a list without end", pair(9).u32(10).u64(u64::MAX).0, "ends within its header"),
        ("texts without end", pair(9).u32(8).u64(u64::MAX).0, "ends within its header"),
        ("an unknown value", pair(99).0, "type 99"),
        ("a list of lists", pair(9).u32(9).u64(1).0, "type 9"),
        ("an odd alignment", Gguf::new(3, 0, 1).text("general.alignment").u32(4).u32(0).0, "aligned to 0"),
        (
            "a part of a model",
            Gguf::new(3, 0, 1).text("split.count").u32(2).bytes(&[3, 0]).0,
            "one of 3 files",
        ),
        ("too many dimensions", one(&[1; 5], 0, 0).data(4), "5 dimensions"),
        ("a shape that overflows", one(&[1 << 40, 1 << 40], 0, 0).data(0), "shape"),
        ("half a block", one(&[16], 2, 0).data(64), "shape"),
        ("beyond the file", one(&[512, 3], 0, 0).data(6000), "cut short"),
        ("an offset that overflows", one(&[8], 0, u64::MAX - 8).data(64), "lies in the one before"),
        ("one in another", overlapping, "lies in the one before"),
        ("the same name twice", twice, "two tensors"),
        (
            "the same key twice",
            Gguf::new(3, 0, 2).text("a").u32(7).bytes(&[1]).text("a").u32(7).bytes(&[0]).0,
            "key a twice",
        ),
        ("q in heads of no even width", odd_heads, "attn_q.weight has 3 rows"),
    ];
    for (what, bytes, said) in cases {
        match load(&bytes, &["Q4_0"]).await {
            Err(Error::Format { file, format: "GGUF", reason }) => {
                assert!(file == FILE && reason.contains(said), "{what}: {reason}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_type_that_is_not_read_is_named() {
    for (kind, named) in [(10, "Q2_K"), (99, "ggml's number 99")] {
        let file = Gguf::new(3, 1, 0).tensor("a", &[512, 3], kind, 0).data(64);
        let error = load(&file, &["a"]).await.expect_err("an error");
        assert_eq!(
            error,
            Error::UnsupportedDType { file: FILE.into(), tensor: "a".into(), found: named.into() }
        );
        // Beside what is needed it does no harm.
        load(&file, &[]).await.expect("nothing is wanted of it");
    }
}
