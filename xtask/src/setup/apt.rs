//! Debian's package manager.

use std::process::Command;
use std::sync::Once;

use anyhow::{Result, bail};

use crate::command;

/// Whether this system has apt.
pub(super) fn is_here() -> bool {
    command::find("apt-get").is_some() && command::find("dpkg").is_some()
}

/// Installs packages, as root or through sudo.
///
/// # Errors
/// If neither is possible, or apt fails.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    refresh();
    let mut apt = as_root("apt-get")?;
    command::run(apt.args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// Whether the lists of packages know `package`.
pub(super) fn knows(package: &str) -> bool {
    refresh();
    let show = command::output(command::program("apt-cache").args(["show", "--no-all-versions", package]));
    show.is_ok_and(|text| !text.is_empty())
}

/// Brings the lists of packages up to date, once: a system image may bring lists that are years
/// old, and with them compilers and browsers too old for us. Without a network the old ones stay.
fn refresh() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let update = || command::run(as_root("apt-get")?.args(["-q", "update"]));
        if let Err(error) = update() {
            eprintln!(
                "the lists of packages could not be brought up to date ({error:#}); trying with the old ones"
            );
        }
    });
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
