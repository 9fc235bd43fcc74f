//! Debian's package manager.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// Whether this system has apt.
pub(super) fn is_here() -> bool {
    command::find("apt-get").is_some() && command::find("dpkg").is_some()
}

/// Installs packages, as root or through sudo.
///
/// # Errors
/// If neither is possible, or apt fails even after its lists were brought up to date.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let install = || -> Result<()> {
        let mut apt = as_root("apt-get")?;
        command::run(apt.args(["install", "-y", "--no-install-recommends"]).args(packages))
    };
    if install().is_ok() {
        return Ok(());
    }
    update()?;
    install()
}

/// Brings the lists of packages up to date if they do not know `package`. Returns whether they
/// know it then.
pub(super) fn knows(package: &str) -> bool {
    let listed = || {
        let show = command::output(query().args(["show", "--no-all-versions", package]));
        show.is_ok_and(|text| !text.is_empty())
    };
    listed() || (update().is_ok() && listed())
}

/// What `package` depends on.
pub(super) fn dependencies(package: &str) -> Result<Vec<String>> {
    let listing = command::output(query().args(["depends", package]))?;
    Ok(listing
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .map(|name| name.trim().to_owned())
        .collect())
}

/// Whether `package` is installed.
pub(super) fn is_installed(package: &str) -> bool {
    let mut query = command::program("dpkg-query");
    command::output(query.args(["--show", "--showformat=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

/// Downloads packages into `folder` without installing them; needs no rights.
pub(super) fn download(packages: &[String], folder: &Path) -> Result<()> {
    command::run(command::program("apt-get").current_dir(folder).args(["-q", "download"]).args(packages))
}

fn update() -> Result<()> {
    command::run(as_root("apt-get")?.args(["-q", "update"]))
}

fn query() -> Command {
    let mut command = command::program("apt-cache");
    // The words of its listing are translated.
    command.env("LC_ALL", "C");
    command
}

fn as_root(program: &str) -> Result<Command> {
    let user = command::output(command::program("id").arg("-u"))?;
    let mut command = if user == "0" {
        command::program(program)
    } else if command::find("sudo").is_some() {
        let mut sudo = command::program("sudo");
        sudo.arg(program);
        sudo
    } else {
        bail!("packages can be installed by root only, and there is no sudo: run this as root once");
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}
