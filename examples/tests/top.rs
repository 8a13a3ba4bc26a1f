//! The top example: what it counts of its own load, in each of its forms.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod program;
}

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use util::program::example;

/// The stdout of one that ends by itself, after a time in which it comes to something on a busy machine too.
fn output(arguments: &[&str]) -> String {
    let output = example("top").args(["--clients", "2", "--every", "2s"]).args(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The value and the rate in the row of a counter.
fn row(table: &str, counter: &str) -> (u64, u64) {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.filter(|row| row.len() == 3).find(|row| row[0] == counter);
    let row = row.unwrap_or_else(|| panic!("no row of {counter} in\n{table}"));
    (row[1].parse().unwrap(), row[2].parse().unwrap())
}

#[test]
fn elsewhere_than_on_a_terminal_it_is_plain_text() {
    let table = output(&["--once"]);
    assert!(table.starts_with("mainspring, after ") && !table.contains('\x1b'), "{table}");
    for counter in ["turns", "selects", "events", "polls"] {
        let (total, rate) = row(&table, counter);
        assert!(total > 0 && rate > 0, "{counter}:\n{table}");
    }
    // Five tasks: the listener, and for each client its own and that of its connection.
    assert!(table.contains("now  tasks 5  runnable "), "{table}");
    assert_eq!(row(&table, "panics"), (0, 0), "{table}");
    assert!(table.contains("\nlongest poll  "), "{table}");
}

#[test]
fn on_a_screen_each_table_begins_at_the_top() {
    let table = output(&["--once", "--screen"]);
    assert!(table.starts_with("\x1b[H\x1b[Jmainspring, after "), "{table:?}");
}

#[test]
fn as_json_the_rates_are_those_of_the_totals() {
    let mut child =
        example("top").args(["--clients", "2", "--every", "100ms", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sample = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    // Until something has happened in two of these times: on a busy machine nothing may have in the first.
    let (mut before, mut moved) = (sample(), 0);
    for _ in 0..600 {
        let after = sample();
        let number = |sample: &Value, part: &str, name: &str| sample[part][name].as_f64().unwrap();
        let seconds = after["seconds"].as_f64().unwrap() - before["seconds"].as_f64().unwrap();
        let counted = ["turns", "polls", "events"].map(|name| {
            let counted = number(&after, "total", name) - number(&before, "total", name);
            let rate = number(&after, "per_second", name);
            assert!((rate * seconds - counted).abs() <= counted * 1e-3, "{name}: {rate} {seconds} {counted}");
            counted
        });
        assert_eq!(after["now"].as_object().unwrap().len(), 6);
        assert!(after["total"].get("tasks").is_none() && after["total"].get("longest_poll_ns").is_none());
        assert!(after["longest_poll"]["nanoseconds"].as_u64().unwrap() > 0);
        moved += u32::from(counted.iter().all(|&counted| counted > 0.0));
        if moved == 2 {
            break;
        }
        before = after;
    }
    assert_eq!(moved, 2, "nothing happens");
    // It ends when nobody reads any more.
    drop(lines);
    assert!(child.wait().unwrap().success());
}
