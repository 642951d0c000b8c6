//! Takes the decisions of a boot for a machine that is not there: what the loader and the hardware
//! determine is given by options, or assumed and reported.

use std::fmt::Write;

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::description::{Description, PlanError};
use bulkhead::boot::fdt::{Node, Tree};
use bulkhead::boot::machine::{ConsoleUart, Gic, Machine, Seeds};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::steps::{self, Surroundings};
use bulkhead::boot::{guest_tree, report};

/// Where QEMU's loader puts the image of an arm64 kernel, in bytes from the start of memory: at the
/// first multiple of 2 MiB that leaves room for QEMU's own code.
const IMAGE_OFFSET: u64 = 2 << 20;
/// Where QEMU's loader puts the initrd, unless memory is smaller than twice that.
const SYSTEM_OFFSET: u64 = 128 << 20;
/// The alignment of a tree behind the initrd.
const TREE_ALIGNMENT: u64 = 2 << 20;
/// The last SPI of QEMU's `virt`, whose GIC has 288 interrupts.
const LAST_SPI: Intid = Intid::spi(255).unwrap();
/// ID_AA64MMFR0_EL1 of a CPU with all granules: TGran16 is 1, TGran4 and TGran64 are 0.
const ALL_GRANULES: u64 = 1 << 20;
/// What an image looks like whose bytes are not known: a flat binary.
static UNKNOWN: [u8; 64] = [0; 64];

/// The lines about what only booting can check.
pub const NOT_CHECKED: &str = "\
not checked the Exception level, the start of CPUs, the counter, the GIC's registers, entropy,
not checked the room in Bulkhead's heap and tables, and the audit of the finished tables
";

/// What is to be checked.
pub struct Question {
    /// The machine's tree.
    pub machine: Vec<u8>,
    /// The system description; `None` if it is in the machine's tree.
    pub system: Option<Vec<u8>>,
    /// The bytes of memory that Bulkhead's image takes.
    pub image_size: u64,
    /// The address of Bulkhead's image, if given.
    pub image_at: Option<Pa>,
    /// The address of the description, if given.
    pub system_at: Option<Pa>,
    /// The address of the machine's tree, if given.
    pub tree_at: Option<Pa>,
    /// The CPU that boots, if given.
    pub boot_cpu: Option<Mpidr>,
    /// The last SPI, if given; `Some(None)` if none can be delivered directly.
    pub last_direct_spi: Option<Option<Intid>>,
    /// ID_AA64MMFR0_EL1 of the CPUs, if given.
    pub id_aa64mmfr0: Option<u64>,
    /// Images that are in memory, with their addresses.
    pub loaded: Vec<(Pa, &'static [u8])>,
}

/// What booting decides, and what that was based on.
pub struct Verdict {
    /// The decision: the sentence of the refusal, if it is one.
    pub outcome: Result<Accepted, String>,
    /// What was assumed, a line each.
    pub assumed: Vec<String>,
}

/// A machine and a description that can be booted.
pub struct Accepted {
    /// The machine.
    pub machine: Machine,
    /// What each partition owns.
    pub plan: Plan,
    /// The lines that boot prints about both.
    pub report: String,
}

/// Decides as booting does.
pub fn decide(question: &Question) -> Verdict {
    let mut assumed = Vec::new();
    let outcome = take_steps(question, &mut assumed);
    Verdict { outcome, assumed }
}

/// Takes the steps of a boot, in the order of `src/main.rs`.
fn take_steps(question: &Question, assumed: &mut Vec<String>) -> Result<Accepted, String> {
    // Boot has no console to say this.
    let tree = Tree::new(&question.machine);
    let tree = tree.map_err(|error| format!("the machine's tree is {error}"))?;
    let boots = question.boot_cpu.unwrap_or(Mpidr::new(0));
    let machine = steps::read_machine(&tree, ConsoleUart::read(&tree), boots);
    let mut machine = machine.map_err(|refusal| refusal.to_string())?;
    let boot_cpu = question.boot_cpu.unwrap_or(machine.cpus[0].mpidr);
    steps::find_boot_cpu(&machine, boot_cpu).map_err(|refusal| refusal.to_string())?;

    let places = Places::new(question, &machine)?;
    let Places { image, tree: place, system } = places;
    assumed.push(format!("CPU {boot_cpu} boots (--boot-cpu)"));
    assumed.push(format!("Bulkhead at {image} (--image-at)"));
    assumed.push(format!("the machine's tree at {place} (--tree-at)"));
    machine.initrd = system;
    machine.id_aa64mmfr0 = question.id_aa64mmfr0.unwrap_or_else(|| {
        assumed.push("the CPUs have all page sizes (--id-aa64mmfr0)".to_string());
        ALL_GRANULES
    });
    if let Some(region) = system {
        steps::check_initrd(region, image, place).map_err(|refusal| refusal.to_string())?;
    }
    // With them the guests' trees are the largest.
    machine.seeds = Seeds::All;
    let description = match (&question.system, system) {
        (Some(bytes), Some(region)) => {
            assumed.push(format!("the system description at {region} (--system-at)"));
            let tree = Tree::new(bytes).map_err(|error| PlanError::from(error).to_string())?;
            read_description(question, &tree, "/", region.start(), &machine, assumed)?
        }
        _ => {
            let node = steps::firmware_description(&tree);
            let path = node.map_or(steps::FIRMWARE_NODE.to_string(), Node::path);
            read_description(question, &tree, &path, place.start(), &machine, assumed)?
        }
    };

    let (last_spi, delivers_directly) = interrupts(question, &machine, &description, assumed);
    let surroundings = Surroundings { boot_cpu, image, tree: place, last_spi, delivers_directly };
    let plan = steps::plan(&tree, &mut machine, &description, &surroundings);
    let plan = plan.map_err(|refusal| refusal.to_string())?;
    let mut report = report::report(&machine, &plan);
    for partition in &plan.partitions {
        let tree = guest_tree::build(partition, &machine, &tree);
        for remark in tree.map_err(|refusal| refusal.to_string())?.remarks {
            // Writing to a String does not fail.
            _ = writeln!(report, "{}: {remark}", partition.name);
        }
    }
    Ok(Accepted { machine, plan, report })
}

/// Reads the description at `path` of a tree, whose place is `base`.
fn read_description(
    question: &Question,
    tree: &Tree<'_>,
    path: &str,
    base: Pa,
    machine: &Machine,
    assumed: &mut Vec<String>,
) -> Result<Description, String> {
    let Some(system) = tree.node(path) else {
        return Err(format!("the machine's tree has no {path}: give a description"));
    };
    let unknown = std::cell::RefCell::new(Vec::new());
    let image = |region: Region<Pa>| {
        let offset = |at: Pa| usize::try_from(region.start().get().checked_sub(at.get())?).ok();
        let mut loaded = question.loaded.iter();
        let found = loaded.find_map(|(at, bytes)| bytes.get(offset(*at)?..));
        found.filter(|bytes| !bytes.is_empty()).unwrap_or_else(|| {
            unknown.borrow_mut().push(format!("the image at {region} is flat (--load)"));
            &UNKNOWN
        })
    };
    let description = steps::read_description(tree, system, base, machine, &image);
    assumed.extend(unknown.take());
    description.map_err(|refusal| refusal.to_string())
}

/// Returns the last SPI, and whether interrupts can be delivered directly. Where the description
/// wants that, it is assumed that Bulkhead owns both groups, as on a machine without EL3.
fn interrupts(
    question: &Question,
    machine: &Machine,
    description: &Description,
    assumed: &mut Vec<String>,
) -> (Intid, bool) {
    let is_v3 = matches!(machine.gic, Gic::V3 { .. });
    let wants_direct = is_v3 && description.wants_direct_interrupts();
    match question.last_direct_spi {
        Some(None) => (LAST_SPI, false),
        Some(Some(last)) => (last, is_v3),
        None => {
            let last = format!("the last SPI is {}", LAST_SPI.get());
            if wants_direct {
                let why = "firmware owns no interrupt group";
                let option = "(--last-direct-spi, 0 if it owns one)";
                assumed.push(format!("{why}, and {last} {option}"));
            } else if description.has_virtio() {
                assumed.push(format!("{last} (--last-direct-spi)"));
            }
            (LAST_SPI, is_v3)
        }
    }
}

/// The memory that boot uses.
#[derive(Clone, Copy)]
struct Places {
    image: Region<Pa>,
    tree: Region<Pa>,
    system: Option<Region<Pa>>,
}

impl Places {
    /// Returns the places that are given, and for the others those where QEMU loads them: in the
    /// first bank of memory the image, the description, and the machine's tree.
    fn new(question: &Question, machine: &Machine) -> Result<Self, String> {
        let bank = machine.memory[0];
        let after = |offset| Pa::new(bank.start().get().saturating_add(offset));
        let region = |what: &str, start: Pa, size: u64| {
            let wraps = || format!("{what} at {start} does not fit in 64 bits of address");
            Region::new(start, size).ok_or_else(wraps)
        };
        let image_at = question.image_at.unwrap_or(after(IMAGE_OFFSET));
        let image = region("Bulkhead", image_at, question.image_size)?;
        let default = after(SYSTEM_OFFSET.min(bank.size() / 2));
        let named = machine.initrd.map(|initrd| initrd.start());
        let system_at = question.system_at.or(named).unwrap_or(default);
        let size = question.system.as_ref().map(|bytes| bytes.len() as u64);
        let system = size.map(|size| region("the description", system_at, size)).transpose()?;
        let end = system.map_or(default, |system| system.end()).get();
        let end = end.checked_next_multiple_of(TREE_ALIGNMENT).unwrap_or(end);
        let tree_at = question.tree_at.unwrap_or(Pa::new(end));
        let tree = region("the machine's tree", tree_at, question.machine.len() as u64)?;
        Ok(Self { image, tree, system })
    }
}
