//! The figures that the repository keeps of the page: those of a report, and beside them what other
//! commands and other devices gave.

use serde_json::{Map, Value, json};

/// What `stores` writes into an index's figures.
pub(super) const SEARCHING: [&str; 2] = ["search_ms", "recall_at_5"];

/// A report without the tasks' texts, with the rates at which other devices index, and with what
/// searching the index takes, as `kept` has them.
pub(super) fn with_kept(mut report: Map<String, Value>, kept: &Value, device: &str) -> Value {
    report.remove("results");
    let rate = report.get("index").map_or(Value::Null, |index| index["chunks_per_s"].clone());
    let mut rates = kept["index"]["chunks_per_s"].as_object().cloned().unwrap_or_default();
    rates.insert(device.to_owned(), rate);
    let mut report = json!(report);
    report["index"]["chunks_per_s"] = json!(rates);
    for name in SEARCHING {
        if let Some(figures) = kept["index"].get(name) {
            report["index"][name] = figures.clone();
        }
    }
    report
}

/// What searching takes by the number of chunks and the ranker, and what comparing embeddings finds of brute
/// force, as a table; nothing where that was not measured.
pub(super) fn searching(figures: &Value) -> String {
    let index = &figures["index"];
    let Some(sizes) = index["search_ms"].as_object().filter(|sizes| !sizes.is_empty()) else {
        return String::new();
    };
    let mut sizes: Vec<(&String, &Value)> = sizes.iter().collect();
    let chunks = |size: &str| size.trim_end_matches('k').parse::<f64>().unwrap_or_default();
    sizes.sort_by(|(a, _), (b, _)| chunks(a).total_cmp(&chunks(b)));
    let rankers = ["jaccard", "bm25", "dense", "dense_webgpu", "hybrid"];
    let mut text = format!(
        "\n| chunks | {} | recall@5 of dense |\n|--:|{}--:|\n",
        rankers.map(|ranker| format!("{}, ms", ranker.replace('_', " by "))).join(" | "),
        "--:|".repeat(rankers.len())
    );
    for (size, ms) in sizes {
        let cells = rankers.map(|ranker| ms[ranker].as_f64().map_or("–".into(), |ms| format!("{ms:.2}")));
        let recall = index["recall_at_5"][size]["dense"].as_f64();
        let recall = recall.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
        text += &format!("| {size} | {} | {recall} |\n", cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stand_in_their_order() {
        assert_eq!(searching(&json!({ "index": {} })), "");
        let figures = json!({ "index": {
            "search_ms": { "100k": { "dense": 32.4 }, "10k": { "dense": 2.89 }, "1k": { "jaccard": 0.05 } },
            "recall_at_5": { "100k": { "dense": 0.988 } },
        } });
        let table = searching(&figures);
        let rows: Vec<&str> = table.lines().skip(3).collect();
        assert_eq!(
            rows,
            [
                "| 1k | 0.05 | – | – | – | – | – |",
                "| 10k | – | – | 2.89 | – | – | – |",
                "| 100k | – | – | 32.40 | – | – | 98.8 % |",
            ]
        );
    }

    #[test]
    fn what_others_measured_stays() {
        let report = |rate: f64| {
            let report = json!({ "results": ["a text"], "index": { "chunks": 4, "chunks_per_s": rate } });
            report.as_object().cloned().expect("an object")
        };
        let first = with_kept(report(30.5), &Value::Null, "cpu");
        assert_eq!(first, json!({ "index": { "chunks": 4, "chunks_per_s": { "cpu": 30.5 } } }));

        let mut kept = first;
        kept["index"]["search_ms"] = json!({ "1k": { "dense": 0.5 } });
        kept["index"]["recall_at_5"] = json!({ "1k": { "dense": 0.99 } });
        assert_eq!(
            with_kept(report(2.0), &kept, "webgpu")["index"],
            json!({
                "chunks": 4,
                "chunks_per_s": { "cpu": 30.5, "webgpu": 2.0 },
                "search_ms": { "1k": { "dense": 0.5 } },
                "recall_at_5": { "1k": { "dense": 0.99 } },
            })
        );
    }
}
