//! Which device to compute on: WebGPU where it is there and does what burn needs, else the CPU.
//!
//! A software GPU is compiled for the processor too, but through barriers and workgroups that cost it
//! more than they bring: on it burn's CPU backend is several times as fast, and Auto takes that.

use js_sys::{Function, Object, Promise, Reflect};
use llavacode_core::{
    Device,
    device::set_software,
    kernel::{self, threads},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use llavacode_browser::describe;
use llavacode_protocol::{DeviceChoice, Event, RequestId};

use super::{Browser, helpers, host::scope};
use crate::{OpenDevice, Platform};

/// The id of what no request asked for; requests' begin at 1.
const NOT_ASKED: RequestId = 0;

/// Opens the device asked for, and has the threads that it computes with.
pub(super) async fn open(choice: DeviceChoice, threads: Option<usize>) -> OpenDevice {
    let opened = open_device(choice).await;
    // A GPU needs none.
    if opened.backend != "cpu" {
        return opened;
    }
    let engaged = helpers::engage(threads).await;
    OpenDevice { threads: threads::count(), thread_reason: engaged.err(), ..opened }
}

async fn open_device(choice: DeviceChoice) -> OpenDevice {
    if choice == DeviceChoice::Cpu {
        return OpenDevice::cpu(None, false);
    }
    // Without timestamps burn's runtime panics at its first launch: ask before opening it.
    let adapter = match request_adapter().await {
        Ok(adapter) if has_feature(&adapter, "timestamp-query") => adapter,
        Ok(_) => {
            let reason = "this GPU's driver offers no timestamp queries, which the GPU runtime needs";
            return OpenDevice::cpu(Some(reason.into()), false);
        }
        Err(reason) => return OpenDevice::cpu(Some(reason), false),
    };
    let name = adapter_name(&adapter);
    let software_gpu = is_software(&adapter, &name);
    if choice == DeviceChoice::Auto && software_gpu {
        let reason = format!("this browser's GPU is a software one ({name}), which would be slower");
        return OpenDevice::cpu(Some(reason), true);
    }
    match open_webgpu(software_gpu).await {
        Ok(device) => OpenDevice {
            device,
            backend: "webgpu",
            adapter: name,
            fallback_reason: None,
            webgpu_possible: true,
            software_gpu,
            threads: 1,
            thread_reason: None,
        },
        Err(reason) => OpenDevice::cpu(Some(reason), false),
    }
}

async fn open_webgpu(software: bool) -> Result<Device, String> {
    let (device, setup) = Device::wgpu_options()
        .init_with_setup_async()
        .await
        .map_err(|error| format!("the GPU could not be opened ({error})"))?;
    setup.device.set_device_lost_callback(|_, reason| Browser.send(NOT_ASKED, Event::DeviceLost { reason }));
    set_software(&device, software);
    kernel::check_shaders(&setup.device)
        .await
        .map_err(|refused| format!("this browser's shader compiler refused a kernel ({refused})"))?;
    Ok(device)
}

async fn request_adapter() -> Result<Object, String> {
    let gpu = property(&scope().navigator(), "gpu").ok_or("this browser has no WebGPU")?;
    let request: Function = property(&gpu, "requestAdapter")
        .and_then(|f| f.dyn_into().ok())
        .ok_or("this browser has no WebGPU")?;
    let options = Object::new();
    let _ = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let promise: Promise = request.call1(&gpu, &options).map_err(describe)?.unchecked_into();
    let adapter = JsFuture::from(promise).await.map_err(describe)?;
    adapter.dyn_into().map_err(|_| "this browser gives no GPU to WebGPU".to_owned())
}

fn has_feature(adapter: &Object, feature: &str) -> bool {
    let Some(features) = property(adapter, "features") else { return false };
    let Some(has) = property(&features, "has").and_then(|f| f.dyn_into::<Function>().ok()) else {
        return false;
    };
    has.call1(&features, &feature.into()).is_ok_and(|answer| answer.is_truthy())
}

/// Whether the adapter computes on the processor. Not every browser says so itself.
fn is_software(adapter: &Object, name: &str) -> bool {
    let said = property(adapter, "info").and_then(|info| property(&info, "isFallbackAdapter"));
    let name = name.to_lowercase();
    said.is_some_and(|yes| yes.is_truthy())
        || ["swiftshader", "llvmpipe", "lavapipe", "basic render"].iter().any(|known| name.contains(known))
}

/// Vendor, architecture and description, as far as the browser tells.
fn adapter_name(adapter: &Object) -> String {
    let Some(info) = property(adapter, "info") else { return "an unnamed adapter".into() };
    let word = |field| property(&info, field)?.as_string().filter(|word| !word.is_empty());
    let words: Vec<_> = ["vendor", "architecture", "description"].into_iter().filter_map(word).collect();
    if words.is_empty() { "an unnamed adapter".into() } else { words.join(" ") }
}

fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
