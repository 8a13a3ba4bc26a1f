//! What was measured, as numbers: for programs, and for charts.
//!
//! Passed to the commands that compare; each adds its points beside the rows that it prints. A point is one spread of
//! one contender at one place of one figure, and nothing is nested deeper than that, so whoever reads it can group it
//! as they like. `main` writes it, if a file was named, when everything has been measured.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::interleaved::Spread;
use crate::versions;

/// What is compared anywhere, for the versions at the head of the file.
const PACKAGES: [&str; 8] = ["mainspring", "mio", "tokio", "hyper", "async-io", "async-executor", "may", "monoio"];

/// Points in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    points: Vec<Value>,
}

impl Report {
    /// Adds the spread of one contender, at a place that is a name or a number.
    pub(crate) fn point(&mut self, figure: &str, series: &str, at: impl Into<Value>, spread: Spread) {
        let Spread { low, median, high } = spread;
        let at = at.into();
        self.points.push(json!({
            "figure": figure, "series": series, "at": at, "low": low, "median": median, "high": high,
        }));
    }

    /// Adds a count, which has no spread.
    pub(crate) fn count(&mut self, figure: &str, series: &str, at: impl Into<Value>, count: f64) {
        self.point(figure, series, at, Spread { low: count, median: count, high: count });
    }

    /// Writes all of it, one point a line.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, with its name.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let points: Vec<_> = self.points.iter().map(Value::to_string).collect();
        let versions = Value::from(versions::of(&PACKAGES));
        let text = format!("{{\"versions\":{versions},\"points\":[\n{}\n]}}\n", points.join(",\n"));
        fs::write(path, text).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use crate::scratch::Scratch;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut report = Report::default();
        report.point("a \"quoted\" figure", "mio", 50, Spread { low: 1.0, median: 2.0, high: 4.5 });
        report.count("calls", "tokio", "churn", 3.0);
        let file = Scratch::new("report");
        report.write(file.path()).unwrap();
        let read: Value = serde_json::from_str(&file.read().unwrap()).unwrap();
        assert!(read["versions"].as_str().unwrap().contains("mainspring "));
        assert_eq!(read["points"][0]["figure"], "a \"quoted\" figure");
        assert_eq!(read["points"][0]["at"], 50);
        assert_eq!(read["points"][1]["high"], 3.0);
    }
}
