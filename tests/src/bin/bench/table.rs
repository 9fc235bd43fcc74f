//! The report as a user reads it.

use std::collections::BTreeMap;

use llavacode_core::bench::{IndexSpeed, KernelSpeed, LaneSummary, Report};
use llavacode_core::engine::Lane;
use llavacode_core::metrics::Interval;
use serde_json::{Map, Value};

/// The lanes that were measured, as they stand beside each other.
fn measured(report: &Report) -> impl Iterator<Item = (&'static str, &LaneSummary)> {
    Lane::ALL.into_iter().filter_map(|lane| Some((lane.name(), report.lanes.get(lane.key())?)))
}

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
    let index = &report.index;
    println!(
        "index: {:.1} chunks/s over {} chunks, {} of whose {} parts were embedded{}; {:.0} bytes a chunk",
        index.chunks_per_s,
        index.chunks,
        index.embedded_parts,
        index.parts,
        of_ceiling(index),
        index.bytes_per_chunk
    );
    for program in ["page", "worker"] {
        if let Some((raw, gzip)) = wasm_size(facts, program) {
            println!("{program}: {raw} bytes of WebAssembly, {gzip} gzipped");
        }
    }
}

/// The same for a document: what ran where, the lanes, and what follows from them.
pub(crate) fn markdown(report: &Report, facts: &Map<String, Value>) -> String {
    let fact = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let date = fact("date");
    let place = match fact("backend").as_str() {
        // With the number of threads.
        "cpu" => format!("on the {}", fact("computes")),
        backend => format!("{backend} on {}", fact("adapter")),
    };
    let mut text = format!(
        "{} tasks, {}, {place}, {}, {}.\n\n",
        report.tasks,
        fact("model"),
        fact("browser"),
        date.split('T').next().unwrap_or_default()
    );
    let names: Vec<_> = measured(report).map(|(name, _)| name).collect();
    text.push_str(&format!("| | {} |\n|---|{}\n", names.join(" | "), "--:|".repeat(names.len())));
    for (name, show) in rows() {
        let cells: Vec<_> = measured(report).map(|(_, lane)| show(lane)).collect();
        if cells.iter().any(|cell| cell != "–") {
            text.push_str(&format!("| {} | {} |\n", name.trim(), cells.join(" | ")));
        }
    }
    text.push('\n');
    for Change { lane, other, percent } in changes(report) {
        let pair = report.differences.get(&format!("{}-{}", lane.key(), other.key()));
        let interval = pair.map_or(String::new(), |d| {
            let ttft = d.ttft_cold_ms;
            format!(
                " (paired difference {:+.0} ms, 95 % between {:+.0} and {:+.0})",
                ttft.difference, ttft.low, ttft.high
            )
        });
        let (lane, other) = (lane.name(), other.name());
        text.push_str(&format!("- Cold TTFT, {lane} against {other}: {percent:+.1} %{interval}.\n"));
    }
    for lane in [Lane::FullRag, Lane::Cached, Lane::Digest, Lane::Excerpt] {
        if let Some(found) = report.differences.get(&format!("{}-base", lane.key())) {
            let (exact, similar) = (points(found.exact_match), points(found.edit_similarity));
            let lane = lane.name();
            text.push_str(&format!(
                "- {lane} against base: exact match {exact}, edit similarity {similar}.\n"
            ));
        }
    }
    if let Some(first) = facts.get("first_suggestion_ms").and_then(Value::as_object) {
        let seconds = |name: &str| {
            first.get(name).and_then(Value::as_f64).map_or("–".into(), |ms| format!("{:.1} s", ms / 1e3))
        };
        text.push_str(&format!(
            "- First suggestion: {} after the page is opened again (median of five); after a package is opened, its files \
             unpacked and read, {} in base, {} in full RAG, {} compressed.\n",
            seconds("open"),
            seconds("package_base"),
            seconds("package_full_rag"),
            seconds("package_compressed")
        ));
    }
    if let Some(launches) = report.launches_per_layer {
        text.push_str(&format!("- Kernel launches of a layer in a decode step: {launches}.\n"));
    }
    // None where the bundle has no encoder.
    if report.index.chunks > 0 {
        let index = &report.index;
        text.push_str(&format!(
            "- Indexing: {:.1} chunks/s{}; {} of {} parts embedded, the others' are shared; {:.0} bytes a chunk in \
             memory.\n",
            index.chunks_per_s,
            of_ceiling(index),
            index.embedded_parts,
            index.parts,
            index.bytes_per_chunk
        ));
    }
    let packages = facts.get("packages").and_then(Value::as_array);
    for package in packages.into_iter().flatten() {
        let number = |name: &str| package[name].as_f64().unwrap_or(f64::NAN);
        let (chunks, seconds) = (number("chunks"), number("index_s"));
        text.push_str(&format!(
            "- {}: {chunks} chunks indexed in {seconds:.0} s, {:.0} chunks/s, from a key to its paint meanwhile {:.0} ms \
             (95th percentile); the index follows an edit in {:.0} ms and is there {:.1} s after a reload; the page's \
             process had {:.0} MB at its most.\n",
            package["name"].as_str().unwrap_or("a package"),
            chunks / seconds,
            number("key_to_paint_ms"),
            number("edit_ms"),
            number("reload_s"),
            number("renderer_peak_bytes") / 1e6
        ));
    }
    for program in ["page", "worker"] {
        if let Some((raw, gzip)) = wasm_size(facts, program) {
            text.push_str(&format!("- WebAssembly of the {program}: {raw} bytes, {gzip} gzipped.\n"));
        }
    }
    if let Some(ceilings) = &report.ceilings {
        let operations = match fact("backend").as_str() {
            "cpu" => "multiplications and additions of 16-bit integers, in billions a second,",
            _ => "GFLOP/s",
        };
        text.push_str(&format!(
            "- The device's ceilings: {:.2} GB/s read, {:.2} {operations} in registers.\n\n{}",
            ceilings.read_bytes_per_s / 1e9,
            ceilings.flops_per_s / 1e9,
            kernels(&report.kernels)
        ));
    }
    text
}

/// What indexing takes of the device's arithmetic, where its ceiling is known.
fn of_ceiling(index: &IndexSpeed) -> String {
    index.fraction_of_ceiling.map_or(String::new(), |fraction| {
        format!(
            ", {:.2} billion multiplications and additions a second, {:.0} % of the device's ceiling",
            index.flops_per_s / 1e9,
            100.0 * fraction
        )
    })
}

/// Kernels in percent of the ceiling that binds them, a column a shape.
fn kernels(kernels: &BTreeMap<String, KernelSpeed>) -> String {
    let shape = |kernel: &KernelSpeed| [kernel.shape[2], kernel.shape[1]];
    let mut shapes: Vec<_> = kernels.values().map(shape).collect();
    shapes.sort_unstable();
    shapes.dedup();
    let mut rows = BTreeMap::<&str, Vec<String>>::new();
    for (name, kernel) in kernels {
        // `q4_matvec_576x1536`
        let name = name.rsplit_once('_').map_or(name.as_str(), |(name, _)| name);
        let cells = rows.entry(name).or_insert_with(|| vec!["–".into(); shapes.len()]);
        if let Some(column) = shapes.iter().position(|&of| of == shape(kernel)) {
            cells[column] = format!("{:.0}", 100.0 * kernel.fraction_of_ceiling);
        }
    }
    let heads = shapes.iter().map(|[columns, rows]| format!(" {columns} to {rows} |"));
    let mut text = format!(
        "| kernel, % of the ceiling that binds it |{}\n|---|{}\n",
        heads.collect::<String>(),
        "--:|".repeat(shapes.len())
    );
    for (name, cells) in rows {
        text.push_str(&format!("| {} | {} |\n", name.replace("_mat", " mat"), cells.join(" | ")));
    }
    text
}

/// A paired difference in percent points, with its interval.
fn points(found: Interval) -> String {
    format!("{:+.1} ({:+.1} to {:+.1})", found.difference, found.low, found.high)
}

fn wasm_size(facts: &Map<String, Value>, program: &str) -> Option<(u64, u64)> {
    let size = |kind: &str| facts.get("wasm").and_then(|sizes| sizes[program][kind].as_u64());
    Some((size("raw_bytes")?, size("gzip_bytes")?))
}

/// How one lane's cold time to the first token differs from another's.
struct Change {
    lane: Lane,
    other: Lane,
    percent: f64,
}

/// Of the lanes whose prompts are to be short, of those that were measured.
fn changes(report: &Report) -> Vec<Change> {
    let median = |lane: Lane| report.lanes.get(lane.key()).map(|lane| lane.ttft_cold_ms.median);
    let change =
        |(lane, other)| Some(Change { lane, other, percent: (median(lane)? / median(other)? - 1.0) * 100.0 });
    let of = |lane| [Lane::FullRag, Lane::Base].map(|other| (lane, other));
    [Lane::Excerpt, Lane::Compressed].into_iter().flat_map(of).filter_map(change).collect()
}

fn rows() -> [Row; 12] {
    [
        ("prompt tokens", |lane| format!("{:.1}", lane.prompt_tokens)),
        ("  of them soft", |lane| format!("{:.1}", lane.soft_tokens)),
        ("cold TTFT median, ms", |lane| format!("{:.1}", lane.ttft_cold_ms.median)),
        ("cold TTFT p90, ms", |lane| format!("{:.1}", lane.ttft_cold_ms.p90)),
        ("  prefill median, ms", |lane| format!("{:.1}", lane.ttft_parts_ms.prefill.median)),
        ("warm TTFT median, ms", |lane| format!("{:.1}", lane.ttft_warm_ms.median)),
        ("TTFT median three lines further down, ms", |lane| format!("{:.1}", lane.ttft_moved_ms.median)),
        ("decode tokens/s", |lane| {
            lane.decode_tokens_per_s.map_or("–".into(), |speed| format!("{speed:.1}"))
        }),
        ("looked-up tokens, right / checked", |lane| {
            let (right, checked) = (lane.accepted_tokens, lane.draft_tokens);
            if checked > 0.0 { format!("{right:.1} / {checked:.1}") } else { "–".into() }
        }),
        ("launches a step", |lane| lane.launches_per_step.map_or("–".into(), |count| count.to_string())),
        ("exact match, %", |lane| format!("{:.1} / {:.1}", lane.exact_match, lane.exact_match_tokens)),
        ("edit similarity, %", |lane| format!("{:.1} / {:.1}", lane.edit_similarity, lane.edit_ratio)),
    ]
}

fn lanes(report: &Report) {
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>16}")).collect();
        println!("{name:<24}{cells}");
    };
    println!();
    line(&format!("{} tasks", report.tasks), measured(report).map(|(name, _)| name.into()).collect());
    for (name, show) in rows() {
        line(name, measured(report).map(|(_, lane)| show(lane)).collect());
    }
    println!();
    for Change { lane, other, percent } in changes(report) {
        println!("cold TTFT, {} against {}: {percent:+.1} %", lane.name(), other.name());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_a_row_each_and_a_column_a_shape() {
        let speed = |fraction_of_ceiling, shape| KernelSpeed {
            unit: "bytes/s".into(),
            achieved: 1.0,
            fraction_of_ceiling,
            shape,
        };
        let measured = BTreeMap::from([
            ("q4_matvec_1536x8960".to_owned(), speed(0.25, [1, 8960, 1536])),
            ("q4_matvec_576x1536".to_owned(), speed(0.5, [1, 1536, 576])),
            ("f32_matmul_576x1536".to_owned(), speed(0.995, [128, 1536, 576])),
        ]);
        assert_eq!(
            kernels(&measured),
            "| kernel, % of the ceiling that binds it | 576 to 1536 | 1536 to 8960 |\n\
             |---|--:|--:|\n\
             | f32 matmul | 100 | – |\n\
             | q4 matvec | 50 | 25 |\n"
        );
    }
}
