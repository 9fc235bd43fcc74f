//! As much of Python's lexical structure as cutting tasks needs: tokens, line by line, and the
//! names a module defines.

use std::collections::BTreeSet;

/// A physical line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// The line without its line break.
    pub(crate) text: &'a str,
    /// Where it begins in the file, in bytes.
    pub(crate) offset: usize,
    /// Its tokens; comments are none.
    pub(crate) tokens: Vec<Token>,
    /// Whether it is part of an `import` statement.
    pub(crate) is_import: bool,
    /// Whether a comment stands in it.
    pub(crate) has_comment: bool,
    /// Whether a string of several lines begins, goes on or ends in it.
    pub(crate) in_long_string: bool,
    /// Whether a statement begins here, and none goes on from the line before.
    pub(crate) begins_statement: bool,
}

/// A token: `start..end`, in bytes of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// What it is.
    pub(crate) kind: TokenKind,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name or keyword.
    Word,
    /// A number.
    Number,
    /// A string; names inside an f-string are not looked at.
    String,
    /// One character of an operator or delimiter.
    Symbol,
}

const KEYWORDS: [&str; 37] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Whether a word is one of the language's own, soft keywords included.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

impl<'a> Line<'a> {
    /// A token's text.
    pub(crate) fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// Number of leading blanks.
    pub(crate) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    fn symbol_at(&self, index: usize) -> Option<&'a str> {
        let token = *self.tokens.get(index)?;
        (token.kind == TokenKind::Symbol).then(|| self.text_of(token))
    }

    /// Whether the token at `index` is a name reached through a `.` or given as a keyword argument
    /// (`name=`, not `name==`).
    pub(crate) fn is_member_or_keyword_argument(&self, index: usize) -> bool {
        let member = index > 0 && self.symbol_at(index - 1) == Some(".");
        let keyword_argument = !self.begins_statement_with(index)
            && self.symbol_at(index + 1) == Some("=")
            && self.symbol_at(index + 2) != Some("=")
            && self.tokens[index].end == self.tokens[index + 1].start;
        member || keyword_argument
    }

    fn begins_statement_with(&self, index: usize) -> bool {
        index == 0 && self.begins_statement
    }
}

/// Cuts a file into lines and tokens.
pub(crate) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lexer = Lexer::default();
    let mut offset = 0;
    text.split_inclusive('\n')
        .map(|whole| {
            let line = lexer.line(whole.trim_end_matches(['\n', '\r']), offset);
            offset += whole.len();
            line
        })
        .collect()
}

/// What one line leaves for the next.
#[derive(Debug, Default)]
struct Lexer {
    /// Delimiter of the string of several lines that is open.
    long_string: Option<&'static str>,
    /// Brackets that are open.
    depth: usize,
    /// Whether the last line ended in a backslash.
    continued: bool,
    /// Whether the statement under way is an import.
    in_import: bool,
}

impl Lexer {
    fn line<'a>(&mut self, text: &'a str, offset: usize) -> Line<'a> {
        let mut line = Line {
            text,
            offset,
            tokens: Vec::new(),
            is_import: false,
            has_comment: false,
            in_long_string: self.long_string.is_some(),
            begins_statement: self.depth == 0 && !self.continued && self.long_string.is_none(),
        };
        self.continued = false;
        let mut at = 0;
        while at < text.len() {
            if let Some(delimiter) = self.long_string {
                let Some(length) = text[at..].find(delimiter) else { break };
                at += length + delimiter.len();
                self.long_string = None;
                continue;
            }
            let rest = &text[at..];
            let first = rest.chars().next().unwrap_or(' ');
            let length = match first {
                '#' => {
                    line.has_comment = true;
                    break;
                }
                '\\' if rest.len() == 1 => {
                    self.continued = true;
                    break;
                }
                blank if blank.is_whitespace() => {
                    at += blank.len_utf8();
                    continue;
                }
                _ => self.token(rest, first, &mut line, at),
            };
            at += length;
        }
        line.in_long_string |= self.long_string.is_some();
        if line.begins_statement {
            let first = line.tokens.first().map(|&token| line.text_of(token));
            self.in_import = matches!(first, Some("import" | "from"));
        }
        line.is_import = self.in_import;
        line
    }

    /// Adds the token at the beginning of `rest` to `line` and gives its length.
    fn token(&mut self, rest: &str, first: char, line: &mut Line<'_>, start: usize) -> usize {
        let word = word_length(rest);
        // A string may carry a prefix such as `f` or `rb`.
        let quotes = &rest[if word <= 2 { word } else { 0 }..];
        let (kind, length) = if quotes.starts_with(['"', '\'']) {
            (TokenKind::String, rest.len() - quotes.len() + self.string_length(quotes))
        } else if first.is_ascii_digit() {
            let number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
            (TokenKind::Number, rest.find(|c| !number(c)).unwrap_or(rest.len()))
        } else if word > 0 {
            (TokenKind::Word, word)
        } else {
            match first {
                '(' | '[' | '{' => self.depth += 1,
                ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            (TokenKind::Symbol, first.len_utf8())
        };
        line.tokens.push(Token { start, end: start + length, kind });
        length
    }

    /// Length of the string that `rest` begins with; one left open becomes `long_string`.
    fn string_length(&mut self, rest: &str) -> usize {
        for delimiter in ["\"\"\"", "'''"] {
            if let Some(body) = rest.strip_prefix(delimiter) {
                let Some(length) = body.find(delimiter) else {
                    self.long_string = Some(delimiter);
                    return rest.len();
                };
                return length + 2 * delimiter.len();
            }
        }
        let mut characters = rest.char_indices();
        let quote = characters.next().map(|(_, c)| c);
        while let Some((at, c)) = characters.next() {
            if c == '\\' {
                characters.next();
            } else if Some(c) == quote {
                return at + 1;
            }
        }
        rest.len()
    }
}

fn word_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Public names that a module defines at its top level or in the body of a class: classes,
/// functions, methods, fields, enum members, constants.
pub(crate) fn defined_names<'a>(lines: &[Line<'a>]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    // Blocks around the line: their indentation, and whether they are a class's body.
    let mut blocks: Vec<(usize, bool)> = Vec::new();
    for line in lines.iter().filter(|line| line.begins_statement && !line.is_import) {
        let words: Vec<&str> = line.tokens.iter().map(|&token| line.text_of(token)).collect();
        let words = words.strip_prefix(&["async"]).unwrap_or(&words);
        let Some(&first) = words.first() else { continue };
        blocks.retain(|&(indent, _)| indent < line.indent());
        let in_function = blocks.iter().any(|&(_, is_class)| !is_class);
        let opens_block = matches!(first, "class" | "def");
        let name = match words {
            ["class" | "def", name, ..] => Some(*name),
            [name, ":" | "=", ..] if words.get(2) != Some(&"=") => Some(*name),
            _ => None,
        };
        if let Some(name) = name
            && !in_function
            && !name.starts_with('_')
            && !is_keyword(name)
        {
            names.insert(name);
        }
        if opens_block {
            blocks.push((line.indent(), first == "class"));
        }
    }
    names
}
