//! Asks a device's compiler about every kernel before the first one is launched. A browser skips a
//! shader it refused without a word, and what was in the buffer before passes for the result.

use wgpu::{CompilationMessageType, Device, ErrorFilter, ShaderModuleDescriptor, ShaderSource};

use super::shaders;

/// Compiles every kernel on the device.
///
/// # Errors
/// The first refused kernel and the compiler's words.
pub async fn check_shaders(device: &Device) -> Result<(), String> {
    // Inside a scope a refusal is an answer, not a crash.
    let scope = device.push_error_scope(ErrorFilter::Validation);
    let modules: Vec<_> = shaders()
        .into_iter()
        .map(|shader| {
            let source = ShaderSource::Wgsl(shader.source.into());
            let label = Some(shader.name.as_str());
            let module = device.create_shader_module(ShaderModuleDescriptor { label, source });
            (shader.name, module)
        })
        .collect();
    let refused = scope.pop().await;
    for (name, module) in modules {
        let info = module.get_compilation_info().await;
        let error = info.messages.iter().find(|m| m.message_type == CompilationMessageType::Error);
        if let Some(error) = error {
            return Err(format!("{name}: {}", error.message));
        }
    }
    match refused {
        Some(error) => Err(error.to_string()),
        None => Ok(()),
    }
}
