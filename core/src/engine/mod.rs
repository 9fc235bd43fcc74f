//! Request in, stream of events out.

mod events;

pub use events::*;
