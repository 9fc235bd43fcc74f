//! Samples on disk: a line of JSON each, read in any order.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::rename::needs_context;
use crate::random::SplitMix64;

/// Samples looked at for one that needs its chunks: about one in ten does.
const MOST_LOOKED_AT: usize = 64;

/// A line to complete. `prefix + target + suffix` is a contiguous part of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the package.
    pub package: String,
    /// The file's path in it.
    pub path: String,
    /// What stands before the cursor, from the beginning of a line on.
    pub prefix: String,
    /// The rest of the line, without its line break.
    pub target: String,
    /// What stands after it; begins with the line break, unless the file ends there.
    pub suffix: String,
    /// What retrieval finds in the package's other files, best first.
    pub chunks: Vec<SampleChunk>,
}

impl Sample {
    /// Whether something stands before the cursor in its line.
    pub fn is_inside_a_line(&self) -> bool {
        self.prefix.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty())
    }

    /// Leaves it the best of its chunks: `top_k` of them in half the cases, fewer at random in the
    /// others. How many is drawn alike for every sample: were it not, a reader could tell from the
    /// number whether the chunks are of use.
    pub fn keep_some_chunks(&mut self, top_k: usize, random: &mut SplitMix64) {
        let most = self.chunks.len().min(top_k);
        let all = random.uniform() < 0.5;
        self.chunks.truncate(if all || most == 0 { most } else { 1 + random.below(most) });
    }
}

/// A chunk of another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleChunk {
    /// The file's path.
    pub path: String,
    /// First line, counted from 0.
    pub start_line: usize,
    /// One past the last line.
    pub end_line: usize,
    /// Its lines.
    pub text: String,
}

/// Samples of a file, by number. Only where each begins is kept in memory, so that a file may be
/// larger than that; several threads may read.
#[derive(Debug)]
pub struct SampleFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Where each sample begins, and where the last one ends, in bytes.
    starts: Vec<u64>,
}

impl SampleFile {
    /// Finds the samples of a file.
    ///
    /// # Errors
    /// If it cannot be read, or its last line is not whole.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)
            .with_context(|| format!("cannot open the samples {}; cut them first", path.display()))?;
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let mut starts = vec![0];
        let mut end = 0;
        loop {
            let bytes = reader.fill_buf().with_context(|| format!("cannot read {}", path.display()))?;
            if bytes.is_empty() {
                break;
            }
            starts.extend((0..bytes.len()).filter(|&at| bytes[at] == b'\n').map(|at| end + at as u64 + 1));
            let length = bytes.len();
            reader.consume(length);
            end += length as u64;
        }
        ensure!(
            starts.last() == Some(&end),
            "{} ends in the middle of a sample: it was not written to its end; cut the samples again",
            path.display()
        );
        Ok(Self { path: path.into(), file: Mutex::new(file), starts })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A sample by its number.
    ///
    /// # Errors
    /// If there is none of this number, or it cannot be read.
    pub fn get(&self, index: usize) -> Result<Sample> {
        let path = self.path.display();
        ensure!(index < self.len(), "{path} holds {} samples; there is no number {index}", self.len());
        let (start, end) = (self.starts[index], self.starts[index + 1]);
        let mut line = vec![0; (end - start) as usize];
        {
            // A thread that panicked while it read left nothing behind that matters here.
            let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.seek(SeekFrom::Start(start))
                .and_then(|_| file.read_exact(&mut line))
                .with_context(|| format!("cannot read sample {index} of {path}"))?;
        }
        serde_json::from_slice(&line)
            .with_context(|| format!("sample {index} of {path} is damaged; cut the samples again"))
    }

    /// The first `count`, or all if there are fewer.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn first(&self, count: usize) -> Result<Vec<Sample>> {
        self.iter().take(count).collect()
    }

    /// The first `most` whose targets need a name that only a chunk has.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn needing_context(&self, most: usize) -> Result<Vec<Sample>> {
        let needs = |sample: &Result<Sample>| sample.as_ref().map_or(true, needs_context);
        self.iter().filter(needs).take(most).collect()
    }

    /// A sample at random; one that needs its chunks, if `needing` asks for that and one is found.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn draw(&self, needing: bool, random: &mut SplitMix64) -> Result<Sample> {
        let mut sample = self.get(random.below(self.len().max(1)))?;
        for _ in 1..MOST_LOOKED_AT {
            if !needing || needs_context(&sample) {
                break;
            }
            sample = self.get(random.below(self.len()))?;
        }
        Ok(sample)
    }

    /// All samples, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Result<Sample>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample(n: usize) -> Sample {
        let chunk = SampleChunk { path: "b.py".into(), start_line: n, end_line: n + 10, text: "x\ny".into() };
        Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: "é\n".repeat(n),
            target: format!("call({n})"),
            suffix: "\n".into(),
            chunks: vec![chunk; n % 3],
        }
    }

    #[test]
    fn how_many_chunks_are_kept_says_nothing_of_the_sample() {
        let mut random = SplitMix64::new(3);
        let mut kept = |chunks: usize| {
            let mut sample = sample(1);
            sample.chunks =
                (0..chunks).map(|n| SampleChunk { start_line: n, ..sample.chunks[0].clone() }).collect();
            sample.keep_some_chunks(8, &mut random);
            assert!(
                sample.chunks.iter().enumerate().all(|(n, chunk)| chunk.start_line == n),
                "the best ones"
            );
            sample.chunks.len()
        };
        assert_eq!((kept(0), kept(1)), (0, 1));
        let counts: Vec<usize> = (0..1600).map(|_| kept(10)).collect();
        let share = |n| counts.iter().filter(|&&count| count == n).count() as f64 / 1600.0;
        assert!((share(8) - 9.0 / 16.0).abs() < 0.05, "{}", share(8));
        assert!((1..8).all(|n| (share(n) - 1.0 / 16.0).abs() < 0.03));
        assert_eq!(counts.iter().max(), Some(&8));
    }

    #[test]
    fn samples_are_read_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let lines: String = (0..20).map(|n| serde_json::to_string(&sample(n)).unwrap() + "\n").collect();
        fs::write(&path, &lines).unwrap();
        let file = SampleFile::open(&path).unwrap();
        assert_eq!(file.len(), 20);
        for n in [19, 0, 7] {
            assert_eq!(file.get(n).unwrap(), sample(n));
        }
        assert_eq!(
            file.iter().map(Result::unwrap).collect::<Vec<_>>(),
            (0..20).map(sample).collect::<Vec<_>>()
        );
        assert_eq!(file.first(3).unwrap(), [0, 1, 2].map(sample));
        assert_eq!(file.first(50).unwrap().len(), 20);
        assert!(file.get(20).unwrap_err().to_string().contains("no number 20"));

        let needing = |n: usize| {
            let mut needing = sample(n);
            needing.target = format!("level_{n}()");
            needing.chunks.iter_mut().for_each(|chunk| chunk.text = format!("level_{n} = 1"));
            needing
        };
        let mixed = [sample(1), needing(2), needing(3), needing(4), needing(5)];
        let text: String = mixed.iter().map(|s| serde_json::to_string(s).unwrap() + "\n").collect();
        let other = folder.path().join("mixed.jsonl");
        fs::write(&other, text).unwrap();
        let file = SampleFile::open(&other).unwrap();
        assert_eq!(file.needing_context(2).unwrap(), [needing(2), needing(4)], "number 3 has no chunks");
        let mut random = SplitMix64::new(1);
        let mut drawn = |needing| (0..50).map(|_| file.draw(needing, &mut random).unwrap()).collect();
        let (any, needed): (Vec<Sample>, Vec<Sample>) = (drawn(false), drawn(true));
        assert!(mixed.iter().all(|sample| any.contains(sample)));
        assert!(needed.iter().all(needs_context) && needed.contains(&needing(5)));

        fs::write(&path, &lines[..lines.len() - 5]).unwrap();
        assert!(SampleFile::open(&path).unwrap_err().to_string().contains("cut the samples again"));
        fs::write(&path, "{}\n").unwrap();
        assert!(format!("{:#}", SampleFile::open(&path).unwrap().get(0).unwrap_err()).contains("damaged"));
    }
}
