//! Chromium and its WebDriver, for the tests in a browser and for measuring.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{apt, say};
use crate::command;

/// Names under which browsers that can be driven are installed.
const BROWSERS: [&str; 4] = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
const BROWSER_ON_MACOS: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// A browser with WebGPU and what drives it.
pub(crate) struct Browser {
    chrome: PathBuf,
    driver: PathBuf,
}

impl Browser {
    /// Lets `command` find both.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("CHROME", &self.chrome).env("CHROMEDRIVER", &self.driver)
    }
}

/// Finds both, by the variables `CHROME` and `CHROMEDRIVER` or by name, or installs them.
pub(super) fn ensure() -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    if apt::is_here() && apt::knows("chromium-driver") {
        say("installing chromium and chromium-driver", "tests of WebGPU and of the page run in a browser");
        apt::install(&["chromium", "chromium-driver"])?;
        if let Some(browser) = find() {
            return Ok(browser);
        }
    }
    bail!(
        "a Chromium or Chrome and the chromedriver of its version are needed: install them (https://googlechromelabs.github.io/chrome-for-testing) and set CHROME and CHROMEDRIVER to the two programs"
    )
}

fn find() -> Option<Browser> {
    let on_macos = || Some(PathBuf::from(BROWSER_ON_MACOS)).filter(|path| path.is_file());
    let chrome = named_by("CHROME")
        .or_else(|| BROWSERS.iter().find_map(|name| command::find(name)))
        .or_else(on_macos)?;
    let driver = named_by("CHROMEDRIVER").or_else(|| command::find("chromedriver"))?;
    Some(Browser { chrome, driver })
}

fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}
