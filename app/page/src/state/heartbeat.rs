//! Whether a worker still lives. It is asked every [`PERIOD_MS`], and whatever it says is a sign of life: a
//! worker answers between any two passes of the model, however much there is to do. One that says nothing for
//! longer than its longest pass may take was ended by the browser, or hangs.

use llavacode_protocol::EngineInfo;

/// How often a worker is asked, in milliseconds.
pub const PERIOD_MS: u32 = 5_000;

/// How long a worker may be silent while it reads a model: a large matrix is unpacked in one go.
const LOADING_MS: f64 = 120_000.0;
/// How long it may be silent where a GPU computes.
const READY_MS: f64 = 30_000.0;
/// Rows of a pass: as many as the engine reads at once.
const PASS_ROWS: f64 = 512.0;
/// Bytes of weights that the slowest processor in question multiplies with a row, in a millisecond. A slow
/// server's does nine million.
const CPU_BYTES_A_MS: f64 = 2e6;
/// The same where the processor plays the GPU.
const SOFTWARE_GPU_BYTES_A_MS: f64 = 2e5;

/// How long a worker with this model may be silent, in milliseconds.
fn patience_ms(info: &EngineInfo) -> f64 {
    let bytes_a_ms = match (info.backend.as_str(), info.software_gpu) {
        ("webgpu", false) => return READY_MS,
        ("webgpu", true) => SOFTWARE_GPU_BYTES_A_MS,
        _ => CPU_BYTES_A_MS,
    };
    READY_MS + PASS_ROWS * info.memory_bytes as f64 / bytes_a_ms
}

/// What is known of a worker's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    patience_ms: f64,
    silent_ms: f64,
    looked_ms: Option<f64>,
}

impl Default for Heartbeat {
    /// A worker that was just started.
    fn default() -> Self {
        Self { patience_ms: LOADING_MS, silent_ms: 0.0, looked_ms: None }
    }
}

impl Heartbeat {
    /// It said something.
    pub fn heard(&mut self) {
        self.silent_ms = 0.0;
    }

    /// Its model is loaded.
    pub fn ready(&mut self, info: &EngineInfo) {
        self.patience_ms = patience_ms(info);
    }

    /// Looks whether it still lives, and says for how many milliseconds it has been silent if not. It is to
    /// be asked after each look. Looks that come late, as in a tab in the background or after a device has
    /// slept, count for two periods: as little as the worker could the page hear it meanwhile.
    pub fn look(&mut self, now_ms: f64) -> Option<f64> {
        let since = self.looked_ms.replace(now_ms).map_or(0.0, |looked| now_ms - looked);
        self.silent_ms += since.clamp(0.0, 2.0 * f64::from(PERIOD_MS));
        (self.silent_ms >= self.patience_ms).then_some(self.silent_ms)
    }
}

/// Whether an engine that ended is started again without asking: not before one that was so started has
/// completed something, and not for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    /// One was started again and has completed nothing since.
    unproven: bool,
    count: u8,
}

impl Restarts {
    /// How many there are in a visit.
    const MOST: u8 = 3;

    /// Whether to start it again now.
    pub fn may(&mut self) -> bool {
        if self.unproven || self.count == Self::MOST {
            return false;
        }
        (self.unproven, self.count) = (true, self.count + 1);
        true
    }

    /// It completed something in every lane that was asked.
    pub fn completed(&mut self) {
        self.unproven = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(backend: &str, software_gpu: bool, memory_bytes: u64) -> EngineInfo {
        EngineInfo { backend: backend.into(), software_gpu, memory_bytes, ..EngineInfo::default() }
    }

    const PERIOD: f64 = PERIOD_MS as f64;

    /// When a worker that never says anything is taken for dead, looked at once a period.
    fn noticed_after(mut heartbeat: Heartbeat) -> f64 {
        let mut now = 1e6;
        let begun = now;
        while heartbeat.look(now).is_none() {
            now += PERIOD;
            assert!(now < 1e9, "it is never noticed");
        }
        now - begun
    }

    #[test]
    fn a_silent_worker_is_noticed_and_one_that_speaks_is_not() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.ready(&info("webgpu", false, 3_000_000_000));
        assert_eq!(noticed_after(heartbeat.clone()), READY_MS);
        let mut now = 0.0;
        for look in 0..1_000 {
            now += PERIOD;
            assert_eq!(heartbeat.look(now), None, "look {look}");
            // It answers one ask in five only.
            if look % 5 == 0 {
                heartbeat.heard();
            }
        }
    }

    #[test]
    fn reading_a_model_and_the_longest_pass_of_a_large_one_are_no_death() {
        assert_eq!(noticed_after(Heartbeat::default()), LOADING_MS);
        // Twice what a pass of 512 rows took on a slow server's processor that had other work, too.
        for (backend, software, megabytes, least, most) in [
            ("cpu", false, 10, 30.0, 40.0),
            ("cpu", false, 130, 2.0 * 10.0, 70.0),
            ("cpu", false, 1_650, 2.0 * 160.0, 600.0),
            ("webgpu", true, 130, 2.0 * 145.0, 400.0),
            ("webgpu", false, 1_650, 30.0, 35.0),
        ] {
            let mut heartbeat = Heartbeat::default();
            heartbeat.ready(&info(backend, software, megabytes * 1_000_000));
            let noticed = noticed_after(heartbeat) / 1e3;
            assert!((least..most).contains(&noticed), "{backend}, {megabytes} MB: {noticed} s");
        }
    }

    #[test]
    fn a_night_with_the_lid_closed_is_no_silence() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.ready(&info("cpu", false, 10_000_000));
        assert_eq!(heartbeat.look(0.0), None);
        assert_eq!(heartbeat.look(8.0 * 3_600e3), None, "it was not asked meanwhile");
        // A clock that is set back.
        assert_eq!(heartbeat.look(0.0), None);
    }

    #[test]
    fn an_engine_that_completes_nothing_is_started_again_once() {
        let mut restarts = Restarts::default();
        assert!(restarts.may());
        assert!(!restarts.may(), "it ended again before it had completed anything");
        restarts.completed();
        assert!(restarts.may());
        restarts.completed();
        assert!(restarts.may());
        restarts.completed();
        assert!(!restarts.may(), "one that ends again and again is for the user to look at");
    }
}
