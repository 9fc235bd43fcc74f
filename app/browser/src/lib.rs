//! What page and worker share of the browser: its errors' words, how its databases end a
//! transaction, and the [store of model files](model_store).

mod describe;
pub mod model_store;
mod transaction;

pub use describe::describe;
pub use transaction::committed;
