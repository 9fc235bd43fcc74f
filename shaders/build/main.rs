//! Makes a module of each WGSL file: see the crate's documentation.

mod constants;
mod uniform;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut constants = Vec::new();
    let mut text = modules(&folder, "", &mut constants)?;
    let _ = writeln!(
        text,
        "/// Every constant of every file: the file's text, the constant's name and its value.\n\
         pub const CONSTANTS: &[(Source, &str, usize)] = &[\n{}];",
        constants.concat(),
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("modules.rs"), text)?;
    Ok(())
}

/// The modules of a folder: one for each WGSL file, and for each folder that has some. `above` is the
/// way there, `a/b/`.
fn modules(folder: &Path, above: &str, constants: &mut Vec<String>) -> Result<String, Box<dyn Error>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a name is not UTF-8")?;
        let place = format!("{above}{name}");
        if path.is_dir() {
            let inner = modules(&path, &format!("{place}/"), constants)?;
            if !inner.is_empty() {
                let _ = writeln!(text, "/// `{place}/`.\npub mod {name} {{\n{inner}}}");
            }
        } else if path.extension().is_some_and(|extension| extension == "wgsl") {
            let wgsl = fs::read_to_string(&path)?;
            let inner =
                module(&path, &place, &wgsl, constants).map_err(|fault| format!("{place}.wgsl: {fault}"))?;
            let _ = writeln!(text, "/// `{place}.wgsl`.\npub mod {name} {{\n{inner}}}");
        }
    }
    Ok(text)
}

/// What stands in the module of a file.
fn module(file: &Path, place: &str, wgsl: &str, constants: &mut Vec<String>) -> Result<String, String> {
    let mut text = format!(
        "/// Name and text.\n\
         pub const SOURCE: crate::Source = crate::Source {{ name: {place:?}, text: include_str!({:?}) }};\n",
        file.display().to_string(),
    );
    let path = place.replace('/', "::");
    for (name, value) in constants::whole_numbers(wgsl) {
        let _ = writeln!(text, "/// The file's `{name}`.\npub const {name}: usize = {value};");
        constants.push(format!("({path}::SOURCE, {name:?}, {path}::{name}),\n"));
    }
    if let Some(fields) = uniform::fields(wgsl)? {
        text += &uniform::declaration(&fields);
    }
    Ok(text)
}
