//! A GPU for the native kernel tests: Mesa's software Vulkan where there is no driver.

use std::env;
use std::fs;

use super::{apt, say};

/// Folders in which Vulkan's loader looks for drivers.
const DRIVERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Makes sure that Linux has some Vulkan driver; macOS and Windows bring a GPU interface along.
pub(super) fn ensure() {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| env::var_os(name).is_some());
    let installed = |folder: &str| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if !cfg!(target_os = "linux") || named || DRIVERS.into_iter().any(installed) {
        return;
    }
    let why = "the kernels' native tests need a GPU, and Mesa's runs on the CPU";
    if apt::is_here() {
        say("installing mesa-vulkan-drivers", why);
        if apt::install(&["mesa-vulkan-drivers", "libvulkan1"]).is_ok() {
            return;
        }
    }
    // Not fatal: the same kernels are tested in the browser.
    say(
        "going on without a Vulkan driver",
        "install one (e.g. mesa-vulkan-drivers) to test kernels natively",
    );
}
