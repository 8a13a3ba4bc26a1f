//! Charts of what was measured: `charts FOLDER REPORT...` draws each figure of some reports as an SVG file.
//!
//! Drawn from the files that `--json` wrote, so that a chart can be drawn again without measuring again, and shows
//! nothing that was not measured. A figure whose places are numbers is a curve, any other one is bars.
//!
//! The colours stand in the picture's own style sheet, which has two sets of them and takes that of the reader's colour
//! scheme, with a background of its own, so that it can be read wherever it is put. Small libraries were looked at
//! and turned down: they have no logarithmic axes, or fixed colours, or no way to show a spread.

mod bars;
mod curve;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Colours of lines, which take them in turns; the first is that of our bars.
const LINES: usize = 6;

/// Colours for one scheme.
struct Colours {
    paper: &'static str,
    ink: &'static str,
    grid: &'static str,
    bar: &'static str,
    lines: [&'static str; LINES],
}

const LIGHT: Colours = Colours {
    paper: "#ffffff",
    ink: "#1f2328",
    grid: "#d1d9e0",
    bar: "#afb8c1",
    lines: ["#0969da", "#54aeff", "#57606a", "#cf222e", "#1a7f37", "#9a6700"],
};

const DARK: Colours = Colours {
    paper: "#0d1117",
    ink: "#e6edf3",
    grid: "#30363d",
    bar: "#57606a",
    lines: ["#58a6ff", "#1f6feb", "#8b949e", "#ff7b72", "#3fb950", "#d29922"],
};

impl Colours {
    /// Rules of a style sheet. Without variables, which not everything that draws SVG understands.
    fn rules(&self) -> String {
        let Self { paper, ink, grid, bar, lines } = self;
        let mut rules = format!(
            ".paper {{ fill: {paper}; }} text {{ fill: {ink}; }} .grid {{ stroke: {grid}; }} .bar {{ fill: {bar}; }} \
             .spread {{ stroke: {ink}; }}"
        );
        for (index, colour) in lines.iter().enumerate() {
            let _ = write!(rules, " rect.s{index} {{ fill: {colour}; }} polyline.s{index} {{ stroke: {colour}; }}");
        }
        rules
    }
}

/// Pixels of a picture from left to right.
const WIDTH: f64 = 760.0;

/// One spread.
struct Point {
    series: String,
    at: Value,
    low: f64,
    median: f64,
    high: f64,
}

/// Draws all figures of the reports, and says which.
///
/// # Errors
///
/// When a report cannot be read or a chart cannot be written, with its name.
pub(crate) fn run(folder: &Path, reports: &[PathBuf]) -> io::Result<()> {
    let mut figures: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for path in reports {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        let report: Value = serde_json::from_str(&text).map_err(|error| named(&error))?;
        for point in report["points"].as_array().into_iter().flatten() {
            let (figure, point) = parse(point).ok_or_else(|| named(&format!("{point} is no point")))?;
            figures.entry(figure).or_default().push(point);
        }
    }
    fs::create_dir_all(folder)?;
    for (figure, points) in &figures {
        let is_curve = points.iter().all(|point| point.at.is_number());
        let chart = if is_curve { curve::draw(figure, points) } else { bars::draw(figure, points) };
        let path = folder.join(file_name(figure));
        fs::write(&path, chart)?;
        println!("{}", path.display());
    }
    Ok(())
}

fn parse(point: &Value) -> Option<(String, Point)> {
    let text = |key: &str| point[key].as_str().map(str::to_owned);
    let number = |key: &str| point[key].as_f64();
    let (low, median, high) = (number("low")?, number("median")?, number("high")?);
    Some((text("figure")?, Point { series: text("series")?, at: point["at"].clone(), low, median, high }))
}

/// "HTTP: requests, times ours" is in `http-requests-times-ours.svg`.
fn file_name(figure: &str) -> String {
    let words = figure.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("{}.svg", words.collect::<Vec<_>>().join("-").to_lowercase())
}

/// A picture of this height around what is in it.
fn picture(title: &str, height: f64, inside: &str) -> String {
    let title = escaped(title);
    let (light, dark) = (LIGHT.rules(), DARK.rules());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<title>{title}</title>\n<style>\n{light}\n\
         @media (prefers-color-scheme: dark) {{ {dark} }}\n</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"14\" font-weight=\"600\">{title}</text>\n{inside}</svg>\n"
    )
}

/// Adds a text; `anchor` is start, middle or end.
fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    // Why ignored, here and wherever a chart is written: a string takes everything.
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(words));
}

/// Adds a line of a class.
fn line(out: &mut String, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
    let _ = writeln!(out, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// With three digits at least: 1.25, 12.5, 125, 1,250, 12.5M.
fn shown(number: f64) -> String {
    match number {
        n if n.round() >= 1e6 => format!("{}M", shown(n.round() / 1e6)),
        n if n >= 1e3 => format!("{:.0},{:03.0}", (n.round() / 1e3).floor(), n.round() % 1e3),
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn point(series: &str, at: impl Into<Value>, median: f64) -> Point {
        Point { series: series.to_owned(), at: at.into(), low: median / 2.0, median, high: median * 2.0 }
    }

    #[test]
    fn a_point_of_a_report_is_understood() {
        let written = json!({"figure": "HTTP", "series": "mio", "at": 50, "low": 1.0, "median": 2.0, "high": 3.0});
        assert!(parse(&written).is_some_and(|(figure, point)| figure == "HTTP" && point.high == 3.0));
        assert!(parse(&json!({"figure": "HTTP", "series": "mio"})).is_none());
    }

    #[test]
    fn a_file_is_named_after_its_figure() {
        assert_eq!(file_name("Echo: requests per second, times ours"), "echo-requests-per-second-times-ours.svg");
    }

    #[test]
    fn numbers_have_three_digits() {
        let all = [0.5, 1.0, 12.34, 123.4, 12_345.6, 999_999.9, 10_000_000.0].map(shown);
        assert_eq!(all, ["0.50", "1.00", "12.3", "123", "12,346", "1.00M", "10.0M"]);
    }

    #[test]
    fn bars_have_a_row_for_each_series_at_each_place() {
        let points = [point("a & b", "64", 1.0), point("mio", "64", 3.0), point("a & b", "1,000", 2.0)];
        let chart = bars::draw("HTTP: requests, times ours", &points);
        assert_eq!(chart.matches("<rect class=\"bar").count(), 3);
        assert_eq!(chart.matches(">a &amp; b</text>").count(), 2);
        assert!(chart.contains("prefers-color-scheme"));
    }

    #[test]
    fn a_curve_has_a_line_for_each_series() {
        let points =
            [point("mio", 10, 1.0), point("mio", 1_000, 30.0), point("tokio", 10, 5.0), point("tokio", 1_000, 5.0)];
        let chart = curve::draw("Curve: timers, ns", &points);
        assert_eq!(chart.matches("<polyline").count(), 2);
        assert!(chart.contains(">1,000</text>"));
    }
}
