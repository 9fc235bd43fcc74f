//! Which model completes: pico answers first, and a better one takes its place where it is there
//! and the device can carry it, or the user says so.

use std::collections::BTreeMap;

use llavacode_api::completion::{Completion, Lane};
use serde::Deserialize;

use super::engine::duration;
use super::known::{self, PICO, SMOLLM2, Shape};
use llavacode_protocol::EngineInfo;

/// `models/index.json`: the models that set-up put beside the page, by id.
pub type Index = BTreeMap<String, Beside>;

/// A model that lies beside the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Beside {
    /// Bytes of its files.
    pub bytes: u64,
    /// Format in which the reader's matrices are kept on the device, where it is not the file's; as in the
    /// bundle's manifest.
    #[serde(default)]
    pub reader_linear: Option<String>,
}

/// A model that is loaded while another answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arriving {
    /// Its name for a user.
    pub name: String,
    /// Bytes read so far.
    pub read: u64,
    /// Bytes altogether; 0 while that is not known.
    pub total: u64,
}

/// A better model that is there, and what it would cost on this device.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Its name for a user.
    pub name: &'static str,
    /// Bytes of its files.
    pub bytes: u64,
    /// What the model in use reads in a second, as measured.
    pub tokens_a_second: f64,
    /// What that makes for this one.
    pub estimate: Estimate,
}

/// What to do once the first model answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It stays.
    Stay,
    /// Load this one behind it.
    Bring(String),
    /// Time completions and say what the better one would cost.
    Offer,
}

/// Decides. `asked` is the address's `?model=`, `chosen` what the user chose at an earlier visit;
/// `brought` says whether a model that the user brought is on this device.
pub fn plan(
    asked: Option<&str>,
    chosen: Option<&str>,
    index: &Index,
    brought: impl Fn(&str) -> bool,
    info: &EngineInfo,
) -> Plan {
    let there = |id: &str| index.contains_key(id) || brought(id);
    match asked.or(chosen) {
        Some(PICO) => return Plan::Stay,
        Some(id) if there(id) => return Plan::Bring(id.to_owned()),
        _ => {}
    }
    if !there(SMOLLM2) {
        Plan::Stay
    } else if info.backend == "webgpu" && !info.software_gpu {
        Plan::Bring(SMOLLM2.to_owned())
    } else {
        Plan::Offer
    }
}

/// A decoder layer's share of a token's time that does not grow with its weights: normalising, rotating,
/// attending, handing over. In weights that could be multiplied meanwhile, on the CPU. Chosen so that pico
/// reads 28 times as many tokens a second as SmolLM2, and not 60 as their weights alone would have it: on
/// two processors it was 23 to 31 times, by lane and by what ran beside.
const LAYER_OVERHEAD: u64 = 700_000;

/// What reading a token costs, in weights that it is multiplied with.
fn cost_of_a_token(shape: &Shape) -> f64 {
    (shape.weights_a_token() + shape.layers * LAYER_OVERHEAD) as f64
}

/// How fast a lane of pico's read its prompt, when it was fastest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reading {
    lane: Lane,
    prompt_tokens: usize,
    ms_a_token: f64,
}

/// How fast pico reads on this device: of the completions so far, each lane's fastest. The first of them is
/// left out, since compiling and the caches' filling go on during it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timings {
    warm: bool,
    fastest: Vec<Reading>,
}

impl Timings {
    /// Takes in a finished completion.
    pub fn take(&mut self, lane: Lane, done: &Completion) {
        /// Where fewer are read, the pass and the tokens written before the first one outweigh them.
        const LEAST_TOKENS: usize = 192;
        // The cached lane reads its chunks at another time than the rest.
        if !std::mem::replace(&mut self.warm, true) || lane == Lane::Cached {
            return;
        }
        let read = done.prompt_tokens.saturating_sub(done.reused_tokens);
        let ms_a_token = done.ttft.prefill_ms / read as f64;
        if read < LEAST_TOKENS || ms_a_token <= 0.0 {
            return;
        }
        let new = Reading { lane, prompt_tokens: done.prompt_tokens, ms_a_token };
        match self.fastest.iter_mut().find(|known| known.lane == lane) {
            Some(known) if known.ms_a_token <= ms_a_token => {}
            Some(known) => *known = new,
            None => self.fastest.push(new),
        }
    }

    /// What another model would take to its first token, in milliseconds: from the shortest to the longest of
    /// the prompts that were timed, from an empty KV cache. Of the lanes that need no projector, which every
    /// model has, where one of them was timed.
    pub fn estimate(&self, other: &Shape) -> Option<Estimate> {
        let ratio = cost_of_a_token(other) / cost_of_a_token(&known::find(PICO)?.shape);
        let every_models = |lane| matches!(lane, Lane::Base | Lane::FullRag);
        let any = self.fastest.iter().any(|reading| every_models(reading.lane));
        let timed = self.fastest.iter().filter(|reading| !any || every_models(reading.lane));
        let times = timed.map(|reading| reading.ms_a_token * reading.prompt_tokens as f64 * ratio);
        times.fold(None, |estimate: Option<Estimate>, ms| {
            let Estimate { least_ms, most_ms } = estimate.unwrap_or(Estimate { least_ms: ms, most_ms: ms });
            Some(Estimate { least_ms: least_ms.min(ms), most_ms: most_ms.max(ms) })
        })
    }

    /// Tokens a second, in the lane that read fastest.
    pub fn tokens_a_second(&self) -> Option<f64> {
        self.fastest.iter().map(|reading| 1e3 / reading.ms_a_token).max_by(f64::total_cmp)
    }
}

/// A time to the first token that was not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// With the shortest prompt.
    pub least_ms: f64,
    /// With the longest.
    pub most_ms: f64,
}

impl Estimate {
    /// As a user reads it: `3.5 s`, or `3.5 s to 11 s`.
    pub fn words(&self) -> String {
        let [least, most] = [self.least_ms, self.most_ms].map(duration);
        if least == most { least } else { format!("{least} to {most}") }
    }
}

/// SmolLM2, where it is there: what it would cost.
pub fn offer(index: &Index, timings: &Timings) -> Option<Offer> {
    let better = known::find(SMOLLM2)?;
    let bytes = index.get(SMOLLM2)?.bytes;
    let estimate = timings.estimate(&better.shape)?;
    Some(Offer { name: better.name, bytes, tokens_a_second: timings.tokens_a_second()?, estimate })
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::{StopReason, Ttft};

    use super::*;

    fn info(backend: &str, software_gpu: bool) -> EngineInfo {
        let model = "pico 5".into();
        EngineInfo {
            model,
            backend: backend.into(),
            software_gpu,
            webgpu_possible: true,
            ..EngineInfo::default()
        }
    }

    fn index() -> Index {
        serde_json::from_str(r#"{ "smollm2-135m": { "bytes": 98362432 } }"#).expect("an index")
    }

    #[test]
    fn a_real_gpu_gets_the_better_model_and_a_slow_device_an_offer() {
        let nothing = |_: &str| false;
        let decide = |index: &Index, info| plan(None, None, index, nothing, &info);
        assert_eq!(decide(&index(), info("webgpu", false)), Plan::Bring(SMOLLM2.into()));
        assert_eq!(decide(&index(), info("webgpu", true)), Plan::Offer);
        assert_eq!(decide(&index(), info("cpu", false)), Plan::Offer);
        assert_eq!(decide(&Index::new(), info("webgpu", false)), Plan::Stay);
    }

    #[test]
    fn what_a_user_says_comes_first_and_what_the_address_says_before_that() {
        let nothing = |_: &str| false;
        let decide = |asked, chosen| plan(asked, chosen, &index(), nothing, &info("webgpu", false));
        assert_eq!(decide(None, Some(PICO)), Plan::Stay);
        assert_eq!(decide(Some(SMOLLM2), Some(PICO)), Plan::Bring(SMOLLM2.into()));
        assert_eq!(decide(Some(PICO), Some(SMOLLM2)), Plan::Stay);
        // What was chosen and deleted since.
        assert_eq!(decide(None, Some("gone")), Plan::Bring(SMOLLM2.into()));
        let brought = plan(None, Some("mine"), &index(), |id| id == "mine", &info("cpu", false));
        assert_eq!(brought, Plan::Bring("mine".into()));
    }

    /// A completion that read all but `reused_tokens` of its prompt in so many milliseconds.
    fn done(prompt_tokens: usize, reused_tokens: usize, prefill_ms: f64) -> Completion {
        Completion {
            text: String::new(),
            prompt_tokens,
            soft_tokens: 0,
            reused_tokens,
            new_tokens: 1,
            stop: StopReason::EndOfLine,
            ttft: Ttft { prefill_ms, ..Ttft::default() },
            decode_tokens_per_s: None,
            launches_per_step: None,
            log_probabilities: Vec::new(),
            draft_tokens: 0,
            accepted_tokens: 0,
            prompt: Vec::new(),
        }
    }

    /// Pico's lanes as `docs/measurements.md` has them, after a first completion that took ten times as long.
    fn measured() -> Timings {
        let mut timings = Timings::default();
        timings.take(Lane::Compressed, &done(409, 0, 1_476.0));
        timings.take(Lane::Base, &done(345, 0, 116.9));
        timings.take(Lane::FullRag, &done(856, 0, 372.6));
        timings.take(Lane::Compressed, &done(409, 0, 147.6));
        timings
    }

    #[test]
    fn the_estimate_is_near_what_was_measured_with_smollm2() {
        let offer = offer(&index(), &measured()).expect("an offer");
        assert_eq!(offer.bytes, 98_362_432);
        for (estimate, measured) in [(offer.estimate.least_ms, 3_498.6), (offer.estimate.most_ms, 9_755.3)] {
            let off = estimate / measured;
            assert!((1.0 / 1.2..1.2).contains(&off), "{estimate} ms, and {measured} were measured");
        }
        assert!((2_900.0..3_000.0).contains(&offer.tokens_a_second), "{}", offer.tokens_a_second);
        assert_eq!(offer.estimate.words(), "3.3 s to 10 s");
    }

    #[test]
    fn the_first_completion_is_no_measure_and_the_fastest_of_the_others_is() {
        let smollm2 = known::find(SMOLLM2).expect("it is known").shape;
        let mut timings = Timings::default();
        assert_eq!(timings.estimate(&smollm2), None);
        timings.take(Lane::Base, &done(400, 0, 1_000.0));
        assert_eq!(timings.estimate(&smollm2), None, "the first one");
        timings.take(Lane::Base, &done(400, 390, 30.0));
        assert_eq!(timings.estimate(&smollm2), None, "ten tokens are no measure");
        let mut most = f64::INFINITY;
        for (prefill_ms, is_faster) in [(300.0, true), (140.0, true), (900.0, false), (141.0, false)] {
            timings.take(Lane::Base, &done(400, 0, prefill_ms));
            let estimate = timings.estimate(&smollm2).expect("an estimate");
            assert_eq!(estimate.most_ms < most, is_faster, "{prefill_ms} ms");
            assert_eq!(estimate.least_ms, estimate.most_ms);
            most = estimate.most_ms;
        }
    }

    #[test]
    fn lanes_that_a_model_without_a_projector_lacks_count_where_no_other_was_timed() {
        let smollm2 = known::find(SMOLLM2).expect("it is known").shape;
        let mut timings = Timings { warm: true, ..Timings::default() };
        timings.take(Lane::Compressed, &done(400, 0, 100.0));
        let alone = timings.estimate(&smollm2).expect("an estimate");
        timings.take(Lane::Base, &done(400, 0, 200.0));
        let both = timings.estimate(&smollm2).expect("an estimate");
        assert!(both.least_ms > alone.most_ms * 1.9, "{alone:?}, then {both:?}");
    }
}
