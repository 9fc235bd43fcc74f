//! Wheels from PyPI, by pip, each checked against the manifest.
//!
//! pip is asked because it is the registry's own client: it knows proxies, mirrors and
//! certificates of the machine it runs on. Nothing of a package is run or installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::manifest::{Manifest, Package, sha256};

/// Any Python that the newest of the packages accept: a wheel's code is read, never run.
const PYTHON_VERSION: &str = "3.13";

/// Makes sure that every wheel of the manifest lies in `cache`, unharmed. Wheels that are there
/// are checked, not fetched again, so an interrupted run goes on where it stopped. `tell` is
/// called with a line for each wheel that was fetched.
///
/// # Errors
/// If Python or pip are missing, a download fails, or a wheel is not the one that the manifest
/// names.
pub fn fetch(manifest: &Manifest, cache: &Path, mut tell: impl FnMut(&str)) -> Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let count = manifest.packages.len();
    for (index, package) in manifest.packages.iter().enumerate() {
        if !wheel_path(cache, package).exists() {
            download(package, cache)?;
            tell(&format!("{}/{count} {}", index + 1, package.wheel));
        }
        read_checked(package, cache)?;
    }
    Ok(())
}

/// Where a package's wheel lies.
pub(crate) fn wheel_path(cache: &Path, package: &Package) -> PathBuf {
    cache.join(&package.wheel)
}

/// A wheel's bytes.
///
/// # Errors
/// If it cannot be read or is not what the manifest names.
pub(crate) fn read_checked(package: &Package, cache: &Path) -> Result<Vec<u8>> {
    let path = wheel_path(cache, package);
    let bytes = fs::read(&path)
        .with_context(|| format!("cannot read the wheel {}; fetch the corpus first", path.display()))?;
    let found = sha256(&bytes);
    if found != package.sha256 {
        bail!(
            "the wheel {} is not the one the manifest names (its SHA-256 is {found}, the manifest's is {}): \
             it was changed or damaged; delete it and fetch again",
            path.display(),
            package.sha256
        );
    }
    Ok(bytes)
}

fn download(package: &Package, cache: &Path) -> Result<()> {
    let Package { name, version, wheel, sha256, .. } = package;
    // First into a folder beside, so that the cache holds whole files only.
    let folder = cache.join(format!(".fetching-{name}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let requirement = folder.join("requirement.txt");
    fs::write(&requirement, format!("{name}=={version} --hash=sha256:{sha256}\n"))
        .with_context(|| format!("cannot write {}", requirement.display()))?;

    let output = python()
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"])
        .args(["--python-version", PYTHON_VERSION, "--require-hashes"])
        .arg("--requirement")
        .arg(&requirement)
        .arg("--dest")
        .arg(&folder)
        .output()
        .context(
            "cannot run Python, which fetches the wheels; install Python 3 with pip, or set PYTHON to it",
        )?;
    if !output.status.success() {
        bail!(
            "pip could not fetch {name} {version}; look at its reason and run again:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    fs::rename(folder.join(wheel), wheel_path(cache, package)).with_context(|| {
        format!("pip fetched {name} {version}, but not as {wheel}; correct its name in the manifest")
    })?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// A call of Python: `PYTHON`, or the name it usually has.
pub(crate) fn python() -> Command {
    let usual = if cfg!(windows) { "python" } else { "python3" };
    Command::new(env::var_os("PYTHON").unwrap_or_else(|| usual.into()))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Split, tests::entry};
    use super::*;

    #[test]
    fn a_changed_wheel_is_refused() {
        let cache = tempfile::tempdir().unwrap();
        let hash = sha256(b"the wheel");
        let text = [("a", Split::Train), ("b", Split::Validation), ("c", Split::Test)]
            .map(|(name, split)| entry(name, split, "MIT", &hash))
            .concat();
        let manifest = Manifest::parse(&text).unwrap();
        for package in &manifest.packages {
            fs::write(wheel_path(cache.path(), package), b"the wheel").unwrap();
        }
        fetch(&manifest, cache.path(), |line| panic!("nothing is to be fetched: {line}")).unwrap();

        fs::write(wheel_path(cache.path(), &manifest.packages[1]), b"another").unwrap();
        let error = fetch(&manifest, cache.path(), |_| {}).unwrap_err().to_string();
        assert!(error.contains("b-1.0-py3-none-any.whl") && error.contains("changed or damaged"), "{error}");
    }
}
