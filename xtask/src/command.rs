//! Running other programs.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::paths;

/// The program `name`, with the tools that set-up installed before those of `PATH`.
pub(crate) fn program(name: &str) -> Command {
    // A bare name would be looked up in our own PATH, not in the child's.
    let mut command = Command::new(find(name).unwrap_or_else(|| name.into()));
    command.env("PATH", search_path());
    command
}

/// Where `name` lies, if it can be run at all.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    which::which_in_global(name, Some(search_path())).ok()?.next()
}

fn search_path() -> OsString {
    let tools = paths::tools();
    before_path([tools.join("bin"), tools.join("node_modules").join(".bin")], env::var_os("PATH"))
}

/// A `PATH` on which this program is `xtask`, for programs that call back.
pub(crate) fn search_path_with_us() -> OsString {
    let folder = env::current_exe().ok().and_then(|ours| Some(ours.parent()?.to_path_buf()));
    before_path(folder, Some(search_path()))
}

fn before_path(folders: impl IntoIterator<Item = PathBuf>, path: Option<OsString>) -> OsString {
    let path = path.unwrap_or_default();
    env::join_paths(folders.into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

/// Where cargo puts a program of the release profile: beside the folder of our own profile.
pub(crate) fn release_program(name: &str) -> Result<PathBuf> {
    let ours = env::current_exe()?;
    let target = ours.ancestors().nth(2).context("xtask was not started by cargo")?;
    Ok(target.join("release").join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// Builds programs of the release profile with the features of the whole workspace and of a test, so
/// that the dependencies are those the tests have compiled. `targets` such as `--bin bench`.
pub(crate) fn build(targets: &[&str]) -> Result<()> {
    let mut cargo = program("cargo");
    cargo.current_dir(paths::root()).args(["build", "--release", "--workspace", "--test", "metrics"]);
    run(cargo.args(targets))
}

/// The commit that is built here, for reports.
pub(crate) fn commit() -> String {
    let mut git = program("git");
    git.current_dir(paths::root()).args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    output(&mut git).unwrap_or_else(|_| "unknown".into())
}

/// Runs a command whose output the person sees.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} could not be started", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// What a command prints; its standard error is dropped.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("{} could not be started", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
