//! Cutting samples: which lines, and what is retrieved for them.
//!
//! Half of the targets begin at the line's first character that is not blank, half after a token
//! inside the line. No line gives two samples. A package's share of the samples is proportional to
//! the square root of the number of its lines: a package twenty times as large is not twenty times
//! as instructive.
//!
//! Retrieval is core's own: its chunker, its lexical index, its order and its rule against
//! repetition, within the package, the sample's file left out.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
    thread,
};

use anyhow::{Context, Result, ensure};
use llavacode_core::{
    config::ChunkingConfig,
    index::{
        Chunk, chunker,
        fusion::{best_first, distinct},
        lexical::{LexicalIndex, query_window},
    },
    tasks::lines::{code_lines, cut_points},
};

use super::store::{Sample, SampleChunk};
use crate::{
    corpus::{Corpus, SourceFile, Split},
    random::SplitMix64,
};

/// Fewest characters of a target, blanks not counted.
const SHORTEST_TARGET: usize = 3;

/// How samples are cut.
#[derive(Debug, Clone, PartialEq)]
pub struct CutConfig {
    /// Samples wanted.
    pub count: usize,
    /// The same seed gives the same samples.
    pub seed: u64,
    /// Most bytes before the cursor.
    pub prefix_bytes: usize,
    /// Most bytes after the target.
    pub suffix_bytes: usize,
    /// How files are cut into chunks.
    pub chunking: ChunkingConfig,
    /// Most chunks of a sample.
    pub top_k: usize,
    /// Packages worked on at a time.
    pub threads: usize,
}

impl CutConfig {
    /// So many samples of this seed, with the paper's chunks and about 1,000 tokens of text.
    pub const fn new(count: usize, seed: u64) -> Self {
        let chunking = ChunkingConfig { lines: 10, stride: 5 };
        Self { count, seed, prefix_bytes: 2600, suffix_bytes: 600, chunking, top_k: 10, threads: 2 }
    }
}

/// What was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Samples.
    pub samples: usize,
    /// Those whose target begins inside the line.
    pub inside: usize,
    /// Chunks of all samples.
    pub chunks: usize,
    /// Samples without any.
    pub without_chunks: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Cuts samples of a split and writes them to `out`, a [`Sample`] a line, in an order without
/// pattern: any first few are a fair sample of all packages. Fewer than wanted are cut if the split
/// has no more lines.
///
/// # Errors
/// If the corpus cannot be read or the samples cannot be written.
pub fn cut(corpus: &Corpus, split: Split, config: &CutConfig, out: &Path) -> Result<CutReport> {
    cut_packages(&corpus.packages(split)?, config, out)
}

fn cut_packages(packages: &[Vec<SourceFile>], config: &CutConfig, out: &Path) -> Result<CutReport> {
    let lines: Vec<Vec<(usize, Range<usize>)>> = packages
        .iter()
        .map(|files| {
            let numbered = files.iter().enumerate();
            numbered
                .flat_map(|(index, file)| {
                    code_lines(&file.text, SHORTEST_TARGET).into_iter().map(move |l| (index, l))
                })
                .collect()
        })
        .collect();
    let shares = shares(&lines.iter().map(Vec::len).collect::<Vec<_>>(), config.count);

    // Package by package into a file beside, so that memory holds one index a thread.
    let unordered = out.with_extension("unordered");
    let writing = || format!("cannot write {}", unordered.display());
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut file = BufWriter::new(
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&unordered)
            .with_context(writing)?,
    );
    let mut report = CutReport::default();
    let mut starts = vec![0];
    let jobs: Vec<_> = packages.iter().zip(lines).zip(shares).collect();
    for batch in jobs.chunks(config.threads.max(1)) {
        let done: Vec<Result<Cut>> = thread::scope(|scope| {
            let workers: Vec<_> = batch
                .iter()
                .map(|((files, lines), share)| scope.spawn(move || cut_package(files, lines, *share, config)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        for cut in done {
            let cut = cut?;
            for line in cut.lines {
                file.write_all(line.as_bytes()).with_context(writing)?;
                report.bytes += line.len() as u64;
                starts.push(report.bytes);
            }
            report.samples += cut.report.samples;
            report.inside += cut.report.inside;
            report.chunks += cut.report.chunks;
            report.without_chunks += cut.report.without_chunks;
        }
    }
    let mut file = file.into_inner().map_err(|error| error.into_error()).with_context(writing)?;
    write_shuffled(&mut file, &starts, config.seed, out)?;
    fs::remove_file(&unordered).with_context(|| format!("cannot remove {}", unordered.display()))?;
    Ok(report)
}

fn write_shuffled(file: &mut File, starts: &[u64], seed: u64, out: &Path) -> Result<()> {
    let mut order: Vec<usize> = (0..starts.len() - 1).collect();
    SplitMix64::named(seed, "order of the samples").shuffle(&mut order);
    let writing = || format!("cannot write {}", out.display());
    let mut shuffled = BufWriter::with_capacity(1 << 20, File::create(out).with_context(writing)?);
    let mut line = Vec::new();
    for index in order {
        line.resize((starts[index + 1] - starts[index]) as usize, 0);
        file.seek(SeekFrom::Start(starts[index]))
            .and_then(|_| file.read_exact(&mut line))
            .and_then(|()| shuffled.write_all(&line))
            .with_context(writing)?;
    }
    shuffled.flush().with_context(writing)
}

/// How many samples each package gives, of as many as it has lines: in proportion to the square
/// root of that number, never more than it, `count` in all if there are so many.
fn shares(lines: &[usize], count: usize) -> Vec<usize> {
    let weights: Vec<f64> = lines.iter().map(|&lines| (lines as f64).sqrt()).collect();
    let mut shares = vec![0; lines.len()];
    let mut missing = count.min(lines.iter().sum());
    // What small packages cannot give goes to the others.
    while missing > 0 {
        let open: Vec<usize> = (0..lines.len()).filter(|&index| shares[index] < lines[index]).collect();
        let weight: f64 = open.iter().map(|&index| weights[index]).sum();
        let round = missing as f64;
        for &index in &open {
            let wanted = (round * weights[index] / weight).round().max(1.0) as usize;
            let given = wanted.min(lines[index] - shares[index]).min(missing);
            shares[index] += given;
            missing -= given;
        }
    }
    shares
}

struct Cut {
    lines: Vec<String>,
    report: CutReport,
}

fn cut_package(
    files: &[SourceFile],
    lines: &[(usize, Range<usize>)],
    count: usize,
    config: &CutConfig,
) -> Result<Cut> {
    let mut cut = Cut { lines: Vec::with_capacity(count), report: CutReport::default() };
    let Some(first) = files.first() else { return Ok(cut) };
    let mut random = SplitMix64::named(config.seed, &first.package);
    let mut order: Vec<usize> = (0..lines.len()).collect();
    random.shuffle(&mut order);
    let retriever = Retriever::new(files, config);
    for &index in order.iter().take(count) {
        let (file, line) = &lines[index];
        let text = &files[*file].text[line.clone()];
        let points = cut_points(text, SHORTEST_TARGET);
        ensure!(!points.is_empty(), "no place to cut {text:?}");
        let inside = points.len() > 1 && random.chance(1, 2);
        let column = if inside { points[1 + random.below(points.len() - 1)] } else { points[0] };
        let sample = retriever.sample(*file, line.start + column..line.end);
        cut.report.samples += 1;
        cut.report.inside += usize::from(inside);
        cut.report.chunks += sample.chunks.len();
        cut.report.without_chunks += usize::from(sample.chunks.is_empty());
        cut.lines.push(serde_json::to_string(&sample)? + "\n");
    }
    Ok(cut)
}

/// A package's chunks and their index.
struct Retriever<'a> {
    files: &'a [SourceFile],
    chunks: Vec<Chunk>,
    /// The chunks of each file.
    of_file: Vec<Range<u32>>,
    index: LexicalIndex,
    config: &'a CutConfig,
}

impl<'a> Retriever<'a> {
    fn new(files: &'a [SourceFile], config: &'a CutConfig) -> Self {
        let mut index = LexicalIndex::default();
        let mut chunks = Vec::new();
        let mut of_file = Vec::new();
        for file in files {
            let first = chunks.len() as u32;
            chunks.extend(chunker::chunk(&file.path, &file.text, config.chunking));
            of_file.push(first..chunks.len() as u32);
        }
        for (slot, chunk) in chunks.iter().enumerate() {
            index.insert(slot as u32, &chunk.text);
        }
        Self { files, chunks, of_file, index, config }
    }

    fn sample(&self, file: usize, target: Range<usize>) -> Sample {
        let SourceFile { package, path, text } = &self.files[file];
        let prefix = &text[first_line_start(text, target.start, self.config.prefix_bytes)..target.start];
        let suffix_end = text.floor_char_boundary(target.end + self.config.suffix_bytes);
        let mut scored =
            self.index.similarities(query_window(&text[..target.start], self.config.chunking.lines));
        scored.retain(|scored| !self.of_file[file].contains(&scored.slot));
        let ranked = best_first(scored, |slot| self.chunks.get(slot as usize));
        let chunks = distinct(ranked, self.config.top_k)
            .into_iter()
            .map(|scored| &self.chunks[scored.slot as usize])
            .map(|chunk| SampleChunk {
                path: chunk.span.path.clone(),
                start_line: chunk.span.start_line,
                end_line: chunk.span.end_line,
                text: chunk.text.to_string(),
            })
            .collect();
        Sample {
            package: package.clone(),
            path: path.clone(),
            prefix: prefix.into(),
            target: text[target.clone()].into(),
            suffix: text[target.end..suffix_end].into(),
            chunks,
        }
    }
}

/// The first beginning of a line that has at most `most` bytes between it and `cursor`; the
/// cursor's own line is always taken whole.
fn first_line_start(text: &str, cursor: usize, most: usize) -> usize {
    let own = text[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let Some(earliest) = cursor.checked_sub(most).filter(|&at| at > 0) else { return 0 };
    if own <= earliest {
        return own;
    }
    // A line begins after each line break from the byte before `earliest` on.
    let from = text.as_bytes()[earliest - 1..own].iter().position(|&byte| byte == b'\n');
    from.map_or(own, |at| earliest + at)
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
