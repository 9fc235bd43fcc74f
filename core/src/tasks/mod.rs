//! Lines to complete, cut from files whose text is known: what lanes and readers are measured on.
//!
//! [`lines`] says which lines are code and where a completion can begin in them, [`needs`] which
//! completions need another file, [`cut`](mod@cut) makes tasks of a project.

mod cut;
pub mod lines;
pub mod needs;

pub use cut::{Cut, CutConfig, Kind, cut, cut_project};
pub use llavacode_api::completion::Task;
