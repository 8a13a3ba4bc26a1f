//! A curve: both axes logarithmic, a line for each series with its name at the end.

use std::fmt::Write;

use super::{LINES, Point, WIDTH, line, picture, shown, text};

/// Pixels: the frame of the lines.
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 160.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 340.0;

/// Pixels between two names.
const APART: f64 = 15.0;

/// From the lowest to the highest value, as a place between 0 and 1.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, room: f64) -> Self {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        Self { low: low / room, high: (high * room).max(low * 1.01) }
    }

    fn place(&self, value: f64) -> f64 {
        (value / self.low).ln() / (self.high / self.low).ln()
    }

    /// Round numbers on it, with these digits.
    fn marks(&self, digits: &[f64]) -> Vec<f64> {
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
        all.filter(|mark| (self.low * 0.999..=self.high * 1.001).contains(mark)).collect()
    }
}

/// A round number, without what says how exact it is.
fn rounded(mark: f64) -> String {
    match shown(mark) {
        number if mark >= 1e6 => number.replace(".00", "").replace(".0", ""),
        number if mark < 100.0 && number.contains('.') => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        number => number,
    }
}

pub(super) fn draw(figure: &str, points: &[Point]) -> String {
    let at = |point: &Point| point.at.as_f64().unwrap_or(1.0).max(1.0);
    let across = Axis::of(points.iter().map(at), 1.0);
    let up = Axis::of(points.iter().map(|point| point.median.max(f64::MIN_POSITIVE)), 1.5);
    let x = |value: f64| LEFT + (RIGHT - LEFT) * across.place(value);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * up.place(value);

    let mut out = String::new();
    for mark in up.marks(&[1.0, 2.0, 5.0]) {
        line(&mut out, "grid", [LEFT, y(mark)], [RIGHT, y(mark)]);
        text(&mut out, LEFT - 8.0, y(mark) + 4.0, "end", &rounded(mark));
    }
    for mark in across.marks(&[1.0]) {
        line(&mut out, "grid", [x(mark), TOP], [x(mark), BOTTOM]);
        text(&mut out, x(mark), BOTTOM + 18.0, "middle", &rounded(mark));
    }
    let mut names: Vec<&str> = points.iter().map(|point| point.series.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    // In the order in which they were measured: ours first.
    names.sort_by_key(|name| points.iter().position(|point| point.series == *name));
    let mut ends = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let own: Vec<_> = points.iter().filter(|point| point.series == *name).collect();
        let places: Vec<_> = own.iter().map(|point| format!("{:.1},{:.1}", x(at(point)), y(point.median))).collect();
        let colour = index % LINES;
        let _ = writeln!(
            out,
            "<polyline class=\"s{colour}\" points=\"{}\" fill=\"none\" stroke-width=\"2\"/>",
            places.join(" ")
        );
        ends.extend(own.last().map(|point| (y(point.median), *name, colour)));
    }
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut next = TOP;
    for (end, name, colour) in ends {
        next = end.max(next);
        let _ = writeln!(
            out,
            "<rect class=\"s{colour}\" x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\"/>",
            RIGHT + 10.0,
            next - 5.0
        );
        text(&mut out, RIGHT + 24.0, next + 4.0, "start", name);
        next += APART;
    }
    picture(figure, BOTTOM.max(next) + 36.0, &out)
}
