//! What a bundle's lanes are worth, in its manifest: the page shows it beside the model.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use llavacode_core::{
    bundle::{MANIFEST, PROJECTOR, XRAG_PROJECTOR},
    config::BundleManifest,
};
use serde_json::{Map, Value, json};

use super::{bundle::key, summary::SetReport, tasks::Set};
use crate::{checkpoint::write_whole, readers::ReadersReport};

/// Enters what was measured of a bundle's lanes in its manifest, in the place of what stands there. Gives
/// the names of the lanes.
///
/// # Errors
/// If the folder's `bundle.json` cannot be read or written, or its reader is not in the report.
pub fn tell(report: &ReadersReport, bundle: &Path) -> Result<Vec<String>> {
    let path = bundle.join(MANIFEST);
    let json = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut manifest: BundleManifest = serde_json::from_slice(&json)
        .with_context(|| format!("{} is no bundle's manifest", path.display()))?;
    let name = key(&manifest.name);
    let sets = report
        .get(&name)
        .with_context(|| format!("nothing was measured of {name}: run the step `lanes` with its bundle"))?;
    let lanes = |set: Option<&SetReport>| -> Result<Map<String, Value>> {
        let lanes = set.into_iter().flat_map(|set| &set.lanes);
        let offered = lanes.filter(|(lane, _)| is_offered(&manifest, lane));
        offered.map(|(name, lane)| Ok((name.clone(), serde_json::to_value(lane)?))).collect()
    };
    let [any, cross_file] = [Set::Any, Set::CrossFile].map(|set| sets.get(set.name()));
    let (of_any, of_cross_file) = (lanes(any)?, lanes(cross_file)?);
    ensure!(
        !of_any.is_empty() || !of_cross_file.is_empty(),
        "none of the measured lanes is in {name}'s bundle"
    );
    let names = of_any.keys().chain(of_cross_file.keys()).cloned().collect::<BTreeSet<_>>();
    manifest.evaluation = json!({
        "tasks": any.map_or(0, |set| set.tasks),
        "lanes": of_any,
        "needing_context": cross_file.map_or(0, |set| set.tasks),
        "lanes_needing_context": of_cross_file,
    });
    write_whole(&path, (serde_json::to_string_pretty(&manifest)? + "\n").as_bytes())?;
    Ok(names.into_iter().collect())
}

/// Whether a bundle has this lane, with the budgets that it has it with, or the lane is a control of one it has.
fn is_offered(manifest: &BundleManifest, lane: &str) -> bool {
    let has = |file: &str| manifest.files.contains_key(file);
    let prompt = &manifest.prompt;
    match lane {
        "base" | "full_rag" => true,
        "cached" => prompt.sink_token.as_deref().is_none_or(|token| !token.is_empty()),
        "digest" => prompt.digest_tokens > 0,
        "excerpt" => prompt.excerpt_tokens > 0,
        "compressed" | "control_mean" | "control_other" => has(PROJECTOR),
        "expansion" => has(PROJECTOR) && prompt.expansion_tokens > 0,
        "xrag" => has(XRAG_PROJECTOR),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::document, *};

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    #[test]
    fn a_manifest_gets_the_lanes_that_its_bundle_has() {
        let report = document::read(&Path::new(ROOT).join("docs/evaluation.json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let before = fs::read(Path::new(ROOT).join("public/bundle/bundle.json")).unwrap();
        fs::write(folder.path().join(MANIFEST), &before).unwrap();
        let names = tell(&report, folder.path()).unwrap();
        for name in ["base", "full_rag", "excerpt", "compressed", "control_mean"] {
            assert!(names.iter().any(|told| told == name), "{name} is not in {names:?}");
        }
        for name in ["digest", "expansion", "full_rag_128", "excerpt_128"] {
            assert!(names.iter().all(|told| told != name), "{name} is in {names:?}");
        }

        let read = |bytes: &[u8]| serde_json::from_slice::<BundleManifest>(bytes).unwrap();
        let (old, new) = (read(&before), read(&fs::read(folder.path().join(MANIFEST)).unwrap()));
        let measured = &report["pico"]["cross_file"];
        assert_eq!(new.evaluation["needing_context"], measured.tasks);
        let told = &new.evaluation["lanes_needing_context"]["excerpt"];
        assert_eq!(told["exact_match"].as_f64(), Some(measured.lanes["excerpt"].exact_match));
        assert!(told["against_base"]["edit_similarity"]["low"].is_f64());
        let rest = |manifest: BundleManifest| BundleManifest { evaluation: Value::Null, ..manifest };
        assert_eq!(
            serde_json::to_value(rest(new)).unwrap(),
            serde_json::to_value(rest(old)).unwrap(),
            "nothing else changed"
        );

        let unknown = tell(&ReadersReport::new(), folder.path()).unwrap_err();
        assert!(unknown.to_string().contains("run the step `lanes`"), "{unknown}");
    }
}
