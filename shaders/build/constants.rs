//! The whole numbers that a file names: `const NAME = expression;`, of other constants, literals, and
//! `+ - * / %` with parentheses.

use std::collections::BTreeMap;

/// Names and values. Left out is what is no whole number, or depends on a placeholder or another file.
pub(crate) fn whole_numbers(text: &str) -> BTreeMap<&str, u32> {
    let mut constants = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.strip_prefix("const ").and_then(|line| line.split_once('=')) else {
            continue;
        };
        let expression = rest.split(';').next().unwrap_or_default();
        if let Some(value) = value(expression, &constants) {
            constants.insert(name.trim(), value);
        }
    }
    constants
}

fn value(expression: &str, known: &BTreeMap<&str, u32>) -> Option<u32> {
    let mut tokens = tokens(expression)?;
    tokens.reverse();
    let value = sum(&mut tokens, known)?;
    tokens.is_empty().then_some(value)
}

/// `None` where there is a character that belongs to no such expression.
fn tokens(mut expression: &str) -> Option<Vec<&str>> {
    let mut tokens = Vec::new();
    loop {
        expression = expression.trim_start();
        let Some(first) = expression.chars().next() else { return Some(tokens) };
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            _ if in_name(first) => expression.find(|c| !in_name(c)).unwrap_or(expression.len()),
            '+' | '-' | '*' | '/' | '%' | '(' | ')' => 1,
            _ => return None,
        };
        let (token, rest) = expression.split_at(length);
        tokens.push(token);
        expression = rest;
    }
}

/// The tokens are taken from the end.
fn sum(tokens: &mut Vec<&str>, known: &BTreeMap<&str, u32>) -> Option<u32> {
    let mut value = product(tokens, known)?;
    while let Some(sign @ (&"+" | &"-")) = tokens.last() {
        let plus = *sign == "+";
        tokens.pop();
        let next = product(tokens, known)?;
        value = if plus { value.checked_add(next)? } else { value.checked_sub(next)? };
    }
    Some(value)
}

fn product(tokens: &mut Vec<&str>, known: &BTreeMap<&str, u32>) -> Option<u32> {
    let mut value = factor(tokens, known)?;
    while let Some(&sign @ ("*" | "/" | "%")) = tokens.last() {
        tokens.pop();
        let next = factor(tokens, known)?;
        value = match sign {
            "*" => value.checked_mul(next)?,
            "/" => value.checked_div(next)?,
            _ => value.checked_rem(next)?,
        };
    }
    Some(value)
}

fn factor(tokens: &mut Vec<&str>, known: &BTreeMap<&str, u32>) -> Option<u32> {
    let token = tokens.pop()?;
    if token == "(" {
        let value = sum(tokens, known)?;
        return (tokens.pop()? == ")").then_some(value);
    }
    known.get(token).copied().or_else(|| token.strip_suffix('u')?.parse().ok())
}
