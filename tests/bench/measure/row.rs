//! What is measured, in the order of the table.

use super::column::Column;

/// What a row's figures are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Instructions of a guest's act, of which EL2's are those that a bare machine's lacks.
    Act,
    /// The same with several CPUs, counted on all of them.
    ActOfSeveral,
    /// Instructions of a long run, held against the bare machine's by their ratio.
    Run,
    /// Instructions of what only Bulkhead does.
    Own,
    /// Something of Bulkhead's that is no number of instructions.
    Count,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Nothing in particular.
    None,
    /// At most so many instructions of EL2's, or whatever it counts.
    Most(u64),
    /// The same where interrupts are trapped, and where they are direct.
    ByMode(u64, u64),
    /// The same where they are direct, and nothing in particular elsewhere.
    Direct(u64),
    /// At most so many thousandths of the bare machine's.
    Thousandths(u64),
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in files and from the guest.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What its figures are.
    pub kind: Kind,
    /// What is to be reached.
    pub goal: Goal,
}

impl Row {
    /// The goal of a column, as the number that stands there.
    pub fn limit(&self, column: Column) -> Option<u64> {
        match (self.goal, column) {
            (Goal::Most(most), _) | (Goal::Thousandths(most), _) => Some(most),
            (Goal::ByMode(_, direct) | Goal::Direct(direct), Column::Direct) => Some(direct),
            (Goal::ByMode(trapped, _), _) => Some(trapped),
            (Goal::None | Goal::Direct(_), _) => None,
        }
    }
}

macro_rules! rows {
    ($($key:literal $name:literal $kind:ident $goal:expr;)+) => {
        /// All rows.
        pub const ROWS: &[Row] =
            &[$(Row { key: $key, name: $name, kind: Kind::$kind, goal: $goal },)+];
    };
}

rows! {
    "call-unknown" "HVC with an unknown function" Act Goal::None;
    "psci-version" "PSCI_VERSION" Act Goal::Most(60);
    "arch-workaround-1" "ARCH_WORKAROUND_1, not offered" Act Goal::None;
    "arch-workaround-1-offered" "ARCH_WORKAROUND_1, offered by firmware" Act Goal::Most(15);
    "id-register" "ID register read" Act Goal::None;
    "gicd-typer" "GICD_TYPER read" Act Goal::Most(120);
    "isenabler-shared" "ISENABLER write, SPI" Act Goal::Most(250);
    "icenabler-shared" "ICENABLER write, SPI" Act Goal::None;
    "isenabler-private" "ISENABLER write, PPI" Act Goal::Most(250);
    "icenabler-private" "ICENABLER write, PPI" Act Goal::None;
    "ipriorityr" "IPRIORITYR byte write" Act Goal::None;
    "console-flags" "console: flags read" Act Goal::None;
    "console-byte" "console: byte write" Act Goal::Most(200);
    "console-line" "console: line of 82 bytes, each after its flags" Act Goal::None;
    "timer-to-handler" "timer: expiry to handler" Act Goal::ByMode(70, 0);
    "timer-to-sleeper" "timer: expiry to after WFI" Act Goal::ByMode(70, 0);
    "timer-to-resumed" "timer: handler to resumed code" Act Goal::Most(0);
    "device-to-handler" "device: store to handler" Act Goal::ByMode(70, 0);
    "device-to-resumed" "device: handler to resumed code" Act Goal::Most(0);
    "sgi-self-send" "SGI to self: send" Act Goal::ByMode(160, 80);
    "sgi-self-to-handler" "SGI to self: send to handler" Act Goal::ByMode(160, 80);
    "sgi-self-to-resumed" "SGI to self: handler to resumed code" Act Goal::Most(0);
    "sgi-one-send" "SGI to one: send" ActOfSeveral Goal::Most(80);
    "sgi-one-to-handler" "SGI to one: send to handler" ActOfSeveral Goal::ByMode(160, 80);
    "sgi-all-send" "SGI to three: send" ActOfSeveral Goal::None;
    "sgi-all-to-last-handler" "SGI to three: send to last handler" ActOfSeveral Goal::None;
    "sgi-round-trip" "SGI there and back" ActOfSeveral Goal::ByMode(320, 160);
    "loads" "1,000,000 loads over 64 MiB" Act Goal::Most(0);
    "boot" "boot to first guest instruction, images apart" Own Goal::Most(200_000);
    "boot-images" "boot: each MiB of images" Own Goal::None;
    "boot-four" "boot: three partitions more, at once" Own Goal::None;
    "restart" "restart of a 64 MiB partition" Own Goal::None;
    "linux-quiet" "Linux to userspace, quiet console" Run Goal::Thousandths(1030);
    "linux-talking" "Linux to userspace, talking console" Run Goal::Thousandths(1080);
    "exits-life" "exits of a quiet Linux from boot to power-off" Count Goal::Most(800);
    "exits-idle" "exits of an idle Linux in 10 s" Count Goal::Direct(0);
    "exits-work" "exits of a busy Linux in a second" Count Goal::None;
    "text" "bytes of code while guests run (.text)" Count Goal::Most(64 << 10);
}
