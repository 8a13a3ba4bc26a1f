//! How often a process was given a processor, and for how long: /proc/PID/task/*/schedstat, which proc(5) explains.
//!
//! Exact to the nanosecond, all threads together, and nothing has to be attached to the process. One that was not given
//! a processor has made no system call and executed no instruction.

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has had of the processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) time: Duration,
    /// How often it was put on one.
    pub(crate) times: u64,
}

impl Ran {
    /// Of a process so far, by its number or as `self`.
    ///
    /// # Errors
    ///
    /// When there is none, or its threads are not told of in the way of Linux.
    pub(crate) fn of(process: &str) -> io::Result<Self> {
        let mut sum = Self::default();
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let (time, times) = parse(&text).ok_or_else(|| io::Error::other(format!("no times in {text:?}")))?;
            sum.time += Duration::from_nanos(time);
            sum.times += times;
        }
        Ok(sum)
    }

    /// What has come to it since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { time: self.time.saturating_sub(before.time), times: self.times.saturating_sub(before.times) }
    }
}

/// Nanoseconds on a processor, nanoseconds of waiting for one, times.
fn parse(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.nth(1)?.ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_comes_first_and_the_times_last() {
        assert_eq!(super::parse("3456 12 7\n"), Some((3456, 7)));
        assert_eq!(super::parse("3456 12"), None);
    }
}
