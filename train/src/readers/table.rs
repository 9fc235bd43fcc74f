//! The readers as tables.

use std::fmt::Write as _;

use llavacode_core::metrics::Interval;

use super::{
    summary::{LaneSummary, ReadersReport},
    tasks::Set,
};

/// Lanes of the table of readers. An evaluation holds more of them, which a bundle's own table has.
pub fn plain_lanes(mut report: ReadersReport) -> ReadersReport {
    let plain = |name: &str| SHORT.iter().any(|(short, _)| name == *short) || is_unhealed(name);
    keep_lanes(&mut report, plain);
    report
}

/// The table of all of one bundle's lanes; token healing is a matter of the table of readers.
pub fn of_lanes(report: &ReadersReport) -> String {
    let mut report = report.clone();
    keep_lanes(&mut report, |name| !is_unhealed(name));
    markdown(&report)
}

fn is_unhealed(lane: &str) -> bool {
    lane.ends_with(".unhealed")
}

fn keep_lanes(report: &mut ReadersReport, keep: impl Fn(&str) -> bool) {
    for set in report.values_mut().flat_map(|sets| sets.values_mut()) {
        set.lanes.retain(|name, _| keep(name));
    }
}

/// The table of these lanes, in Markdown.
pub fn markdown(report: &ReadersReport) -> String {
    let mut text = String::new();
    for set in Set::ALL {
        let of_set: Vec<_> = report
            .iter()
            .filter_map(|(reader, sets)| sets.get(set.name()).map(|found| (reader, found)))
            .collect();
        let Some((_, first)) = of_set.first() else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        let counts: Vec<String> =
            of_set.iter().map(|(reader, found)| format!("{reader} {}", found.tasks)).collect();
        let tasks = if of_set.iter().all(|(_, found)| found.tasks == first.tasks) {
            format!("{} tasks", first.tasks)
        } else {
            format!("Tasks ({})", counts.join(", "))
        };
        let _ = match set {
            Set::Any => writeln!(
                text,
                "{tasks}, any lines, in {} of them the cursor stands inside the line. Differences are against the reader's own `base`, with 95 % paired bootstrap intervals.\n",
                first.inside_a_line
            ),
            Set::CrossFile => writeln!(
                text,
                "{tasks}, lines that need a name which a retrieved chunk has and which stands nowhere around the cursor:\n"
            ),
        };
        text.push_str(
            "| reader | lane | exact match, % | edit similarity, % | nats a character | positions | Δ exact match | Δ edit similarity | Δ nats a character |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for (reader, found) in &of_set {
            for (name, lane) in &found.lanes {
                push_row(&mut text, reader, name, lane);
            }
        }
        for (name, lane) in of_set.iter().flat_map(|(_, found)| &found.lanes) {
            let Some(d) = &lane.against_control else { continue };
            let _ = writeln!(
                text,
                "\n{} against its control, the same mean vector everywhere: exact match {}, edit similarity {}, nats a character {}.",
                title(name),
                interval(d.exact_match, 1),
                interval(d.edit_similarity, 1),
                interval(d.cross_entropy_per_character, 3),
            );
        }
    }
    text
}

/// The lanes of the short table, and what the prompt has of the chunks in each.
const SHORT: [(&str, &str); 3] =
    [("base", "none"), ("excerpt", "an excerpt of the chunks"), ("full_rag", "the chunks' text")];

/// What text gains each reader, in Markdown: for who reads one table only.
pub fn short(report: &ReadersReport) -> String {
    let mut text = String::from("| reader | context |");
    for set in Set::ALL {
        let tasks: Vec<usize> =
            report.values().filter_map(|sets| Some(sets.get(set.name())?.tasks)).collect();
        let (least, most) = (tasks.iter().min(), tasks.iter().max());
        let tasks = match (least, most) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (least, _) => least.copied().unwrap_or_default().to_string(),
        };
        let _ = match set {
            Set::Any => write!(text, " any lines ({tasks}) |"),
            Set::CrossFile => write!(text, " lines that need a name only a chunk has ({tasks}) |"),
        };
    }
    text.push_str(" prompt, tokens |\n|---|---|--:|--:|--:|\n");
    for (reader, sets) in report {
        for (lane, context) in SHORT {
            let found = Set::ALL.map(|set| sets.get(set.name()).and_then(|found| found.lanes.get(lane)));
            if found.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(text, "| {reader} | {context} |");
            for summary in found {
                let _ = match summary {
                    None => write!(text, " – |"),
                    Some(LaneSummary { exact_match, against_base: None, .. }) => {
                        write!(text, " {exact_match:.1} |")
                    }
                    Some(LaneSummary { exact_match, against_base: Some(d), .. }) => {
                        let Interval { low, high, .. } = d.exact_match;
                        write!(text, " {exact_match:.1} ({low:+.1} … {high:+.1}) |")
                    }
                };
            }
            let positions = found[0].or(found[1]).map_or(0.0, |summary| summary.positions);
            let _ = writeln!(text, " {positions:.0} |");
        }
    }
    text
}

fn push_row(text: &mut String, reader: &str, name: &str, lane: &LaneSummary) {
    let [exact, similar, nats] = match &lane.against_base {
        Some(d) => [
            interval(d.exact_match, 1),
            interval(d.edit_similarity, 1),
            interval(d.cross_entropy_per_character, 3),
        ],
        None => ["–", "–", "–"].map(String::from),
    };
    let _ = writeln!(
        text,
        "| {reader} | {} | {:.1} | {:.1} | {:.3} | {:.0} | {exact} | {similar} | {nats} |",
        title(name),
        lane.exact_match,
        lane.edit_similarity,
        lane.cross_entropy_per_character,
        lane.positions,
    );
}

/// `full_rag.unhealed` or `excerpt.reread_64` as a person says it.
pub(crate) fn title(name: &str) -> String {
    let (lane, variant) = name.split_once('.').unwrap_or((name, ""));
    let (kind, number) = match lane.rsplit_once('_') {
        Some((kind @ ("compressed" | "control_mean" | "control_other"), number)) => (kind, number),
        _ => (lane, ""),
    };
    let lane = match kind {
        "full_rag" => "full RAG",
        "full_rag_128" => "full RAG, 128 tokens of text",
        "full_rag_64" => "full RAG, 64 tokens of text",
        "digest" => "digest, 128 tokens",
        "excerpt" => "excerpt, 64 tokens",
        "excerpt_128" => "excerpt, 128 tokens",
        "xrag" => "xRAG",
        "control_mean" => "control: the mean vector",
        "control_other" => "control: another package's chunks",
        other => other,
    };
    let lane = if number.is_empty() { lane.into() } else { format!("{lane}, {number} a chunk") };
    match variant {
        "" => lane,
        _ if let Some(reread) = variant.strip_prefix("reread_") => {
            format!("{lane}, the last {reread} positions read anew, the text further up moved")
        }
        _ => format!("{lane}, token healing off"),
    }
}

fn interval(Interval { difference, low, high }: Interval, digits: usize) -> String {
    format!("{difference:+.digits$} ({low:+.digits$} … {high:+.digits$})")
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    /// What stands between a document's marks of this name.
    fn between<'a>(document: &'a str, name: &str) -> &'a str {
        let (_, rest) = document.split_once(&format!("<!-- {name}:begin -->\n")).unwrap();
        rest.split_once(&format!("<!-- {name}:end -->")).unwrap().0
    }

    #[test]
    fn the_documents_say_what_the_evaluation_holds() {
        let all = document::readers_of(include_str!("../../../docs/evaluation.json")).unwrap();
        let report = plain_lanes(all.clone());
        let (readme, measurements) =
            (include_str!("../../../README.md"), include_str!("../../../docs/measurements.md"));
        assert_eq!(between(readme, "readers-short"), short(&report));
        assert_eq!(between(measurements, "readers"), markdown(&report));
        for (reader, sets) in all {
            let own = ReadersReport::from([(reader.clone(), sets)]);
            assert_eq!(between(measurements, &format!("lanes-{reader}")), of_lanes(&own));
        }
    }
}
