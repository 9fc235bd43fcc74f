//! The explorer's tree, flattened to the rows that are shown.

use std::collections::BTreeSet;

/// A row of the explorer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    /// The folder's or file's path; a folder's ends in `/`.
    pub path: String,
    /// The last part of it.
    pub name: String,
    /// 1 at the top, as `aria-level` counts.
    pub level: usize,
    /// `None` for a file; else whether the folder is open.
    pub open: Option<bool>,
}

/// More files than these are not all listed at first: a screen holds a few dozen rows, and making thousands
/// takes a second.
const ALL_OPEN: usize = 200;

/// The folders that are closed when a project is opened: of a large one all but those above its open file.
pub fn closed_at_first<'a>(
    paths: impl ExactSizeIterator<Item = &'a str>,
    active: Option<&str>,
) -> BTreeSet<String> {
    if paths.len() <= ALL_OPEN {
        return BTreeSet::new();
    }
    let mut closed: BTreeSet<String> = paths.flat_map(folders_above).map(str::to_owned).collect();
    reveal(&mut closed, active.unwrap_or_default());
    closed
}

/// Opens the folders above a file. False if all of them were open.
pub fn reveal(closed: &mut BTreeSet<String>, path: &str) -> bool {
    let before = closed.len();
    folders_above(path).for_each(|folder| _ = closed.remove(folder));
    closed.len() < before
}

/// The folders above a file, the outermost first, each with `/` at its end.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// The rows of a tree of files, folders before files at each level, without what stands in
/// `closed` folders (paths that end in `/`).
pub fn rows<'a>(paths: impl IntoIterator<Item = &'a str>, closed: &BTreeSet<String>) -> Vec<Row> {
    let mut paths: Vec<&str> = paths.into_iter().collect();
    paths.sort_unstable();
    let mut rows = Vec::new();
    descend(&paths, "", 1, closed, &mut rows);
    rows
}

/// Adds the rows below `folder`, which begins every one of `paths`; these are sorted.
fn descend(paths: &[&str], folder: &str, level: usize, closed: &BTreeSet<String>, rows: &mut Vec<Row>) {
    let mut files = Vec::new();
    let mut rest = paths;
    while let Some((first, others)) = rest.split_first() {
        let below = &first[folder.len()..];
        let Some((name, _)) = below.split_once('/') else {
            files.push(Row { path: (*first).to_owned(), name: below.to_owned(), level, open: None });
            rest = others;
            continue;
        };
        let path = format!("{folder}{name}/");
        let end = rest.partition_point(|candidate| candidate.starts_with(&path));
        let open = !closed.contains(&path);
        rows.push(Row { path: path.clone(), name: name.to_owned(), level, open: Some(open) });
        if open {
            descend(&rest[..end], &path, level + 1, closed, rows);
        }
        rest = &rest[end..];
    }
    rows.append(&mut files);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(paths: &[&str], closed: &[&str]) -> Vec<String> {
        let closed = closed.iter().map(|&path| path.to_owned()).collect();
        rows(paths.iter().copied(), &closed)
            .into_iter()
            .map(|row| format!("{}{}", "  ".repeat(row.level - 1), row.name))
            .collect()
    }

    #[test]
    fn folders_come_before_files_at_each_level() {
        let paths = ["setup.py", "shop/cart.py", "shop/api/views.py", "a.py", "shop.py"];
        assert_eq!(
            shown(&paths, &[]),
            ["shop", "  api", "    views.py", "  cart.py", "a.py", "setup.py", "shop.py"]
        );
    }

    #[test]
    fn of_a_large_project_the_folders_above_the_open_file_are_open() {
        let paths: Vec<String> = (0..300).map(|file| format!("shop/api/{}/{file}.py", file % 3)).collect();
        let of = |count: usize| paths[..count].iter().map(String::as_str);
        assert_eq!(closed_at_first(of(200), None), BTreeSet::new());
        let mut closed = closed_at_first(of(300), Some("shop/api/1/1.py"));
        assert_eq!(Vec::from_iter(&closed), ["shop/api/0/", "shop/api/2/"]);
        assert!(reveal(&mut closed, "shop/api/2/2.py") && !reveal(&mut closed, "shop/api/2/5.py"));
        assert_eq!(Vec::from_iter(&closed), ["shop/api/0/"]);
        assert_eq!(closed_at_first(of(300), None).len(), 5, "nothing is open");
    }

    #[test]
    fn a_closed_folder_hides_what_it_holds() {
        let paths = ["shop/cart.py", "shop/api/views.py", "tests/cart.py"];
        assert_eq!(shown(&paths, &["shop/"]), ["shop", "tests", "  cart.py"]);
    }
}
