//! Sets up, builds, serves, tests and measures the project.
fn main() {}
