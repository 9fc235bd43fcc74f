//! Which model completes: pico answers first, and a better one takes its place where it is there
//! and the device can carry it, or the user says so.

use std::collections::BTreeMap;

use llavacode_api::completion::{Completion, Ttft};
use serde::Deserialize;

use super::known::{self, PICO, SMOLLM2, Shape};
use llavacode_protocol::EngineInfo;

/// `models/index.json`: the models that set-up put beside the page, by id.
pub type Index = BTreeMap<String, Beside>;

/// A model that lies beside the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Beside {
    /// Bytes of its files.
    pub bytes: u64,
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
    /// Time to the first token of the model in use, as measured.
    pub measured_ms: f64,
    /// What that makes for this one.
    pub estimate_ms: f64,
}

/// What to do once the first model answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It stays.
    Stay,
    /// Load this one behind it.
    Bring(String),
    /// Time the first completion and say what the better one would cost.
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

/// What a completion of pico's took: where it read enough to say something of the device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// Its time to first token.
    pub ttft_ms: f64,
    /// The part of it that reading the prompt took.
    pub prefill_ms: f64,
    /// The part of it that embedding chunks took, which a model without an encoder does not do.
    pub encode_ms: f64,
}

impl Timed {
    /// The times of a completion; `None` where so little was read that they say nothing.
    pub fn of(done: &Completion) -> Option<Self> {
        const LEAST_TOKENS: usize = 64;
        let read = done.prompt_tokens.saturating_sub(done.reused_tokens);
        let Ttft { total_ms, prefill_ms, encode_ms, .. } = done.ttft;
        let times = Self { ttft_ms: total_ms, prefill_ms, encode_ms };
        (read >= LEAST_TOKENS).then_some(times)
    }

    /// The time to first token that another model would take for such a prompt, by the ratio of the
    /// weights that a token is multiplied with.
    pub fn estimate_ms(&self, other: &Shape) -> Option<f64> {
        let ratio = other.weights_a_token() as f64 / known::find(PICO)?.shape.weights_a_token() as f64;
        let other = (self.ttft_ms - self.prefill_ms - self.encode_ms).max(0.0);
        Some(other + self.prefill_ms * ratio)
    }
}

/// SmolLM2, where it is there: what it would cost.
pub fn offer(index: &Index, timed: &Timed) -> Option<Offer> {
    let better = known::find(SMOLLM2)?;
    let bytes = index.get(SMOLLM2)?.bytes;
    let estimate_ms = timed.estimate_ms(&better.shape)?;
    Some(Offer { name: better.name, bytes, measured_ms: timed.ttft_ms, estimate_ms })
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::StopReason;

    use super::*;

    fn info(backend: &str, software_gpu: bool) -> EngineInfo {
        EngineInfo {
            model: "pico 5".into(),
            backend: backend.into(),
            adapter: String::new(),
            fallback_reason: None,
            webgpu_possible: true,
            software_gpu,
            memory_bytes: 0,
            worker_bytes: 0,
            load_ms: 0.0,
            lanes: Vec::new(),
            embeds: true,
            top_k: 8,
            description: String::new(),
            license: String::new(),
            evaluation: String::new(),
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

    #[test]
    fn the_estimate_follows_the_weights() {
        let ttft = Ttft { prefill_ms: 100.0, encode_ms: 500.0, total_ms: 610.0, ..Ttft::default() };
        let done = |prompt_tokens, reused_tokens| Completion {
            text: String::new(),
            prompt_tokens,
            soft_tokens: 0,
            reused_tokens,
            new_tokens: 1,
            stop: StopReason::EndOfLine,
            ttft,
            decode_tokens_per_s: None,
            launches_per_step: None,
            prompt: Vec::new(),
        };
        let timed = Timed::of(&done(400, 0)).expect("enough was read");
        let offer = offer(&index(), &timed).expect("an offer");
        assert_eq!((offer.bytes, offer.measured_ms), (98_362_432, 610.0));
        assert!((offer.estimate_ms - 6_010.0).abs() < 100.0, "{}", offer.estimate_ms);
        assert_eq!(Timed::of(&done(400, 390)), None, "ten tokens are no measure");
    }
}
