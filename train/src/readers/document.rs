//! The readers in `docs/evaluation.json`, beside the evaluation that stands there.
//!
//! They are its last field, and it is the text that is changed: numbers that were read and written
//! again would differ in their last digit.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use super::summary::{ReadersReport, put};
use crate::{checkpoint::write_whole, evaluate::Report};

const FIELD: &str = ",\n  \"readers\": ";

/// What the document of this path says of readers.
///
/// # Errors
/// If it cannot be read, or is no evaluation.
pub fn read(path: &Path) -> Result<ReadersReport> {
    let json = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    readers_of(&json).with_context(|| format!("{} cannot be used", path.display()))
}

/// Puts what was found in the document of this path, beside what it holds ([`put`]); gives all that it holds
/// then.
///
/// # Errors
/// If it cannot be read or written, or is no evaluation as the step `evaluate` writes it.
pub fn add(path: &Path, found: ReadersReport) -> Result<ReadersReport> {
    let json = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let unusable = || format!("nothing can be written into {}", path.display());
    let mut all = readers_of(&json).with_context(unusable)?;
    put(&mut all, found);
    write_whole(path, with_readers(&json, &all).with_context(unusable)?.as_bytes())?;
    Ok(all)
}

/// What a document says of readers.
///
/// # Errors
/// If it is no evaluation.
pub fn readers_of(json: &str) -> Result<ReadersReport> {
    let report: Report = serde_json::from_str(json).context("it is no evaluation of the step `evaluate`")?;
    Ok(report.readers)
}

/// A document with these readers in the place of its own.
///
/// # Errors
/// If it is no evaluation as the step `evaluate` writes it.
pub fn with_readers(json: &str, readers: &ReadersReport) -> Result<String> {
    let others = match json.rfind(FIELD) {
        Some(at) => &json[..at],
        None => json.trim_end().trim_end_matches('}').trim_end(),
    };
    let readers_json = serde_json::to_string_pretty(readers)?.replace('\n', "\n  ");
    let document = if readers.is_empty() {
        format!("{others}\n}}")
    } else {
        format!("{others}{FIELD}{readers_json}\n}}")
    };
    ensure!(
        readers_of(&document)?.keys().eq(readers.keys()),
        "it is not laid out as the step `evaluate` writes it: run that step again"
    );
    Ok(document)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::summary::{LaneSummary, SetReport};
    use super::*;

    fn readers(exact_match: f64) -> ReadersReport {
        let lane = LaneSummary {
            exact_match,
            edit_similarity: 40.0,
            cross_entropy: 1.5,
            cross_entropy_per_character: 0.5,
            positions: 300.25,
            against_base: None,
            against_control: None,
        };
        let set = SetReport { tasks: 4, inside_a_line: 2, lanes: BTreeMap::from([("base".into(), lane)]) };
        BTreeMap::from([("pico".into(), BTreeMap::from([("any".into(), set)]))])
    }

    #[test]
    fn the_rest_of_the_document_stays_byte_by_byte() {
        let json = include_str!("../../../docs/evaluation.json");
        let bare = with_readers(json, &ReadersReport::new()).unwrap();
        assert!(json.starts_with(bare.trim_end_matches("\n}")), "only the readers went");
        assert!(readers_of(&bare).unwrap().is_empty());

        let once = with_readers(&bare, &readers(25.0)).unwrap();
        assert!(once.starts_with(bare.trim_end_matches("\n}")));
        assert_eq!(readers_of(&once).unwrap(), readers(25.0));
        assert_eq!(with_readers(&once, &readers(25.0)).unwrap(), once);
        let value: serde_json::Value =
            serde_json::from_str(&with_readers(&once, &readers(50.0)).unwrap()).unwrap();
        assert_eq!(value["readers"]["pico"]["any"]["lanes"]["base"]["exact_match"], 50.0);
        assert_eq!(value["readers"]["pico"]["any"]["tasks"], 4);

        assert!(with_readers("[]", &readers(1.0)).is_err());
    }
}
