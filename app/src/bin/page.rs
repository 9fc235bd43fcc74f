//! The page's start.

fn main() {
    llavacode_browser::run_constructors();
    console_error_panic_hook::set_once();
    // A second logger is the only way this fails, and then there is one.
    let _ = console_log::init_with_level(log::Level::Info);
    leptos::mount::mount_to_body(llavacode_page::ui::App);
}
