//! User-space instructions of a child process, by valgrind's callgrind.
//!
//! The profile is read as callgrind writes it, in the format that its manual describes, with all compression off:
//!
//! ```text
//! fl=src/reactor.rs       the file that the function stands in; fi= and fe= are those of what was inlined into it
//! fn=poll_task            the function
//! 217 5                   5 instructions at line 217, the function's own
//! cfn=malloc              a function that it called
//! calls=3 0               three times
//! 218 240                 240 instructions in those calls: not its own
//! ```
//!
//! `callgrind_annotate` was turned down because it rounds, and does not say how often a function was called.

use std::env;
use std::io;
use std::process::Command;

use crate::counts::{Counts, Slope};
use crate::scratch::Scratch;

/// What must be installed.
pub(crate) const TOOL: &str = "valgrind";

/// The functions of the C library that Rust's allocator calls for memory.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What one run did.
#[derive(Default, Debug)]
pub(crate) struct Profile {
    /// Instructions by function, its own.
    functions: Counts,
    /// Instructions by file and line, if the program was built with them.
    lines: Counts,
    /// Calls by the function that is called.
    calls: Counts,
}

/// What one unit more costs.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Instructions by function.
    pub(crate) functions: Slope,
    /// Instructions by file and line.
    pub(crate) lines: Slope,
    /// Calls by the function that is called.
    calls: Slope,
}

impl Profile {
    /// Runs this program under callgrind; `run` starts it and waits for its end.
    pub(crate) fn record(run: impl FnOnce(Command) -> io::Result<()>) -> io::Result<Self> {
        let own = env::current_exe()?;
        Self::record_any(|mut tool| {
            tool.arg(own);
            run(tool)
        })
    }

    /// Runs any program under callgrind; `run` gets the command up to where its path is to follow.
    pub(crate) fn record_any(run: impl FnOnce(Command) -> io::Result<()>) -> io::Result<Self> {
        let out = Scratch::new(TOOL);
        let mut file = std::ffi::OsString::from("--callgrind-out-file=");
        file.push(out.path());
        let mut tool = Command::new(TOOL);
        tool.args(["-q", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"]);
        tool.arg(file);
        run(tool)?;
        Self::parse(&out.read()?)
    }

    fn parse(text: &str) -> io::Result<Self> {
        let mut profile = Self::default();
        let (mut file, mut function, mut called) = ("", "", "");
        let mut in_call = false;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fl" | "fi" | "fe" => file = value,
                    "fn" => function = value,
                    "cfn" => called = value,
                    "calls" => {
                        let count = value.split_whitespace().next().and_then(|count| count.parse().ok());
                        profile.calls.add(called, count.ok_or_else(|| unclear(line))?);
                        in_call = true;
                    }
                    _ => {}
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                if std::mem::take(&mut in_call) {
                    continue;
                }
                let (position, count) = line.split_once(' ').ok_or_else(|| unclear(line))?;
                let count = count.trim().parse().map_err(|_| unclear(line))?;
                profile.functions.add(function, count);
                profile.lines.add(format!("{}:{position}", short(file)), count);
            }
        }
        Ok(profile)
    }

    /// What one of `units` units costs, that this run has more than `fewer`.
    pub(crate) fn slope(&self, fewer: &Self, units: usize) -> Cost {
        Cost {
            functions: self.functions.slope(&fewer.functions, units),
            lines: self.lines.slope(&fewer.lines, units),
            calls: self.calls.slope(&fewer.calls, units),
        }
    }
}

impl Cost {
    /// Instructions.
    pub(crate) fn instructions(&self) -> f64 {
        self.functions.total()
    }

    /// Calls for memory.
    pub(crate) fn allocations(&self) -> f64 {
        self.calls.sum(|name| ALLOCATORS.contains(&name))
    }

    /// Whether the program was built with line numbers; the C library may have them in any case.
    pub(crate) fn has_lines(&self) -> bool {
        self.lines.of("???:0") < self.instructions() / 2.0
    }
}

/// The last three parts of a path, which tell a file from others.
fn short(path: &str) -> &str {
    path.rmatch_indices('/').nth(2).map_or(path, |(position, _)| &path[position + 1..])
}

fn unclear(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot make sense of this line of callgrind: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
events: Ir
fl=/home/src/reactor.rs
fn=poll_task
217 5
fi=/home/src/task.rs
44 2
fe=/home/src/reactor.rs
cfn=malloc
calls=3 0
218 240
219 1

fn=malloc
0 240
totals: 248
";

    #[test]
    fn what_a_called_function_costs_is_its_own() {
        let cost = Profile::parse(PROFILE).unwrap().slope(&Profile::default(), 1);
        assert_eq!(cost.functions.sorted(), [("malloc", 240.0), ("poll_task", 8.0)]);
        assert_eq!(cost.lines.of("home/src/task.rs:44"), 2.0);
        assert_eq!((cost.instructions(), cost.allocations()), (248.0, 3.0));
    }
}
