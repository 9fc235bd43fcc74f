//! What an earlier run measured of other models: it stays in the report.

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::{Circumstances, Engine, Report, Run};

/// The models of a report that was written before, all but those of `measured`; none where it was measured in
/// another browser, whose figures do not stand beside these.
///
/// # Errors
/// If it is no such report.
pub(super) fn kept(json: &Value, now: &Circumstances, measured: &[&str]) -> Result<Vec<Report>> {
    let mut reports: Vec<Report> = Vec::new();
    if json["browser"].as_str() != Some(&now.browser) {
        return Ok(reports);
    }
    for run in json["runs"].as_array().context("the report before has no runs")? {
        let key = text(run, "key")?;
        if measured.contains(&key.as_str()) {
            continue;
        }
        let at = match reports.iter().position(|report| report.key == key) {
            Some(at) => at,
            None => {
                let model_bytes = number(run, "model_bytes")? as u64;
                reports.push(Report::new(&key, text(run, "model")?, model_bytes, Vec::new()));
                reports.len() - 1
            }
        };
        let report = &mut reports[at];
        let name = text(run, "name")?;
        if report.engines.iter().all(|engine| engine.name != name) {
            report.engines.push(Engine {
                name: name.clone(),
                project: text(run, "engine")?,
                version: text(run, "version")?,
                device: text(run, "device")?,
                threads: number(run, "threads")? as u64,
                load_ms: number(run, "load_ms")?,
                program_bytes: number(run, "downloaded_bytes")? as u64 - report.model_bytes,
                memory_bytes: run["memory_bytes"].as_u64(),
            });
        }
        report.runs.push(Run {
            engine: name,
            wanted_tokens: number(run, "wanted_tokens")? as usize,
            prompt_tokens: number(run, "prompt_tokens")?,
            new_tokens: number(run, "new_tokens")?,
            ttft_ms: number(run, "ttft_ms")?,
            prefill_tokens_per_s: number(run, "prefill_tokens_per_s")?,
            decode_tokens_per_s: run["decode_tokens_per_s"].as_f64(),
            text: text(run, "text")?,
        });
    }
    Ok(reports)
}

fn text(run: &Value, field: &str) -> Result<String> {
    let text = run[field].as_str().map(str::to_owned);
    text.with_context(|| format!("a run of the report before has no {field}: measure all models again"))
}

fn number(run: &Value, field: &str) -> Result<f64> {
    let number = run[field].as_f64();
    number.with_context(|| format!("a run of the report before has no {field}: measure all models again"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::report;
    use super::*;

    #[test]
    fn a_report_read_again_says_the_same() {
        let now = Circumstances { browser: "chrome 1".into(), ..Circumstances::default() };
        let reports = ["small", "large"].map(|key| {
            let engines = ["llavacode", "wllama"].map(|project| {
                let loaded = json!({ "version": "1", "backend": "cpu", "threads": 1, "loadMs": 7.0 });
                Engine::new(format!("{project}, 1 thread"), project, loaded, 2_000_000, None)
                    .expect("an engine")
            });
            let mut report = Report::new(key, format!("The {key} model"), 1_000_000, engines.to_vec());
            for (name, new_tokens) in [("llavacode, 1 thread", 1), ("wllama, 1 thread", 33)] {
                let done = json!({
                    "promptTokens": 100, "newTokens": new_tokens, "ttftMs": 10.0, "prefillMs": 9.0,
                    "decodeMs": if new_tokens == 1 { Value::Null } else { json!(320.0) }, "text": "x",
                });
                report.runs.push(Run::new(name, 128, &done).expect("a run"));
            }
            report
        });
        let written = report::json(&now, &reports);
        assert_eq!(written["runs"][0]["decode_tokens_per_s"], Value::Null);
        assert!(written["ratios"]["wllama"]["cpu"]["decode"].is_null(), "one of the two has no such figure");
        let again = kept(&written, &now, &[]).expect("a report");
        assert_eq!(report::json(&now, &again), written);
        assert_eq!(report::markdown(&now, &again), report::markdown(&now, &reports));
        let keys = |measured: &[&str], browser: &str| {
            let now = Circumstances { browser: browser.into(), ..Circumstances::default() };
            kept(&written, &now, measured).expect("a report").into_iter().map(|r| r.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&["small"], "chrome 1"), ["large"]);
        assert!(keys(&[], "chrome 2").is_empty());
        assert!(kept(&json!({ "browser": "chrome 1", "runs": [{}] }), &now, &[]).is_err());
    }
}
