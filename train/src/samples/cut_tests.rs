//! What holds for every sample.

use std::collections::BTreeSet;

use llavacode_core::index::lexical::{jaccard, word_set};

use super::*;
use crate::samples::SampleFile;

fn package(name: &str, files: usize, functions: usize) -> Vec<SourceFile> {
    (0..files)
        .map(|file| {
            let function = |n: usize| {
                format!(
                    "def {name}_f{n}(value, other):\n    \"\"\"Adds.\n\n    Not code.\n    \"\"\"\n    # é\n    \
                     total = {name}_f{}(value) + m{}.call_{n}(other)\n    return total * {file}\n\n\n",
                    n + 1,
                    (file + 1) % files,
                )
            };
            let text = (0..functions).map(|n| function(n + file * 3)).collect();
            SourceFile { package: name.into(), path: format!("{name}/m{file}.py"), text }
        })
        .collect()
}

fn packages() -> Vec<Vec<SourceFile>> {
    vec![package("alpha", 6, 40), package("beta", 3, 10), package("lonely", 1, 10)]
}

fn cut_to(folder: &Path, name: &str, config: &CutConfig) -> (Vec<Sample>, CutReport, Vec<u8>) {
    let out = folder.join(name);
    let report = cut_packages(&packages(), config, &out).unwrap();
    let samples = SampleFile::open(&out).unwrap().iter().map(Result::unwrap).collect();
    (samples, report, fs::read(out).unwrap())
}

#[test]
fn samples_are_parts_of_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = CutConfig { prefix_bytes: 700, suffix_bytes: 101, ..CutConfig::new(400, 1) };
    let (samples, report, bytes) = cut_to(folder.path(), "a.jsonl", &config);
    assert_eq!((samples.len(), report.samples, report.bytes), (400, 400, bytes.len() as u64));
    assert!((140..260).contains(&report.inside), "{report:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was written beside is gone");

    let files: Vec<SourceFile> = packages().concat();
    let mut places = BTreeSet::new();
    for sample in &samples {
        let Sample { prefix, target, suffix, .. } = sample;
        let file = files.iter().find(|file| file.path == sample.path).unwrap();
        let whole = format!("{prefix}{target}{suffix}");
        let at = file.text.find(&whole).expect("a contiguous part of the file");
        assert!(at == 0 || file.text.as_bytes()[at - 1] == b'\n', "begins with a line");
        assert!(prefix.len() <= 700 && suffix.len() <= 101);
        assert!(prefix.len() > 500 || at == 0, "as long as it may be");
        assert!(suffix.starts_with('\n') && !target.contains('\n'));
        assert!(target.chars().filter(|c| !c.is_whitespace()).count() >= 3);
        assert!(!target.contains("code") && !target.contains('#') && !target.contains("Adds"));
        let line = prefix.rsplit('\n').next().unwrap();
        assert!(line.trim().is_empty() || !line.ends_with(' '), "after a token: {line:?}");
        assert!(!line.trim().is_empty() || !target.starts_with(' '), "indentation is the prefix's");
        let line_start = at + prefix.len() - line.len();
        assert!(places.insert((sample.path.clone(), line_start)), "a line gives one sample");
    }
}

#[test]
fn chunks_are_other_files_best_first() {
    let folder = tempfile::tempdir().unwrap();
    let (samples, report, _) = cut_to(folder.path(), "a.jsonl", &CutConfig::new(200, 5));
    let files: Vec<SourceFile> = packages().concat();
    for sample in &samples {
        let query = word_set(query_window(&sample.prefix, 10));
        let mut last = f32::INFINITY;
        for chunk in &sample.chunks {
            assert_ne!(chunk.path, sample.path);
            let file = files.iter().find(|file| file.path == chunk.path).unwrap();
            assert_eq!(file.package, sample.package);
            let lines: Vec<_> = file.text.lines().collect();
            assert_eq!(chunk.text, lines[chunk.start_line..chunk.end_line].join("\n"));
            let score = jaccard(&query, &word_set(&chunk.text));
            assert!(score > 0.0 && score <= last);
            last = score;
        }
        // The first line of a file has no words before it.
        assert_eq!(sample.chunks.is_empty(), sample.package == "lonely" || query.is_empty());
        assert!(sample.chunks.len() <= 10);
    }
    assert_eq!(report.without_chunks, samples.iter().filter(|sample| sample.chunks.is_empty()).count());
    assert_eq!(report.chunks, samples.iter().map(|sample| sample.chunks.len()).sum::<usize>());
}

#[test]
fn a_seed_gives_one_file_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let cut = |seed, threads| {
        cut_to(folder.path(), "x.jsonl", &CutConfig { threads, ..CutConfig::new(90, seed) }).2
    };
    assert_eq!(cut(3, 1), cut(3, 3));
    assert_ne!(cut(3, 1), cut(4, 1));
}

#[test]
fn packages_share_by_the_square_root_and_give_what_they_have() {
    assert_eq!(shares(&[10_000, 100], 110), [100, 10]);
    assert_eq!(shares(&[10_000, 4], 300), [296, 4]);
    assert_eq!(shares(&[5, 7, 0], 100), [5, 7, 0]);
    assert_eq!(shares(&[900, 900, 900], 100).iter().sum::<usize>(), 100);
    assert!(shares(&[], 10).is_empty());
}

#[test]
fn a_prefix_begins_with_a_line() {
    let text = "aaaa\nbbbb\ncccc";
    assert_eq!(first_line_start(text, 14, 100), 0);
    assert_eq!(first_line_start(text, 14, 9), 5);
    assert_eq!(first_line_start(text, 14, 8), 10);
    // The cursor's line is longer than the prefix may be.
    assert_eq!(first_line_start(text, 14, 2), 10);
    assert_eq!(first_line_start(text, 14, 14), 0);
}
