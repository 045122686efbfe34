//! The configuration folder of the user, with the key and the names.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{CommandError, Exit};

/// The folder, which may be missing; `None` if no home folder is known.
pub(crate) fn configuration() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let folder = if cfg!(windows) {
        set("APPDATA").map(PathBuf::from)
    } else {
        let home = || set("HOME").map(|home| Path::new(&home).join(".config"));
        set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)
    };
    folder.map(|folder| folder.join("messagebox"))
}

pub(crate) fn unknown() -> CommandError {
    let what = "the user's configuration folder is unknown: set HOME";
    CommandError::new(Exit::Usage, what)
}

/// Creates a folder that only the user can read, unless it exists.
pub(crate) fn create(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
