//! The server's private key: configured, or generated once in development.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::auth::Identity;

use super::error::ConfigError;
use super::settings::Settings;

/// The origin of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityKeySource {
    Configured,
    /// A file of an earlier start.
    File(PathBuf),
    /// A file that this start wrote.
    Generated(PathBuf),
}

/// Loads the server's key, or generates it.
///
/// # Errors
/// [`ConfigError::IdentityKey`] when it is malformed, or missing outside development.
pub fn load_identity(settings: &Settings) -> Result<(Identity, IdentityKeySource), ConfigError> {
    if let Some(key) = &settings.identity.private_key {
        let identity = Identity::from_hex(key.expose()).map_err(|error| {
            ConfigError::IdentityKey(format!(
                "SERVER_PRIVATE_KEY (identity.private_key): {error}"
            ))
        })?;
        return Ok((identity, IdentityKeySource::Configured));
    }
    if !settings.is_development() {
        let environment = &settings.environment;
        return Err(ConfigError::IdentityKey(format!(
            "SERVER_PRIVATE_KEY (identity.private_key) is required in {environment}: 64 hexadecimal characters, \
             such as `openssl rand -hex 32` prints"
        )));
    }
    let path = settings.identity.data_dir.join("server.key");
    let failed = |error: &std::io::Error| {
        let path = path.display();
        ConfigError::IdentityKey(format!(
            "{path}: {error}; the server's user must own the file and be able to write to its folder (DATA_DIR), or set \
             SERVER_PRIVATE_KEY"
        ))
    };
    match read(&path) {
        Ok(hex) => {
            let identity = Identity::from_hex(hex.trim()).map_err(|error| {
                ConfigError::IdentityKey(format!("{}: {error}", path.display()))
            })?;
            Ok((identity, IdentityKeySource::File(path)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes: [u8; 32] = loop {
                let bytes = rand::random();
                if Identity::from_bytes(bytes).is_ok() {
                    break bytes;
                }
            };
            match write(&path, &hex::encode(bytes)) {
                Ok(()) => {
                    let identity = Identity::from_bytes(bytes)
                        .map_err(|error| ConfigError::IdentityKey(error.to_string()))?;
                    Ok((identity, IdentityKeySource::Generated(path)))
                }
                // Another process was faster: use its key.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => load_identity(settings),
                Err(error) => Err(failed(&error)),
            }
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Reads the key. If others may read the file, only its owner may afterwards.
fn read(path: &Path) -> std::io::Result<String> {
    let text = fs::read_to_string(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(text)
}

/// Writes the key atomically, and never over another.
fn write(path: &Path, hex: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // The name is unique, so that the draft of a killed process blocks no other.
    let draft = folder.join(format!("server.key.{:016x}", rand::random::<u64>()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let written = writeln!(file, "{hex}").and_then(|()| file.sync_all());
    // `hard_link` fails if the file exists; a rename would replace the key of another process.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    linked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(folder: &tempfile::TempDir) -> Settings {
        let mut settings = Settings::default();
        settings.identity.data_dir = folder.path().join("data");
        settings
    }

    #[test]
    fn development_makes_a_key_once_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let (made, source) = load_identity(&settings).unwrap();
        let path = folder.path().join("data/server.key");
        assert_eq!(source, IdentityKeySource::Generated(path.clone()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(path.parent().unwrap())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let (again, source) = load_identity(&settings).unwrap();
        assert_eq!(source, IdentityKeySource::File(path.clone()));
        assert_eq!(made.identity_key(), again.identity_key());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_malformed_key_is_an_error_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        load_identity(&settings).unwrap();
        fs::write(folder.path().join("data/server.key"), "nonsense").unwrap();
        let error = load_identity(&settings).unwrap_err().to_string();
        assert!(
            error.contains("server.key") && error.contains("64 hexadecimal"),
            "{error}"
        );
        for key in ["", "5", &"0".repeat(64), &"f".repeat(64), &"5".repeat(66)] {
            settings.identity.private_key = Some(Secret::new(key));
            let error = load_identity(&settings).unwrap_err().to_string();
            assert!(error.starts_with("SERVER_PRIVATE_KEY"), "{error}");
        }
    }

    #[test]
    fn outside_development_the_key_must_be_given() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        settings.environment = "production".to_owned();
        let error = load_identity(&settings).unwrap_err().to_string();
        assert!(
            error.contains("required in production") && !error.contains('\n'),
            "{error}"
        );
        settings.identity.private_key = Some(Secret::new("5".repeat(64)));
        assert_eq!(
            load_identity(&settings).unwrap().1,
            IdentityKeySource::Configured
        );
        assert!(!folder.path().join("data").exists());
    }
}
