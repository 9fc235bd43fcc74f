//! What true lines cost a reader, in nats.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{Asked, Asking, task::Task};

/// What the lanes cost, by kind of line and by lane.
pub type Lanes = BTreeMap<String, BTreeMap<String, Cost>>;

/// What the true lines cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Nats a character: the lines' nats altogether over their characters.
    pub per_character: f64,
    /// Nats a token.
    pub per_token: f64,
    /// Positions of a prompt, on average.
    pub positions: f64,
}

/// What tasks cost with these soft vectors.
pub fn cost(asking: &mut Asking, tasks: &[Task], vectors: &[f32]) -> Cost {
    let Asked { nats, .. } = asking.ask(tasks, vectors, None);
    let nats: f64 = nats.iter().sum();
    let sum = |of: fn(&Task) -> usize| tasks.iter().map(of).sum::<usize>().max(1) as f64;
    Cost {
        per_character: nats / sum(|task| task.characters),
        per_token: nats / sum(|task| task.sequence.targets.len()),
        positions: sum(|task| task.sequence.prompt) / tasks.len().max(1) as f64,
    }
}

/// A table for a person.
pub fn table(lanes: &Lanes) -> String {
    let mut text = String::from(
        "| lines | lane | nats a character | nats a token | positions |\n|---|---|--:|--:|--:|\n",
    );
    for (kind, lanes) in lanes {
        for (lane, cost) in lanes {
            let _ = writeln!(
                text,
                "| {kind} | {lane} | {:.4} | {:.4} | {:.0} |",
                cost.per_character, cost.per_token, cost.positions
            );
        }
    }
    text
}
