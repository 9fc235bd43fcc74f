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
    fn a_closed_folder_hides_what_it_holds() {
        let paths = ["shop/cart.py", "shop/api/views.py", "tests/cart.py"];
        assert_eq!(shown(&paths, &["shop/"]), ["shop", "tests", "  cart.py"]);
    }
}
