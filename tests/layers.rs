//! Compares the `use` lines of the source with the table of rooms: no import upward, and no circle
//! of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// The rooms of the library, and those that each may use besides itself, as in docs/design.md.
#[rustfmt::skip]
const LIBRARY: &[(&str, &[&str])] = &[
    ("arch", &[]),
    ("util", &[]),
    ("vgic", &["arch", "util"]),
    ("smccc", &["arch"]),
    ("devices", &["arch", "util"]),
    ("entropy", &[]),
    ("virtio", &["arch", "util"]),
    ("smmu", &[]),
    ("msi", &["arch"]),
    ("partition", &["arch"]),
    ("pci", &[]),
    ("sched", &[]),
    ("mm", &["arch"]),
    ("trap", &["arch", "devices", "vgic"]),
    ("boot", &["arch", "util", "vgic", "smccc", "devices", "entropy", "virtio", "smmu", "msi",
        "partition", "pci", "mm", "trap"]),
    ("operator", &["arch", "util", "vgic", "smccc", "devices", "partition", "mm", "trap", "boot"]),
];

/// The rooms of the EL2 program, all of which may use the library. `main` is `main.rs`.
#[rustfmt::skip]
const EL2: &[(&str, &[&str])] = &[
    ("arch", &[]),
    ("drivers", &["arch"]),
    ("cpu", &["arch", "drivers"]),
    ("console", &["arch", "drivers", "cpu"]),
    ("mm", &["arch", "drivers"]),
    ("partition", &["arch", "drivers", "cpu", "console", "mm"]),
    ("vcpu", &["arch", "drivers", "cpu", "console", "mm", "partition"]),
    ("trap", &["arch", "drivers", "cpu", "console", "mm", "partition", "vcpu"]),
    ("monitor", &["arch", "drivers", "cpu", "console", "mm", "partition", "vcpu"]),
    ("entropy", &["arch", "drivers", "cpu", "console", "mm", "partition"]),
    ("links", &["arch", "drivers", "cpu", "console", "mm", "partition"]),
    ("pci", &["arch", "drivers", "cpu", "console", "mm", "partition"]),
    ("dma", &["arch", "drivers", "cpu", "console", "mm", "partition"]),
    ("boot", &["arch", "drivers", "cpu", "console", "mm", "partition", "vcpu", "trap", "monitor",
        "entropy", "links", "pci", "dma"]),
    ("main", &["arch", "drivers", "cpu", "console", "mm", "partition", "vcpu", "trap", "monitor",
        "boot"]),
];

/// A module's path from the root of its crate.
type Module = Vec<String>;

/// A crate's files without its tests, and what each imports.
struct Crate {
    /// Its name in `use` lines of other crates.
    name: &'static str,
    /// The file of each module, relative to the repository.
    files: BTreeMap<Module, PathBuf>,
    /// What each module's file says.
    uses: BTreeMap<Module, Uses>,
}

/// The paths that a file names.
#[derive(Default)]
struct Uses {
    /// Whole paths: of its `use` lines, and of what it names by `crate::`, `super::` or another
    /// crate's name.
    imports: Vec<Vec<String>>,
    /// Names that it passes on (`pub use`), with where they come from.
    exports: Vec<(String, Vec<String>)>,
    /// Modules that it declares for tests alone.
    tests: BTreeSet<String>,
}

/// Whether an item is compiled for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    let text = |attribute: &Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    };
    attributes.iter().any(|it| it.path().is_ident("cfg") && text(it) == "test")
}

/// The paths of a `use` tree, with the name that each gets.
fn leaves(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let mut leaf = |name: String, end: Option<String>| {
        let mut path = path.clone();
        path.extend(end);
        found.push((name, path));
    };
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            leaves(&part.tree, path, found);
            path.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaf(path.last().cloned().unwrap_or_default(), None);
        }
        UseTree::Name(name) => leaf(name.ident.to_string(), Some(name.ident.to_string())),
        UseTree::Rename(rename) => leaf(rename.rename.to_string(), Some(rename.ident.to_string())),
        UseTree::Glob(_) => leaf("*".into(), Some("*".into())),
        UseTree::Group(group) => group.items.iter().for_each(|it| leaves(it, path, found)),
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Mod(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            if let Item::Mod(ItemMod { ident, .. }) = item {
                self.tests.insert(ident.to_string());
            }
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut found);
        if matches!(item.vis, Visibility::Inherited) {
            self.imports.extend(found.into_iter().map(|(_, path)| path));
        } else {
            self.exports.extend(found);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|it| it.ident.to_string()).collect();
        if ["crate", "super", "bulkhead", "guests"].contains(&names[0].as_str()) && names.len() > 1
        {
            self.imports.push(names);
        }
        visit::visit_path(self, path);
    }
}

impl Crate {
    /// Reads the crate whose root is this file, whose modules lie beside it.
    fn read(name: &'static str, root: &str) -> Self {
        let mut this = Self { name, files: BTreeMap::new(), uses: BTreeMap::new() };
        let root = PathBuf::from(root);
        let folder = root.parent().expect("a file has a folder").to_path_buf();
        this.add(Module::new(), root, &folder);
        this
    }

    fn add(&mut self, module: Module, file: PathBuf, folder: &Path) {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut uses = Uses::default();
        uses.visit_file(&parsed);
        for item in &parsed.items {
            let Item::Mod(ItemMod { ident, content: None, attrs, .. }) = item else { continue };
            let name = ident.to_string();
            if is_test(attrs) {
                continue;
            }
            let inside = folder.join(&name);
            let file = [folder.join(format!("{name}.rs")), inside.join("mod.rs")]
                .into_iter()
                .find(|it| Path::new(env!("CARGO_MANIFEST_DIR")).join(it).exists());
            let file = file.unwrap_or_else(|| panic!("{module:?} has no file for `{name}`"));
            let mut child = module.clone();
            child.push(name);
            self.add(child, file, &inside);
        }
        self.files.insert(module.clone(), file);
        self.uses.insert(module, uses);
    }

    /// Returns the module, of this crate or another one of the workspace, that has what a path
    /// names in a module; `None` for other crates.
    fn resolve<'a>(
        &'a self,
        module: &[String],
        path: &[String],
        others: &'a [Crate],
    ) -> Option<(&'a Crate, Module)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.find(Module::new(), rest, others),
            "self" => self.find(module.to_vec(), rest, others),
            "super" => {
                let parent = &module[..module.len().checked_sub(1)?];
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve(parent, rest, others),
                    _ => self.find(parent.to_vec(), rest, others),
                }
            }
            name => {
                let mut child = module.to_vec();
                child.push(name.into());
                if self.files.contains_key(&child) {
                    return self.find(child, rest, others);
                }
                let other = others.iter().find(|it| it.name == name)?;
                other.find(Module::new(), rest, others)
            }
        }
    }

    /// Goes down from a module, through what its modules pass on.
    fn find<'a>(
        &'a self,
        mut module: Module,
        path: &[String],
        others: &'a [Crate],
    ) -> Option<(&'a Crate, Module)> {
        let mut rest = path;
        while let Some((name, deeper)) = rest.split_first() {
            let mut child = module.clone();
            child.push(name.clone());
            if self.files.contains_key(&child) {
                (module, rest) = (child, deeper);
                continue;
            }
            let exports = &self.uses.get(&module)?.exports;
            if let Some((_, path)) = exports.iter().find(|(exported, _)| exported == name) {
                return self.resolve(&module, path, others);
            }
            break;
        }
        Some((self, module))
    }

    /// Each import of another file: from and to.
    fn imports<'a>(&'a self, others: &'a [Crate]) -> BTreeSet<(&'a Path, &'a Path)> {
        let mut imports = BTreeSet::new();
        for (module, uses) in &self.uses {
            for path in &uses.imports {
                if let Some((owner, target)) = self.resolve(module, path, others) {
                    imports.insert((&*self.files[module], &*owner.files[&target]));
                }
            }
        }
        imports.retain(|(from, to)| from != to);
        imports
    }
}

fn file_name(file: &Path) -> String {
    file.display().to_string()
}

/// The room that a file of the program or the library is in.
fn room(file: &Path) -> (bool, String) {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let name = |part: &str| part.trim_end_matches(".rs").to_string();
    match &parts[1..] {
        [el2, first, ..] if el2 == "el2" => (true, name(first)),
        [first] => (first != "lib.rs", name(first)),
        [first, ..] => (false, name(first)),
        [] => unreachable!("a file has a name"),
    }
}

/// What the table of rooms forbids about an import, if it does.
fn forbidden(from: &Path, to: &Path) -> Option<String> {
    let ((from_el2, from_room), (to_el2, to_room)) = (room(from), room(to));
    let says = |why: &str| Some(format!("{} imports {}: {why}", from.display(), to.display()));
    if to.ends_with("src/lib.rs") || from_room == to_room && from_el2 == to_el2 {
        return None;
    }
    match (from_el2, to_el2) {
        (false, true) => says("the library may not use the EL2 program"),
        (true, false) => None,
        _ => {
            let table = if from_el2 { EL2 } else { LIBRARY };
            let Some((_, may_use)) = table.iter().find(|(room, _)| *room == from_room) else {
                return says("this room is not in the table");
            };
            if may_use.contains(&to_room.as_str()) {
                None
            } else {
                says(&format!("{from_room} may not use {to_room}"))
            }
        }
    }
}

/// The groups of files that import each other in a circle.
fn circles<'a>(imports: &BTreeSet<(&'a Path, &'a Path)>) -> Vec<BTreeSet<&'a Path>> {
    let reached = |from: &'a Path| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            let next = imports.iter().filter(|it| it.0 == file).map(|it| it.1);
            open.extend(next.filter(|it| seen.insert(*it)));
        }
        seen
    };
    let files: BTreeSet<_> = imports.iter().map(|it| it.0).collect();
    let reach: BTreeMap<_, _> = files.iter().map(|file| (*file, reached(file))).collect();
    let mut found: Vec<BTreeSet<&Path>> = Vec::new();
    for (file, reached) in &reach {
        if !reached.contains(file) || found.iter().any(|it| it.contains(file)) {
            continue;
        }
        let back = |it: &&&'a Path| reach.get(**it).is_some_and(|of| of.contains(file));
        found.push(reached.iter().filter(back).copied().collect());
    }
    found
}

/// The library and the EL2 program.
fn program() -> [Crate; 2] {
    [Crate::read("bulkhead", "src/lib.rs"), Crate::read("bulkhead program", "src/main.rs")]
}

#[test]
fn no_import_goes_where_the_table_of_rooms_forbids_it() {
    let crates = program();
    let imports = crates.iter().flat_map(|it| it.imports(&crates));
    let (mut count, mut wrong) = (0, Vec::new());
    for (from, to) in imports {
        count += 1;
        wrong.extend(forbidden(from, to));
    }
    assert!(count > 300, "only {count} imports: the source was not read right");
    assert!(wrong.is_empty(), "{} imports:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = program();
    let mut all: BTreeSet<_> = crates.iter().flat_map(|it| it.imports(&crates)).collect();
    let mut guests = vec![Crate::read("guests", "guests/src/lib.rs")];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/src/bin");
    for entry in fs::read_dir(folder).expect("the guests have programs") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name");
        let file = if name.ends_with(".rs") { name } else { format!("{name}/main.rs") };
        guests.push(Crate::read("", &format!("guests/src/bin/{file}")));
    }
    all.extend(guests.iter().flat_map(|it| it.imports(&guests)));
    let circles = circles(&all);
    let text = |circle: &BTreeSet<&Path>| {
        let inside = |it: &&(&Path, &Path)| circle.contains(it.0) && circle.contains(it.1);
        let lines = all.iter().filter(inside);
        let lines = lines.map(|(from, to)| format!("  {} -> {}\n", from.display(), to.display()));
        format!("{} files:\n{}", circle.len(), lines.collect::<String>())
    };
    assert!(circles.is_empty(), "{}", circles.iter().map(text).collect::<String>());
}

#[test]
fn every_folder_has_its_module_in_mod_rs() {
    let mut wrong = Vec::new();
    let crates = program();
    for file in crates.iter().flat_map(|it| it.files.values()) {
        if file.with_extension("").join("mod.rs").exists() || file.with_extension("").is_dir() {
            wrong.push(file_name(file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} belong into a mod.rs");
}

#[test]
fn a_forbidden_import_and_a_circle_are_found() {
    let file = |name| Path::new(name);
    let (vgic, boot) = (file("src/vgic/state.rs"), file("src/boot/plan/mod.rs"));
    assert!(forbidden(vgic, boot).is_some());
    assert!(forbidden(boot, vgic).is_none());
    assert!(forbidden(vgic, file("src/el2/arch/cache.rs")).is_some());
    let (gic, mmu) = (file("src/el2/drivers/gic/mod.rs"), file("src/el2/mm/mmu.rs"));
    assert!(forbidden(gic, mmu).is_some());
    assert!(forbidden(mmu, gic).is_none());
    assert!(forbidden(gic, vgic).is_none());
    let line = BTreeSet::from([(vgic, boot), (boot, gic)]);
    assert!(circles(&line).is_empty());
    let circle = BTreeSet::from([(vgic, boot), (boot, gic), (gic, vgic), (mmu, gic)]);
    assert_eq!(circles(&circle), [BTreeSet::from([vgic, boot, gic])]);
}
