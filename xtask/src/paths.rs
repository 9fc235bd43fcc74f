//! Where things lie.

use std::env;
use std::path::PathBuf;

/// The repository. Cargo says where it is; a binary that clones share through one target folder may
/// have been compiled in another.
pub(crate) fn root() -> PathBuf {
    let compiled = || env!("CARGO_MANIFEST_DIR").into();
    let xtask: PathBuf = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(compiled).into();
    xtask.parent().unwrap_or(&xtask).to_path_buf()
}

/// What set-up installs, kept from one clone to the next: `$XDG_CACHE_HOME` or `~/.cache`.
pub(crate) fn cache() -> PathBuf {
    let home = || env::home_dir().unwrap_or_else(root).join(".cache");
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(home)
        .join("llavacode")
}

/// The tools among it: `bin/` by cargo, `node_modules/.bin/` by npm.
pub(crate) fn tools() -> PathBuf {
    cache().join("tools")
}

/// The built page.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// The editor's JavaScript.
pub(crate) fn front_end() -> PathBuf {
    root().join("app").join("js")
}

/// What cargo builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Reports and screenshots of this clone, whatever `CARGO_TARGET_DIR` says.
pub(crate) fn reports() -> PathBuf {
    root().join("target")
}
