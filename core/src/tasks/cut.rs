//! Cutting tasks out of files.
//!
//! A target runs to the end of its line and begins either at the line's first character that is not
//! blank, or right after a token inside the line. It holds a name. No line gives two tasks. Imports give
//! none: what they name is in no prompt before it is written.

use std::collections::{BTreeMap, HashMap};

use llavacode_api::completion::Task;

use super::{
    lines::{code_lines, cut_points, import_lines},
    needs::{names, needs_context},
};
use crate::{random::SplitMix64, words::words};

/// A kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Whether it [needs](super::needs) a name that only another file has.
    pub needs_context: bool,
    /// Whether something of the line stands before the cursor.
    pub inside: bool,
}

/// How tasks are cut.
#[derive(Debug, Clone, PartialEq)]
pub struct CutConfig {
    /// Tasks wanted of each kind.
    pub wanted: BTreeMap<Kind, usize>,
    /// Most tasks of one file.
    pub most_per_file: usize,
    /// Fewest characters of a target, blanks not counted.
    pub shortest_target: usize,
    /// The same files and the same seed give the same tasks.
    pub seed: u64,
}

/// Tasks of a project, in an order without pattern, so that any first few are a fair sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cut {
    /// The tasks, each with its kind.
    pub tasks: Vec<(Kind, Task)>,
    /// How many more of a kind were wanted than the files give.
    pub missing: BTreeMap<Kind, usize>,
}

/// Cuts tasks out of files, path and text of each. `completes` says which files give some; the others
/// only say what stands elsewhere.
pub fn cut(files: &[(&str, &str)], completes: impl Fn(&str) -> bool, config: &CutConfig) -> Cut {
    let homes = Homes::of(files);
    let mut random = SplitMix64::new(config.seed);
    let mut places: Vec<(usize, std::ops::Range<usize>)> = (0..files.len())
        .filter(|&file| completes(files[file].0))
        .flat_map(|file| {
            let text = files[file].1;
            let imports = import_lines(text);
            let lines = code_lines(text, config.shortest_target).into_iter();
            lines.filter(move |line| !imports.contains(line)).map(move |line| (file, line))
        })
        .collect();
    random.shuffle(&mut places);

    let mut missing = config.wanted.clone();
    let mut per_file: HashMap<usize, usize> = HashMap::new();
    let mut tasks = Vec::new();
    for (file, line) in places {
        if missing.values().all(|&wanted| wanted == 0) {
            break;
        }
        let taken = per_file.entry(file).or_default();
        if *taken == config.most_per_file {
            continue;
        }
        let (path, text) = files[file];
        let mut points = cut_points(&text[line.clone()], config.shortest_target);
        random.shuffle(&mut points);
        // What needs context is rare, so it comes first. A line has one beginning and many places
        // inside: left to chance, hardly any would be cut at its beginning.
        let inside_first = random.below(5) < 2;
        let mut cuts: Vec<(Kind, usize)> = points
            .into_iter()
            .filter_map(|point| {
                let (prefix, target, suffix) = parts(text, &line, point);
                let inside = !text[line.start..line.start + point].trim().is_empty();
                let elsewhere = |name: &str| homes.is_elsewhere(name, file);
                let needs_context = needs_context(prefix, target, suffix, elsewhere);
                (!names(prefix, target).is_empty()).then_some((Kind { needs_context, inside }, point))
            })
            .collect();
        cuts.sort_by_key(|(kind, _)| (!kind.needs_context, kind.inside != inside_first));
        let chosen = cuts.into_iter().find(|(kind, _)| missing.get(kind).is_some_and(|&wanted| wanted > 0));
        if let Some((kind, point)) = chosen {
            missing.entry(kind).and_modify(|wanted| *wanted -= 1);
            *taken += 1;
            let (prefix, target, suffix) = parts(text, &line, point);
            let [path, prefix, target, suffix] = [path, prefix, target, suffix].map(str::to_owned);
            let needs_context = kind.needs_context;
            tasks.push((kind, Task { path, prefix, target, suffix, needs_context }));
        }
    }
    random.shuffle(&mut tasks);
    missing.retain(|_, wanted| *wanted > 0);
    Cut { tasks, missing }
}

/// Files that tasks of a project are cut from at most: what it takes to look through them stays a matter
/// of seconds.
const MOST_FILES: usize = 64;

/// `count` tasks of a project's Python files, fewer where it does not give so many, in an order without
/// pattern: half of them need another file, as far as there are such lines.
pub fn cut_project(files: &[(&str, &str)], count: usize, seed: u64) -> Vec<Task> {
    let mut python: Vec<&str> =
        files.iter().map(|(path, _)| *path).filter(|path| path.ends_with(".py")).collect();
    let mut random = SplitMix64::new(seed);
    random.shuffle(&mut python);
    python.truncate(MOST_FILES);
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let wanted = kinds.map(|(needs_context, inside)| (Kind { needs_context, inside }, count.div_ceil(2)));
    let most_per_file = count.div_ceil(python.len().max(1)).max(4);
    let config = CutConfig { wanted: wanted.into(), most_per_file, shortest_target: 6, seed };
    let (needing, others): (Vec<_>, Vec<_>) = cut(files, |path| python.contains(&path), &config)
        .tasks
        .into_iter()
        .map(|(_, task)| task)
        .partition(|task| task.needs_context);
    let of_others = others.len().min(count - needing.len().min(count / 2));
    let of_needing = count - of_others;
    let mut tasks: Vec<Task> =
        needing.into_iter().take(of_needing).chain(others.into_iter().take(of_others)).collect();
    random.shuffle(&mut tasks);
    tasks
}

/// A file before, in and after the target that begins at a point of a line.
fn parts<'a>(text: &'a str, line: &std::ops::Range<usize>, point: usize) -> (&'a str, &'a str, &'a str) {
    let start = line.start + point;
    (&text[..start], &text[start..line.end], &text[line.end..])
}

/// Which files have a word: all that is asked is whether another one has.
struct Homes<'a>(HashMap<&'a str, Home>);

enum Home {
    One(usize),
    Several,
}

impl<'a> Homes<'a> {
    fn of(files: &[(&'a str, &'a str)]) -> Self {
        let mut homes = HashMap::new();
        for (file, (_, text)) in files.iter().enumerate() {
            for word in words(text) {
                let home = homes.entry(word).or_insert(Home::One(file));
                if !matches!(home, Home::One(first) if *first == file) {
                    *home = Home::Several;
                }
            }
        }
        Self(homes)
    }

    fn is_elsewhere(&self, word: &str, file: usize) -> bool {
        match self.0.get(word) {
            Some(Home::One(home)) => *home != file,
            Some(Home::Several) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAUGE: &str = "class Gauge:\n    def read_level(self):\n        return self.raw_level\n";
    const USE: &str = "from gauge import Gauge\n\n\ndef show(gauge):\n    print(gauge.read_level())\n";

    fn config(wanted: usize) -> CutConfig {
        let kinds = [(true, true), (true, false), (false, true), (false, false)];
        let kind = |(needs_context, inside)| (Kind { needs_context, inside }, wanted);
        CutConfig { wanted: kinds.map(kind).into(), most_per_file: 9, shortest_target: 6, seed: 7 }
    }

    #[test]
    fn tasks_are_their_files_cut_in_three() {
        let files = [("gauge.py", GAUGE), ("use.py", USE)];
        let Cut { tasks, missing } = cut(&files, |_| true, &config(100));
        assert!(!tasks.is_empty() && missing.len() == 4, "two small files do not give a hundred");
        let mut lines = Vec::new();
        for (kind, Task { path, prefix, target, suffix, needs_context }) in &tasks {
            assert_eq!(*needs_context, kind.needs_context);
            let file = files.iter().find(|(name, _)| name == path).expect("its file");
            assert_eq!(format!("{prefix}{target}{suffix}"), file.1);
            assert!(suffix.starts_with('\n') && !target.contains('\n'));
            let before = prefix.rsplit('\n').next().expect("a line");
            assert_eq!(kind.inside, !before.trim().is_empty());
            lines.push((path, prefix.matches('\n').count()));
        }
        let count = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), count, "no line gives two");
    }

    #[test]
    fn what_another_file_alone_has_is_needed() {
        let files = [("gauge.py", GAUGE), ("use.py", USE)];
        let Cut { tasks, .. } = cut(&files, |path| path == "use.py", &config(100));
        let needing: Vec<_> = tasks.iter().filter(|(kind, _)| kind.needs_context).collect();
        assert_eq!(needing.len(), 1);
        assert!(needing[0].1.target.contains("read_level"), "{:?}", needing[0]);
        let alone = cut(&files[1..], |_| true, &config(100)).tasks;
        assert!(!alone.is_empty() && alone.iter().all(|(kind, _)| !kind.needs_context));
    }

    #[test]
    fn half_of_a_projects_tasks_need_another_file_where_it_can_be() {
        let gauge: String =
            (0..40).map(|n| format!("def read_{n}(self):\n    return self.raw_{n}\n")).collect();
        let using: String = (0..40).map(|n| format!("level_{n} = gauge.read_{n}()\n")).collect();
        let plain: String = (0..40).map(|n| format!("value_{n} = compute_{n}(first, second)\n")).collect();
        let files =
            [("gauge.py", &*gauge), ("using.py", &*using), ("plain.py", &*plain), ("notes.md", &*using)];
        let tasks = cut_project(&files, 12, 1);
        assert_eq!(tasks.len(), 12);
        assert_eq!(tasks.iter().filter(|task| task.needs_context).count(), 6);
        assert!(tasks.iter().all(|task| task.path.ends_with(".py")));
        assert_eq!(tasks, cut_project(&files, 12, 1));
        let alone = cut_project(&files[2..3], 12, 1);
        assert_eq!(alone.len(), 12, "of lines that need none where there are no others");
        assert_eq!(cut_project(&files[3..], 12, 1), []);
    }

    #[test]
    fn quotas_and_seeds_are_kept() {
        let text = (0..40).map(|n| format!("value_{n} = compute_{n}(first, second)\n")).collect::<String>();
        let files = [("a.py", text.as_str()), ("b.py", text.as_str())];
        let config = config(5);
        let first = cut(&files, |_| true, &config);
        assert_eq!(first, cut(&files, |_| true, &config));
        assert_ne!(first, cut(&files, |_| true, &CutConfig { seed: 8, ..config.clone() }));
        for path in ["a.py", "b.py"] {
            let of_file = first.tasks.iter().filter(|(_, task)| task.path == path).count();
            assert!(of_file <= config.most_per_file);
        }
        let one = CutConfig { most_per_file: 1, ..config };
        assert_eq!(cut(&files, |_| true, &one).tasks.len(), 2);
    }
}
