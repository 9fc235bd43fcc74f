//! Every kernel's WGSL is valid, with each choice that is made for it, and means what was read from its
//! file: a browser skips a shader it refuses without a word.

#![cfg(not(target_family = "wasm"))]

use std::collections::BTreeSet;

use llavacode_core::kernel::{Shader, shaders};
use llavacode_shaders::CONSTANTS;
use wgpu::naga::{
    Expression, Literal, Module, TypeInner,
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};

fn parsed(Shader { name, source }: &Shader) -> Module {
    wgsl::parse_str(source).unwrap_or_else(|fault| panic!("{name}:\n{}", fault.emit_to_string(source)))
}

/// What every WebGPU device can do beyond naga's least: `unpack2x16float`.
const WEBGPU: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;

#[test]
fn every_shader_is_valid() {
    let shaders = shaders();
    assert!(shaders.len() > 20);
    for shader in &shaders {
        let mut validator = Validator::new(ValidationFlags::all(), WEBGPU);
        let fault = validator.validate(&parsed(shader)).err();
        let fault = fault.map(|fault| fault.emit_to_string(&shader.source));
        assert_eq!(fault, None, "{}", shader.name);
    }
}

/// A uniform is written as one word a field.
#[test]
fn fields_of_a_uniform_lie_one_behind_the_other() {
    for shader in &shaders() {
        let module = parsed(shader);
        let params = module.types.iter().find(|(_, kind)| kind.name.as_deref() == Some("Params"));
        let Some((_, TypeInner::Struct { members, span })) = params.map(|(at, kind)| (at, &kind.inner))
        else {
            panic!("{} has no uniform", shader.name)
        };
        let offsets: Vec<u32> = members.iter().map(|member| member.offset).collect();
        let words: Vec<u32> = (0..members.len() as u32).map(|word| 4 * word).collect();
        assert_eq!((offsets, *span), (words, 4 * members.len() as u32), "{}", shader.name);
    }
}

/// What a constant is worth to the compiler.
fn constant(module: &Module, name: &str) -> Option<usize> {
    let (_, constant) =
        module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name))?;
    match module.global_expressions[constant.init] {
        Expression::Literal(Literal::U32(value)) => Some(value as usize),
        _ => None,
    }
}

#[test]
fn constants_are_worth_what_the_compiler_makes_of_them() {
    let mut compared = BTreeSet::new();
    for shader in &shaders() {
        let module = parsed(shader);
        // The shader's name begins with those of its files.
        let files: Vec<&str> = shader.name.split(' ').collect();
        for &(file, name, value) in CONSTANTS.iter().filter(|(file, ..)| files.contains(&file.name)) {
            assert_eq!(constant(&module, name), Some(value), "{name} of {}", shader.name);
            compared.insert((file.name, name));
        }
    }
    assert_eq!(compared.len(), CONSTANTS.len(), "each file's constants are compared: {compared:?}");
}
