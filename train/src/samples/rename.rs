//! Samples whose names only the context knows.
//!
//! A reader can guess `self.client.request(` from habit. Where the names are replaced, at random but
//! everywhere alike, it must look them up: in the chunks, above all. A part of the training samples
//! is renamed, each time anew, so that copying from context pays from the beginning.

use std::collections::{HashMap, HashSet};

use llavacode_core::{
    random::SplitMix64,
    tasks::needs,
    words::{is_common, parts, word_ranges, words},
};

use super::{
    store::{Sample, SampleChunk},
    words::{Style, invented},
};

/// Most names replaced in a sample.
const MOST_NAMES: usize = 3;
/// Lines before the cursor in which a name would be too easy to find.
const NEAR_LINES: usize = 10;
/// Attempts at a name that nothing in the sample has yet.
const ATTEMPTS: usize = 8;

/// Replaces one to three names that stand both in the target and in a chunk, consistently, in all
/// of the sample. Names that are not in the last lines before the cursor come first, best those
/// that are nowhere before it. `None` if there is no such name.
///
/// The new names have the old ones' style and are made of words of the sample and invented ones.
/// Only whole words change; `path`s stay.
pub fn rename_identifiers(sample: &Sample, random: &mut SplitMix64) -> Option<Sample> {
    let mut names = candidates(sample);
    if names.is_empty() {
        return None;
    }
    let seen = Vocabulary::of(sample);
    random.shuffle(&mut names);
    let near = near_lines(&sample.prefix);
    let near: HashSet<&str> = words(near).collect();
    names.sort_by_key(|name| (near.contains(name), seen.before_cursor.contains(name)));
    names.truncate(1 + random.below(MOST_NAMES));

    let mut renamed: HashMap<&str, String> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    for name in names {
        let free = (0..ATTEMPTS)
            .map(|_| new_name(name, &seen.parts, random))
            .find(|new| !seen.words.contains(new.as_str()) && !taken.contains(new) && !is_common(new));
        if let Some(new) = free {
            taken.insert(new.clone());
            renamed.insert(name, new);
        }
    }
    if renamed.is_empty() {
        return None;
    }
    let replace = |text: &str| replace_words(text, &renamed);
    Some(Sample {
        package: sample.package.clone(),
        path: sample.path.clone(),
        prefix: replace(&sample.prefix),
        target: replace(&sample.target),
        suffix: replace(&sample.suffix),
        chunks: sample
            .chunks
            .iter()
            .map(|chunk| SampleChunk {
                path: chunk.path.clone(),
                start_line: chunk.start_line,
                end_line: chunk.end_line,
                text: replace(&chunk.text),
            })
            .collect(),
    })
}

/// Whether the target holds a name that a chunk has and that stands nowhere around the cursor
/// ([`needs`]).
pub fn needs_context(sample: &Sample) -> bool {
    needs::needs_context(&sample.prefix, &sample.target, &sample.suffix, |name| a_chunk_has(sample, name))
}

/// The names by which it does.
pub fn needed(sample: &Sample) -> Vec<&str> {
    needs::needed(&sample.prefix, &sample.target, &sample.suffix, |name| a_chunk_has(sample, name))
}

/// Names in the target that a chunk has too.
fn candidates(sample: &Sample) -> Vec<&str> {
    let mut names = needs::names(&sample.prefix, &sample.target);
    names.retain(|name| a_chunk_has(sample, name));
    names
}

fn a_chunk_has(sample: &Sample, name: &str) -> bool {
    let has = |text: &str| text.contains(name) && words(text).any(|word| word == name);
    sample.chunks.iter().any(|chunk| has(&chunk.text))
}

struct Vocabulary<'a> {
    words: HashSet<&'a str>,
    before_cursor: HashSet<&'a str>,
    /// Small words of the sample's names, in the order in which they first occur.
    parts: Vec<&'a str>,
}

impl<'a> Vocabulary<'a> {
    fn of(sample: &'a Sample) -> Self {
        let before_cursor: HashSet<&str> = words(&sample.prefix).collect();
        let mut all = HashSet::new();
        let mut small = Vec::new();
        let chunks = sample.chunks.iter().map(|chunk| chunk.text.as_str());
        for text in [sample.prefix.as_str(), &sample.target, &sample.suffix].into_iter().chain(chunks) {
            for word in words(text) {
                if all.insert(word) && !is_common(word) {
                    let is_plain =
                        |part: &&str| part.len() > 1 && part.chars().all(|c| c.is_ascii_alphabetic());
                    small.extend(parts(word).filter(is_plain));
                }
            }
        }
        Self { words: all, before_cursor, parts: small }
    }
}

fn near_lines(prefix: &str) -> &str {
    let start = prefix.rmatch_indices('\n').nth(NEAR_LINES - 1).map_or(0, |(at, _)| at + 1);
    &prefix[start..]
}

/// A name in the style of `old`, with as many words or one more.
fn new_name(old: &str, known: &[&str], random: &mut SplitMix64) -> String {
    let inner = old.trim_matches('_');
    let start = old.len() - old.trim_start_matches('_').len();
    let count = (parts(inner).count() + random.below(2)).clamp(1, 4);
    let mut small: Vec<String> = (0..count)
        .map(|_| match random.choose(known).filter(|_| random.chance(2, 3)) {
            Some(part) => part.to_ascii_lowercase(),
            None => invented(random),
        })
        .collect();
    // Of known words alone it might be guessed.
    if random.chance(1, 2) {
        small[random.below(count)] = invented(random);
    }
    let end = old.len() - old.trim_end_matches('_').len();
    let underscores = |n: usize| "_".repeat(n);
    underscores(start) + &Style::of(old).join(&small) + &underscores(end)
}

fn replace_words(text: &str, renamed: &HashMap<&str, String>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut copied = 0;
    for range in word_ranges(text) {
        if let Some(new) = renamed.get(&text[range.clone()]) {
            out.push_str(&text[copied..range.start]);
            out.push_str(new);
            copied = range.end;
        }
    }
    out + &text[copied..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        let chunk =
            |text: &str| SampleChunk { path: "b.py".into(), start_line: 0, end_line: 2, text: text.into() };
        Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: format!("from b import TideGauge\n{}\ngauge_id = 1\nlevel = ", "x = 1\n".repeat(12)),
            target: "TideGauge(gauge_id).read_level(self, unknown)".into(),
            suffix: "\nprint(TideGauge, gauge_id)\n".into(),
            chunks: vec![
                chunk("class TideGauge:\n    def read_level(self, gauge_id):"),
                chunk("TideGaugeError = read_level_2(reread_level)"),
            ],
        }
    }

    #[test]
    fn a_name_that_only_a_chunk_has_needs_it() {
        let needing = sample();
        assert!(needs_context(&needing), "`read_level` stands in a chunk alone");
        let told = Sample { suffix: "gauge.read_level()\n".into(), ..needing.clone() };
        assert!(!needs_context(&told), "it stands behind the cursor too");
        assert!(!needs_context(&Sample { chunks: Vec::new(), ..needing }), "nobody tells it");
    }

    #[test]
    fn names_change_alike_everywhere_and_nothing_else_does() {
        let before = sample();
        let mut renamed_names = HashSet::new();
        for seed in 0..50 {
            let after = rename_identifiers(&before, &mut SplitMix64::new(seed)).unwrap();
            assert_ne!(after, before);
            let texts = |s: &Sample| {
                let chunks = s.chunks.iter().map(|chunk| chunk.text.clone());
                [s.prefix.clone(), s.target.clone(), s.suffix.clone()]
                    .into_iter()
                    .chain(chunks)
                    .collect::<Vec<_>>()
            };
            let mut map: HashMap<String, String> = HashMap::new();
            for (old, new) in texts(&before).iter().zip(texts(&after)) {
                let (olds, news): (Vec<_>, Vec<_>) =
                    (word_ranges(old).collect(), word_ranges(&new).collect());
                assert_eq!(olds.len(), news.len(), "{new}");
                for (o, n) in olds.into_iter().zip(news) {
                    let (o, n) = (old[o].to_owned(), new[n].to_owned());
                    assert_eq!(map.entry(o).or_insert_with(|| n.clone()), &n, "one name, two replacements");
                }
            }
            let values: HashSet<_> = map.values().collect();
            assert_eq!(values.len(), map.len(), "two names became one");
            let changed: Vec<_> =
                map.iter().filter(|(old, new)| old != new).map(|(old, _)| old.clone()).collect();
            assert!((1..=3).contains(&changed.len()));
            for old in changed {
                assert_eq!(Style::of(&map[&old]), Style::of(&old));
                renamed_names.insert(old);
            }
        }
        // Not `self`, not `unknown` (in no chunk), not parts of longer words.
        let expected = ["TideGauge", "gauge_id", "read_level"].map(String::from);
        assert_eq!(renamed_names, expected.into());
    }

    #[test]
    fn names_far_from_the_cursor_come_first() {
        for seed in 0..20 {
            let after = rename_identifiers(&sample(), &mut SplitMix64::new(seed)).unwrap();
            assert!(!after.target.contains("read_level"), "{}", after.target);
            if after.target.contains("TideGauge") {
                assert!(after.target.contains("gauge_id"), "{}", after.target);
            }
        }
    }

    #[test]
    fn the_same_numbers_give_the_same_names() {
        let renamed = |seed| rename_identifiers(&sample(), &mut SplitMix64::new(seed));
        assert_eq!(renamed(3), renamed(3));
        assert_ne!(renamed(3), renamed(4));
    }

    #[test]
    fn a_sample_without_shared_names_is_not_renamed() {
        let mut random = SplitMix64::new(1);
        let none = Sample { chunks: vec![], ..sample() };
        assert_eq!(rename_identifiers(&none, &mut random), None);
        let common = Sample { target: "self.get(None) # 123".into(), ..sample() };
        assert_eq!(rename_identifiers(&common, &mut random), None);
        // The cursor stands inside the name.
        let mut inside = Sample { target: "Gauge(1)".into(), ..sample() };
        inside.prefix += "Tide";
        inside.chunks[0].text += " Gauge";
        assert_eq!(rename_identifiers(&inside, &mut random), None);
    }
}
