//! Reports of made-up runs.

use super::*;

/// A run of so many minutes whose worker holds so many bytes at each.
fn run(minutes: u32, worker_bytes: impl Fn(f64) -> f64) -> Report {
    let sample = |minute: u32| {
        let minutes = f64::from(minute);
        Sample {
            minutes,
            worker_bytes: worker_bytes(minutes),
            resident_bytes: Some(900e6),
            state: "ready".into(),
            backend: "cpu".into(),
            lane: "base".into(),
            shown: u64::from(minute > 0),
            ttft_ms: [("base".to_owned(), vec![10.0 * minutes])].into(),
            ..Sample::default()
        }
    };
    let facts = Facts {
        device: "cpu".into(),
        computes: "CPU, 2 threads".into(),
        model: "pico 5".into(),
        date: "2026-11-28T10:00:00.000Z".into(),
        ..Facts::default()
    };
    Report { samples: (0..=minutes).map(sample).collect(), ..Report::new(facts) }
}

fn worker(report: &Report) -> Option<Growth> {
    report.growth(&FIGURES[0])
}

#[test]
fn a_line_is_found_where_there_is_one_and_among_noise() {
    let line = |noise: [f64; 4]| {
        let points: Vec<_> =
            (0..4_u8).map(|x| (f64::from(x), 5.0 + 2.0 * f64::from(x) + noise[usize::from(x)])).collect();
        Growth::of(&points).expect("four minutes")
    };
    assert_eq!(line([0.0; 4]), Growth { first: 5.0, rise: 6.0, per_hour: 120.0 });
    // Orthogonal to every line.
    let noisy = line([1.0, -1.0, -1.0, 1.0]);
    assert!((noisy.per_hour - 120.0).abs() < 1e-9 && (noisy.first - 5.0).abs() < 1e-9, "{noisy:?}");
    assert_eq!(Growth::of(&[]), None);
    assert_eq!(Growth::of(&[(3.0, 1.0), (3.0, 2.0)]), None, "one minute has no slope");
}

#[test]
fn too_much_is_a_tenth_and_twenty_megabytes() {
    let grew = |first: f64, rise: f64| Growth { first, rise, per_hour: 0.0 }.is_too_much();
    assert!(grew(100e6, 21e6));
    assert!(!grew(100e6, 19e6), "a fifth, but of little");
    assert!(!grew(300e6, 21e6), "much, but a small part");
    assert!(!grew(300e6, -200e6), "it fell");
}

#[test]
fn what_fills_in_the_first_ten_minutes_is_no_growth() {
    let fills = run(60, |minutes| 50e6 + 10e6 * minutes.min(10.0));
    assert_eq!(worker(&fills).map(|growth| growth.rise), Some(0.0));
    assert!(fills.failures().is_empty(), "{:?}", fills.failures());
    let leaks = run(60, |minutes| 50e6 + 1e6 * minutes);
    let growth = worker(&leaks).expect("an hour tells");
    assert!((growth.per_hour - 60e6).abs() < 1.0 && (growth.rise - 50e6).abs() < 1.0, "{growth:?}");
    let failures = leaks.failures();
    assert_eq!(failures, ["WebAssembly memory of the worker grew by 50.0 MB from 60.0 MB after minute 10"]);
}

#[test]
fn a_short_run_tells_no_growth_and_says_so() {
    let short = run(19, |minutes| 50e6 + 10e6 * minutes);
    assert!(worker(&short).is_none() && short.failures().is_empty());
    let table = short.markdown();
    assert!(table.contains("19 minutes are too short to tell"), "{table}");
    assert!(table.contains("| WebAssembly memory of the worker, MB | 50.0 | 240.0 | – |"), "{table}");
}

#[test]
fn an_engine_that_does_not_come_back_fails_and_one_that_does_is_listed() {
    let mut report = run(60, |_| 50e6);
    let text = "started again".to_owned();
    report.events.push(Event { minutes: 31.0, kind: Kind::Engine, text });
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(report.markdown().contains("- Minute 31, the engine: started again\n"), "{}", report.markdown());
    let last = report.samples.last_mut().expect("it has samples");
    last.backend = "webgpu".into();
    assert!(report.failures()[0].starts_with("the device was lost"), "{:?}", report.failures());
    report.samples.last_mut().expect("it has samples").state = "error".into();
    assert!(report.failures()[0].starts_with("the engine did not come back"), "{:?}", report.failures());
    report.stopped = Some("the page did not answer".into());
    assert_eq!(report.failures()[0], "the page did not answer");
}

#[test]
fn completions_are_counted_by_fifths_of_the_time() {
    let report = run(10, |_| 50e6);
    let table = report.fifths_table();
    // Minutes 1 and 2 tell of the first fifth, 9 and 10 of the last.
    assert!(table.contains("| suggestions shown | 2 | 2 | 2 | 2 | 2 |"), "{table}");
    assert!(table.contains("| its TTFT, median, ms | 10 | 35 | 55 | 75 | 95 |"), "{table}");
    let lines = report.conclusions();
    assert!(lines.iter().any(|line| line.contains("No notice was shown")), "{lines:?}");
    assert!(run(0, |_| 50e6).markdown().starts_with("0 minutes of typing, pico 5, on the CPU, 2 threads"));
}
