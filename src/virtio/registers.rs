//! The registers of a virtio device over MMIO, version 2 (VIRTIO 1.2, 4.2.2).
//!
//! | offset | register | access |
//! |---|---|---|
//! | 0x000 | MagicValue, Version, DeviceID, VendorID | R |
//! | 0x010 | DeviceFeatures, DeviceFeaturesSel | R, W |
//! | 0x020 | DriverFeatures, DriverFeaturesSel | W |
//! | 0x030 | QueueSel, QueueSizeMax, QueueSize | W, R, W |
//! | 0x044 | QueueReady | RW |
//! | 0x050 | QueueNotify | W |
//! | 0x060 | InterruptStatus, InterruptACK | R, W |
//! | 0x070 | Status | RW |
//! | 0x080 | QueueDesc, QueueDriver (0x090), QueueDevice (0x0a0), low and high word each | W |
//! | 0x0b0 | SHMLen, SHMBase: there is no shared memory, so all ones | R |
//! | 0x0fc | ConfigGeneration | R |
//! | 0x100 | configuration of up to 16 bytes | R |
//!
//! Registers below 0x100 are accessed by aligned 32-bit accesses. Any other access reads zero or is
//! ignored, as is a write that the state of the device does not allow.

use super::personality::{Personality, accepts};
use super::queue::QueueSetup;
use super::signals::Signals;
use crate::arch::addr::Ipa;

/// "virt".
const MAGIC: u32 = 0x7472_6976;
/// "BKHD", a number that no device list has.
const VENDOR: u32 = 0x4448_4b42;

/// Status: the driver works.
const DRIVER_OK: u32 = 4;
/// Status: the driver has accepted its features.
const FEATURES_OK: u32 = 8;
/// Status: the driver has made a mistake.
const NEEDS_RESET: u32 = 0x40;
/// The bits of Status that a driver can set: ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED.
const WRITABLE_STATUS: u32 = 0x8f;

/// The largest number of queues of a device.
pub const MAX_QUEUES: usize = 3;

/// The offset of the configuration.
const CONFIGURATION: u64 = 0x100;
/// The offset of QueueReady.
const QUEUE_READY: u64 = 0x44;
/// The offset of QueueSize.
const QUEUE_SIZE: u64 = 0x38;
/// The offset of QueueNotify. Its writes need no lock of the registers.
pub const QUEUE_NOTIFY: u64 = 0x50;
/// The offset of Status, to which a driver writes 0 to reset the device.
pub const STATUS: u64 = 0x70;
/// The offset of InterruptStatus. The vectors handle most reads: see [`Signals::interrupts`].
pub const INTERRUPT_STATUS: u64 = 0x60;
/// The offset of InterruptACK. The vectors handle most writes: see [`Signals::acknowledge`].
pub const INTERRUPT_ACK: u64 = 0x64;

/// What the caller has to do after a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// The driver has acknowledged an interrupt, but not all that has come: the interrupt needs
    /// another edge.
    Interrupt,
    /// The driver works: its queues are as [`Registers::queues`] says.
    Ready,
    /// The driver has reset the device, or taken back a queue of a device that works: nobody may
    /// use its queues when the access ends.
    Reset,
}

/// The queues of a device, by their indices.
pub type Queues = [QueueSetup; MAX_QUEUES];

/// What a driver has written since the last reset.
#[derive(Clone, Debug, Default)]
struct State {
    status: u32,
    device_selector: u32,
    driver_selector: u32,
    features: u64,
    queue: u32,
    queues: Queues,
}

impl State {
    /// Clears all registers. Not inlined, so that there is no second one on the stack.
    #[inline(never)]
    fn clear(&mut self) {
        let Self { status, device_selector, driver_selector, features, queue, queues } = self;
        (*status, *device_selector, *driver_selector, *features, *queue) = (0, 0, 0, 0, 0);
        for queue in queues {
            queue.is_ready = false;
        }
    }
}

/// The registers of a device.
#[derive(Clone, Debug)]
pub struct Registers {
    personality: Personality,
    /// What follows from the personality: computed once, when nobody waits.
    device_id: u32,
    offered: u64,
    queues: u32,
    queue_size: u32,
    configuration: [u64; 2],
    /// The bit of the first word of the configuration that is set while the link is up, if any.
    link_status: u64,
    state: State,
}

impl Registers {
    /// Creates the registers of a device that was reset.
    // Inlined into the code of boot.
    #[inline(always)]
    pub fn new(personality: Personality) -> Self {
        Self {
            personality,
            device_id: personality.device_id(),
            offered: personality.features(),
            queues: personality.queues() as u32,
            queue_size: personality.queue_size().into(),
            configuration: personality.configuration(),
            link_status: personality.link_status(),
            state: State::default(),
        }
    }

    /// Returns what the device is.
    pub fn personality(&self) -> &Personality {
        &self.personality
    }

    /// Returns the features that the driver has accepted.
    pub fn features(&self) -> u64 {
        self.state.features
    }

    /// Returns whether the driver works.
    pub fn is_ready(&self) -> bool {
        self.state.status & DRIVER_OK != 0
    }

    /// Returns the queues as the driver has set them up.
    pub fn queues(&self) -> &Queues {
        &self.state.queues
    }

    /// Returns the selected queue, if the device has it.
    fn selected(&mut self) -> Option<&mut QueueSetup> {
        let index = self.state.queue;
        if index < self.queues { self.state.queues.get_mut(index as usize) } else { None }
    }

    /// Reads `size` bytes (1, 2, 4 or 8) at an offset.
    pub fn read(&self, offset: u64, size: u8, signals: &Signals) -> u64 {
        if offset >= CONFIGURATION {
            return self.read_configuration(offset, size, signals);
        }
        if size != 4 {
            return 0;
        }
        let state = &self.state;
        let value = match offset {
            0x00 => MAGIC,
            0x04 => 2,
            0x08 => self.device_id,
            0x0c => VENDOR,
            0x10 => word(self.offered, state.device_selector),
            0x34 if state.queue < self.queues => self.queue_size,
            QUEUE_READY => {
                let queue = state.queues.get(state.queue as usize);
                queue.is_some_and(|it| it.is_ready).into()
            }
            INTERRUPT_STATUS => signals.interrupts(),
            STATUS if signals.needs_reset() => state.status | NEEDS_RESET,
            STATUS => state.status,
            0xb0 | 0xb4 | 0xb8 | 0xbc => u32::MAX,
            0xfc => signals.generation(),
            _ => 0,
        };
        value.into()
    }

    fn read_configuration(&self, offset: u64, size: u8, signals: &Signals) -> u64 {
        let size = u64::from(size);
        let word = self.configuration.get((offset.wrapping_sub(CONFIGURATION) >> 3) as usize);
        let is_aligned = size.is_power_of_two() && size <= 8 && offset & size.wrapping_sub(1) == 0;
        let Some(&word) = word.filter(|_| is_aligned) else { return 0 };
        let is_up = offset < CONFIGURATION + 8 && signals.is_link_up();
        let word = if is_up { word | self.link_status } else { word };
        let mask = u64::MAX >> (64_u64.wrapping_sub(8 * size) & 63);
        word >> (8 * (offset & 7)) & mask
    }

    /// Writes `size` bytes at an offset.
    pub fn write(&mut self, offset: u64, size: u8, value: u64, signals: &Signals) -> Action {
        if size != 4 {
            return Action::None;
        }
        let value = value as u32;
        let state = &mut self.state;
        match offset {
            0x14 => state.device_selector = value,
            0x20 if state.status & FEATURES_OK == 0 => {
                set_word(&mut state.features, state.driver_selector, value);
            }
            0x24 => state.driver_selector = value,
            0x30 => state.queue = value,
            INTERRUPT_ACK if signals.acknowledge(value) => return Action::Interrupt,
            STATUS => return self.write_status(value, signals),
            _ => return self.write_queue(offset, value),
        }
        Action::None
    }

    /// Writes a register of the selected queue. Its words change only while the device does not use
    /// it: a driver may not change them then (4.2.2.2).
    fn write_queue(&mut self, offset: u64, value: u32) -> Action {
        let is_working = self.is_ready();
        let Some(queue) = self.selected() else { return Action::None };
        if offset == QUEUE_READY {
            let is_ready = value & 1 != 0;
            queue.is_ready = is_ready && (queue.is_ready || !is_working);
            // Also if it is not ready any more: the store may be repeated until the device gives it
            // back.
            return if !is_ready && is_working { Action::Reset } else { Action::None };
        }
        if queue.is_ready {
            return Action::None;
        }
        let address = match offset & !4 {
            // A size that does not fit in 16 bits becomes one that the device refuses.
            QUEUE_SIZE if offset == QUEUE_SIZE => {
                queue.size = u16::try_from(value).unwrap_or(0);
                return Action::None;
            }
            0x80 => &mut queue.descriptors,
            0x90 => &mut queue.available,
            0xa0 => &mut queue.used,
            _ => return Action::None,
        };
        let mut bits = address.get();
        set_word(&mut bits, (offset >> 2 & 1) as u32, value);
        *address = Ipa::new(bits);
        Action::None
    }

    fn write_status(&mut self, value: u32, signals: &Signals) -> Action {
        if value == 0 {
            self.state.clear();
            signals.reset();
            return Action::Reset;
        }
        let was_ready = self.is_ready();
        // Bits are only added: a driver goes back by a reset (2.1.1).
        let mut status = self.state.status | value & WRITABLE_STATUS;
        if status & FEATURES_OK != 0 && !accepts(self.offered, self.state.features) {
            // The driver reads that its features are not accepted (2.2.2).
            status &= !FEATURES_OK;
        }
        if status & FEATURES_OK == 0 {
            // A driver that does not negotiate is a legacy one.
            status &= !DRIVER_OK;
        }
        self.state.status = status;
        if self.is_ready() && !was_ready { Action::Ready } else { Action::None }
    }
}

/// Returns a word of a 64-bit value; 0 if it has no word with this index.
fn word(bits: u64, index: u32) -> u32 {
    match index {
        0 => bits as u32,
        1 => (bits >> 32) as u32,
        _ => 0,
    }
}

/// Sets a word of a 64-bit value, if it has one with this index.
fn set_word(bits: &mut u64, index: u32, value: u32) {
    match index {
        0 => *bits = *bits & !0xffff_ffff | u64::from(value),
        1 => *bits = *bits & 0xffff_ffff | u64::from(value) << 32,
        _ => {}
    }
}
