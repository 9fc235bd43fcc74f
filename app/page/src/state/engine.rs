//! Where the engine and its index stand.

use llavacode_protocol::{EngineInfo, IndexInfo};

/// The engine in its worker.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a page has one of it")]
pub enum EngineState {
    /// The worker is being started.
    Starting,
    /// A bundle is being read.
    Loading {
        /// The file being read.
        file: String,
        /// Bytes so far.
        read: u64,
        /// Bytes altogether.
        total: u64,
    },
    /// It can be asked.
    Ready(EngineInfo),
    /// It cannot.
    Failed {
        /// A sentence.
        message: String,
    },
}

impl EngineState {
    /// Its name in `data-state`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Starting | Self::Loading { .. } => "loading",
            Self::Ready(_) => "ready",
            Self::Failed { .. } => "error",
        }
    }

    /// Whether its model has an encoder.
    pub fn embeds(&self) -> bool {
        matches!(self, Self::Ready(info) if info.embeds)
    }

    /// Most chunks that its model retrieves, once that is known.
    pub fn top_k(&self) -> Option<usize> {
        if let Self::Ready(info) = self { Some(info.top_k) } else { None }
    }

    /// Below which confidence a suggestion that nobody asked for is held back; 0 for none.
    pub fn least_confidence(&self) -> f64 {
        if let Self::Ready(info) = self { info.least_confidence } else { 0.0 }
    }

    /// Whether it can be asked.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// What computes, in the status line, and all that is known of why.
pub fn device_words(info: &EngineInfo) -> (String, String) {
    if info.backend == "webgpu" {
        return ("WebGPU".to_owned(), String::new());
    }
    let threads = match info.threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    };
    let name = match &info.fallback_reason {
        Some(reason) => format!("CPU, {threads}: {reason}"),
        None => format!("CPU, {threads}"),
    };
    let reasons: Vec<_> =
        [&info.fallback_reason, &info.thread_reason].into_iter().flatten().cloned().collect();
    (name, reasons.join("; "))
}

/// What a user reads when the GPU is gone. Browsers end their sentences with a stop, or say nothing.
pub fn device_lost(reason: &str) -> String {
    match reason.trim().trim_end_matches('.') {
        "" => "The GPU was lost.".to_owned(),
        reason => format!("The GPU was lost: {reason}."),
    }
}

/// The index of the workspace.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexState {
    /// Not begun: no files, or no engine yet.
    Waiting,
    /// Chunks are being embedded.
    Running {
        /// Chunks done.
        done: usize,
        /// Chunks to do; 0 while they are being counted.
        total: usize,
    },
    /// It can be searched.
    Ready(IndexInfo),
    /// Stopped by the user; what was embedded before stays.
    Cancelled,
    /// It failed.
    Failed {
        /// A sentence.
        message: String,
    },
}

impl IndexState {
    /// Its name in `data-state`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running { .. } => "running",
            Self::Ready(_) => "ready",
            Self::Cancelled => "cancelled",
            Self::Failed { .. } => "error",
        }
    }
}

/// Bytes as a user reads them: `812 B`, `1.4 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 3] = ["kB", "MB", "GB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 10.0 { 1 } else { 0 };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A time as a user reads it: `812 ms`, `7.5 s`, `75 s`.
pub fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 9_950.0 => format!("{:.1} s", ms / 1e3),
        ms => format!("{:.0} s", ms / 1e3),
    }
}

/// A share in whole percent, 0 where there is nothing to do yet.
pub fn percent(done: u64, total: u64) -> u8 {
    // A small integer, since larger ones reach the browser as BigInt, which an element refuses.
    let share = (u128::from(done.min(total)) * 100).checked_div(u128::from(total));
    share.and_then(|share| u8::try_from(share).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_gpu_is_told_with_the_browsers_reason() {
        assert_eq!(device_lost(""), "The GPU was lost.");
        assert_eq!(device_lost("Device was destroyed."), "The GPU was lost: Device was destroyed.");
    }

    #[test]
    fn the_status_line_says_what_computes_and_why() {
        let on = |backend: &str| EngineInfo { backend: backend.into(), ..EngineInfo::default() };
        let words = |threads, fallback: Option<&str>, alone: Option<&str>| {
            let info = EngineInfo {
                threads,
                fallback_reason: fallback.map(str::to_owned),
                thread_reason: alone.map(str::to_owned),
                ..on("cpu")
            };
            device_words(&info)
        };
        assert_eq!(words(2, None, None), ("CPU, 2 threads".into(), String::new()));
        assert_eq!(words(1, None, Some("not isolated")), ("CPU, 1 thread".into(), "not isolated".into()));
        let (name, why) = words(1, Some("no WebGPU"), Some("not isolated"));
        assert_eq!((name.as_str(), why.as_str()), ("CPU, 1 thread: no WebGPU", "no WebGPU; not isolated"));
        assert_eq!(device_words(&on("webgpu")).0, "WebGPU");
    }

    #[test]
    fn bytes_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_400), "1.4 kB");
        assert_eq!(bytes(999_600), "1.0 MB");
        assert_eq!(bytes(31_337_000), "31 MB");
        assert_eq!(bytes(u64::MAX).split(' ').next_back(), Some("GB"));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [0.4, 999.4, 999.6, 9_949.0, 75_488.0].map(duration),
            ["0 ms", "999 ms", "1.0 s", "9.9 s", "75 s"]
        );
    }

    #[test]
    fn a_share_never_exceeds_the_whole() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(9, 3), 100);
    }
}
