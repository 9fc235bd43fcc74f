//! What crates want to have run before `main`.

/// Runs the constructors of all crates; `main` calls it first, once.
///
/// A program that never calls them itself is taken for a command by the linker, which then has each of its
/// exports run them all: every value that comes from JavaScript and every callback.
#[allow(unsafe_code, reason = "the linker defines it, for whoever calls it once before all else")]
pub fn run_constructors() {
    #[cfg(target_family = "wasm")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: nothing has run yet that the constructors could disturb.
        unsafe { __wasm_call_ctors() };
    }
}
