//! The results as a table.

use serde_json::Value;

/// In Markdown, a column a case.
pub(super) fn markdown(results: &[Value]) -> String {
    let mut table = String::from("| |");
    for result in results {
        table += &format!(" {} |", result["case"].as_str().unwrap_or_default());
    }
    table += &format!("\n|---|{}\n", "--:|".repeat(results.len()));
    let mut row = |name: &str, value: &dyn Fn(&Value) -> String| {
        let cells: Vec<String> = results.iter().map(value).collect();
        table += &format!("| {name} | {} |\n", cells.join(" | "));
    };
    row("files, MB", &|r| megabytes(&r["file_bytes"]));
    row("weights and caches on the device, MB", &|r| megabytes(&r["device_bytes"]));
    row("all buffers of the device at their most, MB", &|r| megabytes(&r["buffers_peak_bytes"]));
    row("largest buffer, MB", &|r| megabytes(&r["largest_buffer_bytes"]));
    row("worker's memory after loading, MB", &|r| megabytes(&r["worker_loaded_bytes"]));
    row("worker's memory at its most, MB", &|r| megabytes(&r["worker_peak_bytes"]));
    row("renderer process, most resident, MB", &|r| megabytes(&r["renderer_peak_bytes"]));
    row("GPU process, most resident, MB", &|r| megabytes(&r["gpu_process_peak_bytes"]));
    row("loading, s", &|r| seconds(&r["load_ms"]));
    row("indexing, s", &|r| seconds(&r["index_ms"]));
    for (lane, name) in [("base", "base"), ("full_rag", "full RAG")] {
        row(&format!("first token, {name}, s"), &|r| seconds(&r["lanes"][lane]["ttft"]["total_ms"]));
        row(&format!("prompt tokens, {name}"), &|r| number(&r["lanes"][lane]["prompt_tokens"], 1.0, 0));
        row(&format!("tokens/s, {name}"), &|r| number(&r["lanes"][lane]["decode_tokens_per_s"], 1.0, 2));
    }
    row("failed", &|r| {
        r["failed"].as_str().map_or("–".into(), |text| text.lines().next().unwrap_or("").into())
    });
    table
}

fn megabytes(value: &Value) -> String {
    number(value, 1e6, 0)
}

fn seconds(value: &Value) -> String {
    number(value, 1e3, 1)
}

fn number(value: &Value, unit: f64, places: usize) -> String {
    value.as_f64().map_or("–".into(), |value| format!("{:.places$}", value / unit))
}
