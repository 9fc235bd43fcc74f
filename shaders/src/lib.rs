//! The WGSL of the kernels, and for each file a module with what Rust has to know of it, read from the
//! file when this crate is built.
//!
//! A family of kernels is a file (`argmax.wgsl`), or a folder with a file for each (`linear/tile.wgsl`);
//! the modules are [`argmax`] and [`linear::tile`]. It has the same name in `core/src/kernel/gpu/` and
//! `core/src/kernel/reference/`. What is in [`parts`] is no kernel: it is put behind the text of
//! kernels that need it.
//!
//! | item | is |
//! |---|---|
//! | `SOURCE` | name and text, placeholders (`{{ params }}`) included |
//! | a `const` of its name | each whole number the file names, as far as neither a placeholder nor another file is in it |
//! | `Params` | the uniform of this name: fields by name, and `words()` as the device gets them |
//!
//! A file is read line by line, and not by naga: without its parts, and with placeholders in it, it is
//! no WGSL yet. The tests of `core` have naga read every kernel that can be made of the files, and
//! compare with it what was read here.
//!
//! ```
//! use llavacode_shaders::feed_forward::swiglu;
//!
//! let params = swiglu::Params { rows: 3, width: 64 };
//! assert_eq!(params.words(), [3, 64]);
//! assert_eq!((swiglu::SOURCE.name, swiglu::THREADS), ("feed_forward/swiglu", 256));
//! ```

/// A WGSL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file's place without its ending: `linear/tile`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
