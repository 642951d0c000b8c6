//! The verdict about every node of the device trees in Debian's kernel package: what its owner can
//! affect, counted by the first name in `compatible`.
//!
//! `verdicts.txt` has the result, so that a change of the rule shows what it allows and refuses on
//! the boards that Linux knows. `BULKHEAD_UPDATE=1 cargo test --test trees debian` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use bulkhead::boot::fdt::{Node, Tree};
use bulkhead::boot::machine::{Device, Reach, find_devices};
use common::{file, root};

/// A kernel for arm64 has the trees of more boards than this.
pub const MIN_TREES: usize = 400;

/// The numbers of nodes with one name.
#[derive(Default)]
struct Count {
    /// All of them.
    nodes: usize,
    /// Those of them that are available and serve others.
    serving: usize,
}

/// The verdicts about the nodes of all trees.
#[derive(Default)]
struct Verdicts {
    trees: usize,
    /// By the verdict and the name.
    counts: BTreeMap<(String, String), Count>,
}

/// Returns the heading of a verdict.
fn heading(reach: Reach) -> String {
    match reach {
        Reach::Partition => "harmless".into(),
        Reach::Machine(power) => format!("trusted-devices, {power}"),
        Reach::Channels => "trusted-devices, can request transfers of a DMA controller".into(),
        Reach::Unknown => "trusted-devices, unknown".into(),
        Reach::Memory => "dma = \"unprotected\"".into(),
    }
}

fn first_name(node: Node<'_, '_>) -> String {
    node.compatible().next().unwrap_or("-").to_string()
}

/// Returns whether a node, available or not, has registers that a CPU reaches, or interrupts.
fn is_device(node: Node<'_, '_>) -> bool {
    let is_memory = node.string("device_type") == Some("memory");
    let path = node.path();
    let is_other =
        ["/cpus/", "/reserved-memory/", "/chosen/"].iter().any(|it| path.starts_with(it));
    let has_registers = node.regions().is_ok_and(|registers| !registers.is_empty());
    let has_interrupts = || node.interrupts().is_ok_and(|interrupts| !interrupts.is_empty());
    !is_memory && !is_other && (has_registers || has_interrupts())
}

impl Verdicts {
    /// Adds those about the nodes of a tree.
    fn add(&mut self, tree: &Tree<'_>) {
        self.trees += 1;
        let key = |node| (heading(Reach::of(node)), first_name(node));
        for node in tree.nodes().filter(|node| is_device(*node)) {
            self.counts.entry(key(node)).or_default().nodes += 1;
        }
        let is_harmless = |device: &Device| {
            tree.node(&device.path).is_some_and(|node| Reach::of(node) == Reach::Partition)
        };
        let (devices, _) = find_devices(tree, &is_harmless);
        for device in devices.iter().filter(|device| !device.serves.is_empty()) {
            let node = tree.node(&device.path).expect("the device is in this tree");
            self.counts.entry(key(node)).or_default().serving += 1;
        }
    }

    /// Returns the summary: a table of the verdicts, then the names with each verdict that the rule
    /// knows by name.
    fn summary(&self, kernel: &str) -> String {
        let mut text = format!(
            "What the owners of devices can affect, in the {} trees of {kernel}.\n\
             {} nodes have registers or interrupts. tests/trees/debian.rs writes this file.\n\n\
             {:>6} {:>6} {:>8}  what a description needs to give them away\n",
            self.trees,
            self.counts.values().map(|count| count.nodes).sum::<usize>(),
            "nodes",
            "names",
            "serving",
        );
        let verdicts: BTreeSet<_> = self.counts.keys().map(|(verdict, _)| verdict).collect();
        let of = |verdict| self.counts.iter().filter(move |((it, _), _)| it == verdict);
        for verdict in &verdicts {
            let nodes: usize = of(*verdict).map(|(_, count)| count.nodes).sum();
            let serving: usize = of(*verdict).map(|(_, count)| count.serving).sum();
            writeln!(text, "{nodes:6} {:6} {serving:8}  {verdict}", of(*verdict).count()).unwrap();
        }
        for verdict in verdicts {
            if is_listed(verdict) {
                writeln!(text, "\n{verdict}:").unwrap();
                let lines = of(verdict).map(|((_, name), count)| match count.serving {
                    0 => format!("  {name} {}\n", count.nodes),
                    serving => format!("  {name} {}, {serving} serve others\n", count.nodes),
                });
                text.extend(lines);
            }
        }
        text
    }
}

/// Returns whether the names with this verdict are listed, and not only counted: those that the rule
/// knows.
fn is_listed(verdict: &str) -> bool {
    ![Reach::Memory, Reach::Channels, Reach::Unknown].map(heading).iter().any(|it| it == verdict)
}

/// Returns the files of all trees, in the order of their paths.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|it| it == "dtb") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns the verdicts that a summary lists for each name.
fn listed(summary: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut listed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut verdict = "";
    for line in summary.lines() {
        if let Some(line) = line.strip_prefix("  ") {
            let name = line.split(' ').next().unwrap_or_default();
            listed.entry(name).or_default().insert(verdict);
        } else if let Some(heading) = line.strip_suffix(':') {
            verdict = heading;
        }
    }
    listed
}

#[test]
fn verdicts_about_the_nodes_of_all_boards() {
    let kernel = file("target/linux/trees/kernel");
    let directory = kernel.parent().expect("a file has a directory");
    let mut verdicts = Verdicts::default();
    for file in files(directory) {
        let bytes = fs::read(&file).expect("the tree can be read");
        let tree = Tree::new(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        verdicts.add(&tree);
    }
    assert!(verdicts.trees > MIN_TREES, "only {} trees", verdicts.trees);
    let kernel = fs::read_to_string(&kernel).expect("the kernel's name can be read");
    let (kernel, path) = (kernel.trim(), root().join("tests/trees/verdicts.txt"));
    let summary = verdicts.summary(kernel);
    if env::var_os("BULKHEAD_UPDATE").is_some() {
        return fs::write(path, summary).expect("the summary can be written");
    }
    let expected = fs::read_to_string(path).expect("the summary can be read");
    let way = "if that is meant: BULKHEAD_UPDATE=1 cargo test --test trees debian";
    if expected.contains(&format!("trees of {kernel}.")) {
        let lines = |text: &str| -> BTreeSet<String> { text.lines().map(String::from).collect() };
        let (is, was) = (lines(&summary), lines(&expected));
        let (new, old): (Vec<_>, Vec<_>) =
            (is.difference(&was).collect(), was.difference(&is).collect());
        assert!(summary == expected, "new: {new:#?}\nmissing: {old:#?}\n{way}");
        return;
    }
    // Another kernel has other boards, but a name means the same.
    let (is, was) = (listed(&summary), listed(&expected));
    for (name, verdicts) in &was {
        let Some(found) = is.get(name) else { continue };
        assert!(!found.is_disjoint(verdicts), "{name}: {found:?} instead of {verdicts:?}; {way}");
    }
}

/// Devices that were given to guests as harmless before each device had to be known.
#[test]
fn bus_masters_of_real_boards_are_never_harmless() {
    const MASTERS: [&str; 9] = [
        "cdns,gem",
        "cdns,zynqmp-gem",
        "arasan,sdhci-8.9a",
        "xlnx,zynqmp-dma-1.0",
        "snps,dwc3",
        "fsl,imx8mp-fec",
        "fsl,sec-v4.0",
        "rockchip,rk3399-gmac",
        "arm,coresight-cpu-debug",
    ];
    let directory = file("target/linux/trees/kernel");
    let mut found = BTreeSet::new();
    for file in files(directory.parent().expect("a file has a directory")) {
        let bytes = fs::read(&file).expect("the tree can be read");
        let tree = Tree::new(&bytes).expect("the tree is well-formed");
        for node in tree.nodes() {
            let names = MASTERS.iter().filter(|name| node.is_compatible(name));
            for name in names {
                assert_ne!(Reach::of(node), Reach::Partition, "{} {}", file.display(), node.path());
                found.insert(*name);
            }
        }
    }
    assert!(found.len() >= 7, "{found:?}");
}
