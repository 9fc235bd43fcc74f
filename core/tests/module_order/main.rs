//! No module of the crate uses one that comes after it: so none can be in a circle, and each can be
//! read with only those before it in mind. The order stands in the crate's documentation.

mod paths;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use paths::root_names;

/// A file that uses a module.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    from: String,
    to: String,
    file: String,
}

/// Each module's place; those that stand together, `a, b`, have the same one and do not use each other.
fn order(documentation: &str) -> BTreeMap<String, usize> {
    let lines = documentation.lines().filter_map(|line| line.strip_prefix("//!"));
    let block: Vec<&str> = lines.skip_while(|line| !line.contains("order")).collect();
    let block = block.join(" ");
    let listed = block.split("```").nth(1).expect("the crate's documentation lists its modules in order");
    let places = listed.trim_start_matches("text").split('→').enumerate();
    places
        .flat_map(|(place, names)| names.split(',').map(move |name| (name.trim().to_owned(), place)))
        .collect()
}

/// What the file at `path`, below `src`, uses of the crate's modules. The crate's root uses all of them.
fn uses_of_file(path: &str, source: &str, order: &BTreeMap<String, usize>) -> Vec<Use> {
    let modules: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|name| *name != "mod").collect();
    let from = modules[0];
    if from == "lib" {
        return Vec::new();
    }
    let names = root_names(source, modules.len());
    let others = names.into_iter().filter(|name| name != from && order.contains_key(name));
    others.map(|to| Use { from: from.into(), to, file: path.into() }).collect()
}

/// Every use of a module that does not come before, in words.
fn faults(uses: &[Use], order: &BTreeMap<String, usize>) -> Vec<String> {
    let against = uses.iter().filter(|used| order.get(&used.to) >= order.get(&used.from));
    let say = |used: &Use| {
        let Use { from, to, file } = used;
        let back = uses.iter().find(|back| back.from == *to && back.to == *from);
        let circle = back.map_or(String::new(), |back| format!("; a circle, by {}", back.file));
        format!("{file}: `{from}` uses `{to}`, which does not come before it{circle}")
    };
    let mut faults: Vec<String> = against.map(say).collect();
    faults.dedup();
    faults
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_crates_modules_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order(&fs::read_to_string(src.join("lib.rs")).expect("the crate's root"));
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut uses = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/");
        let module = path.trim_end_matches(".rs").split('/').next().unwrap_or_default();
        let listed = module == "lib" || order.contains_key(module);
        assert!(listed, "src/{path}: `{module}` has no place in the order in lib.rs");
        uses.extend(uses_of_file(&path, &fs::read_to_string(file).expect("a source"), &order));
    }
    assert!(uses.len() > 50, "the sources' uses are found: {}", uses.len());
    let faults = faults(&uses, &order);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_use_of_what_comes_later_and_a_circle_are_told_with_modules_and_file() {
    let order = order("//! In order:\n//! ```text\n//! a, b → c\n//!   → d\n//! ```\n");
    assert_eq!(order.get("d"), Some(&2));
    let sources = [
        ("a.rs", "use crate::{Error, c::{self, Later}};"),
        ("b/mod.rs", "//! Of [`crate::d`].\nfn f() { crate::a::g() }"),
        ("c/deep/er.rs", "use super::super::super::a::{A, B};"),
        ("d.rs", "use crate::{a, b::B, c::C};"),
    ];
    let uses: Vec<Use> =
        sources.into_iter().flat_map(|(path, source)| uses_of_file(path, source, &order)).collect();
    assert_eq!(
        faults(&uses, &order),
        [
            "a.rs: `a` uses `c`, which does not come before it; a circle, by c/deep/er.rs",
            "b/mod.rs: `b` uses `a`, which does not come before it",
        ]
    );
}
