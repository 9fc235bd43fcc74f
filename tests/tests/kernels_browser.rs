//! Every kernel against its meaning, in a browser: other shader compiler, other memory, no
//! blocking. The checks are the native ones.

#[cfg(target_family = "wasm")]
#[path = "../../core/tests/kernels/checks/mod.rs"]
mod checks;

/// wasm-bindgen's runner calls the tests themselves.
fn main() {}

#[cfg(target_family = "wasm")]
mod browser {
    use std::cell::RefCell;

    use burn::tensor::Device;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    use crate::checks::{self, Bench};

    wasm_bindgen_test_configure!(run_in_browser);

    thread_local! {
        /// The page's device: all tests run in one page, and a device is set up once.
        static DEVICE: RefCell<Option<Device>> = const { RefCell::new(None) };
    }

    async fn bench() -> Bench {
        let device = match DEVICE.take() {
            Some(device) => device,
            None => Device::wgpu_options().init_async().await.expect("this browser has WebGPU"),
        };
        DEVICE.set(Some(device.clone()));
        assert!(llavacode_core::device::has_kernels(&device), "a wgpu device has kernels");
        Bench::new(device, js_sys::Date::now().to_bits())
    }

    /// Random inputs for the processor's bodies, which here are WebAssembly's vectors.
    fn cpu() -> Bench {
        Bench::new(Device::flex(), js_sys::Date::now().to_bits())
    }

    /// A browser test for each check and device.
    macro_rules! tests {
        ($($name:ident),* $(,)?) => {
            mod gpu {$(
                #[super::wasm_bindgen_test]
                async fn $name() {
                    super::checks::$name(&mut super::bench().await).await;
                }
            )*}

            mod cpu {$(
                #[super::wasm_bindgen_test]
                async fn $name() {
                    super::checks::$name(&mut super::cpu()).await;
                }
            )*}
        };
    }

    tests!(
        rms_norm,
        swiglu,
        linear,
        row_parts,
        norm_gate_up,
        rope_and_append,
        append_turned,
        attention,
        gather_rows,
        argmax
    );

    #[wasm_bindgen_test]
    async fn dot_rows() {
        checks::dot_rows(&mut bench().await).await;
    }

    #[wasm_bindgen_test]
    async fn index_on_device() {
        checks::index_on_device(&mut bench().await).await;
    }

    #[wasm_bindgen_test]
    async fn ceilings() {
        checks::ceilings(&mut bench().await, js_sys::Date::now).await;
    }
}
