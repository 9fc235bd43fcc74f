//! Every WGSL text through the browser's own compiler. A browser skips a refused shader without a
//! word, and with it everything submitted together, so any message at all is a failure.

/// wasm-bindgen's runner calls the tests themselves.
fn main() {}

#[cfg(target_family = "wasm")]
mod browser {
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen(inline_js = r#"
    let device;

    // Everything the browser says about a compute shader, an empty string if nothing.
    export async function compile(source) {
        if (!device) {
            const adapter = await navigator.gpu.requestAdapter();
            const { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage } = adapter.limits;
            device = await adapter.requestDevice({
                requiredLimits: { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage },
            });
        }
        device.pushErrorScope('validation');
        const module = device.createShaderModule({ code: source });
        const { messages } = await module.getCompilationInfo();
        const said = messages.map((m) => `${m.type} in line ${m.lineNum}: ${m.message}`);
        try {
            await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
        } catch (error) {
            said.push(`no pipeline: ${error.message}`);
        }
        const error = await device.popErrorScope();
        if (error) {
            said.push(error.message);
        }
        return said.join('\n');
    }
    "#)]
    extern "C" {
        #[wasm_bindgen(catch)]
        async fn compile(source: &str) -> Result<JsValue, JsValue>;
    }

    async fn messages(source: &str) -> String {
        let said = compile(source).await.expect("this browser has WebGPU");
        said.as_string().expect("the messages are a string")
    }

    #[wasm_bindgen_test]
    async fn the_browser_accepts_every_shader() {
        let shaders = llavacode_core::kernel::shaders();
        assert!(!shaders.is_empty());
        let mut refused = Vec::new();
        for shader in shaders {
            let said = messages(&shader.source).await;
            if !said.is_empty() {
                refused.push(format!("{}:\n{said}", shader.name));
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }

    /// Barriers behind values that only the browser's compiler holds to be non-uniform are the fault
    /// that native runs do not see: it has to be found here.
    #[wasm_bindgen_test]
    async fn a_barrier_in_non_uniform_control_flow_is_found() {
        let source = "
            @group(0) @binding(0) var<storage, read_write> count: array<u32>;
            @compute @workgroup_size(64)
            fn main() {
                for (var i = 0u; i < count[0]; i++) {
                    workgroupBarrier();
                }
            }";
        assert!(messages(source).await.contains("uniform"));
    }
}
