//! What page and worker share of the browser: how their programs begin, its errors' words, [answers that
//! are no file](answer), how its databases end a transaction, [files that only this page
//! sees](private_files), and among them the [store of model files](model_store).

pub mod answer;
mod constructors;
mod describe;
pub mod model_store;
pub mod private_files;
mod transaction;

pub use constructors::run_constructors;
pub use describe::describe;
pub use transaction::committed;
