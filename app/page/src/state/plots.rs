//! Plots of a measurement: what each lane gives, and the time it takes for it.

use std::io;

use llavacode_api::{
    completion::Lane,
    report::{LaneResult, TaskResult},
};
use plotters::{coord::Shift, prelude::*};
use plotters_backend::{self as backend, BackendColor, BackendCoord, DrawingErrorKind};

use super::lanes::title;

/// Width and height, about those of the panel: the page scales it.
const SIZE: (u32, u32) = (420, 230);
/// Width of the list of lanes, on the right.
const LEGEND: u32 = 100;
const FONT: (&str, u32) = ("sans-serif", 14);

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub caption: &'static str,
    /// How to read it.
    pub hint: &'static str,
    /// An SVG element. Its texts and axes are black: the page's style gives them their colours.
    pub svg: String,
}

/// What a lane did in each task.
struct OfLane {
    lane: Lane,
    /// Cold times to first token, in milliseconds, sorted.
    ttft_ms: Vec<f64>,
    /// Edit similarities, percent.
    similarity: Vec<f64>,
}

/// The plots of some tasks' results; none of fewer than two tasks, which show no spread.
pub fn plots<'a>(results: impl Iterator<Item = &'a TaskResult> + Clone) -> Vec<Plot> {
    let of_lane = |lane: Lane| {
        let found: Vec<&LaneResult> =
            results.clone().filter_map(|result| result.lanes.get(lane.key())).collect();
        let mut ttft_ms: Vec<f64> = found.iter().map(|result| result.ttft_cold_ms).collect();
        ttft_ms.sort_by(f64::total_cmp);
        let similarity = found.iter().map(|result| result.edit_similarity).collect();
        (found.len() > 1).then_some(OfLane { lane, ttft_ms, similarity })
    };
    let lanes: Vec<OfLane> = Lane::ALL.into_iter().filter_map(of_lane).collect();
    if lanes.is_empty() {
        return Vec::new();
    }
    let trade_off = draw(&lanes, |area| trade_off(area, &lanes)).map(|svg| Plot {
        caption: "What a lane gives for its time",
        hint: "Further up is better, further left is faster. Lines: 95 % interval of the mean edit similarity, \
               middle half of the times.",
        svg,
    });
    let waiting = draw(&lanes, |area| waiting(area, &lanes)).map(|svg| Plot {
        caption: "How long one waits",
        hint: "The share of lines whose first token was there after so many milliseconds, from an empty KV \
               cache.",
        svg,
    });
    trade_off.into_iter().chain(waiting).collect()
}

/// Edit similarity against time to first token, a point a lane.
fn trade_off(area: &Area<'_>, lanes: &[OfLane]) -> Result<(), Fault> {
    let points: Vec<_> = lanes.iter().map(|lane| (lane, mean_and_interval(&lane.similarity))).collect();
    let low = points.iter().map(|(_, [_, low, _])| *low).fold(100.0, f64::min);
    let high = points.iter().map(|(_, [.., high])| *high).fold(0.0, f64::max);
    let longest = lanes.iter().map(|lane| quantile(&lane.ttft_ms, 0.75)).fold(1.0, f64::max);
    let mut chart =
        chart(area, longest, (low - 3.0).max(0.0)..(high + 3.0).min(100.0), "edit similarity, %")?;
    for (OfLane { lane, ttft_ms, .. }, [mean, low, high]) in points {
        let color = color(lane);
        let [first, median, third] = [0.25, 0.5, 0.75].map(|share| quantile(ttft_ms, share));
        let line = |from, to| PathElement::new(vec![from, to], color.stroke_width(2));
        chart.draw_series([line((median, low), (median, high)), line((first, mean), (third, mean))])?;
        chart.draw_series([Circle::new((median, mean), 5, color.filled())])?;
    }
    Ok(())
}

/// The share of tasks whose first token was there by a time, a line a lane.
fn waiting(area: &Area<'_>, lanes: &[OfLane]) -> Result<(), Fault> {
    let longest = lanes.iter().filter_map(|lane| lane.ttft_ms.last().copied()).fold(1.0, f64::max);
    let mut chart = chart(area, longest, 0.0..100.0, "lines, %")?;
    for OfLane { lane, ttft_ms, .. } in lanes {
        let share = |tasks: usize| 100.0 * tasks as f64 / ttft_ms.len() as f64;
        let steps = (0..).zip(ttft_ms).flat_map(|(done, &ms)| [(ms, share(done)), (ms, share(done + 1))]);
        let all = std::iter::once((0.0, 0.0)).chain(steps).chain([(1.05 * longest, 100.0)]);
        chart.draw_series(LineSeries::new(all, color(lane).stroke_width(2)))?;
    }
    Ok(())
}

type Area<'a> = DrawingArea<Svg<'a>, Shift>;
type Fault = DrawingAreaErrorKind<io::Error>;
type Chart<'a, 'b> = ChartContext<
    'b,
    Svg<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Axes: times from nought on, and something else.
fn chart<'a, 'b>(
    area: &'b Area<'a>,
    longest_ms: f64,
    range: std::ops::Range<f64>,
    what: &str,
) -> Result<Chart<'a, 'b>, Fault> {
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_right(10)
        .set_label_area_size(LabelAreaPosition::Left, 46)
        .set_label_area_size(LabelAreaPosition::Bottom, 38)
        .build_cartesian_2d(0.0..1.05 * longest_ms, range)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .axis_style(BLACK.mix(0.4))
        .label_style(FONT)
        .axis_desc_style(FONT)
        .x_labels(4)
        .y_labels(6)
        .x_label_formatter(&|ms| format!("{ms:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .x_desc("cold time to first token, ms")
        .y_desc(what)
        .draw()?;
    Ok(chart)
}

/// The SVG of a plot with the list of its lanes; `None` if it cannot be drawn.
fn draw(lanes: &[OfLane], paint: impl FnOnce(&Area<'_>) -> Result<(), Fault>) -> Option<String> {
    let mut svg = String::new();
    let drawn = (|| -> Result<(), Fault> {
        let area = Svg(SVGBackend::with_string(&mut svg, SIZE)).into_drawing_area();
        let (plot, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        paint(&plot)?;
        for (y, OfLane { lane, .. }) in (18..).step_by(22).zip(lanes) {
            legend.draw(&Circle::new((8, y), 5, color(lane).filled()))?;
            legend.draw(&Text::new(title(*lane), (20, y - 6), FONT))?;
        }
        area.present()
    })();
    match drawn {
        Ok(()) => Some(svg),
        Err(error) => {
            log::warn!("a plot cannot be drawn: {error}");
            None
        }
    }
}

/// A lane's colour, which is told from the others in light and dark and by every kind of colour vision.
fn color(lane: &Lane) -> RGBColor {
    match lane {
        Lane::Base => RGBColor(128, 128, 128),
        Lane::FullRag => RGBColor(47, 127, 208),
        Lane::Cached => RGBColor(0, 143, 107),
        Lane::Digest => RGBColor(181, 137, 0),
        Lane::Excerpt => RGBColor(213, 94, 0),
        Lane::Compressed => RGBColor(184, 85, 154),
        Lane::Expansion => RGBColor(106, 90, 205),
        Lane::Xrag => RGBColor(79, 148, 160),
    }
}

/// The mean of at least two values, and the ends of its 95 % interval (normal).
fn mean_and_interval(values: &[f64]) -> [f64; 3] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = 1.96 * (variance / count).sqrt();
    [mean, mean - half, mean + half]
}

/// The value below which a share of the sorted values lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or_default();
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

/// SVG whose texts are measured by rule of thumb: plotters would have the document measure them, with an
/// inline style, which the page's policy forbids.
struct Svg<'a>(SVGBackend<'a>);

type Drawn = Result<(), DrawingErrorKind<io::Error>>;

impl DrawingBackend for Svg<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Drawn {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.0.draw_pixel(point, color)
    }

    fn draw_line<S: backend::BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: backend::BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: backend::BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.0.draw_path(path, style)
    }

    fn draw_circle<S: backend::BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.0.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: backend::BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.0.fill_polygon(corners, style)
    }

    fn draw_text<T: backend::BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        place: BackendCoord,
    ) -> Drawn {
        self.0.draw_text(text, style, place)
    }

    fn estimate_text_size<T: backend::BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<io::Error>> {
        let width = 0.5 * style.size() * text.chars().count() as f64;
        Ok((width.ceil() as u32, style.size().ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn result(lanes: &[(Lane, f64, f64)]) -> TaskResult {
        let found = |&(lane, ttft_cold_ms, edit_similarity): &(Lane, f64, f64)| {
            let result = LaneResult {
                text: "x".into(),
                exact_match: false,
                edit_similarity,
                ttft_cold_ms,
                prompt_tokens: 10,
            };
            (lane.key().to_owned(), result)
        };
        TaskResult {
            path: "a.py".into(),
            line: 0,
            before: String::new(),
            target: "y".into(),
            needs_context: false,
            lanes: lanes.iter().map(found).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn each_lane_has_its_point_and_its_line() {
        let results = [
            result(&[(Lane::Base, 70.0, 20.0), (Lane::FullRag, 220.0, 60.0)]),
            result(&[(Lane::Base, 80.0, 30.0), (Lane::FullRag, 260.0, 40.0)]),
        ];
        let [trade_off, waiting] = plots(results.iter()).try_into().expect("two plots");
        for plot in [&trade_off, &waiting] {
            assert!(plot.svg.starts_with("<svg") && plot.svg.trim_end().ends_with("</svg>"), "{}", plot.svg);
            assert!(plot.svg.contains("Base") && plot.svg.contains("Full RAG"));
            assert!(!plot.svg.contains("style="), "the page's policy forbids inline styles");
        }
        // A point and an entry of the list each.
        assert_eq!(trade_off.svg.matches("<circle").count(), 4);
        assert_eq!(waiting.svg.matches("<circle").count(), 2);
        let lines = |color: &str| waiting.svg.matches(&format!("stroke=\"{color}\"")).count();
        assert_eq!((lines("#808080"), lines("#2F7FD0")), (1, 1), "{}", waiting.svg);
    }

    #[test]
    fn one_task_is_not_plotted() {
        assert_eq!(plots([].iter()), []);
        assert_eq!(plots([result(&[(Lane::Base, 70.0, 20.0)])].iter()), []);
    }

    #[test]
    fn tasks_that_are_all_alike_are_plotted() {
        let same = || result(&[(Lane::Base, 0.0, 0.0)]);
        assert_eq!(plots([same(), same()].iter()).len(), 2);
        let all = || result(&[(Lane::Base, 5.0, 100.0)]);
        assert_eq!(plots([all(), all(), all()].iter()).len(), 2);
    }

    #[test]
    fn a_mean_lies_within_its_interval() {
        let [mean, low, high] = mean_and_interval(&[10.0, 20.0, 30.0]);
        assert_eq!(mean, 20.0);
        // A standard deviation of ten, over the root of three.
        assert!((high - mean - 11.316).abs() < 1e-3 && (mean - low - 11.316).abs() < 1e-3);
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|share| quantile(&[1.0, 2.0, 3.0, 4.0], share)),
            [1.0, 1.75, 2.5, 4.0]
        );
    }
}
