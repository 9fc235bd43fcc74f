//! Which files matter most to the one that is edited.

use crate::index::Index;

/// Paths near a file, the nearest first: itself, files that it imports, files in its folder.
pub(super) fn near(index: &Index, path: &str) -> Vec<String> {
    let imported = imported_words(index, path);
    let folder = folder(path);
    let rank = |other: &str| match other {
        _ if other == path => Some(0),
        _ if imported.iter().any(|word| word == module(other)) => Some(1),
        _ if self::folder(other) == folder => Some(2),
        _ => None,
    };
    let mut near: Vec<(u8, String)> =
        index.paths().filter_map(|other| Some((rank(other)?, other.to_owned()))).collect();
    near.sort();
    near.into_iter().map(|(_, path)| path).collect()
}

/// The words of a file's lines that take something in from elsewhere.
fn imported_words(index: &Index, path: &str) -> Vec<String> {
    const OPENINGS: [&str; 6] = ["import ", "from ", "use ", "mod ", "#include ", "require "];
    let lines = index.chunks_of(path).flat_map(|chunk| chunk.text.lines());
    let imports = lines.filter(|line| OPENINGS.iter().any(|opening| line.trim_start().starts_with(opening)));
    let words = imports.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let mut words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

/// What a file is called where it is imported: `a/b.py` is `b`, and so is `a/b/__init__.py`.
fn module(path: &str) -> &str {
    let stem = |path: &str| path.len() - path.rsplit('/').next().unwrap_or(path).len();
    let name = &path[stem(path)..];
    let name = name.split('.').next().unwrap_or(name);
    match name {
        "__init__" | "mod" | "index" => {
            let folder = folder(path);
            &folder[stem(folder)..]
        }
        _ => name,
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ChunkingConfig;

    #[test]
    fn itself_then_what_it_imports_then_its_folder() {
        let mut index = Index::new(ChunkingConfig { lines: 10, stride: 5 });
        let main = "import os\nfrom shop.cart import Cart\nfrom . import prices\n\nx = money\n";
        for path in ["app/main.py", "app/z.py", "shop/cart.py", "shop/prices/__init__.py", "shop/money.py"] {
            index.update_file(path, if path == "app/main.py" { main } else { "x = 1\n" });
        }
        let near = near(&index, "app/main.py");
        assert_eq!(near, ["app/main.py", "shop/cart.py", "shop/prices/__init__.py", "app/z.py"]);
    }

    #[test]
    fn a_file_that_is_not_there_has_its_folder_near() {
        let mut index = Index::new(ChunkingConfig { lines: 10, stride: 5 });
        index.update_file("a.py", "x = 1\n");
        index.update_file("b/c.py", "x = 1\n");
        assert_eq!(near(&index, "new.py"), ["a.py"]);
    }
}
