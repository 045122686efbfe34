//! Names for identity keys, which the user may give instead of keys. The file has a line `name key` for each.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use messagebox::ids::IdentityKey;
use thiserror::Error;

use crate::error::{CommandError, Exit};
use crate::local::folder;
use crate::local::output::{note, printable, strong};

/// Maximum characters of a name: fewer than a key has, so that no name looks like one.
const MAX_CHARS: usize = 32;
/// Maximum bytes of the file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The user's name for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

/// The text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a name has 1 to 32 letters, digits, `.`, `_` or `-`, and begins with a letter or digit")]
pub(crate) struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = text.len() <= MAX_CHARS
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-'));
        if begins && fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identity on the command line: a key, or a name for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyOrName {
    Key(IdentityKey),
    Name(Name),
}

/// The text is neither a key nor a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an identity key (66 hexadecimal characters), or a name of `messagebox names`")]
pub(crate) struct KeyOrNameError;

impl FromStr for KeyOrName {
    type Err = KeyOrNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.parse().map(Self::Key);
        key.or_else(|_| text.parse().map(Self::Name).map_err(|_| KeyOrNameError))
    }
}

impl KeyOrName {
    /// The key; a name is looked up in the file.
    pub(crate) fn key(&self) -> Result<IdentityKey, CommandError> {
        match self {
            Self::Key(key) => Ok(*key),
            Self::Name(name) => Names::load()?.key(name),
        }
    }
}

/// The names of the user.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(Name, IdentityKey)>);

impl Names {
    /// Loads the names; without a file there are none.
    pub(crate) fn load() -> Result<Self, CommandError> {
        let Some(path) = path() else {
            return Ok(Self::default());
        };
        parse(&path, &read(&path)?)
    }

    /// Loads the names for display. If the file cannot be read, prints a note and shows keys alone.
    pub(crate) fn to_show() -> Self {
        Self::load().unwrap_or_else(|error| {
            note(&format!("cannot show names: {}", error.what));
            Self::default()
        })
    }

    /// In the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Name, IdentityKey)> {
        self.0.iter()
    }

    /// The key with this name.
    pub(crate) fn key(&self, name: &Name) -> Result<IdentityKey, CommandError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, key)| *key).ok_or_else(|| unknown(name))
    }

    /// The name of a key in hexadecimal.
    pub(crate) fn of(&self, key: &str) -> Option<&str> {
        let key: IdentityKey = key.parse().ok()?;
        let found = self.0.iter().find(|(_, known)| *known == key);
        found.map(|(name, _)| name.0.as_str())
    }

    /// A key for display, with its name if it has one.
    pub(crate) fn shown(&self, key: &str) -> String {
        match self.of(key) {
            Some(name) => format!("{} ({})", strong(name), printable(key)),
            None => printable(key),
        }
    }
}

/// Gives a name to a key. Returns its earlier key.
pub(crate) fn set(name: &Name, key: IdentityKey) -> Result<Option<IdentityKey>, CommandError> {
    let path = path().ok_or_else(folder::unknown)?;
    let text = read(&path)?;
    let before = parse(&path, &text)?.key(name).ok();
    let mut text = without(&text, name);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name} {key}");
    write(&path, &text)?;
    Ok(before)
}

/// Removes a name. Returns its key.
pub(crate) fn remove(name: &Name) -> Result<IdentityKey, CommandError> {
    let path = path().ok_or_else(folder::unknown)?;
    let text = read(&path)?;
    let key = parse(&path, &text)?.key(name)?;
    write(&path, &without(&text, name))?;
    Ok(key)
}

fn path() -> Option<PathBuf> {
    folder::configuration().map(|folder| folder.join("names"))
}

fn unknown(name: &Name) -> CommandError {
    CommandError::new(Exit::Usage, format!("no key has the name {name}")).advise(format!(
        "Use `messagebox names set {name} KEY`; `messagebox names list` prints all names."
    ))
}

/// The file without the lines of this name.
fn without(text: &str, name: &Name) -> String {
    let is_other = |line: &&str| line.split_whitespace().next() != Some(&name.0);
    let lines = text.lines().filter(is_other);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn parse(path: &Path, text: &str) -> Result<Names, CommandError> {
    let mut names = Names::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| {
            let place = format!("{}, line {}", path.display(), index + 1);
            CommandError::new(Exit::Usage, format!("{place}: {what}"))
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, key] = words.as_slice() else {
            return Err(wrong("expected a name and an identity key"));
        };
        let name: Name = name
            .parse()
            .map_err(|error: NameError| wrong(&error.to_string()))?;
        let key = key.parse::<IdentityKey>();
        let key = key.map_err(|error| wrong(&error.to_string()))?;
        if names.key(&name).is_ok() {
            return Err(wrong(&format!("{name} has a key already")));
        }
        names.0.push((name, key));
    }
    Ok(names)
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(Exit::Failed, format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, CommandError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(path, &error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = file.metadata().map_err(|error| failed(path, &error))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            // They could redirect messages to a key of theirs.
            let what = format!(
                "{}: others may change the names (mode {mode:04o})",
                path.display()
            );
            let error = CommandError::new(Exit::Authentication, what);
            return Err(error.advise(format!(
                "Check the names, then: chmod go-w {}",
                path.display()
            )));
        }
    }
    let mut text = String::new();
    let read = file.take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|error| failed(path, &error))?;
    Ok(text)
}

/// Replaces the file atomically. A concurrent reader gets the old names.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    // The path may be a link to a file elsewhere.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = path.with_extension("new");
    let write = || {
        if let Some(parent) = path.parent() {
            folder::create(parent)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|error| failed(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

    #[test]
    fn a_name_is_a_short_word_and_not_a_key() {
        let longest = "x".repeat(MAX_CHARS);
        for name in ["a", "alice", "Alice.Smith_2-b", "0", &longest] {
            assert_eq!(name.parse(), Ok(KeyOrName::Name(Name(name.to_owned()))));
        }
        let too_long = "a".repeat(MAX_CHARS + 1);
        for text in [
            "",
            " ",
            "-a",
            ".a",
            "#a",
            "a b",
            "a\u{1b}",
            "ä",
            "a\u{202e}",
            &too_long,
        ] {
            assert_eq!(text.parse::<KeyOrName>(), Err(KeyOrNameError), "{text}");
        }
        assert_eq!(KEY.parse(), Ok(KeyOrName::Key(KEY.parse().unwrap())));
        // A key with a typo is not a name.
        assert_eq!(
            KEY.get(1..).unwrap().parse::<KeyOrName>(),
            Err(KeyOrNameError)
        );
    }

    #[test]
    fn a_file_has_a_line_for_each_name() {
        let file = Path::new("names");
        let names = parse(file, &format!("# friends\n\n alice\t{KEY} \r\nal {KEY}\n")).unwrap();
        let alice = Name("alice".to_owned());
        assert_eq!(names.key(&alice).unwrap().to_hex(), KEY);
        assert_eq!(names.of(KEY), Some("alice"));
        assert_eq!(names.of("nonsense"), None);
        let text = format!("# alice\nalice {KEY}\nal {KEY}\n");
        assert_eq!(without(&text, &alice), format!("# alice\nal {KEY}\n"));
        for (text, wrong) in [
            (String::from("\nalice"), "line 2: expected a name"),
            (format!("alice {KEY} x"), "line 1: expected a name"),
            (format!("-a {KEY}"), "begins with a letter"),
            (String::from("alice 02aa"), "66 hexadecimal"),
            (format!("a {KEY}\na {KEY}"), "line 2: a has a key already"),
        ] {
            let error = parse(file, &text).unwrap_err();
            assert!(error.what.contains(wrong), "{}", error.what);
        }
    }
}
