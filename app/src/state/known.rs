//! The models this page knows by name: data, so that a line more is a model more. Where the weights
//! come from is the person's choice; sizes are those under which these files are published.

/// A published file of a model's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// How its name ends, without `.gguf`.
    pub format: &'static str,
    /// Its length in bytes, to about three digits.
    pub bytes: u64,
}

/// A decoder's shape, from which follow the work of a token and the memory it takes.
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
    /// Rows of the embedding.
    pub vocabulary: u64,
}

impl Shape {
    /// Weights that every token is multiplied with; the embedding is not among them.
    pub fn weights_a_token(&self) -> u64 {
        let attention = self.hidden * (2 * self.queries + 2 * self.keys);
        self.layers * (attention + 3 * self.hidden * self.intermediate)
    }

    /// Bytes of keys and values of so many positions, as 32-bit floats.
    pub fn cache_bytes(&self, positions: u64) -> u64 {
        2 * self.layers * self.keys * positions * 4
    }

    /// Bytes of the largest matrix on the device at 8 bits a weight, which is the embedding's.
    pub fn largest_bytes(&self) -> u64 {
        self.hidden * self.vocabulary * 17 / 16
    }
}

/// Where a known model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the page.
    BuiltIn,
    /// Set-up puts it beside the page, if it could fetch it.
    SetUp,
    /// The person brings it: an address, or a file.
    Brought,
}

/// A model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name in settings, addresses and folders.
    pub id: &'static str,
    /// Its name for a person.
    pub name: &'static str,
    /// SPDX expression, or the licence's name.
    pub license: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// Its shape.
    pub shape: Shape,
    /// Its files.
    pub files: &'static [Published],
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

/// All of them, the smallest first.
pub const KNOWN: [Known; 5] = [
    Known {
        id: PICO,
        name: "pico",
        license: "MIT OR Apache-2.0",
        origin: Origin::BuiltIn,
        shape: shape(4, 192, 192, 192, 512, 4_096),
        files: &[],
    },
    Known {
        id: SMOLLM2,
        name: "SmolLM2-135M",
        license: "Apache-2.0",
        origin: Origin::SetUp,
        shape: shape(30, 576, 576, 192, 1_536, 49_152),
        files: &[Published { format: "Q4_1", bytes: 98_362_432 }],
    },
    Known {
        id: "qwen2.5-coder-0.5b",
        name: "Qwen2.5-Coder-0.5B",
        license: "Apache-2.0",
        origin: Origin::Brought,
        shape: shape(24, 896, 896, 128, 4_864, 151_936),
        files: &[Published { format: "Q8_0", bytes: 531_000_000 }],
    },
    Known {
        id: "qwen2.5-coder-1.5b",
        name: "Qwen2.5-Coder-1.5B",
        license: "Apache-2.0",
        origin: Origin::Brought,
        shape: shape(28, 1_536, 1_536, 256, 8_960, 151_936),
        files: &[
            Published { format: "Q4_K_M", bytes: 986_000_000 },
            Published { format: "Q8_0", bytes: 1_650_000_000 },
        ],
    },
    Known {
        id: "qwen2.5-coder-3b",
        name: "Qwen2.5-Coder-3B",
        license: "Qwen Research (no commercial use)",
        origin: Origin::Brought,
        shape: shape(36, 2_048, 2_048, 256, 11_008, 151_936),
        files: &[Published { format: "Q4_K_M", bytes: 1_930_000_000 }],
    },
];

/// The model of this id.
pub fn find(id: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_have_about_as_many_weights_as_the_names_say() {
        let weights = |id| {
            let shape = find(id).expect("known").shape;
            (shape.weights_a_token() + shape.hidden * shape.vocabulary) as f64 / 1e6
        };
        let expected = [
            (PICO, 2.56),
            (SMOLLM2, 134.5),
            ("qwen2.5-coder-0.5b", 494.0),
            ("qwen2.5-coder-1.5b", 1_543.0),
            ("qwen2.5-coder-3b", 3_086.0),
        ];
        for (id, millions) in expected {
            let found = weights(id);
            assert!((found / millions - 1.0).abs() < 0.01, "{id}: {found} million weights, not {millions}");
        }
    }
}
