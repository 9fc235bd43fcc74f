//! Debian's compiler for the web as a rustup toolchain of its own.
//!
//! Debian ships a newer rustc for building browsers (`rustc-web`), with the sources of its standard
//! library. Its packages cannot be installed beside rustup, so they are unpacked into the cache
//! folder, the standard library is compiled for WebAssembly once, and the whole is linked as a
//! toolchain. Linking comes last: a toolchain that is linked is complete, anything else is redone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::wasm_target::{self, TARGET};
use super::{apt, say};
use crate::{command, paths};

/// Unpacks, completes and links the compiler as the toolchain `name`.
pub(super) fn install(name: &str) -> Result<()> {
    ensure_possible()?;
    let (unpacked, packages) = (paths::cache().join("rust-web"), paths::cache().join("rust-web-debs"));
    for folder in [&unpacked, &packages] {
        recreate(folder)?;
    }
    unpack_packages(&packages, &unpacked)?;
    let sysroot = unpacked.join("usr");
    complete_sysroot(&sysroot)?;
    ensure_new_enough(&sysroot)?;
    compile_standard_library(&sysroot)?;
    command::run(command::program("rustup").args(["toolchain", "link", name]).arg(&sysroot))?;
    ensure!(
        wasm_target::has_standard_library(Some(name)),
        "the toolchain {name} was linked but finds no standard library for {TARGET}; remove {} and try again",
        unpacked.display()
    );
    fs::remove_dir_all(packages).context("the unpacked packages could not be removed")
}

fn ensure_possible() -> Result<()> {
    let by_hand = format!("install rustup from https://rustup.rs and run `rustup target add {TARGET}`");
    if command::find("rustup").is_none() {
        bail!("there is no rustup and the compiler has no {TARGET}: {by_hand}");
    }
    if !apt::is_here() || !apt::knows("rustc-web") {
        bail!("`rustup target add {TARGET}` failed and this system has no package rustc-web: {by_hand}");
    }
    Ok(())
}

/// Downloads the packages and unpacks them; their names change with the compiler's version.
fn unpack_packages(packages: &Path, into: &Path) -> Result<()> {
    let mut names: Vec<String> =
        ["rustc-web", "rust-web-src", "libstd-rust-web-dev"].map(String::from).into();
    for library in apt::dependencies("libstd-rust-web-dev")? {
        if library.starts_with("libstd-rust-web-") {
            install_llvm_of(&library)?;
            names.push(library);
        }
    }
    apt::download(&names, packages)?;
    for package in entries(packages)? {
        command::run(command::program("dpkg").arg("-x").arg(package).arg(into))?;
    }
    Ok(())
}

/// The compiler's code generator is a library that lives well beside everything else.
fn install_llvm_of(library: &str) -> Result<()> {
    for package in apt::dependencies(library)? {
        if package.starts_with("libllvm") && !apt::is_installed(&package) {
            say(&format!("installing {package}"), "Debian's compiler generates code with it");
            apt::install(&[&package])?;
        }
    }
    Ok(())
}

/// Cargo would say it as well, after the minutes that compiling the standard library takes.
fn ensure_new_enough(sysroot: &Path) -> Result<()> {
    let mut rustc = command::program(&sysroot.join("bin/rustc").to_string_lossy());
    rustc.arg("--version").env("LD_LIBRARY_PATH", sysroot.join("lib"));
    let version = command::output(&mut rustc)?;
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let found = version.split_whitespace().nth(1).and_then(numbers);
    ensure!(
        found >= numbers(env!("CARGO_PKG_RUST_VERSION")),
        "Debian's compiler for the web is {version}, and Rust {} is needed: bring the lists of packages up to date (`apt-get update`) and try again",
        env!("CARGO_PKG_RUST_VERSION")
    );
    Ok(())
}

/// Puts what rustc and cargo expect to find where they look for it.
fn complete_sysroot(sysroot: &Path) -> Result<()> {
    let libraries = sysroot.join("lib");
    let source = entries(&sysroot.join("src"))?
        .into_iter()
        .find(|path| file_name(path).starts_with("rustc-"))
        .context("the package rust-web-src holds no sources")?;
    link(&source, &libraries.join("rustlib/src/rust"))?;
    for multiarch in entries(&libraries)? {
        for driver in entries(&multiarch).unwrap_or_default() {
            if file_name(&driver).starts_with("librustc_driver") {
                fs::copy(&driver, libraries.join(file_name(&driver)))?;
            }
        }
    }
    // The linker, and the cargo that called us: without one of its own, rustup would take any.
    let ours = PathBuf::from(command::output(command::program("rustc").args(["--print", "sysroot"]))?);
    let host = command::output(command::program("rustc").args(["--print", "host-tuple"]))?;
    let linker = Path::new("rustlib").join(host).join("bin").join("rust-lld");
    link(&ours.join("lib").join(&linker), &libraries.join(&linker))?;
    link(&ours.join("bin/cargo"), &sysroot.join("bin/cargo"))
}

/// Compiles std for WebAssembly by compiling an empty crate with it.
fn compile_standard_library(sysroot: &Path) -> Result<()> {
    say(
        "compiling the standard library for WebAssembly",
        "Debian ships it for the host only; once, a minute",
    );
    let empty = paths::cache().join("rust-web-std");
    recreate(&empty)?;
    fs::create_dir(empty.join("src"))?;
    fs::write(empty.join("src/lib.rs"), "")?;
    fs::write(
        empty.join("Cargo.toml"),
        "[package]\nname = \"wasm-std\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    )?;
    let mut cargo = command::program("cargo");
    cargo.current_dir(&empty).args([
        "build",
        "--quiet",
        "--release",
        "-Zbuild-std=std,panic_abort",
        "--target",
        TARGET,
    ]);
    cargo.env("RUSTC", sysroot.join("bin/rustc")).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("LD_LIBRARY_PATH", sysroot.join("lib"));
    cargo.env("CARGO_TARGET_DIR", empty.join("target")).env_remove("RUSTFLAGS");
    command::run(&mut cargo)?;

    let installed = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&installed)?;
    for library in entries(&empty.join("target").join(TARGET).join("release/deps"))? {
        if library.extension().is_some_and(|ending| ending == "rlib") {
            fs::copy(&library, installed.join(file_name(&library)))?;
        }
    }
    fs::remove_dir_all(empty).context("the folder in which std was compiled could not be removed")
}

fn recreate(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} could not be created", folder.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("{} could not be read", folder.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A symbolic link at `at` to `target`, which must be there.
fn link(target: &Path, at: &Path) -> Result<()> {
    ensure!(target.exists(), "{} is missing", target.display());
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder)?;
    }
    if at.is_symlink() {
        fs::remove_file(at)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, at)
        .with_context(|| format!("{} could not be linked", at.display()))?;
    Ok(())
}
