//! The most memory that the browser's processes have had resident, as Linux counts it.

use std::collections::HashMap;
use std::fs;

/// Bytes of the renderer and of the GPU process at their most; `None` where the system does not say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peaks {
    pub(super) renderer: Option<u64>,
    pub(super) gpu: Option<u64>,
}

/// The peaks of what `ancestor` started. Of several renderers the largest is the page's.
pub(super) fn peaks(ancestor: u32) -> Peaks {
    let parents = parents();
    let descends = |mut process: u32| loop {
        match parents.get(&process) {
            Some(&parent) if parent == ancestor => return true,
            Some(&parent) if parent != process => process = parent,
            _ => return false,
        }
    };
    let mut peaks = Peaks::default();
    for &process in parents.keys().filter(|&&process| descends(process)) {
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        let peak = if command.contains("--type=renderer") {
            &mut peaks.renderer
        } else if command.contains("--type=gpu-process") {
            &mut peaks.gpu
        } else {
            continue;
        };
        *peak = (*peak).max(high_water(process));
    }
    peaks
}

fn parents() -> HashMap<u32, u32> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    process.filter_map(|process| Some((process, field(process, "PPid:")?.try_into().ok()?))).collect()
}

fn high_water(process: u32) -> Option<u64> {
    Some(field(process, "VmHWM:")? * 1024)
}

/// A number of a process's status.
fn field(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
