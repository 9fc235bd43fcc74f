//! The lanes on packages that nothing is learned from, while the projector learns: what recipes are
//! chosen by.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use llavacode_core::engine::Lane;
use serde::{Deserialize, Serialize};

use crate::{
    asking::{
        Asking,
        cost::{Lanes, cost},
        task::{Task, Tasks},
    },
    checkpoint::write_whole,
    samples::{Sample, SampleFile},
};

/// A line of the log.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    pub(super) step: u64,
    pub(super) validation: &'a Lanes,
}

/// Fixed lines.
#[derive(Debug)]
pub struct ValidationSet {
    kinds: Vec<(&'static str, Vec<Sample>)>,
    /// Prompts with soft tokens.
    compressed: Tasks,
    /// Lanes that do not change.
    fixed: Vec<(String, Lane, Tasks)>,
    /// Where what the fixed lanes cost is kept, and what names it.
    kept: PathBuf,
    mark: String,
}

/// What the fixed lanes cost.
#[derive(Serialize, Deserialize)]
struct Fixed {
    mark: String,
    lanes: Lanes,
}

impl ValidationSet {
    /// The first `count` lines that need a name only a chunk has, and the first `count` of any kind, of
    /// those that have chunks. What lanes without soft tokens cost is measured once and kept in `kept`,
    /// by `mark`, which names reader and samples.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn new(
        samples: &SampleFile,
        count: usize,
        compressed: Tasks,
        fixed: Vec<(String, Lane, Tasks)>,
        (kept, mark): (&Path, &str),
    ) -> Result<Self> {
        let with_chunks = |sample: &Sample| !sample.chunks.is_empty();
        let any = samples.first(count)?.into_iter().filter(with_chunks).collect();
        let needing = samples.needing_context(count)?;
        let kinds = vec![("needing", needing), ("any", any)];
        Ok(Self { kinds, compressed, fixed, kept: kept.into(), mark: mark.into() })
    }

    /// Measures every lane. `project` gives chunks their soft vectors.
    pub(super) fn measure(
        &self,
        asking: &mut Asking,
        project: &mut dyn FnMut(&[String]) -> Vec<f32>,
    ) -> Result<Lanes> {
        let mut lanes = self.fixed_lanes(asking)?;
        for (kind, samples) in &self.kinds {
            let (mut tasks, mut chunks) = (Vec::new(), Vec::new());
            for sample in samples {
                let first = chunks.len() * self.compressed.soft_tokens();
                chunks.extend(self.compressed.chunks(sample).map(String::from));
                tasks.push(self.compressed.compressed(sample).behind(first));
            }
            let vectors = project(&chunks);
            let of_kind = lanes.entry((*kind).into()).or_default();
            of_kind.insert("compressed".into(), cost(asking, &tasks, &vectors));
            // The same mean vector everywhere: what is better than this comes from the chunks.
            let control = repeated_mean(&vectors, asking.hidden());
            of_kind.insert("control_mean".into(), cost(asking, &tasks, &control));
        }
        Ok(lanes)
    }

    fn fixed_lanes(&self, asking: &mut Asking) -> Result<Lanes> {
        let found = fs::read(&self.kept).ok().and_then(|json| serde_json::from_slice::<Fixed>(&json).ok());
        if let Some(fixed) = found.filter(|fixed| fixed.mark == self.mark) {
            return Ok(fixed.lanes);
        }
        let fixed = Fixed { mark: self.mark.clone(), lanes: self.measure_fixed(asking) };
        if let Some(folder) = self.kept.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        write_whole(&self.kept, &serde_json::to_vec_pretty(&fixed)?)?;
        Ok(fixed.lanes)
    }

    fn measure_fixed(&self, asking: &mut Asking) -> Lanes {
        let mut lanes = Lanes::new();
        for (kind, samples) in &self.kinds {
            for (name, lane, layout) in &self.fixed {
                let tasks: Vec<Task> = samples.iter().map(|sample| layout.task(*lane, sample)).collect();
                lanes.entry((*kind).into()).or_default().insert(name.clone(), cost(asking, &tasks, &[]));
            }
        }
        lanes
    }
}

fn repeated_mean(vectors: &[f32], width: usize) -> Vec<f32> {
    let count = (vectors.len() / width.max(1)).max(1);
    let mut mean = vec![0.0; width];
    for vector in vectors.chunks_exact(width) {
        mean.iter_mut().zip(vector).for_each(|(mean, &x)| *mean += x / count as f32);
    }
    mean.repeat(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_is_the_same_vector_everywhere() {
        assert_eq!(repeated_mean(&[1.0, 2.0, 3.0, 6.0], 2), [2.0, 4.0, 2.0, 4.0]);
    }
}
