//! Running one step after the other, with the time each takes and the tests it ran.

use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::counts::Counts;
use crate::command;

/// The steps so far.
pub(crate) struct Steps {
    keep_going: bool,
    done: Vec<Step>,
    counts: Counts,
}

struct Step {
    name: &'static str,
    time: Duration,
    passed: bool,
}

impl Steps {
    /// None yet. With `keep_going` a failure is remembered instead of returned.
    pub(crate) fn new(keep_going: bool) -> Self {
        Self { keep_going, done: Vec::new(), counts: Counts::default() }
    }

    /// Runs nextest and counts the tests in the report that it writes.
    pub(crate) fn run_nextest(
        &mut self,
        name: &'static str,
        nextest: &mut Command,
        report: &Path,
    ) -> Result<()> {
        let mut counts = Counts::default();
        let outcome = self.time(name, || {
            if report.exists() {
                fs::remove_file(report)
                    .with_context(|| format!("{} could not be deleted", report.display()))?;
            }
            let outcome = command::run(nextest.stdin(Stdio::null()));
            match Counts::from_report(report) {
                Ok(reported) => counts = reported,
                Err(error) if outcome.is_ok() => return Err(error),
                // It did not come to running them.
                Err(_) => {}
            }
            outcome
        });
        self.counts.add(counts);
        outcome
    }

    /// Runs a command, shows what it prints and counts the tests in it.
    pub(crate) fn run(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        let mut counts = Counts::default();
        let outcome = self.time(name, || show_and_count(command, &mut counts));
        self.counts.add(counts);
        outcome
    }

    /// Does something as a step.
    pub(crate) fn time(&mut self, name: &'static str, action: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = action();
        self.done.push(Step { name, time: start.elapsed(), passed: outcome.is_ok() });
        match outcome {
            Err(error) if self.keep_going => {
                eprintln!("{error:#}");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether any step failed.
    pub(crate) fn failed(&self) -> bool {
        self.done.iter().any(|step| !step.passed)
    }

    /// Prints the time of each step and, alone on the last line, `N passed, N failed`.
    pub(crate) fn print_summary(&self) {
        println!();
        for step in &self.done {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            println!("{verdict} {:<24} {:>7.1} s", step.name, step.time.as_secs_f64());
        }
        println!("{} passed, {} failed", self.counts.passed, self.counts.failed);
    }
}

fn show_and_count(command: &mut Command, counts: &mut Counts) -> Result<()> {
    if io::stderr().is_terminal() {
        // The pipes would otherwise turn colours off.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", command::shown(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|pipe| pass_on(pipe, &mut io::stderr())));
    if let Some(pipe) = stdout {
        counts.add(pass_on(pipe, &mut io::stdout()));
    }
    if let Ok(Some(more)) = errors.join() {
        counts.add(more);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status})", command::shown(command));
    }
    Ok(())
}

/// Copies line by line and counts.
fn pass_on(from: impl Read, to: &mut impl Write) -> Counts {
    let mut counts = Counts::default();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // A closed terminal is no reason to stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        counts.add(Counts::from_line(&String::from_utf8_lossy(&line)).unwrap_or_default());
        line.clear();
    }
    counts
}
