//! What a teacher, the reader with the chunks as text, says of a line: of each token the likeliest [`TOP`] with
//! their probabilities, and the hidden state before the head.
//!
//! Lines may be weighed by how much text helps them (arXiv 2603.06593): what no context helps with cannot be
//! learned from.

use crate::checkpoint::to_bytes;

/// Tokens whose probabilities are kept.
pub const TOP: usize = 32;
/// Weight of a line that text does not help.
const LEAST: f64 = 0.5;
/// Nats a token beyond which text's help counts no more.
const MOST_GAIN: f64 = 2.0;

/// What was said of one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taught {
    /// −ln of the line with the chunks as text.
    pub nats: f32,
    /// −ln of it without chunks.
    pub without: f32,
    /// Of each token the likeliest ids, [`TOP`] a token.
    pub ids: Vec<u32>,
    /// ln of their probabilities.
    pub log_p: Vec<f32>,
    /// After the final norm, `[tokens, hidden]`.
    pub hidden: Vec<f32>,
}

impl Taught {
    /// Likeliest ids of a token, and ln of their probabilities.
    pub fn top(&self, token: usize) -> (&[u32], &[f32]) {
        (&self.ids[token * TOP..][..TOP], &self.log_p[token * TOP..][..TOP])
    }

    /// How much the line counts, 1 where text gains half a nat a token.
    pub fn weight(&self) -> f64 {
        let tokens = (self.ids.len() / TOP).max(1) as f64;
        LEAST + (f64::from(self.without - self.nats) / tokens).clamp(0.0, MOST_GAIN)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = to_bytes(&[self.nats, self.without]);
        bytes.extend((self.ids.len() as u32).to_le_bytes());
        self.ids.iter().for_each(|id| bytes.extend(id.to_le_bytes()));
        bytes.extend(to_bytes(&self.log_p));
        bytes.extend(to_bytes(&self.hidden));
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let floats = |words: &[u32]| words.iter().map(|&word| f32::from_bits(word)).collect::<Vec<f32>>();
        let (head, rest) = words.split_at_checked(3)?;
        let (ids, rest) = rest.split_at_checked(head[2] as usize)?;
        let (log_p, hidden) = rest.split_at_checked(ids.len())?;
        Some(Self {
            nats: f32::from_bits(head[0]),
            without: f32::from_bits(head[1]),
            ids: ids.to_vec(),
            log_p: floats(log_p),
            hidden: floats(hidden),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_text_helps_weigh_more() {
        let of = |nats: f32, without: f32| {
            Taught { nats, without, ids: vec![0; 4 * TOP], ..Taught::default() }.weight()
        };
        assert_eq!(of(3.0, 3.0), LEAST);
        assert_eq!(of(5.0, 3.0), LEAST, "text does harm");
        assert_eq!(of(3.0, 7.0), LEAST + 1.0);
        assert_eq!(of(0.0, 99.0), LEAST + MOST_GAIN);
    }
}
