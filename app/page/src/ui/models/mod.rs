//! The models: what there is, what this device has, and how to bring one's own.

mod bring;
mod entry;

use leptos::html::Dialog as DialogElement;
use leptos::prelude::*;

use super::control;
use super::prompt_view::follow;
use crate::state::Dialog;
use crate::state::engine::{EngineState, bytes};
use crate::state::known::{ENCODER, KNOWN, Place};
use bring::BringYourOwn;
use entry::{KnownEntry, OtherEntry};
use llavacode_protocol::{BundleSource, DeviceChoice};

/// The dialog.
#[component]
pub(super) fn ModelsDialog() -> impl IntoView {
    let control = control();
    let element = NodeRef::<DialogElement>::new();
    let is_open = move || control.state.dialog.get() == Some(Dialog::Models);
    follow(element, is_open);
    let close = move || {
        if control.state.dialog.get_untracked() == Some(Dialog::Models) {
            control.state.dialog.set(None);
        }
    };
    let (device, set_device) = signal(DeviceChoice::Auto);
    // It may have been chosen elsewhere since: in the page's address, or by a notice's button.
    Effect::new(move |_| {
        if is_open() {
            control.refresh_library();
        } else {
            control.state.engine.track();
        }
        set_device.set(control.device());
    });
    let choices = [
        (DeviceChoice::Auto, "device-auto", "Auto: WebGPU where the browser has a GPU, else the CPU"),
        (DeviceChoice::Webgpu, "device-webgpu", "WebGPU, even where the processor has to play the GPU"),
        (DeviceChoice::Cpu, "device-cpu", "CPU"),
    ];
    view! {
        <dialog node_ref=element class="models" aria-labelledby="models-title" data-testid="models" on:close=move |_| close()>
            <header>
                <h2 id="models-title">"Models"</h2>
                <button class="small" on:click=move |_| close()>"Close"</button>
            </header>
            <Current/>
            <fieldset>
                <legend>"Device"</legend>
                {choices.map(|(choice, testid, label)| view! {
                    <label><input type="radio" name="device" prop:checked=move || device.get() == choice
                        data-testid=testid on:change=move |_| set_device.set(choice)/>{label}</label>
                })}
            </fieldset>
            <section>
                <h3>"Readers"</h3>
                <ul class="model-list">
                    {KNOWN.iter().map(|known| view! { <KnownEntry known=known device=device close=close/> }).collect_view()}
                </ul>
                <Encoder/>
            </section>
            <Others device=device close=close/>
            <Storage/>
            <BringYourOwn device=device close=close/>
        </dialog>
    }
}

/// Whether an encoder comes with the readers that have no projector yet.
#[component]
fn Encoder() -> impl IntoView {
    let control = control();
    let size = match ENCODER.place {
        Place::Elsewhere(file) => bytes(file.bytes),
        _ => String::new(),
    };
    view! {
        <label class="with-encoder">
            <input type="checkbox" data-testid="with-encoder"
                prop:checked=move || control.state.settings.with(|settings| settings.with_encoder)
                on:change=move |event| {
                    let on = event_target_checked(&event);
                    control.settings(|settings| settings.with_encoder = on);
                }/>
            {format!("Fetch and load the encoder {} ({size}, {}) with Qwen2.5-Coder", ENCODER.name, ENCODER.license)}
        </label>
        <p class="hint">
            "A reader without a projector runs base and full RAG, so until you have trained a projector for the pair \
             no lane uses the encoder's vectors. The README says how to train one; bring it as files below."
        </p>
    }
}

/// Files kept that belong to no known model.
#[component]
fn Others(
    device: ReadSignal<DeviceChoice>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let control = control();
    let others = Memo::new(move |_| {
        let with_encoder = |id: &str| crate::state::library::files(id, true, crate::control::absolute);
        let readers = KNOWN.iter().flat_map(|known| with_encoder(known.id).into_iter().take(1));
        let readers: Vec<String> = readers.map(|file| file.url).collect();
        control.state.library.with(|library| library.others(&readers))
    });
    view! {
        <section hidden=move || others.with(Vec::is_empty)>
            <h3>"By address"</h3>
            <ul class="model-list">
                <For each=move || others.get() key=|id| id.clone()
                    children=move |id| view! { <OtherEntry id=id device=device close=close/> }/>
            </ul>
        </section>
    }
}

/// How much is kept and how much more could be.
#[component]
fn Storage() -> impl IntoView {
    let control = control();
    let text = move || {
        control.state.library.with(|library| match library.there {
            None => String::new(),
            Some(false) => {
                "This browser keeps no files for this page, as in some private windows: models are \
                            fetched at each visit."
                    .to_owned()
            }
            Some(true) if library.room.quota == 0 => {
                format!("This page keeps {} on this device.", bytes(library.room.used))
            }
            Some(true) => format!(
                "This page keeps {} on this device; the browser gives it up to {} more.",
                bytes(library.room.used),
                bytes(library.room.quota.saturating_sub(library.room.used))
            ),
        })
    };
    view! { <p class="hint storage" data-testid="storage">{text}</p> }
}

/// What is loaded.
#[component]
fn Current() -> impl IntoView {
    let control = control();
    let source = move || match control.bundle() {
        BundleSource::Url { url } => url,
        BundleSource::Gguf { reader, .. } => reader,
        BundleSource::Files => "files you chose".to_owned(),
    };
    let line = move || {
        control.state.engine.with(|engine| match engine {
            EngineState::Ready(info) => format!(
                "{} on {}, {} in memory, loaded in {:.1} s from {}",
                info.model,
                if info.backend == "webgpu" { "WebGPU" } else { "the CPU" },
                bytes(info.memory_bytes),
                info.load_ms / 1000.0,
                source()
            ),
            EngineState::Starting | EngineState::Loading { .. } => format!("Loading from {}", source()),
            EngineState::Failed { message } => message.clone(),
        })
    };
    let about = move || {
        control.state.engine.with(|engine| match engine {
            EngineState::Ready(info) => Some(format!("{} Licence: {}.", info.description, info.license)),
            _ => None,
        })
    };
    view! {
        <div class="current" data-testid="current">
            <p>{line}</p>
            {move || about().map(|about| view! { <p class="hint">{about}</p> })}
        </div>
    }
}
