//! A helper of the engine's: computes its share of the CPU's products in a worker of its own, told by
//! `helper_loader.js` where to listen.

// What it exports to JavaScript.
use llavacode_worker as _;

fn main() {
    llavacode_browser::run_constructors();
    console_error_panic_hook::set_once();
}
