//! One WGSL file a kernel, or a part that several share, and a module for each with what Rust has to
//! know of it, read from the file when this crate is built:
//!
//! | item | is |
//! |---|---|
//! | `SOURCE` | name and text, placeholders (`{{ params }}`) included |
//! | a `const` of its name | each whole number the file names, as far as no placeholder is in it |
//! | `Params` | the uniform of this name: fields by name, and `words()` as the device gets them |
//!
//! ```
//! use llavacode_shaders::swiglu;
//!
//! let params = swiglu::Params { rows: 3, width: 64 };
//! assert_eq!(params.words(), [3, 64]);
//! assert_eq!((swiglu::SOURCE.name, swiglu::THREADS), ("swiglu", 256));
//! ```

/// A WGSL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file's name without its ending.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
