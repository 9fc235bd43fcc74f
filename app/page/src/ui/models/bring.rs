//! Models of one's own: by address, or from the disk.

use leptos::attr::custom::custom_attribute;
use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;

use crate::control::{ModelChoice, absolute, is_gguf};
use crate::files::pick;
use crate::ui::control;
use llavacode_protocol::{BundleSource, DeviceChoice};

/// The two ways.
#[component]
pub(super) fn BringYourOwn(
    device: ReadSignal<DeviceChoice>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let control = control();
    let url = NodeRef::<Input>::new();
    let folder = NodeRef::<Input>::new();
    let files = NodeRef::<Input>::new();
    let load = move |chosen: ModelChoice| {
        close();
        control.load(chosen);
    };
    let load_url = move |event: SubmitEvent| {
        event.prevent_default();
        let url = url.get_untracked().map(|input| input.value()).unwrap_or_default();
        let device = device.get_untracked();
        match url.trim() {
            "" => {}
            // Its progress is shown here.
            url if is_gguf(url) => control.use_model(&absolute(url), device),
            url => load(ModelChoice::at(url, device)),
        }
    };
    let load_chosen = move |input: NodeRef<Input>| {
        move |_| {
            let Some(input) = input.get_untracked() else { return };
            let files = pick::from_input(&input).candidates;
            if !files.is_empty() {
                load(ModelChoice { bundle: BundleSource::Files, files, device: device.get_untracked() });
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
        <section>
            <h3>"From a URL"</h3>
            <p class="hint">
                "A GGUF file of Qwen2's or Llama's architecture, or a folder that holds bundle.json; served with \
                 CORS if it is elsewhere. A GGUF file is kept on this device."
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
                "A GGUF file, with that of an embedding model and a projector.safetensors beside it if you like; a \
                 bundle's folder, or a checkpoint's. LoRA is added to the reader where its \
                 adapter_model.safetensors and adapter_config.json come along. Nothing is uploaded: the files are read where they are."
            </p>
            <div class="actions">
                <button data-testid="load-files" on:click=choose(files)>"Choose files"</button>
                <button data-testid="load-folder" on:click=choose(folder)>"Choose folder"</button>
            </div>
            <input type="file" multiple=true hidden=true tabindex="-1" accept=".gguf,.safetensors,.json"
                aria-label="Model files" data-testid="model-files-input" node_ref=files on:change=load_chosen(files)/>
            <input type="file" multiple=true hidden=true tabindex="-1" {..custom_attribute("webkitdirectory", "")}
                aria-label="Folder of the bundle" data-testid="bundle-input" node_ref=folder
                on:change=load_chosen(folder)/>
        </section>
    }
}
