//! The memory of a partition, or of a disk, as a CPU accesses it for a virtio device.
//!
//! The guest may write it at the same time. So every access is an instruction of its own, whose
//! result is used once, and no reference to the memory exists.

use bulkhead::arch::addr::{Ipa, Pa, Region};
use bulkhead::mm::window::{MemoryTables, Slot};
use bulkhead::virtio::link::Memories;
use bulkhead::virtio::memory::{MemoryAccess, Place};
use core::arch::asm;
use core::ops::Deref;

use crate::el2::mm::fill::PartitionMemory;
use crate::el2::mm::window::{Window, WindowPair};

/// The memory of a disk that a partition has as a virtio device.
pub struct DiskMemory {
    host: Region<Pa>,
    tables: MemoryTables,
}

impl DiskMemory {
    /// Returns the memory at these physical addresses, to which a window with these tables leads.
    pub const fn new(host: Region<Pa>, tables: MemoryTables) -> Self {
        Self { host, tables }
    }
}

/// A partition's memory, or a disk's, in a window that is open on this CPU. [`OpenMemory`] and
/// [`OpenPair`] lend it for as long as the window is open.
pub struct View {
    /// The guest addresses; those from 0 on for a disk.
    guest: Region<Ipa>,
    /// The address at which this CPU accesses the first byte.
    start: u64,
}

/// A partition's memory that is open on this CPU.
pub struct OpenMemory {
    view: View,
    _window: Window,
}

/// The memories of two partitions, or of a partition and a disk, that are open on this CPU.
pub struct OpenPair {
    views: [View; 2],
    _windows: WindowPair,
}

impl OpenMemory {
    /// Opens a partition's memory.
    #[inline]
    pub fn open(memory: &PartitionMemory) -> Self {
        let window = memory.open_beside();
        Self { view: View::new(memory, window.slot()), _window: window }
    }
}

impl Deref for OpenMemory {
    type Target = View;

    #[inline(always)]
    fn deref(&self) -> &View {
        &self.view
    }
}

impl OpenPair {
    /// Opens the memories of two partitions.
    #[inline(always)]
    pub fn open(own: &PartitionMemory, peer: &PartitionMemory) -> Self {
        let windows = WindowPair::open(own.tables(), peer.tables());
        let views = [View::new(own, Slot::Own), View::new(peer, Slot::Peer)];
        Self { views, _windows: windows }
    }

    /// Opens the memories of a partition and of a disk.
    #[inline(always)]
    pub fn open_disk(own: &PartitionMemory, disk: &DiskMemory) -> Self {
        let windows = WindowPair::open(own.tables(), disk.tables);
        let start = Slot::Peer.address(disk.host.start()).get();
        let guest = Region::new(Ipa::new(0), disk.host.size()).unwrap_or(Region::EMPTY);
        let views = [View::new(own, Slot::Own), View { guest, start }];
        Self { views, _windows: windows }
    }
}

impl Deref for OpenPair {
    type Target = [View; 2];

    #[inline(always)]
    fn deref(&self) -> &[View; 2] {
        &self.views
    }
}

impl View {
    /// Returns the view of a memory that is open in a slot.
    #[inline(always)]
    fn new(memory: &PartitionMemory, slot: Slot) -> Self {
        Self { guest: memory.guest(), start: slot.address(memory.host().start()).get() }
    }

    /// Returns the address at which this CPU accesses a place.
    #[inline(always)]
    fn address(&self, at: Place) -> u64 {
        self.start.wrapping_add(at.offset())
    }
}

/// The memories of the partitions at a link's ports.
pub struct PortMemories(pub &'static [&'static PartitionMemory]);

impl PortMemories {
    /// Returns the memory of the partition at a port.
    #[inline(always)]
    fn of(&self, port: u8) -> Option<&'static PartitionMemory> {
        self.0.get(usize::from(port)).copied()
    }
}

impl Memories for PortMemories {
    type View = View;
    type Memory = OpenMemory;
    type Pair = OpenPair;

    #[inline]
    fn open(&self, port: u8) -> Option<OpenMemory> {
        Some(OpenMemory::open(self.of(port)?))
    }

    #[inline(always)]
    fn open_pair(&self, [own, peer]: [u8; 2]) -> Option<OpenPair> {
        Some(OpenPair::open(self.of(own)?, self.of(peer)?))
    }
}

/// Loads a value of 1, 2, 4 or 8 bytes from `$address`, at any alignment.
macro_rules! load {
    ($load:literal, $address:expr) => {{
        let value: u64;
        // SAFETY: the address is that of a `Place`, which `Place::within` has found in this memory's
        // region, or `Place::after` inside of what was found; the open window maps that memory. The
        // load has no other effect; SCTLR_EL2.A is 0, so that it may be unaligned. It stays where it
        // is among stores and other loads, as an assembly that may have effects.
        unsafe {
            asm!($load, out(reg) value, in(reg) $address, options(readonly, nostack, preserves_flags));
        }
        value
    }};
}

/// Stores a value of 1, 2, 4 or 8 bytes to `$address`, at any alignment.
macro_rules! store {
    ($store:literal, $address:expr, $value:expr) => {
        // SAFETY: as for loads, the address is that of a `Place` in memory that the open window
        // maps, a partition's. Bulkhead has no reference to it; SCTLR_EL2.A is 0, so that the store
        // may be unaligned.
        unsafe {
            asm!($store, in(reg) $value, in(reg) $address, options(nostack, preserves_flags));
        }
    };
}

impl MemoryAccess for View {
    #[inline(always)]
    fn place(&self, at: Ipa, size: u64) -> Option<Place> {
        Place::within(&self.guest, at, size)
    }

    #[inline(always)]
    fn load_index(&self, at: Place) -> u16 {
        load!("ldarh {:w}, [{}]", self.address(at)) as u16
    }

    #[inline(always)]
    fn store_index(&self, at: Place, index: u16) {
        store!("stlrh {:w}, [{}]", self.address(at), u64::from(index));
    }

    #[inline(always)]
    fn load_descriptor(&self, at: Place) -> [u64; 2] {
        let (first, second);
        // SAFETY: as in `load!`.
        unsafe {
            asm!(
                "ldp {}, {}, [{}]",
                out(reg) first,
                out(reg) second,
                in(reg) self.address(at),
                options(readonly, nostack, preserves_flags),
            );
        }
        [first, second]
    }

    #[inline(always)]
    fn store_used(&self, at: Place, element: u64) {
        store!("str {:x}, [{}]", self.address(at), element);
    }

    #[inline(always)]
    fn read<const N: usize>(&self, at: Place) -> [u8; N] {
        let mut at = self.address(at);
        let mut bytes = [0; N];
        let (doublewords, rest) = bytes.as_chunks_mut::<8>();
        for part in doublewords {
            *part = load!("ldr {:x}, [{}]", at).to_le_bytes();
            at = at.wrapping_add(8);
        }
        let (words, rest) = rest.as_chunks_mut::<4>();
        for part in words {
            *part = (load!("ldr {:w}, [{}]", at) as u32).to_le_bytes();
            at = at.wrapping_add(4);
        }
        for part in rest {
            *part = load!("ldrb {:w}, [{}]", at) as u8;
            at = at.wrapping_add(1);
        }
        bytes
    }

    #[inline(always)]
    fn write<const N: usize>(&self, at: Place, bytes: [u8; N]) {
        let mut at = self.address(at);
        let (doublewords, rest) = bytes.as_chunks::<8>();
        for part in doublewords {
            store!("str {:x}, [{}]", at, u64::from_le_bytes(*part));
            at = at.wrapping_add(8);
        }
        let (words, rest) = rest.as_chunks::<4>();
        for part in words {
            store!("str {:w}, [{}]", at, u64::from(u32::from_le_bytes(*part)));
            at = at.wrapping_add(4);
        }
        for part in rest {
            store!("strb {:w}, [{}]", at, u64::from(*part));
            at = at.wrapping_add(1);
        }
    }

    #[inline(always)]
    fn fence(&self) {
        // SAFETY: a barrier changes no data.
        unsafe { asm!("dmb ish", options(nostack, preserves_flags)) };
    }

    #[inline(always)]
    fn copy_to(&self, from: Place, other: &Self, to: Place, size: u32) {
        copy(self.address(from), other.address(to), size.into());
    }
}

/// Copies bytes between memory of partitions and disks in open windows. Both are those of `Place`s.
#[inline(never)]
fn copy(from: u64, to: u64, size: u64) {
    // SAFETY: both places are memory that open windows map, of partitions or disks, to which
    // Bulkhead has no reference; `Disk::run` copies to no read-only disk, whose window would not
    // allow it; SCTLR_EL2.A is 0, so that no access has to be aligned.
    unsafe {
        asm!(
            "subs {left}, {left}, #256",
            "b.lo 3f",
            "2:",
            ".irp offset, 32, 64, 96, 128, 160, 192, 224",
            "ldp {a}, {b}, [{from}, #\\offset]",
            "ldp {c}, {d}, [{from}, #\\offset + 16]",
            "stp {a}, {b}, [{to}, #\\offset]",
            "stp {c}, {d}, [{to}, #\\offset + 16]",
            ".endr",
            // The first bytes last, because these accesses advance both addresses.
            "ldp {c}, {d}, [{from}, #16]",
            "ldp {a}, {b}, [{from}], #256",
            "stp {c}, {d}, [{to}, #16]",
            "stp {a}, {b}, [{to}], #256",
            "subs {left}, {left}, #256",
            "b.hs 2b",
            "3:",
            // What is left is less than 256 bytes.
            "adds {left}, {left}, #240",
            "b.lt 5f",
            "4:",
            "ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "subs {left}, {left}, #16",
            "b.ge 4b",
            // Less than 16: the low bits of the number are what they were.
            "5:",
            "tbz {left}, #3, 6f",
            "ldr {a}, [{from}], #8",
            "str {a}, [{to}], #8",
            "6:",
            "tbz {left}, #2, 7f",
            "ldr {a:w}, [{from}], #4",
            "str {a:w}, [{to}], #4",
            "7:",
            "tbz {left}, #1, 8f",
            "ldrh {a:w}, [{from}], #2",
            "strh {a:w}, [{to}], #2",
            "8:",
            "tbz {left}, #0, 9f",
            "ldrb {a:w}, [{from}]",
            "strb {a:w}, [{to}]",
            "9:",
            left = inout(reg) size => _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            options(nostack),
        );
    }
}
