//! Builds a shared index of a project.
//!
//! ```text
//! cargo run --release -p llavacode-index -- PROJECT --bundle public/bundle --out FOLDER
//! ```
//!
//! `FOLDER` then goes onto any static server; the page takes its address. Several machines share the work with
//! `--job 1/4` to `--job 4/4` and one folder: each makes every fourth shard, and whichever finds all of them
//! writes the manifest. A shard that is there, whole, is not made again.

mod files;

use std::{
    fs,
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use clap::Parser;
use llavacode_core::{
    bundle::read_manifest,
    engine::{Engine, NativeHost},
    index::Index,
    kernel::threads,
    weights::{FolderFiles, sha256_hex},
    workspace::{Embed, Pace, SHARED_MANIFEST, SharedPlan},
};

/// Seconds from one line about the progress to the next.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Builds a shared index of a project: its vectors, in shards that any static server can host.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The project's folder. What its `.gitignore` files name stays out, and what the page leaves out
    project: PathBuf,
    /// The models that the page runs
    #[arg(long, default_value = "public/bundle")]
    bundle: PathBuf,
    /// Where the index goes
    #[arg(long)]
    out: PathBuf,
    /// Texts of a shard
    #[arg(long, default_value_t = NonZeroUsize::new(8192).unwrap())]
    shard_texts: NonZeroUsize,
    /// Which of several machines this is, as 2/4
    #[arg(long, default_value = "1/1")]
    job: Share,
}

/// One of several equal shares of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// From 0.
    number: usize,
    of: usize,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number: number - 1, of }),
            _ => Err("write it as 2/4: the second of four".into()),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let others = available_parallelism().map_or(0, |threads| threads.get() - 1);
    threads::engage(threads::spawn(others));
    pollster::block_on(build(&arguments))
}

async fn build(arguments: &Arguments) -> Result<()> {
    let bundle = FolderFiles { root: arguments.bundle.clone() };
    let folder = arguments.bundle.display();
    let manifest = read_manifest(&bundle).await.with_context(|| format!("{folder} is no bundle"))?;
    let mut index = Index::in_parts(manifest.chunking, manifest.prompt.soft_tokens);
    let sources = files::read(&arguments.project)?;
    ensure!(!sources.is_empty(), "{} has no files to index", arguments.project.display());
    sources.iter().for_each(|(path, text)| _ = index.update_file(path, text));
    let plan = SharedPlan::new(&manifest, &index, arguments.shard_texts.get());
    let parts = manifest.prompt.soft_tokens;
    println!(
        "{} files, {} chunks, {} texts in {} shards",
        sources.len(),
        index.stats().chunks,
        plan.texts(),
        plan.shards()
    );

    let host = NativeHost::default();
    let engine = Engine::load_models(&bundle, manifest, &Device::flex(), host, |_| ())
        .await
        .with_context(|| format!("{folder} cannot be loaded"))?;
    ensure!(engine.embeds(), "{folder} has no encoder: it makes no vectors to share");
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("{} cannot be made", arguments.out.display()))?;
    let Share { number, of } = arguments.job;
    for shard in (0..plan.shards()).filter(|shard| shard % of == number) {
        make_shard(&plan, shard, &engine, Pace::of_parts(parts).batch(), &arguments.out).await?;
    }
    finish(&plan, &arguments.out)
}

/// Makes a shard, unless it is there.
async fn make_shard(
    plan: &SharedPlan,
    shard: usize,
    embedder: &impl Embed,
    batch: usize,
    out: &Path,
) -> Result<()> {
    let path = out.join(SharedPlan::file(shard));
    if fs::read(&path).is_ok_and(|bytes| plan.is_whole(shard, &bytes)) {
        println!("shard {} of {} is there", shard + 1, plan.shards());
        return Ok(());
    }
    let started = Instant::now();
    let mut told = started;
    let bytes = plan
        .make(shard, embedder, batch, |done| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                println!("shard {} of {}: {done} texts", shard + 1, plan.shards());
            }
        })
        .await?;
    write_whole(&path, &bytes)?;
    println!("shard {} of {} in {:.1} s", shard + 1, plan.shards(), started.elapsed().as_secs_f64());
    Ok(())
}

/// Writes directory and manifest, once every shard is there.
fn finish(plan: &SharedPlan, out: &Path) -> Result<()> {
    let mut shards = Vec::new();
    let mut missing = Vec::new();
    for shard in 0..plan.shards() {
        match fs::read(out.join(SharedPlan::file(shard))) {
            Ok(bytes) if plan.is_whole(shard, &bytes) => {
                shards.push((bytes.len() as u64, sha256_hex(&bytes)))
            }
            _ => missing.push((shard + 1).to_string()),
        }
    }
    if !missing.is_empty() {
        println!("shards {} are other jobs': the last to end writes {SHARED_MANIFEST}", missing.join(", "));
        return Ok(());
    }
    let (directory, bytes) = plan.directory();
    write_whole(&out.join(directory), &bytes)?;
    let manifest = plan.manifest(shards);
    let json = serde_json::to_string_pretty(&manifest)? + "\n";
    write_whole(&out.join(SHARED_MANIFEST), json.as_bytes())?;
    let total: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    println!("{} holds the index, {:.1} MB", out.display(), total as f64 / 1e6);
    Ok(())
}

/// Writes beside the name, then moves into place: the file is whole or the old one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else { bail!("{} names no file", path.display()) };
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let write = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_of_several() {
        assert_eq!("2/4".parse(), Ok(Share { number: 1, of: 4 }));
        for wrong in ["0/4", "5/4", "2", "2/", "a/b", "1/0"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn jobs_that_share_a_folder_make_what_one_makes() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        for number in 0..4 {
            let text: String =
                (0..12).map(|line| format!("depth_{number}_{line} = gauge({line})\n")).collect();
            fs::write(project.join(format!("{number}.py")), text).unwrap();
        }
        let run = |out: &str, job: &str| {
            let arguments = Arguments {
                project: project.clone(),
                bundle: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/bundle"),
                out: folder.path().join(out),
                shard_texts: NonZeroUsize::new(16).unwrap(),
                job: job.parse().unwrap(),
            };
            pollster::block_on(build(&arguments)).unwrap();
        };
        run("one", "1/1");
        run("two", "2/2");
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        assert!(!two.join(SHARED_MANIFEST).exists(), "half of the shards are missing");
        // What an interrupted copy leaves.
        fs::write(two.join(SharedPlan::file(0)), b"LLVSHD").unwrap();
        run("two", "1/2");
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.collect();
            names.sort();
            names
        };
        assert!(names(&one).len() > 4, "{:?}", names(&one));
        assert_eq!(names(&one), names(&two));
        for name in names(&one) {
            assert_eq!(fs::read(one.join(&name)).unwrap(), fs::read(two.join(&name)).unwrap(), "{name:?}");
        }
    }
}
