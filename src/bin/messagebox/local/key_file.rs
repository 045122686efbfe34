//! The private key: from a file that only its owner can read, or from the environment. It never comes from the command line,
//! which other users can see.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use messagebox::auth::Identity;
use zeroize::Zeroizing;

use crate::error::{CommandError, Exit};
use crate::local::folder;

/// The variable that may hold the key.
const VARIABLE: &str = "MESSAGEBOX_PRIVATE_KEY";
/// Maximum bytes of the file. A key file is one line of 64 characters.
const MAX_BYTES: u64 = 1024;

/// Loads the identity: from the named file, else from the environment, else from the default file.
pub(crate) fn load(named: Option<&Path>) -> Result<Identity, CommandError> {
    match load_if_any(named)? {
        Some(identity) => Ok(identity),
        None => Err(CommandError::new(
            Exit::Authentication,
            format!("there is no key in {}", path(named)?.display()),
        )
        .advise(format!(
            "Generate one with `messagebox keygen`, name another file with --key-file, or set {VARIABLE}."
        ))),
    }
}

/// Loads the identity like [`load`]; `None` if there is neither a variable nor a file.
pub(crate) fn load_if_any(named: Option<&Path>) -> Result<Option<Identity>, CommandError> {
    if named.is_none()
        && let Ok(hex) = env::var(VARIABLE).map(Zeroizing::new)
    {
        let identity = Identity::from_hex(hex.trim()).map_err(|error| {
            CommandError::new(Exit::Authentication, format!("{VARIABLE}: {error}"))
        })?;
        return Ok(Some(identity));
    }
    if named.is_none() && folder::configuration().is_none() {
        return Ok(None);
    }
    let path = path(named)?;
    match read(&path) {
        Ok(hex) => {
            let identity = Identity::from_hex(hex.trim());
            identity.map(Some).map_err(|error| {
                failed(&path, &error).advise("The file must have the key as 64 hexadecimal characters, as `messagebox keygen` writes it.")
            })
        }
        Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(ReadError::Io(error)) => Err(failed(&path, &error)),
        Err(ReadError::Open(mode)) => Err(CommandError::new(
            Exit::Authentication,
            format!(
                "{}: others may read the key (mode {mode:04o})",
                path.display()
            ),
        )
        .advise(format!(
            "If nobody has read it: chmod 600 {}. Otherwise generate a new key.",
            path.display()
        ))),
    }
}

/// The named file, else the default.
pub(crate) fn path(named: Option<&Path>) -> Result<PathBuf, CommandError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let folder = folder::configuration().ok_or_else(|| {
        folder::unknown().advise(format!(
            "Name the key's file with --key-file, or set {VARIABLE}."
        ))
    })?;
    Ok(folder.join("identity.key"))
}

/// Generates a key and writes it, never over another.
pub(crate) fn generate(path: &Path) -> Result<Identity, CommandError> {
    let (identity, hex) = loop {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        // All but one in 2^128 draws are valid keys.
        if let Ok(identity) = Identity::from_bytes(*bytes) {
            break (identity, Zeroizing::new(hex::encode(*bytes)));
        }
    };
    match write(path, &hex) {
        Ok(()) => Ok(identity),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(CommandError::new(
            Exit::Failed,
            format!("{} exists; it is unchanged", path.display()),
        )
        .advise("Without a key its messages cannot be read: move the file away, or name another with --key-file.")),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &dyn std::error::Error) -> CommandError {
    CommandError::new(Exit::Authentication, format!("{}: {error}", path.display()))
}

enum ReadError {
    Io(std::io::Error),
    /// Others may read the file, which has this mode.
    Open(u32),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, ReadError> {
    let file = fs::File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The mode of the open file, even if its path changes meanwhile.
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ReadError::Open(mode));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the key completely or not at all.
fn write(path: &Path, hex: &str) -> std::io::Result<()> {
    let parent = path.parent();
    if let Some(parent) = parent.filter(|parent| !parent.as_os_str().is_empty()) {
        folder::create(parent)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = writeln!(file, "{hex}").and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is useless, and would block a complete one.
        let _ = fs::remove_file(path);
    }
    written
}
