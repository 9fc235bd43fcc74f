//! What page and worker share.

pub mod protocol;
