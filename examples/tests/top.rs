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

/// The stdout of one that ends by itself.
fn output(arguments: &[&str]) -> String {
    let output = example("top").args(["--clients", "2", "--every", "200ms"]).args(arguments).output().unwrap();
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
    assert!(table.starts_with("mainspring, after 0.") && !table.contains('\x1b'), "{table}");
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
    let samples: Vec<Value> = (0..3).map(|_| serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()).collect();
    // It ends when nobody reads any more.
    drop(lines);
    assert!(child.wait().unwrap().success());
    for pair in samples.windows(2) {
        let number = |sample: &Value, part: &str, name: &str| sample[part][name].as_f64().unwrap();
        let seconds = pair[1]["seconds"].as_f64().unwrap() - pair[0]["seconds"].as_f64().unwrap();
        for name in ["turns", "polls", "events"] {
            let counted = number(&pair[1], "total", name) - number(&pair[0], "total", name);
            let rate = number(&pair[1], "per_second", name);
            assert!(
                counted > 0.0 && (rate * seconds / counted - 1.0).abs() < 1e-3,
                "{name}: {rate} {seconds} {counted}"
            );
        }
        assert_eq!(pair[1]["now"].as_object().unwrap().len(), 6);
        assert!(pair[1]["total"].get("tasks").is_none() && pair[1]["total"].get("longest_poll_ns").is_none());
        assert!(pair[1]["longest_poll"]["nanoseconds"].as_u64().unwrap() > 0);
    }
}
