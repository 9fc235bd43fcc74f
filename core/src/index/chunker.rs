//! Files to chunks: windows of lines that overlap (paper: 10 lines, stride 5).

use std::{borrow::Cow, fmt, iter, ops::Range};

use llavacode_api::completion::ChunkSpan;
use sha2::{Digest, Sha256};

pub use llavacode_api::text::lines;

use crate::config::ChunkingConfig;

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it stands.
    pub span: ChunkSpan,
    /// Its lines, joined by `\n` whatever ends lines in the file; no `\n` at the end. Shared
    /// between all places with the same text.
    pub text: std::sync::Arc<str>,
    /// Names the text.
    pub hash: TextHash,
}

/// The first 16 bytes of a text's SHA-256: names what a chunk or a part of one says, wherever it stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextHash([u8; 16]);

impl TextHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self(hash)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The number of the line a cursor stands in, counted from 0, given the text before it.
pub fn cursor_line(prefix: &str) -> usize {
    prefix.matches('\n').count() + prefix.matches('\r').count() - prefix.matches("\r\n").count()
}

/// Cuts a file into chunks of `config.lines` lines, one every `config.stride` lines. The last
/// one ends with the file, and no chunk lies wholly inside the one before it. Chunks of nothing
/// but white space are left out.
pub fn chunk(path: &str, text: &str, config: ChunkingConfig) -> Vec<Chunk> {
    let lines: Vec<&str> = lines(text).collect();
    let (length, stride) = (config.lines.max(1), config.stride.max(1));
    // The window that reaches the end is the last: those after it would repeat its tail.
    let windows = lines.len().saturating_sub(length).div_ceil(stride) + 1;
    (0..windows)
        .map(|window| (window * stride, (window * stride + length).min(lines.len())))
        .filter(|&(start, end)| lines[start.min(end)..end].iter().any(|line| !line.trim().is_empty()))
        .map(|(start_line, end_line)| {
            let text = lines[start_line..end_line].join("\n");
            Chunk {
                span: ChunkSpan { path: path.into(), start_line, end_line },
                hash: TextHash::of(&text),
                text: text.into(),
            }
        })
        .collect()
}

/// A chunk's text in `count` parts of whole lines, as even as they can be; a part is empty where
/// there are fewer lines than parts. Each is what one of the chunk's soft tokens stands for.
///
/// Of several, each ends with a line break, the last one too: with half a chunk of stride the parts of
/// a chunk's second half are then those of the next one's first half, and are embedded once.
pub fn parts(text: &str, count: usize) -> impl Iterator<Item = Cow<'_, str>> {
    part_spans(text, count).map(move |span| {
        let part = &text[span];
        match count > 1 && !part.is_empty() && !part.ends_with('\n') {
            true => format!("{part}\n").into(),
            false => part.into(),
        }
    })
}

/// Where the [`parts`] stand in the text, in bytes; one after the other, and together all of it.
pub fn part_spans(text: &str, count: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let mut bounds: Vec<usize> =
        iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let lines = bounds.len();
    bounds.push(text.len());
    (0..count).map(move |part| bounds[part * lines / count]..bounds[(part + 1) * lines / count])
}
