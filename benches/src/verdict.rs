//! Whether the counts keep to their figures.
//!
//! Every command notes what it finds, and goes on: one figure that is exceeded must not hide the next. `main` reports
//! all of it at the end and makes it the exit code. What could not be counted, because a tool is missing, is no
//! failure, but is said on the standard output, so that a build without the tools cannot be taken for one that passed.

use std::process::ExitCode;

/// What was found to be above its figure. Filled by the commands, reported by `main` at the end.
#[derive(Default)]
pub(crate) struct Verdict {
    failures: Vec<String>,
}

impl Verdict {
    /// Holds `count` to `figure`, a maximum.
    pub(crate) fn at_most(&mut self, what: &str, count: f64, figure: f64) {
        if count > figure {
            self.failures.push(format!("{what}: {count:.2}, at most {figure:.2}"));
        }
    }

    /// Holds `count` to `figure`, give or take `tolerance`.
    pub(crate) fn equal(&mut self, what: &str, count: f64, figure: f64, tolerance: f64) {
        if (count - figure).abs() > tolerance {
            self.failures.push(format!("{what}: {count:.2}, exactly {figure:.2}"));
        }
    }

    /// Notes what could not be done at all.
    pub(crate) fn failed(&mut self, what: String) {
        self.failures.push(what);
    }

    /// Says loudly that something was not measured.
    pub(crate) fn skip(&self, what: &str, tool: &str) {
        println!("skipped: {what}: {tool} is not installed\n");
    }

    /// Prints what failed, one line each; exit code 1 if anything did.
    pub(crate) fn report(self) -> ExitCode {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
