//! The sources that the rules are about, and their code without comments and unit tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file of the package.
pub struct Source {
    /// Relative to the package, such as `src/ids.rs`.
    pub path: String,
    pub text: String,
}

impl Source {
    /// The code up to the unit tests, without lines that are comments.
    pub fn code(&self) -> String {
        let own = self.text.split("\n#[cfg(test)]").next().unwrap_or_default();
        own.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Whether the file belongs to `room`: `src/room.rs` or a file below `src/room/`.
    pub fn is_in(&self, room: &str) -> bool {
        self.path.starts_with(&format!("src/{room}/")) || self.path == format!("src/{room}.rs")
    }

    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// All Rust files below these folders.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let read = |file: PathBuf| Source {
        path: file
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        text: fs::read_to_string(&file).unwrap(),
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // The published clients are packages of their own.
            if !path.ends_with("node_modules") && !path.ends_with("tests/clients") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A word or a sign of Rust code, and the number of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

impl Token {
    /// Whether it is a name or a keyword.
    pub fn is_word(&self) -> bool {
        self.text
            .starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// The tokens of the code, without comments and items that only tests have. A literal becomes `""`.
pub fn tokens(text: &str) -> Vec<Token> {
    without_tests(&all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<Token> {
    let (mut rest, mut line, mut tokens) = (text, 1, Vec::new());
    while let Some(first) = rest.chars().next() {
        let (length, kept) = token_at(rest, first);
        let (token, after) = rest.split_at(length);
        if let Some(kept) = kept.or(Some(token)).filter(|kept| !kept.is_empty()) {
            tokens.push(Token {
                line,
                text: kept.to_owned(),
            });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Length of the token at the beginning of `rest`, and what replaces it: nothing for comments and spaces.
fn token_at(rest: &str, first: char) -> (usize, Option<&'static str>) {
    let literal = Some("\"\"");
    if first.is_whitespace() {
        return (first.len_utf8(), Some(""));
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Some(""));
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), Some(""));
    }
    if let Some(length) = raw_string(rest) {
        return (length, literal);
    }
    let quoted = rest.strip_prefix('b').unwrap_or(rest);
    let prefix = rest.len() - quoted.len();
    if quoted.starts_with('"') {
        return (prefix + quoted_length(quoted, '"'), literal);
    }
    if quoted.starts_with('\'') && is_character(quoted) {
        return (prefix + quoted_length(quoted, '\''), literal);
    }
    if first.is_alphanumeric() || first == '_' {
        let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_');
        return (end.unwrap_or(rest.len()), None);
    }
    if rest.starts_with("::") {
        return (2, None);
    }
    (first.len_utf8(), None)
}

/// Length of `r"..."` or `r#"..."#` at the beginning of `rest`.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = body.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some(rest.len() - body.len() + end + 1 + hashes)
}

/// Length of a literal that ends with the quotation mark that it begins with.
fn quoted_length(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, next) in rest.char_indices().skip(1) {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            next if next == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Whether a quotation mark begins a character, and no lifetime.
fn is_character(rest: &str) -> bool {
    let mut after = rest.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

/// Leaves out each item behind `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let begins = CFG_TEST.iter().enumerate().all(|(index, word)| {
            tokens
                .get(at + index)
                .is_some_and(|token| token.text == *word)
        });
        if begins {
            at = item_end(tokens, at + CFG_TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Where the item ends that begins at `at`: behind its `;`, or behind its block.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let (mut depth, mut is_use) = (0_usize, false);
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text.as_str() {
            "use" if depth == 0 => is_use = true,
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" && !is_use {
                    return at;
                }
            }
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

#[test]
fn tokens_are_told_from_texts_comments_and_tests() {
    let text = "use a::b; // c::d\n/* e::f */ let g = \"h::i\\\"\" + 'j' + r#\"k\"::l\"# as &'m n;\n\
                #[cfg(test)]\n#[path = \"o\"]\nuse p::{q, r};\n#[cfg(test)]\nmod s { fn t() {} }\nu();";
    let found: Vec<String> = tokens(text).into_iter().map(|token| token.text).collect();
    assert_eq!(
        found.join(" "),
        "use a :: b ; let g = \"\" + \"\" + \"\" as & ' m n ; u ( ) ;"
    );
    assert_eq!(tokens(text).last().unwrap().line, 8);
}
