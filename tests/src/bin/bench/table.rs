//! The report as a person reads it.

use llavacode_core::bench::{LaneSummary, Report};
use llavacode_core::metrics::Interval;
use serde_json::{Map, Value};

/// The lanes as they stand beside each other.
const LANES: [&str; 3] = ["base", "full_rag", "compressed"];

/// A row's name and what it shows of a lane.
type Row = (&'static str, fn(&LaneSummary) -> String);

/// Prints the measurement, and of `facts` what says where and on what it was made.
pub(crate) fn print(report: &Report, facts: &Map<String, Value>) {
    let fact = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    println!(
        "\n{}, {} on {}; {}; commit {}",
        fact("model"),
        fact("backend"),
        fact("adapter"),
        fact("browser"),
        fact("commit")
    );
    lanes(report);
    differences(report);
    device(report);
    println!("index: {:.1} chunks/s over {} chunks", report.index.chunks_per_s, report.index.chunks);
    for program in ["page", "worker"] {
        let size = |kind: &str| facts.get("wasm").and_then(|sizes| sizes[program][kind].as_u64());
        if let (Some(raw), Some(gzip)) = (size("raw_bytes"), size("gzip_bytes")) {
            println!("{program}: {raw} bytes of WebAssembly, {gzip} gzipped");
        }
    }
}

fn lanes(report: &Report) {
    let rows: [Row; 9] = [
        ("prompt tokens", |lane| format!("{:.1}", lane.prompt_tokens)),
        ("  of them soft", |lane| format!("{:.1}", lane.soft_tokens)),
        ("cold TTFT median, ms", |lane| format!("{:.1}", lane.ttft_cold_ms.median)),
        ("cold TTFT p90, ms", |lane| format!("{:.1}", lane.ttft_cold_ms.p90)),
        ("  prefill median, ms", |lane| format!("{:.1}", lane.ttft_parts_ms.prefill.median)),
        ("decode tokens/s", |lane| {
            lane.decode_tokens_per_s.map_or("–".into(), |speed| format!("{speed:.1}"))
        }),
        ("launches a step", |lane| lane.launches_per_step.map_or("–".into(), |count| count.to_string())),
        ("exact match, %", |lane| format!("{:.1} / {:.1}", lane.exact_match, lane.exact_match_tokens)),
        ("edit similarity, %", |lane| format!("{:.1} / {:.1}", lane.edit_similarity, lane.edit_ratio)),
    ];
    println!("\n{:<24}{:>16}{:>16}{:>16}", format!("{} tasks", report.tasks), LANES[0], LANES[1], LANES[2]);
    for (name, show) in rows {
        let cell = |lane: &str| report.lanes.get(lane).map_or("–".into(), show);
        println!("{name:<24}{:>16}{:>16}{:>16}", cell(LANES[0]), cell(LANES[1]), cell(LANES[2]));
    }
    let median = |lane: &str| report.lanes.get(lane).map(|lane| lane.ttft_cold_ms.median);
    println!();
    for other in ["full_rag", "base"] {
        if let (Some(compressed), Some(other_ms)) = (median("compressed"), median(other)) {
            println!(
                "cold TTFT, compressed against {other}: {:+.1} % ({compressed:.1} ms against {other_ms:.1} ms)",
                (compressed / other_ms - 1.0) * 100.0
            );
        }
    }
}

fn differences(report: &Report) {
    let shown = |interval: Interval| {
        format!("{:+.1} [{:+.1}, {:+.1}]", interval.difference, interval.low, interval.high)
    };
    println!(
        "\n{:<24}{:>24}{:>24}{:>28}",
        "paired difference, 95 %", "EM, points", "ES, points", "cold TTFT, ms"
    );
    for (pair, differences) in &report.differences {
        println!(
            "{pair:<24}{:>24}{:>24}{:>28}",
            shown(differences.exact_match),
            shown(differences.edit_similarity),
            shown(differences.ttft_cold_ms)
        );
    }
}

fn device(report: &Report) {
    if let Some(ceilings) = &report.ceilings {
        println!(
            "\nceilings: {:.2} GB/s read, {:.2} GFLOP/s",
            ceilings.read_bytes_per_s / 1e9,
            ceilings.flops_per_s / 1e9
        );
    }
    for (name, kernel) in &report.kernels {
        println!(
            "{name:<32}{:>8.2} G{:<8}{:>6.1} % of the ceiling, shape {:?}",
            kernel.achieved / 1e9,
            kernel.unit,
            kernel.fraction_of_ceiling * 100.0,
            kernel.shape
        );
    }
    if let Some(launches) = report.launches_per_layer {
        println!("launches of one layer in a decode step: {launches}");
    }
}
