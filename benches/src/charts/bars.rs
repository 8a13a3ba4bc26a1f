//! Bars: a group for each place, in it a bar for each series, as long as the median, with a line for the middle half.

use std::fmt::Write;

use super::{Point, WIDTH, line, picture, shown, text};

/// Pixels: where bars begin and end, the height of one with what is around it, and where the first stands.
const LEFT: f64 = 220.0;
const RIGHT: f64 = WIDTH - 70.0;
const ROW: f64 = 20.0;
const TOP: f64 = 40.0;

/// How many times the median of all a bar may be: a longer one is cut, since the others would not be told apart.
const LONGEST: f64 = 4.0;

pub(super) fn draw(figure: &str, points: &[Point]) -> String {
    let mut medians: Vec<f64> = points.iter().map(|point| point.median).collect();
    medians.sort_by(f64::total_cmp);
    let middle = medians[medians.len() / 2];
    let highest = points.iter().map(|point| point.high).fold(0.0, f64::max);
    let end = if middle > 0.0 { highest.min(middle * LONGEST) } else { highest }.max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (RIGHT - LEFT) * (value / end).min(1.0);

    let mut out = String::new();
    let mut y = TOP;
    let mut places: Vec<_> = points.iter().map(|point| &point.at).collect();
    places.dedup();
    for place in &places {
        if places.len() > 1 {
            text(&mut out, 16.0, y + 15.0, "start", place.as_str().unwrap_or_default());
            y += ROW;
        }
        for (index, point) in points.iter().filter(|point| point.at == **place).enumerate() {
            let class = if index == 0 { "bar s0" } else { "bar" };
            text(&mut out, LEFT - 8.0, y + 14.0, "end", &point.series);
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\"/>",
                y + 3.0,
                x(point.median) - LEFT
            );
            if point.high > point.low {
                line(&mut out, "spread", [x(point.low), y + 10.0], [x(point.high), y + 10.0]);
            }
            text(&mut out, RIGHT + 8.0, y + 14.0, "start", &shown(point.median));
            y += ROW;
        }
        y += ROW / 4.0;
    }
    if figure.contains("times") && end > 1.0 {
        line(&mut out, "grid", [x(1.0), TOP], [x(1.0), y]);
    }
    picture(figure, y + 10.0, &out)
}
