use std::borrow::Cow;

use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::chunker::{chunk, cursor_line, lines, part_spans, parts};
use llavacode_core::index::{Chunk, TextHash};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{CHUNKING, numbered, random_file};

fn ranges(chunks: &[Chunk]) -> Vec<(usize, usize)> {
    chunks.iter().map(|chunk| (chunk.span.start_line, chunk.span.end_line)).collect()
}

#[test]
fn chunks_overlap_by_half_and_the_last_ends_with_the_file() {
    let of = |count| ranges(&chunk("a.py", &numbered("a", count), CHUNKING));
    assert_eq!(of(0), []);
    assert_eq!(of(1), [(0, 1)]);
    assert_eq!(of(10), [(0, 10)]);
    assert_eq!(of(11), [(0, 10), (5, 11)]);
    assert_eq!(of(15), [(0, 10), (5, 15)]);
    assert_eq!(of(23), [(0, 10), (5, 15), (10, 20), (15, 23)]);
}

#[test]
fn a_chunk_is_its_lines() {
    let chunks = chunk("pkg/a.py", "one\n  two\n\nthree\n", ChunkingConfig { lines: 2, stride: 2 });
    assert_eq!(chunks[0].text.as_ref(), "one\n  two");
    assert_eq!(chunks[1].text.as_ref(), "\nthree");
    assert_eq!(chunks[1].span.path, "pkg/a.py");
}

#[test]
fn every_line_with_text_is_in_a_chunk_and_no_chunk_lies_in_the_one_before() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..300 {
        let length = random.random_range(1..14);
        let config = ChunkingConfig { lines: length, stride: random.random_range(1..=length) };
        let text = random_file(&mut random);
        let chunks = chunk("a.py", &text, config);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let holds = |c: &Chunk| (c.span.start_line..c.span.end_line).contains(&number);
            assert!(chunks.iter().any(holds), "line {number} {line:?} of {text:?}");
        }
        for chunk in &chunks {
            let (start, end) = (chunk.span.start_line, chunk.span.end_line);
            assert!(end - start <= config.lines);
            assert_eq!(chunk.text.as_ref(), lines[start..end].join("\n"));
            assert!(!chunk.text.trim().is_empty());
            assert_eq!(chunk.hash, TextHash::of(&chunk.text));
        }
        assert!(ranges(&chunks).is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{:?}", ranges(&chunks));
    }
}

#[test]
fn a_chunk_is_cut_into_even_parts_of_whole_lines() {
    fn of(text: &str, count: usize) -> Vec<Cow<'_, str>> {
        parts(text, count).collect()
    }
    assert_eq!(of("a\nb\nc\nd\ne", 2), ["a\nb\n", "c\nd\ne\n"]);
    assert_eq!(of("a\n\nb", 1), ["a\n\nb"]);
    assert_eq!(of("a\nb", 4), ["", "a\n", "", "b\n"], "fewer lines than parts");
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..300 {
        let text = random_file(&mut random).replace('\r', "");
        let count = random.random_range(2..6);
        let found = of(&text, count);
        let whole = if text.is_empty() || text.ends_with('\n') { text.clone() } else { format!("{text}\n") };
        assert_eq!((found.len(), found.concat()), (count, whole));
        assert!(found.iter().all(|part| part.is_empty() || part.ends_with('\n')), "{found:?}");
        let lines = |part: &Cow<'_, str>| part.matches('\n').count();
        let (least, most) = (found.iter().map(lines).min(), found.iter().map(lines).max());
        assert!(most <= least.map(|least| least + 1), "{found:?}");
        let spans: Vec<&str> = part_spans(&text, count).map(|span| &text[span]).collect();
        assert_eq!(spans.concat(), text);
    }
}

#[test]
fn chunks_that_overlap_by_half_have_the_parts_between_them_in_common() {
    let chunks = chunk("a.py", &numbered("a", 20), CHUNKING);
    for pair in chunks.windows(2) {
        let [first, second] = [0, 1].map(|n| parts(&pair[n].text, 8).collect::<Vec<_>>());
        assert_eq!(first[4..], second[..4]);
    }
}

#[test]
fn line_endings_do_not_change_chunks() {
    let text = numbered("a", 17);
    let expected = chunk("a.py", &text, CHUNKING);
    for other in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), text.trim_end().to_owned()] {
        assert_eq!(chunk("a.py", &other, CHUNKING), expected);
    }
}

#[test]
fn lines_are_counted_as_editors_do() {
    let split = |text| lines(text).collect::<Vec<_>>();
    assert_eq!(split(""), Vec::<&str>::new());
    assert_eq!(split("a\r\nb\rc\n\nd"), ["a", "b", "c", "", "d"]);
    assert_eq!(split("a\n"), ["a"]);
    assert_eq!(cursor_line(""), 0);
    assert_eq!(cursor_line("a\r\nb\rc\nd"), 3);
    assert_eq!(cursor_line("a\n"), 1);
}

#[test]
fn blank_chunks_are_left_out() {
    let text = format!("{}{}{}", numbered("a", 10), "   \n".repeat(20), numbered("b", 10));
    assert_eq!(ranges(&chunk("a.py", &text, CHUNKING)), [(0, 10), (5, 15), (25, 35), (30, 40)]);
    assert_eq!(chunk("a.py", " \n\t\n\u{a0}\n", CHUNKING), []);
}

#[test]
fn a_config_of_zeros_does_no_harm() {
    let chunks = chunk("a.py", &numbered("a", 3), ChunkingConfig { lines: 0, stride: 0 });
    assert_eq!(ranges(&chunks), [(0, 1), (1, 2), (2, 3)]);
}

#[test]
fn hashes_stay_the_same_between_versions() {
    // The beginning of SHA-256("abc"): stored indexes depend on it.
    assert_eq!(format!("{:?}", TextHash::of("abc")), "ba7816bf8f01cfea414140de5dae2223");
    assert_ne!(TextHash::of("abc"), TextHash::of("abd"));
}
