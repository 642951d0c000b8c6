//! The documents name files and tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

use common::mends::{MENDS, Test};

/// Returns the words between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the text of all Rust files under a path.
fn source(path: &Path) -> String {
    let Ok(directory) = fs::read_dir(path) else {
        let is_rust = path.extension().is_some_and(|it| it == "rs");
        let text = if is_rust { fs::read_to_string(path) } else { Ok(String::new()) };
        return text.expect("the source is readable");
    };
    directory.map(|entry| source(&entry.expect("the source is readable").path())).collect()
}

/// Returns the source of the boot tests of this name.
fn boot_test(name: &str) -> String {
    source(&root().join(format!("tests/boot/{name}.rs")))
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Each row of the table of promises ends with what shows them: files, and tests by their names.
#[test]
fn each_promise_names_files_and_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/threat-model.md")).expect("it is there");
    let table = text.split("## What is promised").nth(1).and_then(|it| it.split("\n## ").next());
    let rows = table.expect("there are promises").lines().filter(|line| line.starts_with('|'));
    let source = source(&root().join("src")) + &source(&root().join("tests"));
    let mut promises = 0;
    for row in rows.skip(2) {
        let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().expect("three columns");
        let mut names = 0;
        let is_variable = |name: &&str| name.starts_with("BULKHEAD_");
        for name in code(shown_by).filter(|name| !is_variable(name)) {
            let is_there = match name.split_once("::") {
                None if name.contains('/') => root().join(name).exists(),
                None => source.contains(&format!("fn {name}(")),
                Some((file, test)) => boot_test(file).contains(&format!("fn {test}(")),
            };
            assert!(is_there, "there is no `{name}`: {row}");
            names += 1;
        }
        assert!(names > 0, "nothing shows it: {row}");
        promises += 1;
    }
    assert!(promises > 10, "{promises} promises");
}

/// Each mend can be taken out of the source as it is, and its tests are there (`make mends`).
#[test]
fn each_mend_is_in_the_source_and_has_tests_that_exist() {
    let library = source(&root().join("src"));
    for mend in MENDS.into_iter().flatten() {
        assert!(!mend.tests.is_empty(), "no test finds: {}", mend.attack);
        for change in mend.changes {
            if let Err(sentence) = change.apply(&root()) {
                panic!("{}: {sentence}", mend.attack);
            }
        }
        for test in mend.tests {
            let (file, rest) = test.path().split_once("::").unwrap_or(("", test.path()));
            let text = match test {
                Test::Library(_) | Test::Loom(_) => &library,
                Test::Boot(_) => &boot_test(file),
            };
            // The last name may be that of a machine.
            let is_there = rest.split("::").any(|name| text.contains(&format!("fn {name}(")));
            assert!(is_there, "there is no {test:?}: {}", mend.attack);
        }
    }
}
