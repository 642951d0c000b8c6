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

use super::MAX_QUEUE_SIZE;
use super::personality::Personality;
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

/// The offset of QueueNotify. Its writes need no lock of the registers.
pub const QUEUE_NOTIFY: u64 = 0x50;
/// The offset of InterruptStatus. Its reads need none either: see [`Signals::interrupts`].
pub const INTERRUPT_STATUS: u64 = 0x60;
/// The offset of InterruptACK. Its writes need none either: see [`Signals::acknowledge`].
pub const INTERRUPT_ACK: u64 = 0x64;

/// What the caller has to do after a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// The driver has made buffers available in the queue with this index.
    Notify(u16),
    /// The driver has acknowledged interrupts: the interrupt is asserted or not.
    Interrupt(bool),
    /// The driver works: its queues are as [`Registers::queue`] says.
    Ready,
    /// The driver has reset the device, or taken back a queue of a device that works: nobody may
    /// use its queues when the access ends.
    Reset,
}

/// The registers of a device.
#[derive(Clone, Debug)]
pub struct Registers {
    personality: Personality,
    status: u32,
    device_selector: u32,
    driver_selector: u32,
    features: u64,
    queue: usize,
    queues: [QueueSetup; MAX_QUEUES],
    ready: [bool; MAX_QUEUES],
}

impl Registers {
    /// Creates the registers of a device that was reset.
    pub fn new(personality: Personality) -> Self {
        Self {
            personality,
            status: 0,
            device_selector: 0,
            driver_selector: 0,
            features: 0,
            queue: 0,
            queues: Default::default(),
            ready: [false; MAX_QUEUES],
        }
    }

    /// Returns what the device is.
    pub fn personality(&self) -> &Personality {
        &self.personality
    }

    /// Returns the features that the driver has accepted.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Returns whether the driver works.
    pub fn is_ready(&self) -> bool {
        self.status & DRIVER_OK != 0
    }

    /// Returns the queue with this index; `None` if the driver does not use it.
    pub fn queue(&self, index: u16) -> Option<QueueSetup> {
        let index = usize::from(index);
        let is_ready = *self.ready.get(index)?;
        is_ready.then(|| self.queues.get(index).copied())?
    }

    /// Reads `size` bytes (1, 2, 4 or 8) at an offset.
    pub fn read(&self, offset: u64, size: u8, signals: &Signals) -> u64 {
        if offset >= 0x100 {
            return self.read_configuration(offset - 0x100, size, signals);
        }
        if size != 4 {
            return 0;
        }
        let value = match offset {
            0x00 => MAGIC,
            0x04 => 2,
            0x08 => self.personality.device_id(),
            0x0c => VENDOR,
            0x10 => word(self.personality.features(), self.device_selector),
            0x34 if self.queue < self.personality.queues() => MAX_QUEUE_SIZE.into(),
            0x44 => self.ready.get(self.queue).copied().unwrap_or(false).into(),
            INTERRUPT_STATUS => signals.interrupts(),
            0x70 if signals.needs_reset() => self.status | NEEDS_RESET,
            0x70 => self.status,
            0xb0 | 0xb4 | 0xb8 | 0xbc => u32::MAX,
            0xfc => signals.generation(),
            _ => 0,
        };
        value.into()
    }

    fn read_configuration(&self, offset: u64, size: u8, signals: &Signals) -> u64 {
        let size = u64::from(size);
        if !matches!(size, 1 | 2 | 4 | 8) || !offset.is_multiple_of(size) {
            return 0;
        }
        let bytes = self.personality.configuration(offset & !7, signals);
        let mask = u64::MAX >> (64 - 8 * size);
        bytes >> (8 * (offset & 7)) & mask
    }

    /// Writes `size` bytes at an offset.
    pub fn write(&mut self, offset: u64, size: u8, value: u64, signals: &Signals) -> Action {
        if size != 4 {
            return Action::None;
        }
        let value = value as u32;
        match offset {
            0x14 => self.device_selector = value,
            0x20 if self.status & FEATURES_OK == 0 => {
                set_word(&mut self.features, self.driver_selector, value);
            }
            0x24 => self.driver_selector = value,
            0x30 => self.queue = usize::try_from(value).unwrap_or(usize::MAX),
            0x38 | 0x44 | 0x80..=0xa7 => return self.write_queue(offset, value),
            QUEUE_NOTIFY if self.is_ready() => return Action::Notify(value as u16),
            INTERRUPT_ACK => return Action::Interrupt(signals.acknowledge(value)),
            0x70 => return self.write_status(value, signals),
            _ => {}
        }
        Action::None
    }

    /// Writes a register of the selected queue.
    fn write_queue(&mut self, offset: u64, value: u32) -> Action {
        if self.queue >= self.personality.queues() {
            return Action::None;
        }
        let is_working = self.is_ready();
        let (Some(queue), Some(ready)) =
            (self.queues.get_mut(self.queue), self.ready.get_mut(self.queue))
        else {
            return Action::None;
        };
        if offset == 0x44 {
            let was_ready = core::mem::replace(ready, value & 1 != 0 && (*ready || !is_working));
            return if was_ready && !*ready && is_working { Action::Reset } else { Action::None };
        }
        // A driver may not change a queue that the device may use (4.2.2.2).
        if *ready {
            return Action::None;
        }
        let address = match offset & !4 {
            0x38 => {
                // A size that does not fit in 16 bits becomes one that the device refuses.
                queue.size = u16::try_from(value).unwrap_or(0);
                return Action::None;
            }
            0x80 => &mut queue.descriptors,
            0x90 => &mut queue.available,
            0xa0 => &mut queue.used,
            _ => return Action::None,
        };
        let mut bits = address.get();
        set_word(&mut bits, offset as u32 >> 2 & 1, value);
        *address = Ipa::new(bits);
        Action::None
    }

    fn write_status(&mut self, value: u32, signals: &Signals) -> Action {
        if value == 0 {
            *self = Self::new(self.personality);
            signals.reset();
            return Action::Reset;
        }
        let was_ready = self.is_ready();
        // Bits are only added: a driver goes back by a reset (2.1.1).
        let mut status = self.status | value & WRITABLE_STATUS;
        if status & FEATURES_OK != 0 && !self.personality.accepts(self.features) {
            // The driver reads that its features are not accepted (2.2.2).
            status &= !FEATURES_OK;
        }
        if status & FEATURES_OK == 0 {
            // A driver that does not negotiate is a legacy one.
            status &= !DRIVER_OK;
        }
        self.status = status;
        if self.is_ready() && !was_ready { Action::Ready } else { Action::None }
    }
}

/// Returns a word of a 64-bit value; 0 if it has no word with this index.
fn word(bits: u64, index: u32) -> u32 {
    bits.checked_shr(index.saturating_mul(32)).unwrap_or(0) as u32
}

/// Sets a word of a 64-bit value, if it has one with this index.
fn set_word(bits: &mut u64, index: u32, value: u32) {
    match index {
        0 => *bits = *bits & !0xffff_ffff | u64::from(value),
        1 => *bits = *bits & 0xffff_ffff | u64::from(value) << 32,
        _ => {}
    }
}
