//! The figures that the repository keeps of the page: those of a report, and beside them what other
//! commands and other devices gave.

use serde_json::{Map, Value, json};

/// A report without the tasks' texts, with the rates at which other devices index, and with what
/// searching the index takes, as `kept` has them.
pub(super) fn with_kept(mut report: Map<String, Value>, kept: &Value, device: &str) -> Value {
    report.remove("results");
    let rate = report.get("index").map_or(Value::Null, |index| index["chunks_per_s"].clone());
    let mut rates = kept["index"]["chunks_per_s"].as_object().cloned().unwrap_or_default();
    rates.insert(device.to_owned(), rate);
    let mut report = json!(report);
    report["index"]["chunks_per_s"] = json!(rates);
    if let Some(search_ms) = kept["index"].get("search_ms") {
        report["index"]["search_ms"] = search_ms.clone();
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            with_kept(report(2.0), &kept, "webgpu")["index"],
            json!({
                "chunks": 4,
                "chunks_per_s": { "cpu": 30.5, "webgpu": 2.0 },
                "search_ms": { "1k": { "dense": 0.5 } },
            })
        );
    }
}
