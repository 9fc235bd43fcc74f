//! An evaluation as a table and a plot.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, ops::Range, path::Path};

use anyhow::{Result, anyhow};
use llavacode_core::metrics::Interval;
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

use crate::{
    evaluate::{LaneReport, Report},
    readers::{LaneSummary, ReadersReport, Set, table},
};

/// The table of lanes, in Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "{} tasks from packages not trained on, {} of them inside a line. Differences are against `base`, in percent points and in nats a token (the mean over the tasks), with 95 % paired bootstrap intervals.\n\n",
        report.tasks, report.inside_a_line
    );
    push_lanes(&mut text, &in_order(&report.lanes));
    if report.needing_context > 0 {
        let _ = write!(
            text,
            "\nOn {} tasks, from the same packages, that need a name which a retrieved chunk has and which stands nowhere around the cursor:\n\n",
            report.needing_context
        );
        push_lanes(&mut text, &in_order(&report.lanes_needing_context));
    }
    text.push_str(
        "\nAny lines, with the reader's weights as the page holds them (4-bit, the head 8-bit):\n\n",
    );
    push_lanes(&mut text, &in_order(&report.quantized));
    if !report.quantized_needing_context.is_empty() {
        text.push_str("\nLines that need such a name, with the same weights:\n\n");
        push_lanes(&mut text, &in_order(&report.quantized_needing_context));
    }
    if report.retrieval.is_empty() {
        return text;
    }
    let _ = write!(text, "\nOther rankers on {} tasks (no retrieval: `base`):\n\n", report.retrieval_tasks);
    text.push_str(
        "| ranker | lane | exact match, % | edit similarity, % | cross-entropy |\n|---|---|--:|--:|--:|\n",
    );
    for (name, lane) in &report.retrieval {
        let Some((ranker, name)) = name.split_once('.') else { continue };
        if name != "base" || ranker == "bm25" {
            let ranker = if name == "base" { "none" } else { ranker };
            let _ = writeln!(
                text,
                "| {ranker} | {} | {:.2} | {:.2} | {:.3} |",
                title(name),
                lane.exact_match,
                lane.edit_similarity,
                lane.cross_entropy
            );
        }
    }
    text
}

/// Lanes with their differences against `base`.
fn push_lanes(text: &mut String, lanes: &[(&String, &LaneReport)]) {
    text.push_str(
        "| lane | exact match, % | edit similarity, % | cross-entropy | prompt tokens | Δ exact match | Δ edit similarity | Δ cross-entropy |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, lane) in lanes {
        let delta = |pick: fn(&crate::evaluate::Differences) -> Interval| {
            lane.against_base.as_ref().map_or_else(|| "–".into(), |d| interval(pick(d), 2))
        };
        let nats = lane.against_base.as_ref().map_or_else(|| "–".into(), |d| interval(d.cross_entropy, 4));
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.3} | {:.0} | {} | {} | {nats} |",
            title(name),
            lane.exact_match,
            lane.edit_similarity,
            lane.cross_entropy,
            lane.prompt_tokens,
            delta(|d| d.exact_match),
            delta(|d| d.edit_similarity),
        );
    }
    let mut separator = "\n";
    for (name, lane) in lanes {
        let Some(d) = &lane.against_control else { continue };
        let _ = writeln!(
            text,
            "{separator}- {} against the control: exact match {}, edit similarity {}, cross-entropy {}.",
            title(name),
            interval(d.exact_match, 2),
            interval(d.edit_similarity, 2),
            interval(d.cross_entropy, 4),
        );
        separator = "";
    }
}

/// Lanes as a person compares them.
fn in_order(lanes: &BTreeMap<String, LaneReport>) -> Vec<(&String, &LaneReport)> {
    let rank = |name: &str| {
        let known = ["base", "full_rag", "compressed", "xrag", "control", "bags"];
        // Ablations stand behind them.
        known.iter().position(|lane| name.starts_with(lane)).unwrap_or(known.len())
    };
    let mut lanes: Vec<_> = lanes.iter().collect();
    lanes.sort_by_key(|(name, _)| {
        (name.split_once('.').map(|(_, placement)| placement.to_owned()), rank(name))
    });
    lanes
}

/// `compressed.after_suffix` as a person says it.
pub fn title(name: &str) -> String {
    let (lane, placement) = name.split_once('.').unwrap_or((name, ""));
    let lane = match lane {
        "full_rag" => "full RAG",
        "control" => "control: the mean vector",
        "xrag" => "xRAG",
        "bags" => "bags: no encoder",
        other => &other.replace('-', " "),
    };
    match placement {
        "" => lane.into(),
        "before_prefix" => format!("{lane}, before the prefix"),
        _ => format!("{lane}, after the suffix"),
    }
}

fn interval(Interval { difference, low, high }: Interval, digits: usize) -> String {
    format!("{difference:+.digits$} ({low:+.digits$} … {high:+.digits$})")
}

/// A lane's name and its differences against base: exact match, edit similarity.
type Row = (String, Interval, Interval);

/// Differences against base with their intervals, as an SVG: a panel for each set of tasks, all on one
/// scale.
///
/// # Errors
/// If the file cannot be written.
pub fn plot(report: &Report, path: &Path) -> Result<()> {
    let sets = [
        (format!("{} lines, any", report.tasks), &report.lanes),
        (
            format!("{} lines that need a name only a chunk has", report.needing_context),
            &report.lanes_needing_context,
        ),
    ];
    plot_panels(sets.map(|(caption, lanes)| (caption, differences(lanes))).into(), path)
}

/// The readers' lanes, each against its reader's `base`, as an SVG.
///
/// # Errors
/// If the file cannot be written.
pub fn plot_readers(report: &ReadersReport, path: &Path) -> Result<()> {
    let sets = [(Set::Any, "any lines"), (Set::CrossFile, "lines that need a name only a chunk has")];
    let panel = |(set, what): (Set, &str)| {
        let of_set = report.iter().filter_map(|(reader, sets)| Some((reader, sets.get(set.name())?)));
        let rows = of_set.flat_map(|(reader, found)| {
            found.lanes.iter().filter_map(move |(name, lane)| {
                let d = lane.against_base.as_ref()?;
                Some((format!("{reader}, {}", table::title(name)), d.exact_match, d.edit_similarity))
            })
        });
        (what.to_owned(), rows.collect())
    };
    plot_panels(sets.map(panel).into(), path)
}

/// Most pixels of a letter of names, on average.
const LETTER_WIDTH: u32 = 6;

/// A lane's name, its positions beyond base's, and what it keeps of full RAG's gain in exact match and in
/// edit similarity, in percent.
type Kept = (String, f64, f64, f64);

/// What a bundle's lanes keep of full RAG's gain, against the positions they take, as an SVG: a point a
/// lane, on lines that need a name only a chunk has.
///
/// # Errors
/// If the file cannot be written.
pub fn plot_kept(report: &ReadersReport, path: &Path) -> Result<()> {
    let found = report.values().find_map(|sets| sets.get(Set::CrossFile.name()));
    let rows: Vec<Kept> = found.map(|found| kept(&found.lanes)).unwrap_or_default();
    let most = rows.iter().map(|row| row.1).fold(64.0, f64::max);
    let shares = || rows.iter().flat_map(|row| [row.2, row.3]);
    let (low, high) = (shares().fold(-10.0, f64::min), shares().fold(110.0, f64::max));
    let draw = || -> Result<(), Box<dyn Error + '_>> {
        let area = SVGBackend::new(path, (820, 560)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("what is kept of full RAG's gain, by the positions it takes", ("sans-serif", 15))
            .margin(12)
            .set_label_area_size(LabelAreaPosition::Left, 60)
            .set_label_area_size(LabelAreaPosition::Bottom, 40)
            .build_cartesian_2d(-0.04 * most..1.3 * most, low - 10.0..high + 10.0)?;
        let mesh = &mut chart.configure_mesh();
        mesh.x_desc("positions of the prompt beyond base's").y_desc("kept of full RAG's gain, %");
        let whole = |number: &f64| format!("{number:.0}");
        mesh.max_light_lines(0).x_label_formatter(&whole).y_label_formatter(&whole).draw()?;
        chart.draw_series(LineSeries::new([(-0.04 * most, 0.0), (1.3 * most, 0.0)], BLACK.mix(0.5)))?;
        for (index, (color, label)) in METRICS.into_iter().enumerate() {
            let points = rows.iter().map(|row| (row.1, if index == 0 { row.2 } else { row.3 }));
            let circles = points.map(|point| Circle::new(point, 5, color.filled()));
            let series = chart.draw_series(circles)?;
            series.label(label).legend(move |(x, y)| Circle::new((x + 8, y), 5, color.filled()));
        }
        let points = |of: fn(&Kept) -> f64| rows.iter().map(move |row| (row.1, of(row)));
        let on_paper = |point| chart.backend_coord(&point);
        let circles: Vec<_> = points(|row| row.2).chain(points(|row| row.3)).map(on_paper).collect();
        let names: Vec<_> = rows.iter().map(|row| row.0.as_str()).collect();
        let beside = beside(&names, &circles);
        chart.draw_series(rows.iter().zip(beside).map(|((name, x, exact, _), beside)| {
            EmptyElement::at((*x, *exact)) + Text::new(name.clone(), beside, ("sans-serif", 12))
        }))?;
        draw_legend(&mut chart)?;
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| anyhow!("{} cannot be drawn: {error}", path.display()))
}

/// Where each name stands from its circle, the first ones of `circles`: right of it, as near to its height
/// as it meets no other name and no circle. All in pixels.
fn beside(names: &[&str], circles: &[(i32, i32)]) -> Vec<(i32, i32)> {
    const LETTER: (i32, i32) = (LETTER_WIDTH as i32, 12);
    let mut taken: Vec<[i32; 4]> = circles.iter().map(|(x, y)| [x - 6, y - 6, x + 6, y + 6]).collect();
    let place = |(name, (x, y)): (&&str, &(i32, i32))| {
        let width = LETTER.0 * name.chars().count() as i32;
        let places = [-6, 6, -18, 18, -30, 30, -42, 42].map(|down| (9, down));
        let box_at =
            |(right, down): (i32, i32)| [x + right, y + down, x + right + width, y + down + LETTER.1];
        let is_free = |at: &(i32, i32)| {
            let [left, top, right, bottom] = box_at(*at);
            taken
                .iter()
                .all(|other| right <= other[0] || other[2] <= left || bottom <= other[1] || other[3] <= top)
        };
        let free = places.into_iter().find(is_free).unwrap_or(places[0]);
        taken.push(box_at(free));
        free
    };
    names.iter().zip(circles).map(place).collect()
}

fn kept(lanes: &BTreeMap<String, LaneSummary>) -> Vec<Kept> {
    let (Some(base), Some(full)) = (lanes.get("base"), lanes.get("full_rag")) else { return Vec::new() };
    let share = |of: fn(&LaneSummary) -> f64, lane: &LaneSummary| {
        let whole = of(full) - of(base);
        if whole == 0.0 { 0.0 } else { 100.0 * (of(lane) - of(base)) / whole }
    };
    let row = |(name, lane): (&String, &LaneSummary)| {
        let exact = share(|lane| lane.exact_match, lane);
        let similarity = share(|lane| lane.edit_similarity, lane);
        (table::title(name), lane.positions - base.positions, exact, similarity)
    };
    // Variants would stand on their lanes.
    lanes.iter().filter(|(name, _)| !name.contains('.') && *name != "base").map(row).collect()
}

fn plot_panels(panels: Vec<(String, Vec<Row>)>, path: &Path) -> Result<()> {
    const ROW: u32 = 44;
    const AROUND: u32 = 100;
    const CHART: u32 = 580;
    let panels: Vec<_> = panels.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
    let intervals = panels.iter().flat_map(|(_, rows)| rows).flat_map(|(_, em, es)| [em, es]);
    let ends = intervals.flat_map(|interval| [interval.low, interval.high]);
    let (low, high) = ends.fold((-0.5f64, 0.5f64), |(low, high), end| (low.min(end), high.max(end)));
    // Room for the legend, right of every interval.
    let range = low - 0.06 * (high - low)..high + 0.4 * (high - low);
    let names = panels.iter().flat_map(|(_, rows)| rows).map(|(name, ..)| name.chars().count() as u32);
    let names = 20 + LETTER_WIDTH * names.max().unwrap_or_default();
    let height = |rows: &[Row]| AROUND + ROW * rows.len() as u32;
    let whole = panels.iter().map(|(_, rows)| height(rows)).sum::<u32>().max(AROUND);

    let draw = || -> Result<(), Box<dyn Error + '_>> {
        let mut rest = SVGBackend::new(path, (CHART + names, whole)).into_drawing_area();
        rest.fill(&WHITE)?;
        for (caption, rows) in &panels {
            let (area, below) = rest.split_vertically(height(rows));
            panel(&area, caption, rows, (range.clone(), names))?;
            rest = below;
        }
        rest.present()?;
        Ok(())
    };
    draw().map_err(|error| anyhow!("{} cannot be drawn: {error}", path.display()))
}

fn differences(lanes: &BTreeMap<String, LaneReport>) -> Vec<Row> {
    let row = |(name, lane): (&String, &LaneReport)| {
        let d = lane.against_base.as_ref()?;
        Some((title(name), d.exact_match, d.edit_similarity))
    };
    in_order(lanes).into_iter().filter_map(row).collect()
}

fn panel<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    caption: &str,
    rows: &[Row],
    (range, names): (Range<f64>, u32),
) -> Result<(), Box<dyn Error + 'a>> {
    let count = rows.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, names)
        .set_label_area_size(LabelAreaPosition::Bottom, 40)
        .build_cartesian_2d(range, 0.0..count)?;
    let name_at = |y: &f64| {
        let from_top = (count - y).floor();
        let middle = (y.fract() - 0.5).abs() < 0.01;
        let row = if middle { rows.get(from_top as usize) } else { None };
        row.map_or(String::new(), |(name, ..)| name.clone())
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .max_light_lines(0)
        .y_labels(4 * rows.len().max(1))
        .y_label_formatter(&name_at)
        .x_desc("percent points against base, 95 % interval")
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, count)], BLACK))?;
    for (index, (color, label)) in METRICS.into_iter().enumerate() {
        let bars = rows.iter().enumerate().flat_map(|(row, (_, em, es))| {
            let found = if index == 0 { em } else { es };
            let y = count - row as f64 - 0.36 - 0.28 * index as f64;
            let line = PathElement::new(vec![(found.low, y), (found.high, y)], color.stroke_width(3));
            [line.into_dyn(), Circle::new((found.difference, y), 5, color.filled()).into_dyn()]
        });
        let series = chart.draw_series(bars)?;
        series.label(label).legend(move |(x, y)| Circle::new((x + 8, y), 5, color.filled()));
    }
    draw_legend(&mut chart)
}

/// A chart of numbers.
type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Exact match and edit similarity, in every plot.
const METRICS: [(RGBColor, &str); 2] =
    [(RGBColor(31, 111, 235), "exact match"), (RGBColor(207, 92, 0), "edit similarity")];

/// Says which colour is what.
fn draw_legend<'a>(chart: &mut Chart<'a, 'a>) -> Result<(), Box<dyn Error + 'a>> {
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .position(SeriesLabelPosition::LowerRight)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_keep_shares_of_full_rags_gain() {
        let lane = |exact: f64, similarity: f64, positions: f64| LaneSummary {
            exact_match: exact,
            edit_similarity: similarity,
            cross_entropy: 0.0,
            cross_entropy_per_character: 0.0,
            positions,
            against_base: None,
            against_control: None,
        };
        let lanes = BTreeMap::from([
            ("base".to_owned(), lane(4.0, 30.0, 300.0)),
            ("full_rag".to_owned(), lane(24.0, 50.0, 800.0)),
            ("compressed".to_owned(), lane(9.0, 28.0, 364.0)),
            ("excerpt.reread_64".to_owned(), lane(24.0, 50.0, 800.0)),
        ]);
        let found = kept(&lanes);
        let names: Vec<&str> = found.iter().map(|row| row.0.as_str()).collect();
        assert_eq!(names, ["compressed", "full RAG"]);
        let (_, positions, exact, similarity) = found[0];
        assert!((exact - 25.0).abs() < 1e-9 && (similarity + 10.0).abs() < 1e-9 && positions == 64.0);
        assert!((found[1].2 - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_name_stands_where_no_other_name_and_no_circle_is() {
        assert_eq!(beside(&["alone"], &[(100, 100)]), [(9, -6)]);
        // The second circle stands where the first name would; nothing is in the second name's way.
        let found = beside(&["a long name", "another"], &[(100, 100), (140, 100)]);
        assert_eq!(found, [(9, 6), (9, -6)]);
    }
}
