//! Weight files that are cut short, altered, incomplete or nonsense: each is refused with the
//! error that says what is wrong, and none makes the loader panic.
#![cfg(not(target_family = "wasm"))]

use burn::tensor::Device;
use llavacode_core::{
    Error, Result,
    config::{DecoderConfig, FileEntry},
    model::{
        decoder::{DecoderFormats, name_prefix},
        reader::Reader,
        token_ids,
    },
    weights::{Header, MemorySource, load_weights, sha256_hex},
};
use llavacode_tests::parity::{self, Fixture};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

const FILE: &str = "reader/model.safetensors";
const FIXTURE: &Fixture = &parity::READERS[0];
const DOWN: &str = "model.layers.1.mlp.down_proj.weight";

fn entry(bytes: &[u8]) -> FileEntry {
    FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(bytes)) }
}

/// Loads the fixture's reader from other bytes, against a manifest's entry.
async fn load(bytes: &[u8], entry: &FileEntry) -> Result<Reader> {
    let config = DecoderConfig::from_json("reader/config.json", FIXTURE.config)?;
    let source = MemorySource::new(FILE, bytes);
    let plan = |header: &Header| Ok(Reader::plan(&config, DecoderFormats::DENSE, name_prefix(header)));
    let mut weights = load_weights(&source, FILE, entry, plan, &Device::flex(), &mut |_| ()).await?;
    Reader::from_weights(&config, &mut weights)
}

/// What loading says to bytes that are just what the manifest promises.
async fn refusal(bytes: &[u8]) -> Error {
    load(bytes, &entry(bytes)).await.expect_err("an error")
}

/// A tensor's type, shape and bytes.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// The fixture's file with every tensor passed through `change`; `None` leaves it out.
fn rewritten(change: impl Fn(&str, Stored) -> Option<Stored>) -> Vec<u8> {
    let file = SafeTensors::deserialize(FIXTURE.weights).expect("a fixture");
    let stored: Vec<(String, Stored)> = file
        .iter()
        .filter_map(|(name, tensor)| {
            let stored = (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec());
            change(name, stored).map(|stored| (name.to_owned(), stored))
        })
        .collect();
    let views = stored.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
    });
    safetensors::serialize(views, None).expect("a file")
}

/// A file of this header and as many bytes of data.
fn with_header(json: &str, data: usize) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[tokio::test]
async fn the_file_itself_loads() {
    load(FIXTURE.weights, &entry(FIXTURE.weights)).await.expect("a reader");
}

#[tokio::test]
async fn a_truncated_file() {
    let whole = entry(FIXTURE.weights);
    for len in [0, 7, 100, FIXTURE.weights.len() - 1] {
        let error = load(&FIXTURE.weights[..len], &whole).await.err();
        let expected = Error::Truncated { file: FILE.into(), expected: whole.bytes, found: len as u64 };
        assert_eq!(error, Some(expected));
    }
}

#[tokio::test]
async fn an_altered_byte_anywhere() {
    let whole = entry(FIXTURE.weights);
    // In the length, in the header's JSON, in the first tensor, in the last.
    for place in [0, 7, 20, 200, FIXTURE.weights.len() / 2, FIXTURE.weights.len() - 1] {
        let mut bytes = FIXTURE.weights.to_vec();
        bytes[place] ^= 0x10;
        let error = load(&bytes, &whole).await.err();
        let found = sha256_hex(&bytes);
        let expected =
            Error::HashMismatch { file: FILE.into(), expected: whole.sha256.clone().expect("a hash"), found };
        assert_eq!(error, Some(expected), "byte {place}");
    }
}

#[tokio::test]
async fn a_missing_tensor() {
    let bytes = rewritten(|name, stored| (name != DOWN).then_some(stored));
    let expected = Error::MissingTensor { file: FILE.into(), tensor: DOWN.into() };
    assert_eq!(refusal(&bytes).await, expected);
}

#[tokio::test]
async fn a_wrong_shape() {
    let bytes = rewritten(|name, (dtype, shape, data)| {
        let shape = if name == DOWN { shape.into_iter().rev().collect() } else { shape };
        Some((dtype, shape, data))
    });
    let expected = Error::ShapeMismatch {
        file: FILE.into(),
        tensor: DOWN.into(),
        expected: vec![64, 96],
        found: vec![96, 64],
    };
    assert_eq!(refusal(&bytes).await, expected);
}

#[tokio::test]
async fn an_element_type_that_is_not_read() {
    let bytes = rewritten(|name, (dtype, shape, data)| {
        let dtype = if name == DOWN { Dtype::I32 } else { dtype };
        Some((dtype, shape, data))
    });
    let expected = Error::UnsupportedDType { file: FILE.into(), tensor: DOWN.into(), found: "I32".into() };
    assert_eq!(refusal(&bytes).await, expected);
}

#[tokio::test]
async fn nonsense_headers() {
    let tensor = |shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let mut huge = with_header("{}", 0);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut beyond = with_header("{}", 0);
    beyond[..8].copy_from_slice(&3u64.to_le_bytes());
    let cases = [
        ("empty", Vec::new()),
        ("shorter than a length", vec![1, 2, 3]),
        ("length beyond any file", huge),
        ("length beyond this file", beyond),
        ("no JSON", with_header("not JSON at all", 0)),
        ("not UTF-8", [&4u64.to_le_bytes()[..], &[0xff; 4]].concat()),
        ("a list", with_header("[1, 2]", 0)),
        ("unknown type", with_header(r#"{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}"#, 4)),
        ("offsets beyond the file", with_header(&tensor("[4]", "[0,16]"), 4)),
        ("data after the last tensor", with_header(&tensor("[1]", "[0,4]"), 8)),
        ("offsets reversed", with_header(&tensor("[1]", "[8,4]"), 8)),
        ("a gap before the first", with_header(&tensor("[1]", "[4,8]"), 8)),
        ("offsets that do not fit the shape", with_header(&tensor("[3]", "[0,4]"), 4)),
        ("a negative size", with_header(&tensor("[-1]", "[0,4]"), 4)),
        ("a shape that overflows", with_header(&tensor("[4294967296, 4294967296, 4294967296]", "[0,0]"), 0)),
    ];
    for (what, bytes) in cases {
        let error = refusal(&bytes).await;
        assert!(matches!(&error, Error::Format { file, .. } if file == FILE), "{what}: {error}");
    }
    // Well formed, and of no use.
    let error = refusal(&with_header("{}", 0)).await;
    assert!(matches!(error, Error::MissingTensor { .. }), "{error}");
}

#[tokio::test]
async fn half_precision_files_give_the_rounded_weights() {
    let embedding = "model.embed_tokens.weight";
    let narrow = |value: f32, dtype: Dtype| match dtype {
        Dtype::F16 => half::f16::from_f32(value).to_bits(),
        _ => half::bf16::from_f32(value).to_bits(),
    };
    let widen = |bits: u16, dtype: Dtype| match dtype {
        Dtype::F16 => half::f16::from_bits(bits).to_f32(),
        _ => half::bf16::from_bits(bits).to_f32(),
    };
    let floats = |data: &[u8]| -> Vec<f32> {
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let file = SafeTensors::deserialize(FIXTURE.weights).expect("a fixture");
    let original = floats(file.tensor(embedding).expect("the embedding").data());
    for dtype in [Dtype::F16, Dtype::BF16] {
        let bytes = rewritten(|_, (_, shape, data)| {
            let data = floats(&data).iter().flat_map(|&v| narrow(v, dtype).to_le_bytes()).collect();
            Some((dtype, shape, data))
        });
        let reader = load(&bytes, &entry(&bytes)).await.expect("a reader");
        let ids: Vec<u32> = (0..reader.config().vocab_size as u32).collect();
        let found = parity::values(reader.embed(token_ids(&ids, &reader.device()))).await;
        let rounded: Vec<f32> = original.iter().map(|&v| widen(narrow(v, dtype), dtype)).collect();
        assert_eq!(found, rounded, "{dtype:?}");
    }
}
