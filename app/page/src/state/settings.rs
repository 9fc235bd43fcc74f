//! What the user chose. Kept in the browser's local storage; fields unknown or missing there take
//! their defaults, so that an older page's settings can be read.

use gloo::storage::{LocalStorage, Storage};
use llavacode_api::completion::{Lane, Ranker};
use llavacode_protocol::SharedPlace;
use serde::{Deserialize, Serialize};

/// Key in local storage. `index.html` reads `theme` from it before the first paint.
const KEY: &str = "llavacode.settings";

/// Dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

impl Theme {
    /// Its name in `data-theme`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }
}

/// Files of a shared index, as the user chose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFiles {
    /// Names the choice among those of the visit.
    pub choice: u32,
    /// The folder's name, if one was chosen.
    pub folder: Option<String>,
    /// How many they are.
    pub count: usize,
}

impl SharedFiles {
    /// What was chosen, in a few words.
    pub fn words(&self) -> String {
        let files = match self.count {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        match &self.folder {
            Some(folder) => format!("{files} of the folder “{folder}”"),
            None => files,
        }
    }
}

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `None` follows the system.
    pub theme: Option<Theme>,
    /// The model to complete with, by its id or the address of its GGUF file; `None` leaves it to the
    /// page.
    pub model: Option<String>,
    /// Fetch and load an encoder with the readers that are known to have one.
    pub with_encoder: bool,
    /// The folder of the shared index in use, as the user wrote its address.
    pub shared_index: Option<String>,
    /// The files that one is read from in its place. They are not kept: a browser gives a page what was
    /// chosen for one visit.
    #[serde(skip)]
    pub shared_files: Option<SharedFiles>,
    /// Whose text is shown as ghost text, where the model offers it.
    pub ghost_lane: Lane,
    /// Run the other lanes too.
    pub compare: bool,
    /// While comparing, start each lane from an empty KV cache, so that each reads its whole prompt.
    pub cold: bool,
    /// Go on after the end of the line.
    pub multi_line: bool,
    /// Let far-away parts of the same file be retrieved.
    pub same_file: bool,
    /// How retrieved chunks are ranked.
    pub ranker: Ranker,
    /// Most chunks retrieved; `None` leaves it to the bundle.
    pub top_k: Option<usize>,
    /// Ask when the user pauses, not only on a key.
    pub automatic: bool,
    /// The pause, in milliseconds.
    pub pause_ms: u32,
    /// What the lanes are was read and put away.
    pub lanes_known: bool,
    /// Width of the explorer, in CSS pixels.
    pub explorer_width: u32,
    /// Width of the lanes, in CSS pixels.
    pub lanes_width: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: None,
            model: None,
            with_encoder: false,
            shared_index: None,
            shared_files: None,
            ghost_lane: Lane::SHOWN[0],
            compare: true,
            cold: true,
            multi_line: false,
            same_file: false,
            ranker: Ranker::default(),
            top_k: None,
            automatic: true,
            pause_ms: 300,
            lanes_known: false,
            explorer_width: 232,
            lanes_width: 432,
        }
    }
}

impl Settings {
    /// Those kept, or the defaults.
    pub fn load() -> Self {
        LocalStorage::get(KEY).unwrap_or_default()
    }

    /// Takes the address of a shared index's folder, or of its manifest; of nothing but blanks for none.
    /// Files that were chosen before are not used any longer.
    pub fn set_shared_index(&mut self, address: &str) {
        let address = address.trim();
        let folder = address.strip_suffix("/index.json").unwrap_or(address).trim_end_matches('/');
        self.shared_index = (!folder.is_empty()).then(|| format!("{folder}/"));
        self.shared_files = None;
    }

    /// Takes files of a shared index, in the place of an address or of others.
    pub fn set_shared_files(&mut self, files: SharedFiles) {
        self.shared_index = None;
        self.shared_files = Some(files);
    }

    /// Where the shared index in use is, if one is; `absolute` makes an address so.
    pub fn shared_place(&self, absolute: impl FnOnce(&str) -> String) -> Option<SharedPlace> {
        match (&self.shared_files, &self.shared_index) {
            (Some(files), _) => Some(SharedPlace::Files { choice: files.choice }),
            (None, Some(address)) => Some(SharedPlace::Url { url: absolute(address) }),
            (None, None) => None,
        }
    }

    /// The ranker to use with a model: one without an encoder has no embeddings to rank by.
    pub fn ranker(&self, embeds: bool) -> Ranker {
        if self.ranker.is_dense() && !embeds { Ranker::default() } else { self.ranker }
    }

    /// How many chunks are retrieved with a bundle that allows `most`.
    pub fn top_k(&self, most: usize) -> usize {
        self.top_k.map_or(most, |wanted| wanted.clamp(1, most.max(1)))
    }

    /// Takes a wish for so many chunks of a bundle that allows `most`; that many is the bundle's own
    /// number, which another bundle's may be in its place.
    pub fn set_top_k(&mut self, wanted: usize, most: usize) {
        self.top_k = (wanted < most).then_some(wanted.max(1));
    }

    /// Sets the pause before it asks by itself: long enough not to ask at every key.
    pub fn set_pause_ms(&mut self, pause_ms: u32) {
        self.pause_ms = pause_ms.clamp(50, 5_000);
    }

    /// Keeps them. Where the browser refuses storage they last as long as the page.
    pub fn keep(&self) {
        if let Err(error) = LocalStorage::set(KEY, self) {
            log::warn!("the settings are not kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_an_encoder_ranks_by_words() {
        let settings = |ranker| Settings { ranker, ..Settings::default() };
        assert_eq!(settings(Ranker::Hybrid).ranker(true), Ranker::Hybrid);
        assert_eq!(settings(Ranker::Hybrid).ranker(false), Ranker::Jaccard);
        assert_eq!(settings(Ranker::Bm25).ranker(false), Ranker::Bm25);
    }

    #[test]
    fn as_many_chunks_as_are_wished_for_and_the_bundle_allows() {
        let mut settings = Settings::default();
        assert_eq!((settings.top_k(8), settings.top_k(10)), (8, 10));
        settings.set_top_k(9, 10);
        assert_eq!((settings.top_k(10), settings.top_k(8)), (9, 8));
        settings.set_top_k(0, 10);
        assert_eq!(settings.top_k, Some(1));
        settings.set_top_k(10, 10);
        assert_eq!(settings.top_k, None, "the bundle's own number");
    }

    #[test]
    fn a_shared_index_is_named_by_its_folder_or_its_manifest() {
        let mut settings = Settings::default();
        for address in
            ["https://a.example/team", " https://a.example/team/ ", "https://a.example/team/index.json"]
        {
            settings.set_shared_index(address);
            assert_eq!(settings.shared_index.as_deref(), Some("https://a.example/team/"), "{address}");
        }
        settings.set_shared_index("https://a.example/our-index.json");
        assert_eq!(settings.shared_index.as_deref(), Some("https://a.example/our-index.json/"));
        settings.set_shared_index(" ");
        assert_eq!(settings.shared_index, None);
    }

    #[test]
    fn a_shared_index_is_read_from_an_address_or_from_files_for_the_visit() {
        let absolute = |address: &str| format!("https://a.example/{address}");
        let files = |choice, folder: Option<&str>| SharedFiles {
            choice,
            folder: folder.map(str::to_owned),
            count: 14,
        };
        let mut settings = Settings::default();
        assert_eq!(settings.shared_place(absolute), None);
        settings.set_shared_index("team");
        let address = SharedPlace::Url { url: "https://a.example/team/".into() };
        assert_eq!(settings.shared_place(absolute), Some(address.clone()));

        settings.set_shared_files(files(1, Some("team")));
        assert_eq!(settings.shared_place(absolute), Some(SharedPlace::Files { choice: 1 }));
        assert_eq!(settings.shared_index, None, "files take an address's place");
        let kept = serde_json::to_string(&settings).expect("it can be written");
        let read: Settings = serde_json::from_str(&kept).expect("it can be read");
        assert_eq!(read, Settings::default(), "neither is in use at the next visit");

        settings.set_shared_files(files(2, None));
        assert_eq!(settings.shared_place(absolute), Some(SharedPlace::Files { choice: 2 }));
        settings.set_shared_index("team");
        assert_eq!(settings.shared_place(absolute), Some(address), "an address takes files' place");

        settings.set_shared_files(files(3, None));
        settings.set_shared_index("");
        assert_eq!(settings, Settings::default(), "none takes both away");

        assert_eq!(files(1, Some("team")).words(), "14 files of the folder “team”");
        assert_eq!(SharedFiles { count: 1, ..files(1, None) }.words(), "1 file");
    }

    #[test]
    fn settings_of_an_older_page_can_be_read() {
        let read: Settings = serde_json::from_str(r#"{"theme":"dark","gone":1}"#).expect("readable");
        assert_eq!(read, Settings { theme: Some(Theme::Dark), ..Settings::default() });
    }
}
