//! The engine's worker: models, index and WebGPU live here, so that the page never waits.

fn main() {
    llavacode_browser::run_constructors();
    console_error_panic_hook::set_once();
    // A second logger is refused; there is only this one.
    let _ = console_log::init_with_level(log::Level::Warn);
    llavacode_worker::browser::listen();
}
