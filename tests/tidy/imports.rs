//! What each file of the package uses of other files: `use` declarations and paths within the code alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{Source, Token, sources, tokens};

/// The crates of the package: the folder of each and the file of its root module.
const CRATES: [(&str, &str); 3] = [
    (
        "src/bin/messagebox-loadtest",
        "src/bin/messagebox-loadtest/main.rs",
    ),
    ("src/bin/messagebox", "src/bin/messagebox/main.rs"),
    ("src", "src/lib.rs"),
];

/// The server's binary: a crate of one file.
const SERVER_BINARY: &str = "src/main.rs";

/// A module: the folder of its crate, then its path within that.
type Module = Vec<String>;

/// One use of another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub from: String,
    pub line: usize,
    pub to: String,
    /// The path as it is written.
    pub path: String,
    /// Whether it is `pub use`, which only gives another name to an item.
    pub is_reexport: bool,
}

/// A path as it is written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    line: usize,
    path: Vec<String>,
    /// The name that a `use` gives to it.
    name: Option<String>,
    is_reexport: bool,
}

/// All uses of one file by another, test files left out.
pub fn imports() -> Vec<Import> {
    let files: Vec<Source> = sources(&["src"])
        .into_iter()
        .filter(|source| !source.is_test())
        .collect();
    let modules: BTreeMap<Module, String> = files
        .iter()
        .map(|source| (module_of(&source.path), source.path.clone()))
        .collect();
    let written: Vec<(Module, Vec<Written>)> = files
        .iter()
        .map(|source| (module_of(&source.path), written(&tokens(&source.text))))
        .collect();
    let mut reexports: BTreeMap<Module, BTreeMap<String, Module>> = BTreeMap::new();
    for (module, paths) in &written {
        for path in paths.iter().filter(|path| path.is_reexport) {
            if let (Some(name), Some(target)) = (&path.name, absolute(module, &path.path, &modules))
            {
                let names = reexports.entry(module.clone()).or_default();
                names.insert(name.clone(), target);
            }
        }
    }
    let mut imports = Vec::new();
    for (module, paths) in written {
        let from = &modules[&module];
        let mut seen = BTreeSet::new();
        for path in paths {
            let target = absolute(&module, &path.path, &modules);
            let to = target.and_then(|target| resolve(&target, &modules, &reexports, 0));
            if let Some(to) = to.filter(|to| to != from)
                && seen.insert((path.line, to.clone()))
            {
                imports.push(Import {
                    from: from.clone(),
                    line: path.line,
                    to,
                    path: path.path.join("::"),
                    is_reexport: path.is_reexport,
                });
            }
        }
    }
    imports
}

/// The module that a file is.
fn module_of(path: &str) -> Module {
    if path == SERVER_BINARY {
        return vec![SERVER_BINARY.to_owned()];
    }
    let (folder, root) = CRATES
        .into_iter()
        .find(|(folder, _)| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
        .unwrap();
    let mut module = vec![folder.to_owned()];
    if path != root {
        let inner = path[folder.len() + 1..].strip_suffix(".rs").unwrap();
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        module.extend(inner.split('/').map(str::to_owned));
    }
    module
}

/// A path from the root of a crate; none where it leads out of the package.
fn absolute(
    module: &Module,
    path: &[String],
    modules: &BTreeMap<Module, String>,
) -> Option<Module> {
    let crate_root = &module[..1];
    let supers = path.iter().take_while(|word| *word == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (crate_root.to_vec(), &path[1..]),
        "messagebox" => (vec!["src".to_owned()], &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => {
            let depth = module.len().checked_sub(supers)?.max(1);
            (module[..depth].to_vec(), &path[supers..])
        }
        first => {
            let child = [module.clone(), vec![first.to_owned()]].concat();
            modules.contains_key(&child).then_some(())?;
            (module.clone(), path)
        }
    };
    Some([base, rest.to_vec()].concat())
}

/// The file that holds the item of this path, behind any `pub use`.
fn resolve(
    target: &[String],
    modules: &BTreeMap<Module, String>,
    reexports: &BTreeMap<Module, BTreeMap<String, Module>>,
    depth: usize,
) -> Option<String> {
    let length = (1..=target.len())
        .rev()
        .find(|length| modules.contains_key(&target[..*length]))?;
    let (module, rest) = target.split_at(length);
    let renamed = rest
        .first()
        .and_then(|name| reexports.get(module)?.get(name));
    match renamed {
        // What a room exports of another room is the room's own word.
        Some(renamed) if depth < 8 && renamed.get(..2) == module.get(..2) => {
            let target = [renamed.clone(), rest[1..].to_vec()].concat();
            resolve(&target, modules, reexports, depth + 1)
        }
        _ => modules.get(module).cloned(),
    }
}

/// All paths of a file.
fn written(tokens: &[Token]) -> Vec<Written> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let token = &tokens[at];
        let follows = at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".");
        if token.text == "use" {
            let is_reexport = at > 0 && matches!(tokens[at - 1].text.as_str(), "pub" | ")");
            let mut tree = Vec::new();
            at = use_tree(tokens, at + 1, &[], &mut tree);
            found.extend(tree.into_iter().map(|path| Written {
                is_reexport,
                ..path
            }));
        } else if token.is_word() && !follows {
            let mut path = vec![token.text.clone()];
            at += 1;
            while at + 1 < tokens.len() && tokens[at].text == "::" && tokens[at + 1].is_word() {
                path.push(tokens[at + 1].text.clone());
                at += 2;
            }
            if path.len() > 1 {
                found.push(Written {
                    line: token.line,
                    path,
                    name: None,
                    is_reexport: false,
                });
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Reads a tree of a `use` from `at` on, behind `prefix`; says where it ends.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Written>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut name = None;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    if tokens[at].text == "," {
                        at += 1;
                    } else {
                        at = use_tree(tokens, at, &path, found);
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => {
                name = tokens.get(at + 1).map(|token| token.text.clone());
                at += 2;
            }
            "::" => at += 1,
            word => {
                path.push(word.to_owned());
                at += 1;
            }
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let name = name.or_else(|| path.last().cloned());
    found.push(Written {
        line,
        path,
        name,
        is_reexport: false,
    });
    at
}

#[test]
fn every_way_to_write_a_path_is_found() {
    let text = "use super::super::a::B;\npub use crate::{c::{self, D as E}, f};\n\
                fn g() -> crate::h::I { super::j(k.l, m::n::O) }";
    let found: Vec<(usize, String, bool)> = written(&tokens(text))
        .into_iter()
        .map(|path| (path.line, path.path.join("::"), path.is_reexport))
        .collect();
    let path = |line, path: &str, is_reexport| (line, path.to_owned(), is_reexport);
    assert_eq!(
        found,
        [
            path(1, "super::super::a::B", false),
            path(2, "crate::c", true),
            path(2, "crate::c::D", true),
            path(2, "crate::f", true),
            path(3, "crate::h::I", false),
            path(3, "super::j", false),
            path(3, "m::n::O", false),
        ]
    );
}
