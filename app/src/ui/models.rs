//! Choosing a bundle and a device.

use leptos::attr::custom::custom_attribute;
use leptos::ev::SubmitEvent;
use leptos::html::{Dialog as DialogElement, Input};
use leptos::prelude::*;

use super::control;
use super::prompt_view::follow;
use crate::control::Chosen;
use crate::files::pick;
use crate::protocol::{BundleSource, DeviceChoice};
use crate::state::Dialog;
use crate::state::engine::{EngineState, bytes};
use crate::state::known::{self, PICO};

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
            set_device.set(control.device());
        }
    });
    let choices = [
        (DeviceChoice::Auto, "device-auto", "Auto: WebGPU where the browser has a GPU, else the CPU"),
        (DeviceChoice::Webgpu, "device-webgpu", "WebGPU, even where the processor has to play the GPU"),
        (DeviceChoice::Cpu, "device-cpu", "CPU"),
    ];
    let url = NodeRef::<Input>::new();
    let folder = NodeRef::<Input>::new();
    let files = NodeRef::<Input>::new();
    let load = move |chosen: Chosen| {
        close();
        control.load(chosen);
    };
    let load_url = move |event: SubmitEvent| {
        event.prevent_default();
        let url = url.get_untracked().map(|input| input.value()).unwrap_or_default();
        if !url.trim().is_empty() {
            load(Chosen::at(&url, device.get_untracked()));
        }
    };
    let use_known = move |id: &str| {
        close();
        control.use_model(id, device.get_untracked());
    };
    let beside = move || {
        let known = control.state.beside.get().into_keys().filter_map(|id| known::find(&id));
        known.collect::<Vec<_>>()
    };
    let load_chosen = move |input: NodeRef<Input>| {
        move |_| {
            let Some(input) = input.get_untracked() else { return };
            let files = pick::from_input(&input).candidates;
            if !files.is_empty() {
                load(Chosen { bundle: BundleSource::Files, files, device: device.get_untracked() });
            }
        }
    };
    let choose = |input: NodeRef<Input>| {
        move |_| {
            if let Some(input) = input.get_untracked() {
                input.click();
            }
        }
    };
    view! {
        <dialog node_ref=element aria-labelledby="models-title" data-testid="models" on:close=move |_| close()>
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
                <h3>"Built-in"</h3>
                <p class="hint">"Pico, the small trio that comes with this page."</p>
                <button data-testid="load-built-in" on:click=move |_| use_known(PICO)>"Use pico"</button>
            </section>
            {move || beside().into_iter().map(|model| view! {
                <section>
                    <h3>{model.name}</h3>
                    <p class="hint">
                        {format!("It lies beside this page. Licence: {}. It is loaded while the model in use goes on.", model.license)}
                    </p>
                    <button data-testid=format!("use-{}", model.id) on:click=move |_| use_known(model.id)>
                        {format!("Use {}", model.name)}
                    </button>
                </section>
            }).collect_view()}
            <section>
                <h3>"From a URL"</h3>
                <p class="hint">
                    "A GGUF file of Qwen2's or Llama's architecture, or a folder that holds bundle.json; served with \
                     CORS if it is elsewhere."
                </p>
                <form on:submit=load_url>
                    <input type="text" inputmode="url" aria-label="URL of a GGUF file or a bundle's folder" node_ref=url
                        placeholder="https://…/model.gguf" data-testid="bundle-url"/>
                    <button data-testid="load-url">"Load"</button>
                </form>
            </section>
            <section>
                <h3>"From your disk"</h3>
                <p class="hint">
                    "A GGUF file, with that of an embedding model beside it if you like; a bundle's folder, or a \
                     checkpoint's. Nothing is uploaded: the files are read where they are."
                </p>
                <button data-testid="load-files" on:click=choose(files)>"Choose files"</button>
                <button data-testid="load-folder" on:click=choose(folder)>"Choose folder"</button>
                <input type="file" multiple=true hidden=true tabindex="-1" accept=".gguf,.safetensors,.json"
                    aria-label="Model files" data-testid="model-files-input" node_ref=files on:change=load_chosen(files)/>
                <input type="file" multiple=true hidden=true tabindex="-1" {..custom_attribute("webkitdirectory", "")}
                    aria-label="Folder of the bundle" data-testid="bundle-input" node_ref=folder
                    on:change=load_chosen(folder)/>
            </section>
        </dialog>
    }
}

/// What is loaded.
#[component]
fn Current() -> impl IntoView {
    let control = control();
    let source = move || match control.bundle() {
        BundleSource::Url { url } => url,
        BundleSource::Files => "files you chose".to_owned(),
    };
    let line = move || {
        control.state.engine.with(|engine| match engine {
            EngineState::Ready(info) => format!(
                "{} on {}, {} in memory, loaded in {:.1} s from {}",
                info.model,
                info.backend,
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
        <div class="current">
            <p>{line}</p>
            {move || about().map(|about| view! { <p class="hint">{about}</p> })}
        </div>
    }
}
