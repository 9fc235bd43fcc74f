//! Step `readers`: any bundle's reader on packages that are newer than all of them.
//!
//! | file | holds |
//! |---|---|
//! | [`tasks`] | which lines, and in which order |
//! | [`bundle`] | a reader as the page runs it, with the page's weights |
//! | `soft` | what makes its soft tokens |
//! | [`judge`] | what it says at a cursor, and how likely the true line is to it |
//! | [`held`] | text that a completion has to begin with |
//! | [`record`] | scores as they come, on disk |
//! | [`summary`] | means and intervals, as `docs/evaluation.json` holds them |
//! | [`table`] | the same as a table |
//! | [`document`] | the same in `docs/evaluation.json` |
//! | [`manifest`] | the same in a bundle's manifest, for the page |
//!
//! Every reader gets the same tasks with the same chunks, in the lanes base and full RAG. Where its
//! bundle asks for token healing each lane is measured twice: `base` and `full_rag` with it,
//! `base.unhealed` and `full_rag.unhealed` without.
//!
//! # Cross-entropy
//! Of the target's text, given the prompt's: the line's end is not counted, because readers tell it
//! in different ways. Without healing the target's tokens follow the prompt's. With healing the
//! prompt's last tokens are taken back and their text belongs to what is to be read: it is tokenised
//! together with the target, as the reader's own text would be. As long as the text taken back is
//! not complete, a token's probability is the one among the tokens that agree with it, which is what
//! decoding chooses from. The sum is divided by the tokens that hold some of the target, or by the
//! target's characters: only the latter can be compared between readers, and between healing on and
//! off.

pub mod bundle;
pub mod document;
pub mod held;
pub mod judge;
pub mod manifest;
pub mod record;
mod soft;
pub mod summary;
pub mod table;
pub mod tasks;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use llavacode_core::metrics::{edit_similarity, exact_match};

use crate::samples::Sample;
pub use bundle::{Asking, BundleReader, SoftVectors};
use judge::{Judged, Session};
use record::{Key, Record, Records};
pub use summary::{AgainstBase, LaneSummary, ReadersReport, SetReport, put, summarise};
pub use tasks::{Counts, Set, Task};

/// Seconds from one line about the progress to the next.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Runs every reader in these lanes on every task that `scores` does not hold yet, in the tasks' order: whenever it
/// is stopped, what is there is a fair sample, the same for every reader. `tell` gets a line about
/// the progress now and then.
///
/// # Errors
/// If a reader cannot read a task, or the scores cannot be written.
pub fn measure(
    readers: &mut [BundleReader],
    lanes: impl Fn(&BundleReader) -> Vec<Asking>,
    tasks: &[Task],
    tasks_mark: &str,
    scores: &Path,
    mut tell: impl FnMut(&str),
) -> Result<Vec<Record>> {
    let mut records = Records::open(scores)?;
    let started = Instant::now();
    let (mut told, mut measured) = (started, 0);
    let mut sessions: Vec<Session> = readers.iter().map(BundleReader::session).collect();
    for (done, task) in tasks.iter().enumerate() {
        let mut new = false;
        for (reader, session) in readers.iter().zip(&mut sessions) {
            let key = |lane: &Asking| Key {
                reader: reader.name.clone(),
                of: format!("{}-{tasks_mark}", reader.mark_of(lane)),
                set: task.set,
                task: task.number,
                lane: lane.name.into(),
            };
            let lanes = lanes(reader);
            if lanes.iter().all(|lane| records.has(&key(lane))) {
                continue;
            }
            // A line may stand in both tables.
            if records.copy_other_set(lanes.iter().map(key))? {
                continue;
            }
            new = true;
            let mut said = Vec::new();
            for lane in &lanes {
                // Of a task that was measured in other lanes before.
                if let Some(known) = records.get(&key(lane)) {
                    said.push(known.text.clone());
                    continue;
                }
                let sample = match lane.vectors {
                    SoftVectors::Other => &with_other_chunks(tasks, done),
                    _ => &task.sample,
                };
                let judged = reader.judge(session, *lane, sample, &said)?;
                records.append(score(key(lane), &task.sample.target, &judged))?;
                said.push(judged.text);
            }
        }
        measured += usize::from(new);
        if new && (told.elapsed() >= TELL_EVERY || measured == 1) {
            told = Instant::now();
            let left = started.elapsed().mul_f64((tasks.len() - done - 1) as f64 / measured as f64);
            let speeds: Vec<String> =
                readers.iter().zip(&sessions).map(|(r, s)| format!("{}: {}", r.name, s.speed())).collect();
            tell(&format!(
                "{} of {} tasks, {:.1} s each, {} min left; {}",
                done + 1,
                tasks.len(),
                started.elapsed().as_secs_f64() / measured as f64,
                left.as_secs() / 60,
                speeds.join("; ")
            ));
        }
    }
    let wanted = |record: &Record| {
        let of = |reader: &BundleReader| {
            let lanes = lanes(reader);
            let lane = lanes.iter().find(|lane| lane.name == record.key.lane);
            let mark = lane.map_or_else(|| reader.mark.clone(), |lane| reader.mark_of(lane));
            record.key.reader == reader.name && record.key.of == format!("{mark}-{tasks_mark}")
        };
        readers.iter().any(of)
    };
    Ok(records.into_all().into_iter().filter(wanted).collect())
}

/// A task with the chunks of the next one that is of another package.
fn with_other_chunks(tasks: &[Task], number: usize) -> Sample {
    let own = &tasks[number].sample;
    let behind = tasks.iter().cycle().skip(number + 1).take(tasks.len());
    let chunks = behind
        .map(|task| &task.sample)
        .find(|other| other.package != own.package && other.chunks.len() >= own.chunks.len())
        .map_or_else(Vec::new, |other| other.chunks.clone());
    Sample { chunks, ..own.clone() }
}

fn score(key: Key, target: &str, judged: &Judged) -> Record {
    Record {
        key,
        positions: judged.positions,
        exact_match: if exact_match(&judged.text, target) { 100.0 } else { 0.0 },
        edit_similarity: 100.0 * edit_similarity(&judged.text, target),
        nats: judged.nats,
        target_tokens: judged.target_tokens,
        target_characters: target.chars().count(),
        text: judged.text.clone(),
    }
}
