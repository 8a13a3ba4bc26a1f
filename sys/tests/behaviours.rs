//! The list of what others test of their selectors, in `behaviours.md`, names tests that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_behaviour_has_its_test_or_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = include_str!("behaviours.md");
    let rows: Vec<_> = list.lines().skip_while(|line| !line.starts_with("|---")).skip(1).collect();
    let mut named = 0;
    for row in &rows {
        let [_, theirs, here, _] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let is_heading = theirs.trim().starts_with("**");
        let has_reason = here.starts_with(" - ");
        let mut has_test = false;
        for (file, test) in here.split([' ', ',']).filter_map(|word| word.split_once("::")) {
            let source = fs::read_to_string(folder.join(file).with_extension("rs"));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "there is no test {file}::{test}");
            has_test = true;
            named += 1;
        }
        assert!(is_heading || has_reason || has_test, "{row}");
    }
    assert!(named > rows.len() / 2);
}
