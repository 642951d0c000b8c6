//! The causes of stays in EL2, told apart by how EL2 was entered and by what it executed.

use super::code::Entry;
use Entry::{Fiq, Irq, RunLoop, Serror, Synchronous};

/// The greatest number of instructions of a stay that moves data in a link: at most 64 KiB, and 64
/// packets.
const LINK_GOAL: u64 = 30_000;

/// Whose act a stay is, from the point of view of the partition whose CPU stays in EL2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    /// Its own guest's.
    Own,
    /// Another partition's, or the operator's.
    Foreign,
    /// The restart of the partition.
    Restart,
    /// Its own guest's, or that of a peer which has waited for it: data are moved in a link.
    Link,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 4] = [Self::Own, Self::Foreign, Self::Restart, Self::Link];

    /// Returns the name of the group in the keys of rows.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Foreign => "foreign",
            Self::Restart => "restart",
            Self::Link => "link",
        }
    }

    /// Returns the greatest number of instructions that a stay may have.
    pub const fn goal(self) -> u64 {
        match self {
            Self::Own => 3_600,
            Self::Foreign => 2_000,
            Self::Restart => 20_000,
            Self::Link => LINK_GOAL,
        }
    }
}

/// A cause.
pub struct Cause {
    /// Its name for readers.
    pub name: &'static str,
    /// Whose act it is.
    pub group: Group,
    /// The entries of which one must be the stay's; any if there are none.
    entries: &'static [Entry],
    /// Parts of paths of functions, of which the stay must execute one; any if there are none.
    functions: &'static [&'static str],
}

/// The entries at which a CPU may work for others while its guest waits.
const ASYNCHRONOUS: &[Entry] = &[Irq, Fiq];
/// The monitor at the console.
const MONITOR: &[&str] =
    &["operator::monitor", "ConsoleMonitor", "MonitorUart", "MonitorConnection", "run_monitor"];
/// Moving data in a link.
const MOVING: &[&str] = &["link::Link::attend", "link::Lane::run", "links::memory::copy"];
/// The function that acknowledges interrupts: where the run loop calls it, a stay ends.
pub const POLL: &str = "vcpu::interrupts::take_own";
/// The function that leaves a guest for the run loop.
pub const LEAVE: &str = "leave_guest";

macro_rules! causes {
    ($($group:ident $name:literal $entries:expr, $functions:expr;)+) => {
        /// All causes. A stay has the first one that fits; the last one fits all.
        pub const CAUSES: &[Cause] = &[$(Cause {
            name: $name,
            group: Group::$group,
            entries: $entries,
            functions: $functions,
        },)+];
    };
}

causes! {
    Foreign "monitor at the console" ASYNCHRONOUS, MONITOR;
    Link "link, notification" &[Synchronous], MOVING;
    Link "link, continued" ASYNCHRONOUS, MOVING;
    Own "leaving the guest" &[], &[LEAVE];
    Restart "restart" &[RunLoop], &["wait_for_all", "mm::fill", "window", "cache"];
    Own "own output" ASYNCHRONOUS, &["pieces::send_own"];
    Foreign "console" ASYNCHRONOUS, &["console::pieces", "console::input"];
    Own "console, while no guest runs" &[RunLoop], &["console::pieces"];
    Own "start of a vCPU" &[RunLoop], &["enter_guest"];
    Own "run loop" &[RunLoop], &[];
    Own "SError" &[Serror], &[];
    Own "device's timer" &[Irq, Fiq], &["poll_devices", "with_devices"];
    Own "maintenance or recall" &[Irq, Fiq], &["maintenance", "recall"];
    Own "kick" &[Irq, Fiq], &["handle_kick"];
    Own "interrupt" &[Irq, Fiq], &[];
    Own "fault" &[], &["inject"];
    Own "monitor in a partition" &[Synchronous], MONITOR;
    Own "console access" &[Synchronous], &["uart_send", "uart_access", "console"];
    Own "call" &[Synchronous], &["smccc", "vectors::call"];
    Own "interrupt controller, write" &[Synchronous], &["vgic", "distributor_write", "send_"];
    Own "other device" &[Synchronous], &["device_access"];
    Own "data abort" &[Synchronous], &["data_abort"];
    Own "system register" &[Synchronous], &["system_register"];
    Own "other" &[], &[];
}

/// Returns a mask with the bit of each cause of which a function with this path is a sign.
pub fn signs(path: &str) -> u32 {
    let is_sign = |cause: &Cause| cause.functions.iter().any(|part| path.contains(part));
    let bits = CAUSES.iter().enumerate().filter(|(_, cause)| is_sign(cause));
    bits.fold(0, |mask, (index, _)| mask | 1 << index)
}

/// Returns the number of the cause of a stay that began in this way and executed functions with
/// these signs.
pub fn cause(entry: Entry, signs: u32) -> usize {
    let fits = |(index, cause): (usize, &Cause)| {
        let has_entry = cause.entries.is_empty() || cause.entries.contains(&entry);
        has_entry && (cause.functions.is_empty() || signs & 1 << index != 0)
    };
    CAUSES.iter().enumerate().position(fits).unwrap_or(CAUSES.len() - 1)
}
