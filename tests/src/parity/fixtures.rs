//! The fixtures' bytes. They are part of the binary, so that a browser has them too.

use safetensors::{Dtype, SafeTensors};

/// A small random model and what the reference makes of it.
#[derive(Debug, Clone, Copy)]
pub struct Fixture {
    /// Its folder.
    pub name: &'static str,
    /// `config.json`; empty for a projector.
    pub config: &'static [u8],
    /// `model.safetensors` or `model.gguf`.
    pub weights: &'static [u8],
    expected: &'static [u8],
}

macro_rules! fixture {
    (decoder $name:literal) => {
        fixture!(decoder $name, "model.safetensors")
    };
    (decoder $name:literal, $weights:literal) => {
        fixture!($name, include_bytes!(concat!("../../fixtures/", $name, "/config.json")), $weights)
    };
    (projector $name:literal) => {
        fixture!($name, b"", "model.safetensors")
    };
    ($name:literal, $config:expr, $weights:literal) => {
        Fixture {
            name: $name,
            config: $config,
            weights: include_bytes!(concat!("../../fixtures/", $name, "/", $weights)),
            expected: include_bytes!(concat!("../../fixtures/", $name, "/expected.safetensors")),
        }
    };
}

/// Qwen2: with and without a tied head, two query heads for a key-value head and six; from a GGUF
/// file.
pub const READERS: [Fixture; 3] = [
    fixture!(decoder "qwen2_tied"),
    fixture!(decoder "qwen2_untied"),
    fixture!(decoder "qwen2_gguf", "model.gguf"),
];

/// Qwen3: heads wider and narrower than `hidden / heads`, grouped and not.
pub const ENCODERS: [Fixture; 2] =
    [fixture!(decoder "qwen3_wide_heads"), fixture!(decoder "qwen3_narrow_heads")];

/// The three forms.
pub const PROJECTORS: [Fixture; 3] = [
    fixture!(projector "projector_three_layer"),
    fixture!(projector "projector_two_layer"),
    fixture!(projector "projector_xrag"),
];

/// A GGUF file with a tensor of every type that is read, `[3, 512]` each and named after its type,
/// and what llama.cpp's package makes of them.
pub const GGUF_BLOCKS: Fixture = fixture!("gguf_blocks", b"", "model.gguf");

/// What the reference makes of the embedded bundle.
pub const PICO: &[u8] = include_bytes!("../../fixtures/pico/expected.safetensors");

impl Fixture {
    /// What the reference makes of it.
    pub fn expected(&self) -> Expected {
        Expected::parse(self.expected)
    }
}

/// The reference's inputs and outputs by name.
#[derive(Debug)]
pub struct Expected(SafeTensors<'static>);

impl Expected {
    /// Reads a fixture's `expected.safetensors`.
    pub fn parse(bytes: &'static [u8]) -> Self {
        Self(SafeTensors::deserialize(bytes).expect("a fixture"))
    }

    fn words(&self, name: &str, dtype: Dtype) -> impl Iterator<Item = [u8; 4]> {
        let tensor = self.0.tensor(name).expect("a tensor of the fixture");
        assert_eq!(tensor.dtype(), dtype, "{name}");
        tensor.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]])
    }

    /// A tensor of floats, row by row.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name, Dtype::F32).map(f32::from_le_bytes).collect()
    }

    /// A tensor of token ids.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.words(name, Dtype::I32).map(u32::from_le_bytes).collect()
    }

    /// The encoder's inputs: `input_ids` cut into `lengths`.
    pub fn sequences(&self, prefix: &str) -> Vec<Vec<u32>> {
        let mut ids = self.ids(&format!("{prefix}input_ids")).into_iter();
        let lengths = self.ids(&format!("{prefix}lengths"));
        lengths.into_iter().map(|len| ids.by_ref().take(len as usize).collect()).collect()
    }
}
