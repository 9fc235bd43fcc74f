//! A person who types: writes lines of the demo's files anew, and answers what is suggested.
//!
//! Every key is one of the browser's. Only the text of a whole file is pasted, by the event that pasting
//! causes: a driven browser need not have a clipboard.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::key::Key as Code;
use llavacode_core::random::SplitMix64;
use llavacode_tests::harness::{Key, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::report::Kind;
use super::watch::{Watch, answered, is_silence};

/// Milliseconds from one key to the next: six to ten keys a second.
const KEY: Range<usize> = 100..167;
/// Milliseconds that a word's end takes now and then, a line's end, and reading.
const WORD: Range<usize> = 200..900;
const LINE: Range<usize> = 500..2_500;
const READING: Range<usize> = 300..1_500;
/// Milliseconds in which the page tells its index of what was typed.
const THINKING: Range<usize> = 6_000..10_000;
/// Somewhat longer than the pause after which the page asks by itself.
const PAUSE: Duration = Duration::from_millis(400);
/// How long a person waits for a suggestion.
const WAITED_FOR: Duration = Duration::from_secs(15);
/// What the page shows and does comes at once.
const SOON: Duration = Duration::from_secs(20);
/// So many visits in a row must not fail.
const MOST_FAILURES: usize = 3;
/// Files with fewer lines that hold something are left alone.
const FEWEST_LINES: usize = 20;

/// The suggestion shown.
const GHOST: &str = "document.querySelector(\"[data-testid='ghost']\")?.textContent ?? null";
/// Whether one is on its way.
const IS_AWAITED: &str = "(lane => document.querySelector(`[data-testid='lane-${lane}']`)?.dataset.state === 'running')\
    (document.querySelector(\"[data-testid='ghost-lane']\").value)";
/// Blanks before the text of the line that the cursor is in.
const INDENT: &str = "(() => { const line = document.querySelector(\"[data-testid='editor'] .cm-activeLine\").cloneNode(true);\
    line.querySelectorAll('.cm-ghost').forEach(ghost => ghost.remove());\
    return /^ */.exec(line.textContent)[0].length; })()";

/// A key of WebDriver's that [`Key`] does not name.
fn code(code: Code) -> Key {
    Key::Letter(char::from(code))
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A file of the demo.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct File {
    path: String,
    text: String,
}

impl File {
    /// The numbers, from 0, of its lines that hold something.
    fn written(&self) -> Vec<usize> {
        let lines = self.text.lines().enumerate();
        lines.filter(|(_, line)| !line.trim().is_empty()).map(|(number, _)| number).collect()
    }

    /// Line and column behind its text, both from 1, as the status line has them.
    fn end(&self) -> (usize, usize) {
        let last = self.text.rsplit('\n').next().unwrap_or_default();
        (self.text.matches('\n').count() + 1, last.encode_utf16().count() + 1)
    }
}

/// The demo's files that there is something to type in.
///
/// # Errors
/// If there are none.
pub(super) fn files(demo: &[u8]) -> Result<Vec<File>> {
    let demo: Value = serde_json::from_slice(demo).context("the demo is no JSON")?;
    let mut files: Vec<File> =
        serde_json::from_value(demo["files"].clone()).context("the demo has no files")?;
    files.retain(|file| file.written().len() >= FEWEST_LINES);
    ensure!(!files.is_empty(), "the demo has no file of {FEWEST_LINES} lines");
    Ok(files)
}

/// The person.
pub(super) struct Typist<'a> {
    page: &'a Page,
    files: Vec<File>,
    random: SplitMix64,
}

impl<'a> Typist<'a> {
    pub(super) fn new(page: &'a Page, files: Vec<File>, seed: u64) -> Self {
        Self { page, files, random: SplitMix64::new(seed) }
    }

    /// Works in one file after the other until the time is over.
    ///
    /// # Errors
    /// If the page does not answer, or the file cannot be worked in again and again.
    pub(super) async fn work(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let mut failures = 0;
        while !watch.is_over() {
            let file = self.random.choose(&self.files).context("there is no file")?.clone();
            match self.visit(watch, &file).await {
                Ok(()) => failures = 0,
                Err(error) if is_silence(&error) || failures + 1 == MOST_FAILURES => return Err(error),
                Err(error) => {
                    failures += 1;
                    watch.note(Kind::Typist, format!("in {}: {error:#}", file.path));
                    // Whatever is open closes.
                    self.press(&[Key::Escape]).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts a file back as it came, so that it does not grow from visit to visit, and writes some of its
    /// lines anew. It is left changed: the index learns of that, and of its way back at the next visit.
    async fn visit(&mut self, watch: &mut Watch<'_>, file: &File) -> Result<()> {
        self.go_to(file, 0).await?;
        self.put_back(watch, file).await?;
        let lines: Vec<&str> = file.text.lines().collect();
        let written = file.written();
        for _ in 0..2 + self.random.below(4) {
            let first = *self.random.choose(&written).context("nothing is written here")?;
            let end = (first + 1 + self.random.below(5)).min(lines.len());
            self.go_to(file, first).await?;
            self.rewrite(watch, &lines[first..end]).await?;
            if watch.is_over() {
                return Ok(());
            }
        }
        if self.random.chance(1, 2) {
            self.pause(watch, THINKING).await?;
        }
        Ok(())
    }

    /// Goes to a line of a file, from 0.
    async fn go_to(&self, file: &File, line: usize) -> Result<()> {
        self.press(&[Key::Control, Key::Letter('p')]).await?;
        let asks = "document.activeElement?.dataset?.testid === 'go-to-text'";
        self.wait_until("the page asks for a file", asks).await?;
        answered(self.page.type_text(&format!("{}:{}", file.path, line + 1))).await?;
        self.press(&[Key::Enter]).await?;
        let is_there = format!(
            "document.activeElement?.dataset?.testid === 'editor-content' && \
             document.querySelector(\"[data-testid='path']\").textContent === {}",
            json!(file.path)
        );
        self.wait_until(&format!("{} is in the editor", file.path), &is_there).await
    }

    /// Gives the open file the text it came with, as pasting over all of it does.
    async fn put_back(&mut self, watch: &mut Watch<'_>, file: &File) -> Result<()> {
        self.key(watch, &[Key::Control, Key::Letter('a')]).await?;
        // A handled event is one whose default is prevented.
        let paste = format!(
            "(text => {{\
               const clipboardData = new DataTransfer();\
               clipboardData.setData('text/plain', text);\
               const event = new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }});\
               return !document.querySelector(\"[data-testid='editor-content']\").dispatchEvent(event);\
             }})({})",
            json!(file.text)
        );
        ensure!(
            answered(self.page.evaluate(&paste)).await? == true,
            "the editor took nothing that was pasted"
        );
        let (line, column) = file.end();
        let says = format!(
            "document.querySelector(\"[data-testid='status']\").textContent.includes('Ln {line}, Col {column}')"
        );
        self.wait_until(&format!("{} is as it came", file.path), &says).await
    }

    /// Takes these lines out, from the cursor's on, and writes them again. The cursor is at the beginning of
    /// the first.
    async fn rewrite(&mut self, watch: &mut Watch<'_>, lines: &[&str]) -> Result<()> {
        self.key(watch, &[code(Code::Home)]).await?;
        for _ in 1..lines.len() {
            self.key(watch, &[Key::Shift, Key::Down]).await?;
        }
        self.key(watch, &[Key::Shift, Key::End]).await?;
        self.key(watch, &[Key::Delete]).await?;
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                self.key(watch, &[Key::Enter]).await?;
            }
            let text = line.trim_start();
            if number > 0 && !text.is_empty() {
                self.indent(watch, line.len() - text.len()).await?;
            }
            self.write(watch, text).await?;
            if watch.is_over() {
                return Ok(());
            }
            self.pause(watch, LINE).await?;
        }
        Ok(())
    }

    /// Moves the beginning of a new line, which the editor has put somewhere, to a column.
    async fn indent(&mut self, watch: &mut Watch<'_>, wanted: usize) -> Result<()> {
        // Back goes by four blanks.
        for _ in 0..2 * wanted + 40 {
            let blanks = answered(self.page.evaluate(INDENT)).await?.as_u64().context("there is no line")?;
            let key = match (blanks as usize).cmp(&wanted) {
                std::cmp::Ordering::Less => Key::Letter(' '),
                std::cmp::Ordering::Equal => break,
                std::cmp::Ordering::Greater => code(Code::Backspace),
            };
            self.key(watch, &[key]).await?;
        }
        Ok(())
    }

    /// Types a text with its slips and pauses, and takes suggestions for parts of it. Where one is taken
    /// that says something else, the text may end there.
    async fn write(&mut self, watch: &mut Watch<'_>, text: &str) -> Result<()> {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if self.random.chance(1, 60) {
                self.slip(watch).await?;
            }
            self.key(watch, &[Key::Letter(letter)]).await?;
            rest = &rest[letter.len_utf8()..];
            // Nobody pauses within a word.
            if is_of_a_word(letter) && rest.starts_with(is_of_a_word) {
                continue;
            }
            match self.random.below(100) {
                0..10 => match self.consider(watch, rest).await? {
                    Some(taken) => rest = &rest[taken..],
                    None => return Ok(()),
                },
                10..30 => self.pause(watch, WORD).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Types a wrong letter and takes it away.
    async fn slip(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let letter = *self.random.choose(&['e', 'n', 'r', 's', 't']).unwrap_or(&'e');
        self.key(watch, &[Key::Letter(letter)]).await?;
        self.pause(watch, WORD).await?;
        self.key(watch, &[code(Code::Backspace)]).await
    }

    /// Waits for a suggestion and answers it. Returns how many bytes of `rest` stand in the line now; `None`
    /// if something else stands there and is left.
    async fn consider(&mut self, watch: &mut Watch<'_>, rest: &str) -> Result<Option<usize>> {
        if self.random.chance(1, 3) {
            // However unsure the model is.
            self.key(watch, &[Key::Control, Key::Letter(' ')]).await?;
        }
        let Some(ghost) = self.suggestion(watch).await? else { return Ok(Some(0)) };
        self.pause(watch, READING).await?;
        let keys = match self.random.below(10) {
            0..4 => vec![Key::Tab],
            4..6 => vec![Key::Control, code(Code::Right)],
            6 => vec![Key::Control, Key::Down],
            7..9 => {
                self.key(watch, &[Key::Escape]).await?;
                return Ok(Some(0));
            }
            // Types on.
            _ => return Ok(Some(0)),
        };
        self.press(&keys).await?;
        let left = self.ghost().await?.unwrap_or_default();
        let taken = ghost.strip_suffix(left.as_str()).unwrap_or(&ghost);
        self.pause(watch, READING).await?;
        if rest.starts_with(taken) {
            return Ok(Some(taken.len()));
        }
        match self.random.below(3) {
            0 => return Ok(None),
            1 => self.key(watch, &[Key::Control, Key::Letter('z')]).await?,
            _ => {
                for _ in taken.chars() {
                    self.key(watch, &[code(Code::Backspace)]).await?;
                }
            }
        }
        Ok(Some(0))
    }

    /// The suggestion at the cursor; `None` if none comes.
    async fn suggestion(&self, watch: &mut Watch<'_>) -> Result<Option<String>> {
        let start = Instant::now();
        watch.rest(PAUSE).await?;
        loop {
            if let Some(ghost) = self.ghost().await? {
                return Ok(Some(ghost));
            }
            let is_awaited = answered(self.page.evaluate(IS_AWAITED)).await? == true;
            if !is_awaited || start.elapsed() > WAITED_FOR {
                // It may have come between the two looks.
                return self.ghost().await;
            }
            watch.rest(Duration::from_millis(100)).await?;
        }
    }

    async fn ghost(&self) -> Result<Option<String>> {
        Ok(answered(self.page.evaluate(GHOST)).await?.as_str().map(str::to_owned))
    }

    /// Presses keys together, as fast as a person types.
    async fn key(&mut self, watch: &mut Watch<'_>, together: &[Key]) -> Result<()> {
        let next = Instant::now() + self.duration(KEY);
        self.press(together).await?;
        watch.rest(next.saturating_duration_since(Instant::now())).await
    }

    async fn press(&self, together: &[Key]) -> Result<()> {
        answered(self.page.press(together)).await
    }

    async fn pause(&mut self, watch: &mut Watch<'_>, milliseconds: Range<usize>) -> Result<()> {
        watch.rest(self.duration(milliseconds)).await
    }

    /// A time within a range of milliseconds.
    fn duration(&mut self, milliseconds: Range<usize>) -> Duration {
        let more = self.random.below(milliseconds.len());
        Duration::from_millis((milliseconds.start + more) as u64)
    }

    async fn wait_until(&self, what: &str, expression: &str) -> Result<()> {
        answered(self.page.wait_until(what, expression, SOON)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_where_the_status_line_says_so() {
        let end = |text: &str| File { path: "a.py".into(), text: text.into() }.end();
        assert_eq!(end("a = 1\nb = 2\n"), (3, 1));
        assert_eq!(end("a = 1\nb = 2"), (2, 6));
        assert_eq!(end(""), (1, 1));
        assert_eq!(end("\u{1F30A}"), (1, 3), "a surrogate pair is two columns");
    }

    #[test]
    fn files_with_next_to_nothing_in_them_are_left_alone() {
        let text = "x = 1\n\n".repeat(FEWEST_LINES);
        let demo = json!({ "files": [{ "path": "a.py", "text": text }, { "path": "b.py", "text": "x\n" }] });
        let found = files(demo.to_string().as_bytes()).expect("a file");
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.py"]);
        assert_eq!(found[0].written().len(), FEWEST_LINES);
        assert!(files(b"{ \"files\": [] }").is_err());
    }
}
