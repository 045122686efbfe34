//! Names for identity keys: a file of the user's with a line `name key` for each. A name stands wherever a key is asked for.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use messagebox::ids::IdentityKey;
use thiserror::Error;

use crate::error::{CommandError, Exit};
use crate::folder;
use crate::output::{note, printable, strong};

/// Characters of a name: fewer than a key has, so that no name can be taken for one.
const MAX_CHARS: usize = 32;
/// Bytes of the file that are read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A name that the user has given to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

/// Why a text is no name.
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

/// Whom a command is about: a key, or a name that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    Key(IdentityKey),
    Name(Name),
}

/// Why a text is neither a key nor a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected an identity key (66 hexadecimal characters), or a name that `messagebox names` knows"
)]
pub(crate) struct WhomError;

impl FromStr for Whom {
    type Err = WhomError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.parse().map(Self::Key);
        key.or_else(|_| text.parse().map(Self::Name).map_err(|_| WhomError))
    }
}

impl Whom {
    /// The key. Reads the file only for a name.
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
    /// All of them; none where there is no file.
    pub(crate) fn load() -> Result<Self, CommandError> {
        let Some(path) = path() else {
            return Ok(Self::default());
        };
        parse(&path, &read(&path)?)
    }

    /// All of them, to show beside keys: a file that cannot be read is noted, and keys are shown alone.
    pub(crate) fn to_show() -> Self {
        Self::load().unwrap_or_else(|error| {
            note(&format!("without names: {}", error.what));
            Self::default()
        })
    }

    /// In the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Name, IdentityKey)> {
        self.0.iter()
    }

    /// The key that a name was given to.
    pub(crate) fn key(&self, name: &Name) -> Result<IdentityKey, CommandError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, key)| *key).ok_or_else(|| unknown(name))
    }

    /// The name of the key with these hexadecimal characters.
    pub(crate) fn of(&self, key: &str) -> Option<&str> {
        let key: IdentityKey = key.parse().ok()?;
        let found = self.0.iter().find(|(_, known)| *known == key);
        found.map(|(name, _)| name.0.as_str())
    }

    /// A key as people see it: with its name, if it has one. The key is never left out.
    pub(crate) fn shown(&self, key: &str) -> String {
        match self.of(key) {
            Some(name) => format!("{} ({})", strong(name), printable(key)),
            None => printable(key),
        }
    }
}

/// Gives a name to a key. Returns the key that had it before.
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

/// Forgets a name.
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
        "`messagebox names set {name} KEY` gives it to a key; `messagebox names list` prints all names."
    ))
}

/// The lines of the file that are not about this name, as they were.
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
            // They could have messages sent to a key of theirs.
            let what = format!(
                "{}: others may change the names (mode {mode:04o})",
                path.display()
            );
            let error = CommandError::new(Exit::Authentication, what);
            return Err(error.advise(format!(
                "Look through it, then: chmod go-w {}",
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
    // It may be a link to a file elsewhere.
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
    fn a_name_is_a_short_word_and_no_key() {
        let longest = "x".repeat(MAX_CHARS);
        for name in ["a", "alice", "Alice.Smith_2-b", "0", &longest] {
            assert_eq!(name.parse(), Ok(Whom::Name(Name(name.to_owned()))));
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
            assert_eq!(text.parse::<Whom>(), Err(WhomError), "{text}");
        }
        assert_eq!(KEY.parse(), Ok(Whom::Key(KEY.parse().unwrap())));
        // A key with a typing error is no name.
        assert_eq!(KEY.get(1..).unwrap().parse::<Whom>(), Err(WhomError));
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
