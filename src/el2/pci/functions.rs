//! The functions of a partition.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::boot::plan::{PlannedBus, PlannedFunction};
use bulkhead::devices::address_map::PCI_CONFIGURATION_SIZE;
use bulkhead::msi::frame::FrameSpis;
use bulkhead::pci::{FUNCTION_SIZE, FUNCTIONS, Function, Progress, Reset, port};
use bulkhead::vgic::{IntidSet, StateRegister};
use core::fmt;

use super::Ecam;
use crate::el2::arch::sync::Mutex;
use crate::el2::console::say;
use crate::el2::cpu::timer;
use crate::el2::partition::PciFunctions;

/// The functions of a partition.
struct Functions {
    /// The partition's name.
    partition: String,
    hardware: Ecam,
    /// The SPIs of the frame for messages, if there is one.
    messages: Option<FrameSpis>,
    /// In the order of their devices on the guest's bus.
    functions: Mutex<Vec<Slot>>,
}

/// Text that code which stays can display: the core library's own `Display` is unmapped with boot.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A device of the guest's bus.
struct Slot {
    /// The path of its function in the description.
    path: String,
    function: Function,
    reset: Reset,
    /// Whether the reset has ended.
    is_reset: bool,
    /// Whether it is switched off because it cannot be reset.
    is_off: bool,
}

/// Returns the functions of a partition with this name, which are silent. `hardware` is the
/// configuration space that they have, `messages` are the SPIs of the guest's frame for messages.
pub fn functions(
    partition: &str,
    bus: &PlannedBus,
    hardware: Ecam,
    messages: Option<FrameSpis>,
) -> Box<dyn PciFunctions> {
    let window = (bus.window.bus, bus.window.region.size());
    for bridge in &bus.ports {
        port::open(*bridge, window, &hardware);
    }
    let slot = |it: &PlannedFunction| Slot {
        path: it.path.clone(),
        function: Function::new(it.address, it.view.clone(), window),
        reset: Reset::new(it.address, it.reset),
        is_reset: true,
        is_off: false,
    };
    let functions = Mutex::new(bus.functions.iter().map(slot).collect());
    Box::new(Functions { partition: String::from(partition), hardware, messages, functions })
}

impl PciFunctions for Functions {
    fn access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64 {
        if let Some(offset) = offset.checked_sub(PCI_CONFIGURATION_SIZE) {
            return match (self.messages, stored) {
                (Some(spis), None) => spis.load(offset).into(),
                (Some(spis), Some(value)) => spis.store(offset, value).map_or(0, |spi| {
                    let set = IntidSet::one(0, spi);
                    StateRegister::SetPending.of(set) << 32 | u64::from(set.mask())
                }),
                (None, _) => 0,
            };
        }
        let (number, register) = (offset / FUNCTION_SIZE, (offset % FUNCTION_SIZE) as u16);
        let (device, other) = (number / u64::from(FUNCTIONS), number % u64::from(FUNCTIONS));
        let mut functions = self.functions.lock();
        let Some(slot) = functions.get_mut(device as usize).filter(|_| other == 0) else {
            return u64::MAX;
        };
        match stored {
            None => slot.function.load(register, size as u8, &self.hardware),
            Some(value) => {
                slot.function.store(register, size as u8, value, &self.hardware);
                0
            }
        }
    }

    fn stop(&self) {
        for slot in self.functions.lock().iter_mut() {
            slot.function.silence(&self.hardware);
            slot.reset.restart();
            slot.is_reset = false;
        }
    }

    fn reset(&self) -> bool {
        let (now, millisecond) = (timer::now(), timer::milliseconds(1));
        let mut functions = self.functions.lock();
        let mut is_pending = false;
        for slot in functions.iter_mut().filter(|slot| !slot.is_reset) {
            let is_off = match slot.reset.step(now, millisecond, &self.hardware) {
                Progress::Pending => {
                    is_pending = true;
                    continue;
                }
                Progress::Done => false,
                Progress::Failed => true,
            };
            slot.is_reset = true;
            slot.function.reset();
            slot.function.set_absent(is_off);
            if is_off && !slot.is_off {
                let (partition, path) = (Text(&self.partition), Text(&slot.path));
                say!("{partition}: {path} cannot be reset, and stays switched off");
            }
            slot.is_off = is_off;
        }
        !is_pending
    }
}
