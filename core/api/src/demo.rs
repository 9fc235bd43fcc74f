//! The demo's places: lines of its files at which one sees what context gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `places.json`, beside the demo's files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DemoPlaces {
    /// The first one is where the demo opens.
    pub places: Vec<DemoPlace>,
}

/// A line of the demo whose rest is taken out, to be completed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoPlace {
    /// The file's path.
    pub path: String,
    /// The line, counted from 0.
    pub line: usize,
    /// What stands before the cursor in it.
    pub before: String,
    /// The rest, as it was written.
    pub target: String,
    /// What it is there to show.
    pub shows: Shows,
    /// What was measured here: by the name of the bundle, then by [`Lane::key`](crate::completion::Lane::key).
    pub readers: BTreeMap<String, BTreeMap<String, Said>>,
}

/// What a place is there to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// A reader misses the line without context and finds it with it.
    ContextWins,
    /// Every lane finds it.
    NoDifference,
}

/// What a lane completed a line with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The text.
    pub text: String,
    /// Whether it is the line as it was written, but for blanks at its ends.
    pub right: bool,
    /// [`Completion::confidence`](crate::completion::Completion::confidence), to three places.
    pub confidence: f64,
}
