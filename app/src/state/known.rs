//! The models this page knows by name: data, so that an entry more is a model more.

/// A decoder's shape, from which the work of a token follows.
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
    /// Its shape.
    pub shape: Shape,
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
pub const KNOWN: [Known; 2] = [
    Known {
        id: PICO,
        name: "pico",
        license: "MIT OR Apache-2.0",
        shape: shape(4, 192, 192, 192, 512, 4_096),
    },
    Known {
        id: SMOLLM2,
        name: "SmolLM2-135M",
        license: "Apache-2.0",
        shape: shape(30, 576, 576, 192, 1_536, 49_152),
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
        let expected = [(PICO, 2.56), (SMOLLM2, 134.5)];
        for (id, millions) in expected {
            let found = weights(id);
            assert!((found / millions - 1.0).abs() < 0.01, "{id}: {found} million weights, not {millions}");
        }
    }
}
