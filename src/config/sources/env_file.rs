//! The environment variables of the process. The file `.env` of the working folder adds those that are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use crate::config::error::ConfigError;

const FILE: &str = ".env";

/// Environment variables, with those of `.env`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    pub texts: BTreeMap<String, String>,
    /// The names of variables that only the file sets.
    pub of_file: BTreeSet<String>,
}

impl Variables {
    /// The variables of this process, which take precedence over those of `.env`.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub fn read() -> Result<Self, ConfigError> {
        // A variable that is not UTF-8 is not one of ours.
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let given = std::env::vars_os().filter_map(text).collect();
        Self::with_file(given, Path::new(FILE))
    }

    fn with_file(given: BTreeMap<String, String>, path: &Path) -> Result<Self, ConfigError> {
        let mut variables = Self {
            texts: given,
            of_file: BTreeSet::new(),
        };
        let failed = |cause: String| ConfigError::File {
            path: path.display().to_string(),
            cause,
        };
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(dotenvy::Error::Io(error)) if error.kind() == ErrorKind::NotFound => {
                return Ok(variables);
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        for (number, line) in lines.enumerate() {
            let (name, text) = line.map_err(|error| {
                failed(match error {
                    // Its text would show the line, which may hold a secret.
                    dotenvy::Error::LineParse(..) => {
                        format!(
                            "variable {} of the file cannot be read; quote its value",
                            number + 1
                        )
                    }
                    error => error.to_string(),
                })
            })?;
            // A later line goes over an earlier one, but never over the environment.
            if variables.of_file.contains(&name) || !variables.texts.contains_key(&name) {
                variables.of_file.insert(name.clone());
                variables.texts.insert(name, text);
            }
        }
        Ok(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, given: &[(&str, &str)]) -> Result<Variables, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, file).unwrap();
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Variables::with_file(given.iter().map(own).collect(), &path)
    }

    #[test]
    fn the_file_is_below_the_environment() {
        let file = "# comment\nPORT=1\nexport HOST='a b'\nWORKERS=2\nWORKERS=3\n";
        let variables = read(file, &[("PORT", "9")]).unwrap();
        let expected = [("HOST", "a b"), ("PORT", "9"), ("WORKERS", "3")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(variables.texts, BTreeMap::from(expected));
        assert_eq!(variables.of_file.len(), 2);
    }

    #[test]
    fn errors_name_the_variable_and_not_its_text() {
        let error = read("PORT=1\nADMIN_TOKEN=hunter2 hunter3\n", &[]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(".env: variable 2") && !error.contains("hunter"),
            "{error}"
        );
        let missing = Variables::with_file(BTreeMap::new(), Path::new("/none/.env"));
        assert_eq!(missing, Ok(Variables::default()));
    }
}
