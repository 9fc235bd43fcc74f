//! Building and serving the page.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use clap::Args;
use toml::Table;

use crate::models::{self, Store};
use crate::setup::{self, PageTools};
use crate::{command, paths, policy};

/// The programs of the page: the name by which people know each, and its binary.
const PROGRAMS: [(&str, &str); 3] = [("page", "page"), ("worker", "engine"), ("helper", "helper")];

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// Port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on; browsers give WebGPU to localhost and to https only
    #[arg(long, default_value = "127.0.0.1")]
    address: String,
    /// Open the page in the default browser once it is built
    #[arg(long)]
    open: bool,
}

/// Sets up, builds the page and serves it until interrupted. Trunk does both, so that the page is
/// there after one build and follows every change of the sources.
pub(crate) fn serve(options: &ServeOptions) -> Result<()> {
    let tools = setup::for_page()?;
    create_ignored_folders(&paths::root())?;
    println!("building; the page will be at http://{}:{}/", options.address, options.port);
    let mut trunk = trunk(&tools, "serve");
    trunk.args(["--address", &options.address, "--port", &options.port.to_string()]);
    if options.open {
        trunk.arg("--open");
    }
    command::run(&mut trunk)
}

/// Builds the release page into `dist/` and prints how large it is.
pub(crate) fn build(tools: &PageTools) -> Result<()> {
    let start = Instant::now();
    command::run(&mut trunk(tools, "build"))?;
    check_constructors(&paths::target().join("wasm-bindgen/release"))?;
    println!("built {} in {:.0} s", paths::dist().display(), start.elapsed().as_secs_f64());
    for (name, size) in sizes()? {
        println!("{name:>8}: {:>9} bytes of WebAssembly, {:>9} gzipped", size.raw, size.gzip);
    }
    Ok(())
}

/// Completes the page that trunk has just built and not yet moved to `dist/`, which it empties each time:
/// its security policy, and the models beside it.
pub(crate) fn finish() -> Result<()> {
    let staged = std::env::var_os("TRUNK_STAGING_DIR").context("this is for trunk to call, in a build")?;
    policy::complete(Path::new(&staged))?;
    models::place(&Store::shared(), Path::new(&staged))
}

/// The end of the name that the linker gives to an export which runs all constructors before it does
/// anything else.
const RUNS_CONSTRUCTORS: &[u8] = b".command_export";

/// Refuses programs whose every call from JavaScript runs all constructors, as those do that do not run
/// them themselves. The programs in `folder` have their names still.
fn check_constructors(folder: &Path) -> Result<()> {
    let programs = wasm_files(folder).with_context(|| format!("{} could not be read", folder.display()))?;
    ensure!(!programs.is_empty(), "{} holds no WebAssembly to check", folder.display());
    for program in programs {
        let bytes = fs::read(&program).with_context(|| format!("{} could not be read", program.display()))?;
        ensure!(
            !bytes.windows(RUNS_CONSTRUCTORS.len()).any(|name| name == RUNS_CONSTRUCTORS),
            "{} runs its constructors at every call: its `main` has to begin with `run_constructors`",
            program.display()
        );
    }
    Ok(())
}

/// Creates the folders whose changes trunk is to ignore: it refuses to serve if one is not there.
fn create_ignored_folders(root: &Path) -> Result<()> {
    let file = root.join("Trunk.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("{} could not be read", file.display()))?;
    let settings: Table = text.parse().with_context(|| format!("{} is no TOML", file.display()))?;
    let ignored = settings.get("watch").and_then(|watch| watch.get("ignore")?.as_array());
    for folder in ignored.into_iter().flatten().filter_map(|path| Some(root.join(path.as_str()?))) {
        fs::create_dir_all(&folder).with_context(|| format!("{} could not be created", folder.display()))?;
    }
    Ok(())
}

/// How large a program is.
pub(crate) struct Size {
    pub(crate) raw: u64,
    pub(crate) gzip: u64,
}

/// The programs' sizes in `dist/`.
pub(crate) fn sizes() -> Result<Vec<(&'static str, Size)>> {
    let files = wasm_files(&paths::dist()).context("dist/ could not be read")?;
    let size = |(name, binary): (&'static str, &str)| {
        let is_it =
            |path: &&PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(binary));
        let path = files.iter().find(is_it).with_context(|| format!("dist/ holds no {binary}*.wasm"))?;
        let size = measure(path).with_context(|| format!("{} could not be read", path.display()))?;
        Ok((name, size))
    };
    PROGRAMS.into_iter().map(size).collect()
}

/// Node is there anyway, and its gzip is everybody's.
fn measure(path: &Path) -> Result<Size> {
    let mut node = command::program("node");
    node.args(["--print", "zlib.gzipSync(fs.readFileSync(process.argv[1]), { level: 9 }).length"]).arg(path);
    let gzip = command::output(&mut node)?.trim().parse()?;
    Ok(Size { raw: fs::metadata(path)?.len(), gzip })
}

fn wasm_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(wasm_files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "wasm") {
            files.push(path);
        }
    }
    Ok(files)
}

fn trunk(tools: &PageTools, action: &str) -> Command {
    let mut trunk = tools.program("trunk");
    trunk.args([action, "--release", "--cargo-profile", "wasm", "--dist"]).arg(paths::dist());
    trunk.env("TRUNK_SKIP_VERSION_CHECK", "true");
    trunk.env("PATH", command::search_path_with_us());
    // Trunk 0.21 reads this as its own option and accepts only true and false.
    if std::env::var_os("NO_COLOR").is_some() {
        trunk.env("NO_COLOR", "true");
    }
    trunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_runs_its_constructors_at_every_call_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_constructors(folder.path()).is_err(), "nothing to check");
        let program = folder.path().join("engine_bg.wasm");
        fs::write(&program, b"\0asm __externref_table_alloc").unwrap();
        check_constructors(folder.path()).unwrap();
        fs::write(&program, b"\0asm __externref_table_alloc.command_export").unwrap();
        let refused = check_constructors(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("engine_bg.wasm"), "{refused}");
    }

    #[test]
    fn a_fresh_clone_has_every_folder_that_trunk_is_told_to_ignore() {
        let settings = include_str!("../../Trunk.toml");
        let clone = tempfile::tempdir().unwrap();
        fs::write(clone.path().join("Trunk.toml"), settings).unwrap();
        create_ignored_folders(clone.path()).unwrap();

        let settings: Table = settings.parse().unwrap();
        let ignored = settings["watch"]["ignore"].as_array().unwrap();
        assert!(!ignored.is_empty());
        for path in ignored {
            // As trunk looks for it.
            clone.path().join(path.as_str().unwrap()).canonicalize().unwrap();
        }
    }
}
