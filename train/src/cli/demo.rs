//! `demo`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use llavacode_train::{
    checkpoint::write_whole,
    demo::{self, Demo, DemoPlaces, confidence, places},
};

use super::outcome::write_between;

/// Arguments of `demo`.
#[derive(Args)]
pub(super) struct DemoArguments {
    /// Folder of a bundle the page runs; may be given several times
    #[arg(long, required = true)]
    bundle: Vec<PathBuf>,
    /// Folder of the demo, with workspace.json and tasks.json; places.json is written into it
    #[arg(long, default_value = "public/demo")]
    demo: PathBuf,
    /// Document into which the thresholds are written, between its marks `confidence:begin` and `:end`
    #[arg(long, default_value = "docs/measurements.md")]
    document: PathBuf,
}

pub(super) fn run_demo(work: &Path, arguments: DemoArguments) -> Result<()> {
    let opened = Demo::open(&arguments.demo)?;
    let mut readers = BTreeMap::new();
    for bundle in &arguments.bundle {
        let (name, answers) = demo::measure(&opened, bundle, &work.join("demo"), |line| println!("{line}"))?;
        readers.insert(name, answers);
    }
    let chosen = DemoPlaces { places: places::choose(&opened.tasks, &readers)? };
    for place in &chosen.places {
        println!("{}:{} {}[{}]", place.path, place.line + 1, place.before.trim_start(), place.target);
        for (name, lanes) in &place.readers {
            for (lane, said) in lanes {
                let mark = if said.right { "right" } else { "wrong" };
                println!("  {name} {lane:<10} {mark} {:.2} {:?}", said.confidence, said.text);
            }
        }
    }
    let json = serde_json::to_string_pretty(&chosen)? + "\n";
    write_whole(&arguments.demo.join("places.json"), json.as_bytes())?;
    let thresholds = readers.iter().map(|(name, answers)| (&name[..], confidence::threshold(answers)));
    let table = confidence::table(thresholds);
    println!("{table}");
    write_between(&arguments.document, "confidence", &table)
}
