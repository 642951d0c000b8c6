//! Takes each mend of `common::mends` out of a copy of the source, and runs its tests: they must
//! pass with it, and fail without it. `make mends` runs this; words on the command line select the
//! mends whose attack contains all of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io};

use common::mends::{MENDS, Mend, Test};
use common::root;

/// What a test says about the source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
}

/// What can go wrong here, as a sentence.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("{wrong} tests say nothing about what they should show");
            ExitCode::FAILURE
        }
        Err(sentence) => {
            eprintln!("mends: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Tries the selected mends, and returns the number of tests with a wrong verdict.
fn run(words: &[String]) -> Outcome<usize> {
    let is_selected = |mend: &&Mend| words.iter().all(|word| mend.attack.contains(word.as_str()));
    let selected: Vec<_> = MENDS.into_iter().flatten().filter(is_selected).collect();
    if selected.is_empty() {
        return Err(format!("no attack contains the words {words:?}"));
    }
    let tree = copy()?;
    make(&tree, &["image", "guests"])?;
    let copy = Copy { boot: program(&tree)?, tree };
    let mut wrong = 0;
    for test in distinct_tests(&selected) {
        if copy.judge(test)? == Verdict::Fails {
            println!("{:7} with the mend: {}", "FAILS", test.path());
            wrong += 1;
        }
    }
    for mend in selected {
        let verdicts = copy.without(mend).unwrap_or_else(|sentence| {
            println!("{:7} {sentence}", "ERROR");
            wrong += 1;
            Vec::new()
        });
        for (test, verdict) in mend.tests.iter().zip(verdicts) {
            let is_found = verdict == Verdict::Fails;
            let word = if is_found { "found" } else { "MISSED" };
            println!("{word:7} {}: {}", mend.attack, test.path());
            wrong += usize::from(!is_found);
        }
    }
    Ok(wrong)
}

fn distinct_tests(mends: &[&Mend]) -> Vec<Test> {
    let mut tests = Vec::new();
    for test in mends.iter().flat_map(|mend| mend.tests) {
        if !tests.contains(test) {
            tests.push(*test);
        }
    }
    tests
}

/// The copy of the source.
struct Copy {
    /// Its directory.
    tree: PathBuf,
    /// The test program `boot`, compiled with all mends: it boots the image without one.
    boot: PathBuf,
}

impl Copy {
    /// Runs the tests of a mend without it, and puts it back.
    fn without(&self, mend: &Mend) -> Outcome<Vec<Verdict>> {
        let mut texts = Vec::new();
        for change in mend.changes {
            let path = self.tree.join(change.file);
            let old = fs::read(&path).map_err(|error| failed(&path, error))?;
            let new = change.apply(&self.tree)?;
            fs::write(&path, new).map_err(|error| failed(&path, error))?;
            texts.push((path, old));
        }
        let is_booted = mend.tests.iter().any(|test| matches!(test, Test::Boot(_)));
        let image = if is_booted { make(&self.tree, &["image"]) } else { Ok(()) };
        let verdicts = image.and_then(|()| mend.tests.iter().map(|it| self.judge(*it)).collect());
        // The first text of a file is the one without any change.
        for (path, old) in texts.into_iter().rev() {
            fs::write(&path, old).map_err(|error| failed(&path, error))?;
        }
        verdicts.map_err(|sentence| format!("{}: {sentence}", mend.attack))
    }

    /// Runs a test. A program that cannot be compiled, or that has no such test, is an error.
    fn judge(&self, test: Test) -> Outcome<Verdict> {
        let mut command = match test {
            Test::Loom(_) => Command::new("tools/loom"),
            Test::Library(_) => Command::new("cargo"),
            Test::Boot(_) => Command::new(&self.boot),
        };
        if let Test::Library(_) = test {
            command.args(["test", "--lib", "--"]);
        }
        command.arg(test.path()).current_dir(&self.tree).stdin(Stdio::null());
        if let Test::Boot(_) = test {
            // The names of some tests begin with those of others.
            command.arg("--exact");
        }
        let found = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let text = String::from_utf8_lossy(&found.stdout);
        // A model that fails may end the program before its result is printed.
        match (text.contains("\nrunning 1 test\n"), found.status.success()) {
            (true, true) => Ok(Verdict::Passes),
            (true, false) => Ok(Verdict::Fails),
            (false, _) => {
                let errors = String::from_utf8_lossy(&found.stderr);
                Err(format!("{command:?} has not run one test:\n{text}{errors}"))
            }
        }
    }
}

/// Compiles the test program `boot`, and returns its path.
fn program(tree: &Path) -> Outcome<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--test", "boot", "--no-run", "--message-format=json"]);
    let messages = output(cargo.current_dir(tree))?;
    let path = messages.rsplit_once("\"executable\":\"").and_then(|it| it.1.split('"').next());
    path.map(PathBuf::from).ok_or_else(|| format!("{cargo:?} names no program"))
}

/// Copies the files that git knows to a directory in which earlier builds are kept. Linux is not
/// made there: no test of a mend needs it.
fn copy() -> Outcome<PathBuf> {
    let tree = root().join("target/mends");
    let mut list = Command::new("git");
    let list = output(list.args(["ls-files", "-z"]).current_dir(root()))?;
    // Cargo also reads the configuration of the directories above.
    let names = list.split('\0').filter(|name| !name.is_empty() && !name.starts_with(".cargo/"));
    let names: BTreeSet<_> = names.collect();
    remove_others(&tree, &tree, &names)?;
    for name in names {
        let (from, to) = (root().join(name), tree.join(name));
        let old = fs::read(&to).ok();
        let new = fs::read(&from).map_err(|error| failed(&from, error))?;
        if old.is_some_and(|old| old == new) {
            continue;
        }
        fs::create_dir_all(to.parent().expect("the tree is above"))
            .and_then(|()| fs::copy(&from, &to))
            .map_err(|error| failed(&to, error))?;
    }
    Ok(tree)
}

/// Removes the files of `directory` in the tree that are none of these, but for what was built: a
/// file that the source has no more could be taken for a module.
fn remove_others(tree: &Path, directory: &Path, names: &BTreeSet<&str>) -> Outcome<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.strip_prefix(tree).ok().and_then(Path::to_str).unwrap_or_default();
        if path.is_dir() && name != "target" {
            remove_others(tree, &path, names)?;
        } else if path.is_file() && !names.contains(name) {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

fn failed(path: &Path, error: io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Makes targets of the Makefile.
fn make(tree: &Path, targets: &[&str]) -> Outcome<()> {
    output(Command::new("make").arg("-s").args(targets).current_dir(tree)).map(drop)
}

/// Returns what a command that succeeds prints.
fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} fails:\n{errors}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
