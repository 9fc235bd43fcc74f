//! The memory that the browser's processes have resident, as Linux counts it.

use std::collections::HashMap;
use std::fs;

/// Bytes of the renderer and of the GPU process at their most; `None` where the system does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Of several renderers the largest: the page's.
    pub renderer: Option<u64>,
    /// The GPU process's.
    pub gpu: Option<u64>,
}

/// Bytes that are resident now; `None` where the system does not say. What processes share is counted for
/// each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// All renderers' together.
    pub renderers: Option<u64>,
    /// The GPU process's.
    pub gpu: Option<u64>,
    /// All processes' together.
    pub all: Option<u64>,
}

/// The peaks of what `ancestor` started.
pub fn peaks(ancestor: u32) -> Peaks {
    let mut peaks = Peaks::default();
    for process in descendants(ancestor) {
        let peak = match Role::of(process) {
            Role::Renderer => &mut peaks.renderer,
            Role::Gpu => &mut peaks.gpu,
            Role::Other => continue,
        };
        *peak = (*peak).max(bytes(process, "VmHWM:"));
    }
    peaks
}

/// What the processes that `ancestor` started have resident now.
pub fn resident(ancestor: u32) -> Resident {
    let mut resident = Resident::default();
    for process in descendants(ancestor) {
        // One that has just ended has none.
        let Some(bytes) = bytes(process, "VmRSS:") else { continue };
        let add = |sum: &mut Option<u64>| *sum = Some(sum.unwrap_or(0) + bytes);
        add(&mut resident.all);
        match Role::of(process) {
            Role::Renderer => add(&mut resident.renderers),
            Role::Gpu => add(&mut resident.gpu),
            Role::Other => {}
        }
    }
    resident
}

/// What a process does for the browser.
enum Role {
    Renderer,
    Gpu,
    Other,
}

impl Role {
    fn of(process: u32) -> Self {
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        if command.contains("--type=renderer") {
            Self::Renderer
        } else if command.contains("--type=gpu-process") {
            Self::Gpu
        } else {
            Self::Other
        }
    }
}

/// The processes that `ancestor` started, and those that they started.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parents = parents();
    let descends = |mut process: u32| loop {
        match parents.get(&process) {
            Some(&parent) if parent == ancestor => return true,
            Some(&parent) if parent != process => process = parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|&process| descends(process)).collect()
}

fn parents() -> HashMap<u32, u32> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    process.filter_map(|process| Some((process, field(process, "PPid:")?.try_into().ok()?))).collect()
}

/// A size among the fields of a process's status, which are in KiB.
fn bytes(process: u32, name: &str) -> Option<u64> {
    Some(field(process, name)? * 1024)
}

/// A number of a process's status.
fn field(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio, id};

    use super::resident;

    #[test]
    fn what_we_started_is_counted() {
        // It waits for a line that never comes.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let found = resident(id());
        drop(child.stdin.take());
        child.wait().expect("cat ends");
        assert!(found.all.is_some_and(|bytes| bytes > 0), "{found:?}");
        assert_eq!((found.renderers, found.gpu), (None, None), "cat is neither");
    }
}
