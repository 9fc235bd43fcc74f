//! Makes a module of each WGSL file: see the crate's documentation.

mod constants;
mod uniform;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .collect();
    files.sort();
    let mut modules = String::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        modules += &module(&file, &text).map_err(|fault| format!("{}: {fault}", file.display()))?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("modules.rs"), modules)?;
    Ok(())
}

/// The module of a file.
fn module(file: &Path, text: &str) -> Result<String, String> {
    let name = file.file_stem().and_then(|name| name.to_str()).ok_or("its name is no module's")?;
    let mut module = format!(
        "/// `{name}.wgsl`.\npub mod {name} {{\n\
         /// Name and text.\n\
         pub const SOURCE: crate::Source = crate::Source {{ name: {name:?}, text: include_str!({:?}) }};\n",
        file.display().to_string(),
    );
    for (name, value) in constants::whole_numbers(text) {
        let _ = writeln!(module, "/// The file's `{name}`.\npub const {name}: usize = {value};");
    }
    if let Some(fields) = uniform::fields(text)? {
        module += &uniform::declaration(&fields);
    }
    Ok(module + "}\n")
}
