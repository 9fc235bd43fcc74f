//! A shared index where the page says that it is: in a folder on a server, or among files that the user
//! chose.

use std::collections::{BTreeMap, BTreeSet};

use llavacode_core::{
    Error, Result,
    workspace::{Reading, SharedIndex, SharedManifest, SharedSource},
};
use llavacode_protocol::SharedPlace;

use crate::platform::{Beside, Platform};

/// What helps where files are missing.
const CHOOSE: &str = "choose the index's folder, or all files in it";

/// Opens the one at a place, as [`SharedIndex::open`] does; `beside` are its files, if the user chose them.
///
/// # Errors
/// [`Error::SharedIndex`] as there, and if files of it were not chosen.
pub(crate) async fn open<P: Platform>(
    platform: &P,
    place: &SharedPlace,
    beside: Vec<Beside<P::Handle>>,
    models: &str,
    widths: Vec<usize>,
) -> Result<SharedIndex> {
    if let SharedPlace::Url { url } = place {
        return SharedIndex::open(platform.shared(url), models, widths).await;
    }
    let names = beside.iter().map(|chosen| chosen.path.clone()).collect();
    let files = beside.into_iter().map(|chosen| (chosen.path, chosen.file)).collect();
    let source = Box::new(ChosenFiles { platform: platform.clone(), files });
    let index = SharedIndex::open(source, models, widths).await?;
    all_chosen(index.manifest(), &names)?;
    Ok(index)
}

/// Whether every shard is among the files. Told now: one that is missed in the middle of the work would
/// end the use of the others.
fn all_chosen(manifest: &SharedManifest, names: &BTreeSet<String>) -> Result<()> {
    let missing: Vec<&str> = manifest
        .shards
        .iter()
        .map(|shard| shard.file.as_str())
        .filter(|&shard| !names.contains(shard))
        .collect();
    let all = manifest.shards.len();
    let what = match missing.as_slice() {
        [] => return Ok(()),
        [shard] => format!("{shard}, one of its {all} shards, is not among the files you chose"),
        [first, ..] => {
            format!("{} of its {all} shards are not among the files you chose, {first} first", missing.len())
        }
    };
    Err(refused(format!("{what}: {CHOOSE}")))
}

/// The files of a shared index that the user chose, by name. One is read when it is wanted.
struct ChosenFiles<P: Platform> {
    platform: P,
    files: BTreeMap<String, P::Handle>,
}

impl<P: Platform> SharedSource for ChosenFiles<P> {
    fn read<'a>(&'a self, file: &'a str, most: u64) -> Reading<'a> {
        Box::pin(async move {
            let Some(handle) = self.files.get(file) else {
                return Err(refused(format!("{file} is not among the files you chose: {CHOOSE}")));
            };
            if self.platform.length(handle) > most {
                return Err(refused(format!("{file} is too long")));
            }
            // What changed on the disk since it was chosen, the browser no longer gives.
            let again =
                |words: String| refused(format!("{file} cannot be read ({words}): choose the files again"));
            self.platform.read(handle).await.map_err(again)
        })
    }
}

fn refused(reason: String) -> Error {
    Error::SharedIndex { reason }
}
