//! `struct Params` of a file: scalars of 32 bits, which lie one behind the other.

use std::fmt::Write as _;

/// A field: the comment above it, its name and type.
pub(crate) struct Field<'s> {
    comment: Vec<&'s str>,
    name: &'s str,
    kind: &'s str,
}

/// The fields; `None` if the file has no such struct.
pub(crate) fn fields(text: &str) -> Result<Option<Vec<Field<'_>>>, String> {
    let Some((_, body)) = text.split_once("\nstruct Params {\n") else { return Ok(None) };
    let body = body.split_once("\n}").ok_or("struct Params has no end")?.0;
    let (mut fields, mut comment) = (Vec::new(), Vec::new());
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("//") {
            comment.push(words.trim());
            continue;
        }
        let field = line.strip_suffix(',').and_then(|line| line.split_once(": "));
        match field {
            Some((name, kind @ ("u32" | "f32"))) => {
                fields.push(Field { comment: std::mem::take(&mut comment), name, kind });
            }
            _ => return Err(format!("a field of Params is to be `name: u32,` or `name: f32,`: {line}")),
        }
    }
    Ok(Some(fields))
}

/// The struct in Rust.
pub(crate) fn declaration(fields: &[Field<'_>]) -> String {
    let mut rust =
        String::from("/// The uniform.\n#[derive(Debug, Clone, Copy, PartialEq)]\npub struct Params {\n");
    for Field { comment, name, kind } in fields {
        // A comment stands above the first field of several that it speaks of.
        let words = if comment.is_empty() { format!("`{name}`.") } else { comment.join(" ") };
        let words = words.replace('[', "\\[");
        let _ = writeln!(rust, "/// {words}\npub {name}: {kind},");
    }
    let word = |field: &Field<'_>| match field.kind {
        "f32" => format!("self.{}.to_bits()", field.name),
        _ => format!("self.{}", field.name),
    };
    let words: Vec<String> = fields.iter().map(word).collect();
    let _ = writeln!(
        rust,
        "}}\nimpl Params {{\n/// As the device gets them; floats as their bits.\n\
         pub const fn words(&self) -> [u32; {}] {{\n[{}]\n}}\n}}",
        words.len(),
        words.join(", "),
    );
    rust
}
