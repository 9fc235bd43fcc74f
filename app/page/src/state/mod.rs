//! What the page knows, as plain data in signals.

pub mod against;
pub mod axis;
pub mod changes;
pub mod choice;
pub mod engine;
pub mod file;
pub mod find;
pub mod fit;
pub mod fuzzy;
pub mod heartbeat;
pub mod keys;
pub mod known;
pub mod lanes;
pub mod left_out;
pub mod library;
pub mod link;
pub mod measure;
pub mod notices;
pub mod places;
pub mod plots;
pub mod prompt;
pub mod released;
pub mod saving;
pub mod settings;
pub mod suggestions;
pub mod task_results;
pub mod tree;
pub mod workspace;

use std::collections::BTreeSet;

use leptos::prelude::*;
use llavacode_api::completion::Lane;

use changes::History;
use choice::{Arriving, Index, Offer, Timings};
use engine::{EngineState, IndexState};
use find::Query;
use lanes::LaneRun;
use left_out::LeftOut;
use library::Library;
use measure::MeasureState;
use notices::Notices;
use places::Places;
use settings::Settings;
use suggestions::Suggestions;
use workspace::{Incoming, Tabs, Workspace};

/// Which dialog is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    /// Choice of bundle and device.
    Models,
    /// The prompt of a lane.
    Prompt(Lane),
    /// Go to a file.
    GoToFile,
    /// What to do with files that were opened.
    Incoming,
}

/// Every signal of the page.
#[derive(Clone, Copy)]
pub struct State {
    /// The engine in its worker.
    pub engine: RwSignal<EngineState>,
    /// The index of the workspace.
    pub index: RwSignal<IndexState>,
    /// The files.
    pub workspace: RwSignal<Workspace>,
    /// Which of them are open.
    pub tabs: RwSignal<Tabs>,
    /// Folders that are closed in the explorer, each with `/` at its end.
    pub closed_folders: RwSignal<BTreeSet<String>>,
    /// What was done to the files in the explorer and can be undone.
    pub history: RwSignal<History>,
    /// What is looked for in all files, while it is.
    pub find: RwSignal<Option<Query>>,
    /// The user asked for it just now, and the keyboard is to go there.
    pub find_asked: RwSignal<bool>,
    /// Line and column of the cursor, from 0.
    pub cursor: RwSignal<(usize, usize)>,
    /// The lanes' runs, in the order of [`Lane::ALL`].
    pub lanes: [RwSignal<LaneRun>; Lane::ALL.len()],
    /// The lanes that the bundle has models for; while none is loaded, those of the last one.
    pub offered: RwSignal<Vec<Lane>>,
    /// The lanes whose cards are shown: those on offer, and after a change of models those of the
    /// one before until the new one has completed something.
    pub shown: RwSignal<Vec<Lane>>,
    /// The model that is loaded behind the one in use.
    pub arriving: RwSignal<Option<Arriving>>,
    /// The models on this device.
    pub library: RwSignal<Library>,
    /// How fast pico reads here, by which others' times are estimated.
    pub timings: RwSignal<Timings>,
    /// The models that set-up put beside the page.
    pub beside: RwSignal<Index>,
    /// A better model that is there and would be slow here.
    pub offer: RwSignal<Option<Offer>>,
    /// The demo's places.
    pub places: RwSignal<Places>,
    /// A suggestion that was not shown because its reader is unsure of it: whose, and how sure.
    pub held_back: RwSignal<Option<(Lane, f64)>>,
    /// Whether the lanes' texts still fit the place of the cursor.
    pub in_place: RwSignal<bool>,
    /// Chunks that the user left out at the place of the cursor.
    pub left_out: RwSignal<LeftOut>,
    /// What became of the lanes' suggestions, kept in the browser.
    pub suggestions: RwSignal<Suggestions>,
    /// What a screen reader hears when a suggestion is whole.
    pub announcement: RwSignal<String>,
    /// Whether the theme in force is the dark one.
    pub dark: RwSignal<bool>,
    /// What the user chose, kept in the browser.
    pub settings: RwSignal<Settings>,
    /// The measurement.
    pub measure: RwSignal<MeasureState>,
    /// Sentences that wait to be read.
    pub notices: RwSignal<Notices>,
    /// The open dialog.
    pub dialog: RwSignal<Option<Dialog>>,
    /// Files being read from the user's disk, while it takes.
    pub importing: RwSignal<Option<usize>>,
    /// Files that were read and wait for the user to say where they go.
    pub incoming: RwSignal<Option<Incoming>>,
}

impl State {
    /// The page before anything happened.
    pub fn new(settings: Settings) -> Self {
        Self {
            engine: RwSignal::new(EngineState::Starting),
            index: RwSignal::new(IndexState::Waiting),
            workspace: RwSignal::new(Workspace::default()),
            tabs: RwSignal::new(Tabs::default()),
            closed_folders: RwSignal::new(BTreeSet::new()),
            history: RwSignal::new(History::default()),
            find: RwSignal::new(None),
            find_asked: RwSignal::new(false),
            cursor: RwSignal::new((0, 0)),
            lanes: Lane::ALL.map(|_| RwSignal::new(LaneRun::default())),
            offered: RwSignal::new(Lane::ALL.to_vec()),
            shown: RwSignal::new(Lane::ALL.to_vec()),
            arriving: RwSignal::new(None),
            library: RwSignal::new(Library::default()),
            timings: RwSignal::new(Timings::default()),
            beside: RwSignal::new(Index::new()),
            offer: RwSignal::new(None),
            places: RwSignal::new(Places::default()),
            held_back: RwSignal::new(None),
            in_place: RwSignal::new(false),
            left_out: RwSignal::new(LeftOut::default()),
            suggestions: RwSignal::new(Suggestions::default()),
            announcement: RwSignal::new(String::new()),
            dark: RwSignal::new(false),
            settings: RwSignal::new(settings),
            measure: RwSignal::new(MeasureState::default()),
            notices: RwSignal::new(Notices::default()),
            dialog: RwSignal::new(None),
            importing: RwSignal::new(None),
            incoming: RwSignal::new(None),
        }
    }

    /// The run of one lane.
    pub fn lane(&self, lane: Lane) -> RwSignal<LaneRun> {
        match lane {
            Lane::Base => self.lanes[0],
            Lane::FullRag => self.lanes[1],
            Lane::Cached => self.lanes[2],
            Lane::Digest => self.lanes[3],
            Lane::Excerpt => self.lanes[4],
            Lane::Compressed => self.lanes[5],
            Lane::Expansion => self.lanes[6],
            Lane::Xrag => self.lanes[7],
        }
    }

    /// Forgets what the lanes said: it was about another place.
    pub fn forget_suggestions(&self) {
        for lane in self.lanes {
            lane.set(LaneRun::default());
        }
        self.in_place.set(false);
        self.held_back.set(None);
        self.left_out.update(LeftOut::clear);
        self.announcement.set(String::new());
        self.suggestions.update(Suggestions::leave);
    }

    /// Whose text is shown as ghost text: the user's choice, where the model offers it, or [`Lane::SHOWN`].
    pub fn ghost_lane(&self) -> Lane {
        let chosen = self.settings.with(|settings| settings.ghost_lane);
        self.offered.with(|lanes| {
            let mut in_order = [chosen].into_iter().chain(Lane::SHOWN);
            in_order.find(|lane| lanes.contains(lane)).unwrap_or(Lane::Base)
        })
    }
}
