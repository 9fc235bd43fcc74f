//! Readers of bundles on tasks: what they are asked, what they say, and how that is counted.

mod common;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use llavacode_core::{
    config::{EncoderInput, ModelType, PromptConfig, PromptStyle},
    model::{projector::ProjectorConfig, reader::Reader, token_ids},
};
use llavacode_train::{
    model::pico_config,
    projector::TrainedProjector,
    random::SplitMix64,
    readers::{
        self, BundleReader, Counts, Task,
        bundle::{Question, SOFT_TOKEN},
        tasks::{self, Set},
    },
    soft::form::{self, SoftForm},
};

use common::{samples, tokenizer};

const NEW_TOKENS: usize = 12;

/// A freshly drawn reader of two layers.
fn reader(name: &str, token_healing: bool) -> BundleReader {
    let tokenizer = tokenizer();
    let config = pico_config(ModelType::Qwen2, tokenizer.vocab_size(), 64, 2);
    let reader = Reader::init(&config, &Device::flex()).expect("a valid config");
    let prompt = PromptConfig {
        style: Some(PromptStyle::Causal),
        prefix_tokens: 64,
        context_tokens: 64,
        max_new_tokens: NEW_TOKENS,
        sink_token: Some(String::new()),
        token_healing,
        draft_tokens: 0,
        ..PromptConfig::default()
    };
    BundleReader::new(name.into(), "mark".into(), reader, Arc::clone(&tokenizer), prompt).expect("a reader")
}

/// Twelve tasks, cursors inside a line, of which four are asked as lines that need their chunk.
fn tasks(folder: &Path) -> Vec<Task> {
    tasks::choose(&samples(folder), Counts { whole: 0, inside: 8, cross_file: 4 }).expect("tasks")
}

/// Logits behind a whole sequence, without a cache that was used before.
fn logits(reader: &BundleReader, tokens: &[u32]) -> Vec<f32> {
    let mut cache = reader.reader().cache(1, tokens.len());
    let span = cache.next(1, tokens.len());
    let inputs = reader.reader().embed(token_ids(tokens, &Device::flex()));
    let hidden = reader.reader().forward(inputs, &mut cache, span);
    reader.reader().logits(hidden.narrow(0, tokens.len() - 1, 1)).into_data().iter::<f32>().collect()
}

/// Token by token, as it is defined: what agrees with `held` is chosen from.
fn probabilities(reader: &BundleReader, tokens: &[u32], held: &[u8]) -> Vec<f64> {
    let tokenizer = tokenizer();
    let weight = |(id, logit): (u32, f32)| {
        let bytes = tokenizer.token_bytes(id);
        let agrees = held.is_empty()
            || (!tokenizer.is_special(id) && (bytes.starts_with(held) || held.starts_with(bytes)));
        if agrees { f64::from(logit).exp() } else { 0.0 }
    };
    let weights: Vec<f64> = (0..).zip(logits(reader, tokens)).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn left<'a>(held: &'a str, said: &[u8]) -> &'a [u8] {
    held.as_bytes().get(said.len()..).unwrap_or_default()
}

/// The greedy line, one token after the other.
fn greedy(reader: &BundleReader, question: &Question) -> String {
    let tokenizer = tokenizer();
    let (mut tokens, mut said) = (question.tokens.clone(), Vec::new());
    for _ in 0..NEW_TOKENS {
        let chances = probabilities(reader, &tokens, left(&question.held, &said));
        let best = chances.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("tokens").0 as u32;
        if tokenizer.is_special(best) {
            break;
        }
        tokens.push(best);
        said.extend_from_slice(tokenizer.token_bytes(best));
    }
    let line = said.get(question.held.len()..).unwrap_or_default();
    String::from_utf8_lossy(line).split(['\n', '\r']).next().unwrap_or_default().to_owned()
}

fn questions(reader: &BundleReader) -> Vec<Question> {
    let folder = tempfile::tempdir().expect("a folder");
    let task = tasks(folder.path()).swap_remove(0);
    reader.lanes().into_iter().map(|lane| reader.question(lane, &task.sample).expect("a question")).collect()
}

#[test]
fn lanes_differ_in_context_and_healing() {
    let plain = reader("tiny", false);
    let names = |reader: &BundleReader| reader.lanes().iter().map(|lane| lane.name).collect::<Vec<_>>();
    assert_eq!(names(&plain), ["base", "full_rag"]);
    let healing = reader("tiny", true);
    assert_eq!(names(&healing), ["base", "base.unhealed", "full_rag", "full_rag.unhealed"]);

    let questions = questions(&healing);
    let text = |question: &Question| tokenizer().decode(&question.tokens) + &question.held;
    assert_eq!(text(&questions[0]), text(&questions[1]), "healing changes nothing of the prompt's text");
    assert_eq!(text(&questions[2]), text(&questions[3]));
    assert!(text(&questions[2]).contains("def value_") && !text(&questions[0]).contains("def value_"));
    assert!(!questions[0].held.is_empty() && questions[0].tokens.len() < questions[1].tokens.len());
    assert!(questions[1].held.is_empty());
}

#[test]
fn a_first_chunk_read_by_itself_is_what_it_is_in_full_rag() {
    let reader = reader("tiny", true);
    let folder = tempfile::tempdir().expect("a folder");
    let mut sample = tasks(folder.path()).swap_remove(0).sample;
    sample.chunks.truncate(1);
    let mut session = reader.session();
    let lanes = reader.every_lane();
    let judged = lanes.iter().map(|lane| reader.judge(&mut session, *lane, &sample, &[]).expect("an answer"));
    let judged: Vec<_> = judged.collect();
    let of = |name: &str| {
        let at = lanes.iter().position(|lane| lane.name == name).unwrap_or_else(|| panic!("no lane {name}"));
        &judged[at]
    };
    let [base, full_rag, short, digest, head, excerpt, longer, cached] =
        ["base", "full_rag", "full_rag_128", "digest", "full_rag_64", "excerpt", "excerpt_128", "cached"]
            .map(of);
    assert!(head.positions <= short.positions && excerpt.positions <= longer.positions);
    assert!(digest.positions < short.positions && short.positions <= full_rag.positions);
    assert_eq!((&cached.text, cached.positions), (&full_rag.text, full_rag.positions));
    assert!((cached.nats - full_rag.nats).abs() < 1e-3 * full_rag.nats, "{} {}", cached.nats, full_rag.nats);
    assert!((base.nats - full_rag.nats).abs() > 1e-3, "the chunk does something");
}

/// Of pico: its soft tokens do something, another task's do something else, and a session that held others
/// gives the same answer as a fresh one.
#[test]
fn soft_tokens_are_their_chunks_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let tasks = tasks(folder.path());
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle");
    let mut pico = BundleReader::load(&bundle).expect("a bundle");
    pico.learn_mean(tasks.iter().map(|task| &task.sample)).expect("a mean");
    let lanes = pico.every_lane();
    let lane = |name| *lanes.iter().find(|lane| lane.name == name).expect("a lane");
    let (own, mean) = (lane("compressed"), lane("control_mean"));
    let one = &tasks[0].sample;
    let other = tasks.iter().map(|task| &task.sample).find(|other| other.chunks != one.chunks);
    let other = other.expect("another package's chunks");
    let question = pico.question(own, one).expect("a question");
    assert_eq!(question.soft.len(), 8 * one.chunks.len());
    assert!(question.soft.iter().all(|(position, vector)| {
        question.tokens[*position] == SOFT_TOKEN && vector.iter().any(|&x| x != 0.0)
    }));
    assert_ne!(question.soft, pico.question(own, other).expect("a question").soft);
    let control = pico.question(mean, one).expect("a question");
    assert_eq!(control.tokens, question.tokens);
    assert!(control.soft.windows(2).all(|pair| pair[0].1 == pair[1].1));

    let mut session = pico.session();
    let mut nats = |lane, sample| pico.judge(&mut session, lane, sample, &[]).expect("an answer").nats;
    let before = nats(own, one);
    assert!((before - nats(mean, one)).abs() > 1e-4, "the chunk's vectors do something");
    nats(own, other);
    assert!((before - nats(own, one)).abs() < 1e-3, "of the same chunks the same");
}

/// A folder like that of a run of the step `soft` for pico.
fn soft_run(folder: &Path, name: &str, soft_tokens: usize, seed: u64) -> PathBuf {
    let run = folder.join(name);
    fs::create_dir_all(&run).expect("a folder");
    let encoder = EncoderInput { reader_layers: vec![0, 2], ..EncoderInput::default() };
    let soft_tokens = NonZeroUsize::new(soft_tokens).expect("some");
    SoftForm { soft_tokens, encoder }.write(&run).expect("written");
    let widths = ProjectorConfig::three_layer(2 * 192, 192);
    let projector = TrainedProjector::init(widths, 1.0, &mut SplitMix64::new(seed));
    projector.save(&run.join(form::PROJECTOR)).expect("saved");
    run
}

#[test]
fn soft_tokens_of_runs_are_measured_beside_what_their_reader_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let tasks = &tasks(folder.path())[..2];
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle");
    let load = |runs: &[&Path]| {
        let mut pico = BundleReader::load(&bundle).expect("a bundle");
        runs.iter().for_each(|run| pico.add_soft(run).expect("soft tokens"));
        pico.learn_mean(tasks.iter().map(|task| &task.sample)).expect("a mean");
        pico
    };
    let (one, two) = (soft_run(folder.path(), "one", 1, 4), soft_run(folder.path(), "two", 2, 5));
    let pico = load(&[&one, &two]);
    let sample = &tasks[0].sample;
    for (name, count) in [("compressed", 8), ("compressed_1", 1), ("control_mean_2", 2)] {
        let lane = pico.every_lane().into_iter().find(|lane| lane.name == name).expect("a lane");
        let question = pico.question(lane, sample).expect("a question");
        assert_eq!(question.soft.len(), count * sample.chunks.len(), "{name}");
    }

    // With other vectors that lane is measured again, and no other.
    let scores = folder.path().join("scores.jsonl");
    let lanes = |reader: &BundleReader| {
        let wanted = ["base", "compressed", "compressed_1", "control_mean_1"];
        reader.every_lane().into_iter().filter(|lane| wanted.contains(&lane.name)).collect()
    };
    let measure =
        |pico| readers::measure(&mut [pico], lanes, tasks, "two", &scores, |_| ()).expect("measured");
    let before = measure(pico);
    let after = measure(load(&[&soft_run(folder.path(), "other", 1, 6)]));
    assert_eq!((before.len(), after.len()), (8, 8));
    assert_eq!(fs::read_to_string(&scores).expect("scores").lines().count(), 12);
    for record in &after {
        let same = before.contains(record);
        assert_eq!(same, !record.key.lane.ends_with("_1"), "{}", record.key.lane);
    }
    let set = &readers::summarise(&after, tasks)["pico"][Set::Any.name()];
    assert!(set.lanes["compressed_1"].against_control.is_some());

    let mut pico = load(&[&one]);
    let refused = |pico: &mut BundleReader, run: &Path| pico.add_soft(run).unwrap_err().to_string();
    assert!(refused(&mut pico, &one).contains("two runs have 1 soft tokens"));
    assert!(refused(&mut pico, &soft_run(folder.path(), "three", 3, 7)).contains("named for 1, 2, 4 and 8"));
    assert!(refused(&mut pico, folder.path()).contains("the step `soft` writes it"));
}

#[test]
fn a_line_is_the_greedy_one_whatever_is_guessed_before() {
    let reader = reader("tiny", true);
    for question in questions(&reader) {
        let expected = greedy(&reader, &question);
        let longer = format!("{expected} and more");
        let beginning: String = expected.chars().take(3).collect();
        for drafts in [vec![], vec![expected.clone()], vec![longer, beginning, "self.x".into()]] {
            let mut session = reader.session();
            for target in ["other.value_1()", expected.as_str()] {
                if target.is_empty() {
                    continue;
                }
                let found = reader.answer(&mut session, &question, target, &drafts).expect("an answer");
                assert_eq!(found.text, expected, "{drafts:?}");
                assert_eq!(found.positions, question.tokens.len());
            }
        }
    }
}

#[test]
fn cross_entropy_is_of_the_target_and_chosen_among_what_agrees() {
    let (reader, tokenizer) = (reader("tiny", true), tokenizer());
    let target = "other.value_1()";
    for question in questions(&reader) {
        let natural = tokenizer.encode(&format!("{}{target}", question.held));
        let (mut tokens, mut said) = (question.tokens.clone(), Vec::new());
        let (mut nats, mut of_target) = (0.0, 0);
        for &token in &natural {
            nats -= probabilities(&reader, &tokens, left(&question.held, &said))[token as usize].ln();
            tokens.push(token);
            said.extend_from_slice(tokenizer.token_bytes(token));
            of_target += usize::from(said.len() > question.held.len());
        }
        let mut session = reader.session();
        let found = reader.answer(&mut session, &question, target, &[]).expect("an answer");
        assert!((found.nats - nats).abs() < 1e-3, "{} and {nats}", found.nats);
        assert_eq!(found.target_tokens, of_target);
        // The session holds another text now.
        reader.answer(&mut session, &question, "x", &[]).expect("an answer");
        let again = reader.answer(&mut session, &question, target, &[]).expect("an answer");
        assert!((again.nats - nats).abs() < 1e-3);
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let tasks = tasks(folder.path());
    let mut both = [reader("healing", true), reader("plain", false)];
    let path = folder.path().join("scores.jsonl");
    let mut lines = 0;
    let whole = readers::measure(&mut both, BundleReader::lanes, &tasks, "twelve", &path, |_| lines += 1)
        .expect("measured");
    assert!(lines > 0, "it says how far it is");
    assert_eq!(whole.len(), 12 * (4 + 2));
    let file = fs::read(&path).expect("scores");

    // Killed in the middle of a line, in the middle of a task.
    fs::write(&path, &file[..file.len() / 2]).expect("written");
    let again =
        readers::measure(&mut both, BundleReader::lanes, &tasks, "twelve", &path, |_| ()).expect("measured");
    let (whole, again) = (readers::summarise(&whole, &tasks), readers::summarise(&again, &tasks));
    assert_eq!(whole.keys().collect::<Vec<_>>(), ["healing", "plain"]);
    for (name, sets) in &whole {
        for (set, found) in sets {
            let other = &again[name][set];
            assert_eq!((found.tasks, found.inside_a_line), (other.tasks, other.inside_a_line));
            for (lane, summary) in &found.lanes {
                let other = &other.lanes[lane];
                assert_eq!(summary.exact_match, other.exact_match, "{name} {set} {lane}");
                assert_eq!(summary.edit_similarity, other.edit_similarity, "{name} {set} {lane}");
                assert!((summary.cross_entropy - other.cross_entropy).abs() < 1e-4);
            }
        }
    }
    assert_eq!(whole["plain"][Set::CrossFile.name()].tasks, 4);

    // Nothing is measured twice, and with other tasks nothing counts.
    let before = fs::read(&path).expect("scores");
    readers::measure(&mut both, BundleReader::lanes, &tasks, "twelve", &path, |_| ()).expect("measured");
    assert_eq!(fs::read(&path).expect("scores"), before);
    let none =
        readers::measure(&mut both, BundleReader::lanes, &[], "others", &path, |_| ()).expect("measured");
    assert!(none.is_empty());
}
