//! One model: what it is, what it needs, where it stands, and what can be done.

use leptos::prelude::*;

use crate::state::engine::{EngineState, bytes, percent};
use crate::state::fit::{self, Verdict};
use crate::state::known::{self, Known, Place};
use crate::state::library::{Amount, Speed, Standing};
use crate::ui::control;
use llavacode_protocol::DeviceChoice;

/// A model that the page knows.
#[component]
pub(super) fn KnownEntry(
    known: &'static Known,
    device: ReadSignal<DeviceChoice>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let control = control();
    let size = move || match known.place {
        Place::BuiltIn => None,
        Place::Beside => control.state.beside.with(|beside| Some(beside.get(known.id)?.bytes)),
        Place::Elsewhere(file) => Some(file.bytes),
    };
    let missing = move || known.place == Place::Beside && size().is_none();
    let facts = move || {
        let size = size().map(|size| format!("{} \u{b7} ", bytes(size))).unwrap_or_default();
        format!("{size}{}. {}", known.license, known.about)
    };
    let needs = move || {
        let size = size()?;
        let device = facts_of(control.state.engine, device.get());
        let linear = control.state.beside.with(|beside| beside.get(known.id)?.reader_linear.clone());
        let weights = fit::weight_bytes(&known.shape, size, linear.as_deref());
        let fit = fit::fit(&known.shape, weights, device);
        let kind = if device.webgpu { "GPU memory" } else { "memory on the CPU" };
        let needs = format!(
            "Needs {} of {kind} for weights and {} for KV caches",
            bytes(fit.weights),
            bytes(fit.caches)
        );
        let verdict = match fit.verdict {
            Verdict::Fits if device.memory.is_none() && device.webgpu => {
                "a page cannot see how much there is".to_owned()
            }
            Verdict::Fits => "fits".to_owned(),
            Verdict::BeyondPage(most) => {
                format!("does not fit: there a page has {}. Choose WebGPU or a smaller model", bytes(most))
            }
            Verdict::BeyondDevice(memory) => {
                format!("does not fit: this device has {}, says the browser", bytes(memory))
            }
        };
        let fits = fit.verdict == Verdict::Fits;
        // Timed on the device in use: it says nothing of another.
        let same_device = device.webgpu == runs_on_webgpu(control.state.engine);
        let estimate = control.state.timings.with(|timings| timings.estimate(&known.shape));
        let time = estimate.filter(|_| fits && same_device).map(|estimate| {
            // On a GPU a small model waits for launches more than it computes.
            let about = if device.webgpu { "at most" } else { "about" };
            format!(" First token in {about} {}, estimated from pico\u{2019}s.", estimate.words())
        });
        Some((format!("{needs}; {verdict}.{}", time.unwrap_or_default()), fits))
    };
    view! {
        <li class="model" data-testid=format!("model-{}", known.id)>
            <h4>{known.name}<InUse id=known.id.to_owned()/></h4>
            <p class="hint">{facts}</p>
            {move || needs().map(|(text, fits)| view! { <p class="hint" class:warning=!fits>{text}</p> })}
            <p class="hint" hidden=move || !missing()>
                "It is not beside this page. Whoever serves the page fetches it with " <code>"cargo xtask models fetch"</code> "."
            </p>
            <div hidden=missing>
                <Actions id=known.id.to_owned() built_in={known.place == Place::BuiltIn} device=device close=close/>
            </div>
        </li>
    }
}

/// A file that the user brought by its address, or an encoder.
#[component]
pub(super) fn OtherEntry(
    id: String,
    device: ReadSignal<DeviceChoice>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let control = control();
    view! {
        <li class="model" data-testid="model-other">
            <h4>{control.model_name(&id)}<InUse id=id.clone()/></h4>
            <p class="hint address">{id.clone()}</p>
            <p class="hint" hidden=!known::is_encoder(&id)>"The encoder: it is loaded with a Qwen2.5-Coder."</p>
            <Actions id=id built_in=false device=device close=close/>
        </li>
    }
}

/// Whether the model in use is this one.
#[component]
fn InUse(id: String) -> impl IntoView {
    let control = control();
    let in_use = move || {
        let ready = control.state.engine.with(EngineState::is_ready);
        ready && control.is_in_use(&id)
    };
    view! { <span class="badge" hidden=move || !in_use()>"in use"</span> }
}

fn runs_on_webgpu(engine: RwSignal<EngineState>) -> bool {
    engine.with(|engine| matches!(engine, EngineState::Ready(info) if info.backend == "webgpu"))
}

/// What the device of this choice is like, as far as it is known.
fn facts_of(engine: RwSignal<EngineState>, choice: DeviceChoice) -> fit::Device {
    let webgpu = match choice {
        DeviceChoice::Cpu => false,
        DeviceChoice::Webgpu => true,
        DeviceChoice::Auto => runs_on_webgpu(engine),
    };
    fit::Device { webgpu, memory: device_memory() }
}

/// `navigator.deviceMemory`, in Chromium alone: a power of two of GiB, never more than 8 there, which
/// means that or more.
fn device_memory() -> Option<u64> {
    const MOST_TOLD: f64 = 8.0;
    let gib = js_sys::Reflect::get(&window().navigator(), &"deviceMemory".into()).ok()?.as_f64()?;
    (gib < MOST_TOLD).then_some((gib * f64::from(1 << 30)) as u64)
}

/// Where it stands and what can be done.
#[component]
fn Actions(
    id: String,
    built_in: bool,
    device: ReadSignal<DeviceChoice>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let control = control();
    let id = StoredValue::new(id);
    let is_encoder = id.with_value(|id| known::is_encoder(id));
    let standing = Memo::new(move |_| {
        let files = id.with_value(|id| control.model_files(id));
        control.state.library.with(|library| id.with_value(|id| library.standing(id, &files)))
    });
    let use_it = move |_| {
        if built_in || matches!(standing.get_untracked(), Standing::Whole(_)) {
            close();
        }
        id.with_value(|id| control.use_model(id, device.get_untracked()));
    };
    let pause = move |_| id.with_value(|id| control.pause_model(id));
    let remove = move |_| id.with_value(|id| control.remove_model(id));
    let line = move || standing.with(sentence);
    let share = move || {
        standing.with(|standing| match standing {
            Standing::Fetching(amount, _)
            | Standing::Retrying(amount)
            | Standing::Checking(amount)
            | Standing::Paused(amount)
            | Standing::Failed(amount, _)
                if amount.total > 0 =>
            {
                Some(percent(amount.read, amount.total))
            }
            _ => None,
        })
    };
    let use_label = move || {
        standing.with(|standing| match standing {
            _ if built_in => "Use",
            Standing::Whole(_) => "Use",
            Standing::Paused(_) => "Resume",
            Standing::Failed(..) => "Try again",
            _ => "Download and use",
        })
    };
    let under_way = move || {
        standing.with(|standing| {
            matches!(
                standing,
                Standing::Fetching(..) | Standing::Retrying(_) | Standing::Checking(_) | Standing::Waiting
            )
        })
    };
    let deletable = move || {
        standing.with(|standing| match standing {
            Standing::Whole(_) | Standing::Paused(_) | Standing::Failed(..) => !built_in,
            _ => false,
        })
    };
    let is_failed = move || standing.with(|standing| matches!(standing, Standing::Failed(..)));
    let state = move || standing.with(Standing::key);
    let in_use = move || {
        let same_device = control.device() == device.get();
        same_device
            && control.state.engine.with(EngineState::is_ready)
            && id.with_value(|id| control.is_in_use(id))
    };
    view! {
        <div class="standing" data-testid="standing" data-state=state>
            <p class:error=is_failed aria-live=move || if under_way() { "off" } else { "polite" }
                hidden=move || line().is_none()>{move || line().unwrap_or_default()}</p>
            {move || share().map(|share| view! { <progress max="100" prop:value=share aria-label="Downloaded"></progress> })}
            <div class="actions">
                <button class="small" data-testid="use" hidden=move || is_encoder || under_way() || in_use() on:click=use_it>{use_label}</button>
                <button class="small" data-testid="pause" hidden=move || !under_way() on:click=pause>"Pause"</button>
                <button class="small quiet" data-testid="delete" hidden=move || !deletable() on:click=remove>
                    {move || if standing.with(has_nothing) { "Dismiss" } else { "Delete" }}
                </button>
            </div>
        </div>
    }
}

fn of(Amount { read, total }: &Amount) -> String {
    match total {
        0 => bytes(*read),
        total => format!("{} of {}", bytes(*read), bytes(*total)),
    }
}

/// Whether there is nothing of it to delete.
fn has_nothing(standing: &Standing) -> bool {
    matches!(standing, Standing::Failed(amount, _) if amount.read == 0)
}

/// Where it stands, for a user.
fn sentence(standing: &Standing) -> Option<String> {
    Some(match standing {
        Standing::Absent => return None,
        Standing::Waiting => "Waits for the download before it.".into(),
        Standing::Fetching(amount, Speed { bytes_a_second, seconds_left }) => {
            let rate = bytes_a_second.map(|rate| format!(", {}/s", bytes(rate as u64))).unwrap_or_default();
            let left = seconds_left.map(|s| format!(", {} left", time(s))).unwrap_or_default();
            format!("{}{rate}{left}", of(amount))
        }
        Standing::Retrying(amount) => format!("{}. The connection is lost; trying again.", of(amount)),
        Standing::Checking(amount) => format!("Checking its hash: {}", of(amount)),
        Standing::Paused(amount) => format!("{} are here; the rest is fetched when you resume.", of(amount)),
        Standing::Failed(amount, message) if amount.read > 0 => format!("{message} {} are here.", of(amount)),
        Standing::Failed(_, message) => message.clone(),
        Standing::Whole(size) => format!("On this device, {}.", bytes(*size)),
    })
}

/// Seconds as a user reads them.
fn time(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        _ if seconds < 9.5 => format!("{seconds:.1} s"),
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
