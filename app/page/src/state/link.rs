//! A link to the page that carries settings and, in the demo, the place of the cursor. Nothing of a
//! user's own files is in it.

use std::fmt;
use std::str::FromStr;

use llavacode_api::completion::{Lane, Ranker};

use super::known;
use super::settings::Settings;

/// The parameter that carries the place.
pub const PLACE: &str = "at";

/// The parameters that carry settings. Those of a user rather than of what is seen, theme and widths,
/// are not among them; nor is the model, which [`parameters`] carries where the page knows it.
pub const SETTINGS: [&str; 9] =
    ["ghost_lane", "compare", "cold", "multi_line", "same_file", "ranker", "top_k", "automatic", "pause_ms"];

/// Stands for the bundle's own number of chunks.
const BUNDLES: &str = "bundle";

/// The settings as parameters of an address. A model brought by its address or from the user's disk is
/// left out: it may be nobody else's.
pub fn parameters(settings: &Settings) -> Vec<(&'static str, String)> {
    let value = |key: &str| match key {
        "ghost_lane" => settings.ghost_lane.key().to_owned(),
        "compare" => settings.compare.to_string(),
        "cold" => settings.cold.to_string(),
        "multi_line" => settings.multi_line.to_string(),
        "same_file" => settings.same_file.to_string(),
        "ranker" => settings.ranker.key().to_owned(),
        "top_k" => settings.top_k.map_or(BUNDLES.to_owned(), |count| count.to_string()),
        "automatic" => settings.automatic.to_string(),
        _ => settings.pause_ms.to_string(),
    };
    let model = settings.model.clone().filter(|id| known::find(id).is_some());
    let settings = SETTINGS.map(|key| (key, value(key))).into_iter();
    settings.chain(model.map(|id| ("model", id))).collect()
}

/// One's own settings with those of an address in their places; `None` where it has none. What cannot be
/// read is passed over. The model is for the visit alone and is read elsewhere.
pub fn read(get: impl Fn(&str) -> Option<String>, own: &Settings) -> Option<Settings> {
    let mut read = own.clone();
    let mut any = false;
    for key in SETTINGS {
        let Some(value) = get(key) else { continue };
        any = true;
        let flag = |setting: &mut bool| *setting = value.parse().unwrap_or(*setting);
        match key {
            "ghost_lane" => {
                let lane = Lane::ALL.into_iter().find(|lane| lane.key() == value);
                read.ghost_lane = lane.unwrap_or(read.ghost_lane);
            }
            "compare" => flag(&mut read.compare),
            "cold" => flag(&mut read.cold),
            "multi_line" => flag(&mut read.multi_line),
            "same_file" => flag(&mut read.same_file),
            "ranker" => {
                let ranker = Ranker::ALL.into_iter().find(|ranker| ranker.key() == value);
                read.ranker = ranker.unwrap_or(read.ranker);
            }
            "top_k" if value == BUNDLES => read.top_k = None,
            "top_k" => read.top_k = value.parse().ok().filter(|count| *count > 0).or(read.top_k),
            "automatic" => flag(&mut read.automatic),
            _ => read.set_pause_ms(value.parse().unwrap_or(read.pause_ms)),
        }
    }
    any.then_some(read)
}

/// A place in a file, as `path:line:column`, counted from 1 there and from 0 here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedPlace {
    /// The file's path.
    pub path: String,
    /// Line and column of the cursor.
    pub cursor: (usize, usize),
}

impl fmt::Display for LinkedPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.cursor;
        write!(formatter, "{}:{}:{}", self.path, line.saturating_add(1), column.saturating_add(1))
    }
}

impl FromStr for LinkedPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.rsplitn(3, ':');
        let mut number = || parts.next()?.parse::<usize>().ok()?.checked_sub(1);
        let (column, line) = (number().ok_or(())?, number().ok_or(())?);
        let path = parts.next().filter(|path| !path.is_empty()).ok_or(())?.to_owned();
        Ok(Self { path, cursor: (line, column) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::settings::Theme;

    fn read_from(parameters: &[(&str, String)], own: &Settings) -> Option<Settings> {
        let get = |key: &str| parameters.iter().find(|(known, _)| *known == key).map(|(_, v)| v.clone());
        read(get, own)
    }

    #[test]
    fn a_link_restores_the_settings_and_leaves_ones_own_theme_and_widths() {
        let sent = Settings {
            theme: Some(Theme::Dark),
            ghost_lane: Lane::Base,
            compare: false,
            cold: false,
            multi_line: true,
            same_file: true,
            ranker: Ranker::Bm25,
            top_k: Some(3),
            automatic: false,
            pause_ms: 450,
            lanes_width: 700,
            ..Settings::default()
        };
        let own = Settings { lanes_known: true, explorer_width: 300, top_k: Some(5), ..Settings::default() };
        let read = read_from(&parameters(&sent), &own).expect("it has settings");
        let expected = Settings {
            theme: None,
            lanes_known: true,
            explorer_width: 300,
            lanes_width: own.lanes_width,
            ..sent
        };
        assert_eq!(read, expected);
        let defaults = read_from(&parameters(&Settings::default()), &own).expect("it has settings");
        assert_eq!(defaults.top_k, None, "the bundle's number, too");
    }

    #[test]
    fn an_address_without_settings_is_no_link_and_nonsense_changes_nothing() {
        let own = Settings::default();
        assert_eq!(read_from(&[("device", "cpu".into()), ("model", "pico".into())], &own), None);
        let nonsense = SETTINGS.map(|key| (key, "nonsense".to_owned()));
        assert_eq!(read_from(&nonsense, &own), Some(own.clone()));
        let too_far = [("pause_ms", "1".to_owned()), ("top_k", "0".to_owned())];
        let expected = Settings { pause_ms: 50, ..own.clone() };
        assert_eq!(read_from(&too_far, &own), Some(expected));
    }

    #[test]
    fn only_a_model_that_the_page_knows_is_in_it() {
        let model = |id: &str| {
            let settings = Settings { model: Some(id.into()), ..Settings::default() };
            parameters(&settings).into_iter().find(|(key, _)| *key == "model").map(|(_, id)| id)
        };
        assert_eq!(model(known::PICO).as_deref(), Some(known::PICO));
        assert_eq!(model("https://intranet.example/secret.gguf"), None);
    }

    #[test]
    fn places_are_written_as_editors_write_them() {
        let place = LinkedPlace { path: "tide/a:b.py".into(), cursor: (11, 4) };
        assert_eq!(place.to_string(), "tide/a:b.py:12:5");
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "a.py", "a.py:3", ":1:1", "a.py:0:1", "a.py:x:1"] {
            assert_eq!(wrong.parse::<LinkedPlace>(), Err(()), "{wrong}");
        }
    }
}
