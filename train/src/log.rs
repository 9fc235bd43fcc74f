//! What a run tells: a line of progress on the terminal, and one JSON object a line in a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::Serialize;

/// Characters of the bar.
const WIDTH: usize = 30;

/// A run's log.
#[derive(Debug)]
pub struct RunLog {
    file: File,
    first: u64,
    steps: u64,
    started: Instant,
    shown: Option<Instant>,
}

impl RunLog {
    /// Appends to `log.jsonl` of a folder; `done` of `steps` steps are behind.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(folder: &Path, done: u64, steps: u64) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let path = folder.join("log.jsonl");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { file, first: done, steps, started: Instant::now(), shown: None })
    }

    /// After a step: moves the bar, at most twice a second, and only on a terminal.
    pub fn step(&mut self, step: u64, message: &str) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(500));
        if !io::stderr().is_terminal() || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let full = WIDTH * step as usize / self.steps.max(1) as usize;
        let done = (step - self.first).max(1);
        let left = self.started.elapsed().as_secs() * self.steps.saturating_sub(step) / done;
        // Over the line before, whose rest is cleared.
        eprint!(
            "\r\x1b[K{}{} {step}/{}  {}:{:02} min left  {message}",
            "█".repeat(full),
            "·".repeat(WIDTH.saturating_sub(full)),
            self.steps,
            left / 60,
            left % 60
        );
    }

    /// A line of the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, entry: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line).context("the run's log cannot be written")
    }

    /// A line for the person who watches.
    pub fn say(&self, text: &str) {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        println!("{text}");
    }
}
