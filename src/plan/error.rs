//! Every error that a user can make in a system description.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::addr::{Bytes, Ipa, PAGE_SIZE, Pa, Region};
use crate::fdt::TreeError;
use crate::intid::Intid;
use crate::machine::Mpidr;

use super::layout::IPA_END;

/// Why a description is refused. Displayed as one sentence, without a full stop, that names the
/// node, the property and the value at fault.
///
/// It is one word: errors are passed on in many places, and each move of all that would be code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError(Box<Fault>);

/// What is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// The path of the node.
    node: String,
    /// The property; empty when it is the node as a whole.
    property: &'static str,
    /// The property's value, or the part of it that is at fault.
    value: Value,
    problem: Problem,
}

impl PlanError {
    /// The error of the node at `node` as a whole.
    pub(super) fn of_node(node: &str, problem: Problem) -> Self {
        Self::new(node, "", Value::Untold, problem)
    }

    /// The error of `property` of the node at `node`.
    #[inline(never)]
    pub(super) fn new(node: &str, property: &'static str, value: Value, problem: Problem) -> Self {
        let node = String::from(node);
        Self(Box::new(Fault { node, property, value, problem }))
    }
}

impl From<TreeError> for PlanError {
    fn from(error: TreeError) -> Self {
        Self::of_node("the system description", Problem::Tree(error))
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { node, property, value, problem } = &*self.0;
        f.write_str(node)?;
        if !property.is_empty() {
            write!(f, ": {property}{value}")?;
        }
        write!(f, " {problem}")
    }
}

/// A property's value, in the way that it is written in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The value says nothing.
    Untold,
    /// One cell that counts.
    Count(u64),
    /// One cell that is an identifier or an offset.
    Cell(u64),
    /// Two cells.
    Cells(u64),
    /// Two times two cells.
    Region(Region<Pa>),
    /// A string.
    Text(String),
    /// So many bytes of something too long to show.
    Bytes(u64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two_cells = |number: u64| (number >> 32, number as u32);
        match self {
            Self::Untold => Ok(()),
            Self::Count(count) => write!(f, " = <{count}>"),
            Self::Cell(cell) => write!(f, " = <{cell:#x}>"),
            Self::Cells(number) => {
                let (high, low) = two_cells(*number);
                write!(f, " = <{high:#x} {low:#x}>")
            }
            Self::Region(region) => {
                let (high, low) = two_cells(region.start().get());
                let (size_high, size_low) = two_cells(region.size());
                write!(f, " = <{high:#x} {low:#x} {size_high:#x} {size_low:#x}>")
            }
            Self::Text(text) => write!(f, " = \"{text}\""),
            Self::Bytes(bytes) => write!(f, " ({bytes} bytes)"),
        }
    }
}

/// What is wrong, and with it what would be right. Displayed as the end of a sentence that begins
/// with the property and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are no device tree.
    Tree(TreeError),
    /// `compatible` is something else.
    NotASystem,
    /// There is no node below `partitions`.
    NoPartitions,
    /// There are more partitions than VMIDs.
    TooManyPartitions,
    /// A node that has no meaning where it stands, and the known name that comes nearest.
    UnknownNode(Option<&'static str>),
    /// A property that has no meaning where it stands.
    UnknownProperty {
        /// Its name.
        name: String,
        /// The known name that comes nearest.
        nearest: &'static str,
    },
    /// A partition's name that would not print well.
    BadName,
    /// Something that must be there, as what it looks like.
    Missing(&'static str),
    /// A value of another type than this one.
    WrongType(&'static str),
    /// A property that excludes this other one.
    Beside(&'static str),
    /// No CPU, no memory, no byte of an image.
    Empty,
    /// It belongs to the owner with this name already.
    Owned(String),

    /// More CPUs than are left.
    TooFewCpus {
        /// CPUs that are not given to a partition.
        left: usize,
        /// CPUs of the machine that can be started.
        total: usize,
    },
    /// More CPUs than the interrupt controller can serve in one partition.
    TooManyVcpus(usize),
    /// No CPU of the machine; these are.
    UnknownCpu(Vec<Mpidr>),
    /// A CPU that nobody can start.
    CpuCannotStart,

    /// Not a multiple of the page size.
    NotPageAligned,
    /// No free piece of memory is large enough; the largest has so many bytes.
    NoRoom(u64),
    /// No room for the stage-2 tables, of so many bytes.
    NoRoomForTables(u64),
    /// The machine does not have so many bytes of memory from that address on.
    NotMemory(u64),
    /// The memory there has an owner.
    Taken {
        /// What the owner has.
        region: Region<Pa>,
        /// Who it is.
        owner: String,
    },
    /// Past the end of the intermediate physical addresses.
    BeyondIpa,
    /// Something else is at its guest addresses.
    Collides {
        /// Where that is.
        region: Region<Ipa>,
        /// What it is.
        with: String,
    },
    /// Memory that is not identity-mapped where it has to be.
    NotIdentity,

    /// No device of the machine, and the one whose name comes nearest.
    UnknownDevice(Option<String>),
    /// A device that Bulkhead keeps for itself.
    BulkheadsOwn,
    /// An interrupt of a device that somebody else has.
    InterruptOwned {
        /// The interrupt.
        intid: Intid,
        /// Who has it.
        owner: String,
    },
    /// An interrupt that every CPU has for itself.
    PrivateInterrupt(Intid),
    /// Registers in one page with those of a device that is not the partition's.
    SharedPage {
        /// The registers of the other device.
        region: Region<Pa>,
        /// Whose they are.
        with: String,
    },
    /// Registers of a device that are memory of the machine.
    RegistersInMemory(Region<Pa>),
    /// A device whose DMA nobody stops.
    Dma,

    /// A file that cannot be booted as it is: what it is, and what to give.
    NotBootable(&'static str),
    /// `load-offset` for an arm64 Image, which says itself where it goes.
    HasOwnOffset,
    /// The tree that tells the guest of its devices is larger than this many bytes.
    TreeTooLarge(u64),
    /// What has to be in the partition's memory reaches past its end.
    TooLarge {
        /// Where it would lie; `None` if that is past the end of all addresses.
        needs: Option<Region<Ipa>>,
        /// The partition's memory.
        memory: Region<Ipa>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(error) => write!(f, "is {error}"),
            Self::UnknownNode(Some(nearest)) => {
                write!(f, "is no node that belongs here; the nearest is \"{nearest}\"")
            }
            Self::UnknownProperty { name, nearest } => write!(
                f,
                "has a property \"{name}\", which does not belong here; the nearest is \"{nearest}\""
            ),
            Self::Missing(like) => write!(f, "is missing: give {like}"),
            Self::WrongType(like) => write!(f, "is not {like}"),
            Self::Beside(other) => write!(f, "stands beside {other}: give only one of them"),
            Self::Owned(owner) => write!(f, "is given to {owner} already"),
            Self::TooFewCpus { left, total } => {
                write!(f, "is more than the CPUs that are left: {left} of {total}")
            }
            Self::TooManyVcpus(most) => {
                write!(f, "is more than the {most} CPUs that a partition can have here")
            }
            Self::UnknownCpu(cpus) => fmt_cpus(f, cpus),
            Self::NoRoom(most) => {
                write!(f, "does not fit: the most that is free in one piece is {}", Bytes(*most))
            }
            Self::NoRoomForTables(bytes) => {
                write!(f, "leaves no memory for the stage-2 tables: {} are needed", Bytes(*bytes))
            }
            Self::NotMemory(size) => write!(f, "is not the start of {} of memory", Bytes(*size)),
            Self::Taken { region, owner } => {
                write!(f, "asks for memory that is taken: {region} is {owner}'s")
            }
            Self::BeyondIpa => write!(f, "ends past the last guest address, {:#x}", IPA_END - 1),
            Self::Collides { region, with } => {
                write!(f, "would cover {with}, which the guest has at {region}")
            }
            Self::UnknownDevice(Some(nearest)) => {
                write!(f, "is no device that can be given; the nearest is \"{nearest}\"")
            }
            Self::InterruptOwned { intid, owner } => {
                write!(f, "raises interrupt {intid}, which is {owner}'s")
            }
            Self::PrivateInterrupt(intid) => write!(
                f,
                "raises interrupt {intid}, which every CPU has for itself: only SPIs can be given"
            ),
            Self::SharedPage { region, with } => write!(
                f,
                "shares a page with {with}, at {region}: both must be given to one partition"
            ),
            Self::RegistersInMemory(region) => {
                write!(f, "has registers at {region}, which is memory")
            }
            Self::TreeTooLarge(most) => write!(
                f,
                "make the guest's device tree larger than {}: give fewer devices",
                Bytes(*most)
            ),
            Self::NotBootable(what) => f.write_str(what),
            Self::TooLarge { needs: Some(needs), memory } => {
                write!(f, "needs {needs}, and the partition's memory is {memory}")
            }
            Self::TooLarge { needs: None, memory } => {
                write!(f, "needs more than the partition's memory, {memory}")
            }
            plain => f.write_str(plain.clause()),
        }
    }
}

impl Problem {
    /// The clause of a problem that needs nothing filled in.
    const fn clause(&self) -> &'static str {
        match self {
            Self::NotASystem => "is not \"bulkhead,system\"",
            Self::UnknownDevice(_) => "is no device that can be given: this machine has none",
            Self::UnknownNode(_) => "is no node that belongs here: no node does",
            Self::NoPartitions => {
                "holds no partition: the node partitions must have a node for each"
            }
            Self::TooManyPartitions => "holds more partitions than the 255 that can be told apart",
            Self::BadName => "is not 1 to 15 letters, digits, hyphens and underscores",
            Self::Empty => "is empty: give at least one",
            Self::CpuCannotStart => {
                "cannot be started: its enable-method is neither \"psci\" nor \"spin-table\""
            }
            Self::NotPageAligned => {
                const { assert!(PAGE_SIZE == 0x1000) };
                "is not a multiple of the page size, 0x1000"
            }
            Self::NotIdentity => "is not host-base, as it has to be with dma = \"unprotected\"",
            Self::BulkheadsOwn => "is Bulkhead's own and cannot be given away",
            Self::Dma => {
                "can write to all memory by DMA: say dma = \"unprotected\" if this is what you want"
            }
            Self::HasOwnOffset => "is only for flat binaries: an arm64 Image says where it goes",
            _ => "",
        }
    }
}

fn fmt_cpus(f: &mut fmt::Formatter<'_>, cpus: &[Mpidr]) -> fmt::Result {
    f.write_str("is no CPU of this machine, which has")?;
    for cpu in cpus {
        write!(f, " {cpu}")?;
    }
    Ok(())
}
