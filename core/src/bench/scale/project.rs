//! A made-up project of any size, always the same.
//!
//! Its lines look like Python's. A name is drawn from all of the project's, with a probability of about
//! 1 / rank, from those of its file, or from those of the files beside it, as names of source text are. A
//! text's direction is the sum of a random one for each of its names: texts that share names are near each
//! other, and those of a file nearer than others. So nearest neighbours mean something, and no model is
//! needed.

use std::collections::HashSet;

use llavacode_api::completion::ChunkSpan;
use serde::Serialize;

use crate::{
    config::ChunkingConfig,
    index::{Chunk, TextHash, chunker, dense::dot},
    random::SplitMix64,
    words::{is_common, words},
};

/// Numbers of a vector: pico's.
pub const WIDTH: usize = 192;
/// Chunks that a question wants.
pub const TOP_K: usize = 5;
/// How files are cut: the paper's.
pub const CHUNKING: ChunkingConfig = ChunkingConfig { lines: 10, stride: 5 };

const CHUNKS_A_FILE: usize = 40;
const LINES_A_FILE: usize = CHUNKING.lines + (CHUNKS_A_FILE - 1) * CHUNKING.stride;
/// Lines of a function, with the blank one behind it.
const LINES_A_FUNCTION: usize = 12;
/// Names that are used all over the project.
const SHARED_NAMES: usize = 2_000;
/// Names that a file brings.
const NAMES_A_FILE: usize = 20;
/// Files that use each other's names.
const FILES_A_PACKAGE: usize = 10;
/// Files for which there are names.
const MOST_FILES: usize = ((1 << NAME_BITS) - SHARED_NAMES) / NAMES_A_FILE;

/// Syllables of a name, and bits that choose one: a consonant's four, then a vowel's two.
const SYLLABLES: u32 = 3;
const SYLLABLE_BITS: u32 = 6;
const NAME_BITS: u32 = SYLLABLES * SYLLABLE_BITS;
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aeio";

const SEED: u64 = 100_000;

/// A project that is written as it is read: none of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    files: usize,
}

/// The lines before a cursor, in a new function of a file, and their embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The number of the file whose names it uses.
    pub file: usize,
    /// As many lines as a chunk has.
    pub text: String,
    /// Of length 1.
    pub embedding: Vec<f32>,
}

/// A line that is put into the middle of a file: every chunk behind it has other lines then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The number of the file.
    pub file: usize,
    /// The line, of words that stand nowhere else.
    pub line: String,
    /// The whole file with it.
    pub text: String,
}

/// What brute force finds, with all numbers in 32 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nearest {
    /// The numbers of the nearest [`TOP_K`] chunks, for each question, nearest first.
    pub found: Vec<Vec<u32>>,
    /// The lowest cosine among all of them.
    pub least: f32,
}

impl Project {
    /// One of at least so many chunks: as many files of 40 as it takes.
    ///
    /// # Panics
    /// If there are no names for so many, some half a million.
    pub fn of(chunks: usize) -> Self {
        let files = chunks.div_ceil(CHUNKS_A_FILE).max(1);
        assert!(files <= MOST_FILES, "{files} files, and names for {MOST_FILES}");
        Self { files }
    }

    /// Files.
    pub fn files(self) -> usize {
        self.files
    }

    /// Chunks.
    pub fn chunks(self) -> usize {
        self.files * CHUNKS_A_FILE
    }

    /// The path of a file.
    pub fn path(self, file: usize) -> String {
        format!("package_{}/module_{file}.py", file / FILES_A_PACKAGE)
    }

    /// The text of a file.
    pub fn text(self, file: usize) -> String {
        self.lines(file).join("\n")
    }

    fn lines(self, file: usize) -> Vec<String> {
        Writer { random: SplitMix64::at(SEED, file as u64), file, files: self.files }.lines(0, LINES_A_FILE)
    }

    /// The chunks of a file, in the order of its lines.
    pub fn chunks_of(self, file: usize) -> Vec<Chunk> {
        chunker::chunk(&self.path(file), &self.text(file), CHUNKING)
    }

    /// The number of a chunk of the unedited project: files one after the other, in each by lines.
    pub fn number(self, span: &ChunkSpan) -> Option<u32> {
        let file: usize = span.path.strip_suffix(".py")?.rsplit('_').next()?.parse().ok()?;
        u32::try_from(file * CHUNKS_A_FILE + span.start_line / CHUNKING.stride).ok()
    }

    /// The first so many questions.
    pub fn questions(self, count: usize) -> Vec<Question> {
        let question = |number: usize| {
            let mut random = SplitMix64::named(SEED, &format!("question {number}"));
            let (file, from) = (random.below(self.files), random.below(LINES_A_FUNCTION));
            let mut writer = Writer { random, file, files: self.files };
            let text = writer.lines(from, CHUNKING.lines).join("\n");
            Question { file, embedding: embedding(&text), text }
        };
        (0..count).map(question).collect()
    }

    /// The first so many edits, each of another file; no more than there are files.
    pub fn edits(self, count: usize) -> Vec<Edit> {
        let mut files: Vec<usize> = (0..self.files).collect();
        SplitMix64::named(SEED, "edits").shuffle(&mut files);
        let edit = |file: usize| {
            let line = format!("    edited_{file} = anew_{file}()");
            let mut lines = self.lines(file);
            lines.insert(lines.len() / 2, line.clone());
            Edit { file, line, text: lines.join("\n") }
        };
        files.into_iter().take(count).map(edit).collect()
    }

    /// What an edit does to the chunks: the numbers of those that go, and those that come.
    pub fn difference(self, edit: &Edit) -> (Vec<u32>, Vec<Chunk>) {
        let before = self.chunks_of(edit.file);
        let mut after = chunker::chunk(&self.path(edit.file), &edit.text, CHUNKING);
        let hashes = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.hash).collect::<HashSet<TextHash>>();
        let (old, new) = (hashes(&before), hashes(&after));
        after.retain(|chunk| !old.contains(&chunk.hash));
        let gone = before.iter().filter(|chunk| !new.contains(&chunk.hash));
        (gone.filter_map(|chunk| self.number(&chunk.span)).collect(), after)
    }

    /// The chunks nearest to each question, by comparing it with all of them.
    pub fn nearest(self, questions: &[Question]) -> Nearest {
        let mut best: Vec<Vec<(f32, u32)>> = vec![Vec::new(); questions.len()];
        for chunk in (0..self.files).flat_map(|file| self.chunks_of(file)) {
            let Some(number) = self.number(&chunk.span) else { continue };
            let embedding = embedding(&chunk.text);
            for (best, question) in best.iter_mut().zip(questions) {
                let cosine = dot(&question.embedding, &embedding);
                let place = best.partition_point(|&(better, _)| better >= cosine);
                if place < TOP_K {
                    best.insert(place, (cosine, number));
                    best.truncate(TOP_K);
                }
            }
        }
        let last = best.iter().filter_map(|best| Some(best.last()?.0));
        Nearest {
            least: last.fold(1.0, f32::min),
            found: best.iter().map(|best| best.iter().map(|&(_, number)| number).collect()).collect(),
        }
    }
}

/// The sum of the directions of a text's names, whatever their order; so a text's is the sum of its parts'.
/// Not of length 1, and nought where there is no name.
pub fn direction(text: &str) -> Vec<f32> {
    let mut sum = vec![0.0; WIDTH];
    for word in words(text).filter(|word| word.len() > 2 && !is_common(word)) {
        let mut random = SplitMix64::named(SEED, word);
        // Four numbers of 16 bits at once.
        for numbers in sum.as_chunks_mut::<4>().0 {
            let bits = random.next_u64();
            for (place, number) in numbers.iter_mut().enumerate() {
                *number += f32::from((bits >> (16 * place)) as i16);
            }
        }
    }
    sum
}

/// A text's [`direction`] with the length 1.
pub fn embedding(text: &str) -> Vec<f32> {
    let mut direction = direction(text);
    let length = dot(&direction, &direction).sqrt().max(f32::MIN_POSITIVE);
    direction.iter_mut().for_each(|number| *number /= length);
    direction
}

/// A name of its own for every number below 2¹⁸; all are as long, so that none begins another.
fn name(number: usize) -> String {
    // By an odd number, which keeps different ones different and names of near numbers unlike each other.
    let bits = (number as u64).wrapping_mul(0x9e37_79b9) & ((1 << NAME_BITS) - 1);
    let syllable = |place: u32| {
        let syllable = (bits >> (place * SYLLABLE_BITS)) as usize;
        [CONSONANTS[(syllable >> 2) & 15], VOWELS[syllable & 3]].map(char::from)
    };
    (0..SYLLABLES).flat_map(syllable).collect()
}

/// Writes lines of a file.
struct Writer {
    random: SplitMix64,
    file: usize,
    files: usize,
}

impl Writer {
    fn lines(&mut self, from: usize, count: usize) -> Vec<String> {
        (from..from + count).map(|at| self.line(at % LINES_A_FUNCTION)).collect()
    }

    /// A line that stands at this place of a function.
    fn line(&mut self, at: usize) -> String {
        const LAST: usize = LINES_A_FUNCTION - 1;
        let (kind, number) = (self.random.below(6), self.random.below(100));
        let mut name = || self.name();
        match (at, kind) {
            (0, _) => format!("def {}({}, {}):", name(), name(), name()),
            (LAST, _) => String::new(),
            (_, 0) => format!("    {} = {}({}, {})", name(), name(), name(), name()),
            (_, 1) => format!("    if {}.{} is None: {}()", name(), name(), name()),
            (_, 2) => format!("    for {} in {}.{}({}):", name(), name(), name(), name()),
            (_, 3) => format!("        self.{} = {} + {number}", name(), name()),
            (_, 4) => format!("    # {} {} {} {}", name(), name(), name(), name()),
            _ => format!("        return {}.{}({})", name(), name(), name()),
        }
    }

    fn name(&mut self) -> String {
        let own = |file: usize| SHARED_NAMES + file * NAMES_A_FILE;
        match self.random.below(20) {
            0..8 => name(own(self.file) + self.random.below(NAMES_A_FILE)),
            8..11 => {
                let package = self.file / FILES_A_PACKAGE * FILES_A_PACKAGE;
                let file = (package + self.random.below(FILES_A_PACKAGE)).min(self.files - 1);
                name(own(file) + self.random.below(NAMES_A_FILE))
            }
            // Ranks from 1, each with a probability of about 1 / rank.
            _ => name((SHARED_NAMES as f64).powf(self.random.uniform()) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different_and_none_begins_another() {
        let names: HashSet<String> = (0..1 << NAME_BITS).map(name).collect();
        assert_eq!(names.len(), 1 << NAME_BITS);
        assert!(names.iter().all(|name| name.len() == 2 * SYLLABLES as usize));
    }

    #[test]
    fn files_have_the_chunks_they_are_counted_by_and_are_written_the_same_again() {
        let project = Project::of(1_000);
        assert_eq!((project.files(), project.chunks()), (25, 1_000));
        assert_eq!(Project::of(1).chunks(), CHUNKS_A_FILE);
        let chunks: Vec<Chunk> = (0..project.files()).flat_map(|file| project.chunks_of(file)).collect();
        let numbers: Vec<_> = chunks.iter().filter_map(|chunk| project.number(&chunk.span)).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<u32>>());
        let texts: HashSet<TextHash> = chunks.iter().map(|chunk| chunk.hash).collect();
        assert_eq!(texts.len(), chunks.len(), "no two chunks are alike");
        assert_eq!(project.text(3), project.text(3));
        assert_ne!(project.text(3), project.text(4));
    }

    #[test]
    fn most_neighbours_of_a_question_are_of_the_file_whose_names_it_uses() {
        let project = Project::of(1_000);
        let questions = project.questions(20);
        let nearest = project.nearest(&questions);
        let of_file = |(question, found): (&Question, &Vec<u32>)| {
            found.iter().filter(|&&chunk| chunk as usize / CHUNKS_A_FILE == question.file).count()
        };
        let near: usize = questions.iter().zip(&nearest.found).map(of_file).sum();
        assert!(near > 20 * TOP_K / 2, "{near} of {}", 20 * TOP_K);
        assert!(nearest.least > 0.0 && nearest.least < 0.95, "{}", nearest.least);
    }

    #[test]
    fn a_texts_direction_is_the_sum_of_its_parts() {
        let text = Project::of(1).text(0);
        let mut sum = vec![0.0; WIDTH];
        for part in chunker::parts(&text, 8) {
            sum.iter_mut().zip(direction(&part)).for_each(|(sum, number)| *sum += number);
        }
        assert_eq!(sum, direction(&text));
        let embedding = embedding(&text);
        assert!((dot(&embedding, &embedding) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn an_edit_changes_every_chunk_behind_its_line_and_none_before_it() {
        let project = Project::of(400);
        let edits = project.edits(4);
        assert_eq!(edits.iter().map(|edit| edit.file).collect::<HashSet<_>>().len(), 4);
        assert_eq!(project.edits(100).len(), project.files());
        for edit in edits {
            let (gone, came) = project.difference(&edit);
            assert!(came.iter().any(|chunk| chunk.text.contains(&edit.line)));
            // The windows that end behind the line, and one more: the file is longer now.
            let kept = (LINES_A_FILE / 2 - CHUNKING.lines) / CHUNKING.stride + 1;
            assert_eq!((gone.len(), came.len()), (CHUNKS_A_FILE - kept, CHUNKS_A_FILE - kept + 1));
        }
    }
}
