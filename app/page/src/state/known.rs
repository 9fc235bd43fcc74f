//! The models this page knows by name: data, so that an entry more is a model more.

/// A decoder's shape, from which the work of a token and its memory follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Layers.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width of all heads of the queries.
    pub queries: u64,
    /// Width of all heads of the keys, which is that of the values.
    pub keys: u64,
    /// Width inside the feed-forward part.
    pub intermediate: u64,
    /// Rows of the embedding, which is the head too.
    pub vocabulary: u64,
}

impl Shape {
    /// Weights that every token is multiplied with; the embedding is not among them.
    pub fn weights_a_token(&self) -> u64 {
        let attention = self.hidden * (2 * self.queries + 2 * self.keys);
        self.layers * (attention + 3 * self.hidden * self.intermediate)
    }

    /// All weights.
    pub fn weights(&self) -> u64 {
        self.weights_a_token() + self.hidden * self.vocabulary
    }

    /// Bytes of keys and values of one position, 32-bit floats.
    pub fn cache_bytes_a_position(&self) -> u64 {
        self.layers * 2 * self.keys * 4
    }
}

/// A model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name in settings, addresses and folders.
    pub id: &'static str,
    /// Its name for a user.
    pub name: &'static str,
    /// SPDX expression, or the licence's name.
    pub license: &'static str,
    /// What a user should know of it.
    pub about: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Where it is.
    pub place: Place,
}

/// Where a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is part of the page.
    BuiltIn,
    /// A bundle below `models/<id>/`, where set-up puts its weights beside the page. The manifest knows their
    /// hash.
    Beside,
    /// A GGUF file elsewhere.
    Elsewhere(Published),
}

/// A file on another server, of which length and hash are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its address, which names a version that does not change.
    pub url: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Lower-case hex digest.
    pub sha256: &'static str,
}

/// The model that is part of the page.
pub const PICO: &str = "pico";
/// The model that set-up fetches.
pub const SMOLLM2: &str = "smollm2-135m";

const fn shape(
    layers: u64,
    hidden: u64,
    queries: u64,
    keys: u64,
    intermediate: u64,
    vocabulary: u64,
) -> Shape {
    Shape { layers, hidden, queries, keys, intermediate, vocabulary }
}

/// All readers, the smallest first.
pub const KNOWN: [Known; 5] = [
    Known {
        id: PICO,
        name: "pico",
        license: "MIT OR Apache-2.0",
        about: "The small trio that comes with this page: all lanes, and an answer at once.",
        shape: shape(4, 192, 192, 192, 512, 4_096),
        place: Place::BuiltIn,
    },
    Known {
        id: SMOLLM2,
        name: "SmolLM2-135M",
        license: "Apache-2.0",
        about: "Reads from left to right, with an adapter (LoRA) trained for this page's prompts.",
        shape: shape(30, 576, 576, 192, 1_536, 49_152),
        place: Place::Beside,
    },
    Known {
        id: "qwen2.5-coder-0.5b",
        name: "Qwen2.5-Coder 0.5B",
        license: "Apache-2.0",
        about: "Trained to fill in the middle.",
        shape: shape(24, 896, 896, 128, 4_864, 151_936),
        place: Place::Elsewhere(Published {
            url: "https://huggingface.co/ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF/resolve/5788aee90e725673490be18f553d234feaa8303d/qwen2.5-coder-0.5b-q8_0.gguf",
            bytes: 531_068_128,
            sha256: "d0f8cd6c49bab52a0abdbe47948518b1f4d9b1a8a2a6825099cea31cea10ac56",
        }),
    },
    Known {
        id: "qwen2.5-coder-1.5b",
        name: "Qwen2.5-Coder 1.5B",
        license: "Apache-2.0",
        about: "Trained to fill in the middle. The reader of the paper.",
        shape: shape(28, 1_536, 1_536, 256, 8_960, 151_936),
        place: Place::Elsewhere(Published {
            url: "https://huggingface.co/ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF/resolve/8be1b8a895a84beea772817caaa71eba6b6e0d07/qwen2.5-coder-1.5b-q8_0.gguf",
            bytes: 1_646_573_056,
            sha256: "29871c94d15727a6e243f79a37113d4ae625a6215b5e800bf41a23af2da32832",
        }),
    },
    Known {
        id: "qwen2.5-coder-3b",
        name: "Qwen2.5-Coder 3B",
        license: "Qwen Research License: not for commercial use",
        about: "Trained to fill in the middle.",
        shape: shape(36, 2_048, 2_048, 256, 11_008, 151_936),
        place: Place::Elsewhere(Published {
            url: "https://huggingface.co/ggml-org/Qwen2.5-Coder-3B-Q8_0-GGUF/resolve/9c1de162ae417c9c3aacde97c729c4128de047d8/qwen2.5-coder-3b-q8_0.gguf",
            bytes: 3_285_476_160,
            sha256: "a522a906e299ed34db738b9626b2cd0da9e446c14674468a22fc2eae3dbd344d",
        }),
    },
];

/// The encoder that goes with the readers which come as GGUF files.
pub const ENCODER: Known = Known {
    id: "qwen3-embedding-0.6b",
    name: "Qwen3-Embedding 0.6B",
    license: "Apache-2.0",
    about: "Embeds chunks.",
    shape: shape(28, 1_024, 2_048, 1_024, 3_072, 151_669),
    place: Place::Elsewhere(Published {
        url: "https://huggingface.co/Qwen/Qwen3-Embedding-0.6B-GGUF/resolve/370f27d7550e0def9b39c1f16d3fbaa13aa67728/Qwen3-Embedding-0.6B-Q8_0.gguf",
        bytes: 639_150_592,
        sha256: "06507c7b42688469c4e7298b0a1e16deff06caf291cf0a5b278c308249c3e439",
    }),
};

/// Whether this is the address of the encoder, which completes nothing itself.
pub fn is_encoder(id: &str) -> bool {
    matches!(ENCODER.place, Place::Elsewhere(file) if file.url == id)
}

/// The model of this id.
pub fn find(id: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_have_about_as_many_weights_as_is_published() {
        // Qwen's model cards give 0.49, 1.54 and 3.09 billion; the encoder's file says 595.8 million.
        let expected = [2.56, 134.5, 494.0, 1_543.0, 3_085.0];
        let models = KNOWN.iter().zip(expected).chain([(&ENCODER, 595.8)]);
        for (known, millions) in models {
            let found = known.shape.weights() as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.01, "{}: {found} million, not {millions}", known.id);
        }
    }

    #[test]
    fn the_encoder_is_told_from_readers() {
        let urls = KNOWN.iter().filter_map(|known| match known.place {
            Place::Elsewhere(file) => Some(file.url),
            _ => None,
        });
        assert!(urls.count() == 3 && !KNOWN.iter().any(|known| is_encoder(known.id)));
        let Place::Elsewhere(file) = ENCODER.place else { panic!("it has an address") };
        assert!(is_encoder(file.url));
    }

    #[test]
    fn the_files_are_as_long_as_8_bit_weights_of_these_shapes() {
        for known in KNOWN.iter().chain([&ENCODER]) {
            let Place::Elsewhere(file) = known.place else { continue };
            // 34 bytes for 32 weights, and a header of some MB with the tokenizer.
            let weights = known.shape.weights() * 34 / 32;
            let more = file.bytes as f64 / weights as f64;
            assert!((1.0..1.02).contains(&more), "{}: {more} of its weights", known.id);
            assert!(file.sha256.len() == 64 && file.url.ends_with(".gguf"), "{}", known.id);
        }
    }
}
