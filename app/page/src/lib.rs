//! The page. What a user does goes to [`control`], which talks to the engine's worker through
//! [`client`] and writes [`state`], which [`ui`] shows. Nothing here computes.

pub mod client;
pub mod control;
pub mod editor;
mod fetch;
pub mod files;
pub mod keep;
pub mod state;
pub mod ui;
