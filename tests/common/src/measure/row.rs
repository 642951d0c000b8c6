//! The rows of the benchmark, in the order of the table.

use super::column::Column;

/// The quantity that a row measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// Instructions of one operation of a guest. EL2's part is the difference from a bare machine.
    Operation,
    /// The same for an operation with several CPUs, counted on all of them.
    OperationOfSeveral,
    /// Instructions of a long run, of which the ratio to a bare machine's is judged.
    Run,
    /// Instructions of something that a bare machine does not do.
    Own,
    /// Instructions of the longest stays in EL2, which depend on when the host delivers input.
    Stay,
    /// A number of something other than instructions.
    Count,
}

/// The goal of a row.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// No goal.
    None,
    /// At most this number, in the unit of the row.
    Most(u64),
    /// At most these numbers with trapped and with direct interrupts.
    ByMode(u64, u64),
    /// At most this number with direct interrupts; no goal elsewhere.
    Direct(u64),
    /// At most this many thousandths of the bare machine's.
    Thousandths(u64),
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in files and in the output of the guest.
    pub key: &'static str,
    /// Its name for readers.
    pub name: &'static str,
    /// What it measures.
    pub quantity: Quantity,
    /// Its goal.
    pub goal: Goal,
}

impl Row {
    /// Returns the limit for a column, `None` without one.
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
    ($($key:literal $name:literal $quantity:ident $goal:expr;)+) => {
        /// All rows.
        pub const ROWS: &[Row] =
            &[$(Row { key: $key, name: $name, quantity: Quantity::$quantity, goal: $goal },)+];
    };
}

rows! {
    "call-unknown" "HVC with an unknown function" Operation Goal::None;
    "psci-version" "PSCI_VERSION" Operation Goal::Most(60);
    "arch-workaround-1" "ARCH_WORKAROUND_1, not offered" Operation Goal::None;
    "arch-workaround-1-offered" "ARCH_WORKAROUND_1, offered by firmware" Operation Goal::Most(15);
    "id-register" "ID register read" Operation Goal::None;
    "gicd-typer" "GICD_TYPER read" Operation Goal::Most(120);
    "isenabler-shared" "ISENABLER write, SPI" Operation Goal::Most(250);
    "icenabler-shared" "ICENABLER write, SPI" Operation Goal::None;
    "isenabler-private" "ISENABLER write, PPI" Operation Goal::Most(260);
    "icenabler-private" "ICENABLER write, PPI" Operation Goal::None;
    "ipriorityr" "IPRIORITYR byte write" Operation Goal::None;
    "console-flags" "console: flags read" Operation Goal::None;
    "console-byte" "console: byte write" Operation Goal::Most(200);
    "console-line" "console: line of 82 bytes, each after its flags" Operation Goal::None;
    "console-driver" "console line of 80 characters, by PL011" Operation Goal::Most(10_000);
    "console-virtio" "console line of 80 characters, by virtio" Own Goal::Most(4_000);
    "console-drain-line" "console: drain of such a line" Operation Goal::None;
    "console-drain" "console: drain, per byte" Operation Goal::Most(20);
    "timer-to-handler" "timer: expiry to handler" Operation Goal::ByMode(70, 0);
    "timer-to-sleeper" "timer: expiry to after WFI" Operation Goal::ByMode(70, 0);
    "timer-to-resumed" "timer: handler to resumed code" Operation Goal::Most(0);
    "timer-ended-first" "timer: ended before it is masked" Operation Goal::ByMode(66, 0);
    "device-to-handler" "device: store to handler" Operation Goal::ByMode(70, 0);
    "device-to-resumed" "device: handler to resumed code" Operation Goal::Most(0);
    "sgi-self-send" "SGI to self: send" Operation Goal::ByMode(160, 80);
    "sgi-self-to-handler" "SGI to self: send to handler" Operation Goal::ByMode(160, 80);
    "sgi-self-to-resumed" "SGI to self: handler to resumed code" Operation Goal::Most(0);
    "sgi-one-send" "SGI to one: send" OperationOfSeveral Goal::Most(80);
    "sgi-one-to-handler" "SGI to one: send to handler" OperationOfSeveral Goal::ByMode(160, 80);
    "sgi-all-send" "SGI to three: send" OperationOfSeveral Goal::None;
    "sgi-all-to-last-handler" "SGI to three: send to last handler" OperationOfSeveral Goal::None;
    "sgi-round-trip" "SGI there and back" OperationOfSeveral Goal::ByMode(320, 160);
    "loads" "1,000,000 loads over 64 MiB" Operation Goal::Most(0);
    "link-60" "network: notification of a frame of 60 bytes" Own Goal::Most(500);
    "link-1500" "network: notification of a frame of 1,500 bytes" Own Goal::Most(750);
    "link-64k" "network: notification of a frame of 64 KiB" Own Goal::Most(13_500);
    "link-interrupt" "network: interrupt's status and acknowledgement" Own Goal::Most(180);
    "doorbell" "shared memory: ring of a doorbell" Own Goal::Most(250);
    "disk-4k" "disk by virtio: read of 4 KiB" Own Goal::None;
    "disk-64k" "disk by virtio: read of 64 KiB" Own Goal::None;
    "boot" "boot to first guest instruction, images apart" Own Goal::Most(215_000);
    "boot-images" "boot: each MiB of images" Own Goal::None;
    "boot-four" "boot: three partitions more, at once" Own Goal::None;
    "boot-31" "boot of 31 partitions, on the boot CPU" Own Goal::Most(900_000);
    "restart" "restart of a 64 MiB partition" Own Goal::None;
    "stay-own-p999" "stay in EL2 for its own guest, p99.9" Stay Goal::Most(3_600);
    "stay-own-max" "stay in EL2 for its own guest, longest" Stay Goal::Most(3_600);
    "stay-foreign-p999" "stay in EL2 for others, p99.9" Stay Goal::Most(2_000);
    "stay-foreign-max" "stay in EL2 for others, longest" Stay Goal::Most(2_000);
    "stay-restart-max" "piece of a restart, longest" Stay Goal::Most(20_000);
    "stay-link-max" "stay in EL2 that moves data in a link, longest" Stay Goal::Most(30_000);
    "stay-beside-max" "stay in EL2 beside a flooded network, longest" Stay Goal::Most(2_000);
    "linux-quiet" "Linux to userspace, quiet console" Run Goal::Thousandths(1030);
    "linux-talking" "Linux to userspace, talking console" Run Goal::Thousandths(1080);
    "linux-syscalls" "Linux: 1,000 system calls that do nothing" Run Goal::Thousandths(1010);
    "linux-forks" "Linux: 200 fork and exec" Run Goal::Thousandths(1010);
    "linux-tcp" "Linux: 64 MiB by TCP over a link, to loopback" Run Goal::Thousandths(1250);
    "exits-life" "exits of a quiet Linux from boot to power-off" Count Goal::Most(800);
    "exits-idle" "exits of an idle Linux in 10 s" Count Goal::Direct(2);
    "exits-work" "exits of a busy Linux in a second" Count Goal::None;
    "text" "bytes of code while guests run (.text)" Count Goal::Most(64 << 10);
}
