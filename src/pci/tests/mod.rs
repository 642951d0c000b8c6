//! A model of buses with functions, and tests of what guests see of them.

mod function;
mod reset;

use core::cell::{Cell, RefCell};
use std::vec;
use std::vec::Vec;

use super::registers::{BUSES, COMMAND, HEADER, HEADER_BRIDGE};
use super::{Address, ConfigurationSpace, FUNCTION_SIZE};

/// A function of the model: the values of its registers, and the bits that stores change.
#[derive(Clone)]
pub(crate) struct Model {
    /// The index of the bridge that it is behind; `None` on the first bus.
    pub bridge: Option<usize>,
    pub device: u8,
    pub function: u8,
    pub values: Vec<u32>,
    pub writable: Vec<u32>,
}

impl Model {
    /// Returns a function with these Vendor and Device IDs on the first bus.
    pub fn new(device: u8, function: u8, id: u32) -> Self {
        let mut values = vec![0; FUNCTION_SIZE as usize / 4];
        let mut writable = values.clone();
        values[0] = id;
        writable[usize::from(COMMAND / 4)] = 0xffff;
        Self { bridge: None, device, function, values, writable }
    }

    /// Returns a bridge on the first bus.
    pub fn bridge(device: u8) -> Self {
        let mut bridge = Self::new(device, 0, 0x000c_1b36).with(HEADER, HEADER_BRIDGE);
        bridge.writable[usize::from(BUSES / 4)] = 0xff_ffff;
        bridge
    }

    /// Puts it behind the bridge with this index.
    pub fn behind(mut self, bridge: usize) -> Self {
        self.bridge = Some(bridge);
        self
    }

    /// Sets the value of a register.
    pub fn with(mut self, offset: u16, value: u32) -> Self {
        self.values[usize::from(offset / 4)] = value;
        self
    }

    /// Sets the bits of a register that stores change.
    pub fn writable(mut self, offset: u16, bits: u32) -> Self {
        self.writable[usize::from(offset / 4)] = bits;
        self
    }
}

/// Buses with functions, which records what is written.
#[derive(Default)]
pub(crate) struct Buses {
    pub functions: RefCell<Vec<Model>>,
    pub written: RefCell<Vec<(Address, u16, u32)>>,
    /// Whether all functions are in reset, and do not answer.
    pub is_silent: Cell<bool>,
}

impl Buses {
    pub fn new(functions: Vec<Model>) -> Self {
        Self { functions: RefCell::new(functions), ..Self::default() }
    }

    /// Returns the index of a function, if its bridges lead to its bus.
    fn find(&self, address: Address) -> Option<usize> {
        let functions = self.functions.borrow();
        functions.iter().position(|it| {
            let bus = match it.bridge {
                None => 0,
                Some(bridge) => {
                    let mut next = Some(bridge);
                    while let Some(bridge) = next {
                        let buses = functions[bridge].values[usize::from(BUSES / 4)];
                        let range = (buses >> 8) as u8..=(buses >> 16) as u8;
                        if *range.start() == 0 || !range.contains(&address.bus()) {
                            return false;
                        }
                        next = functions[bridge].bridge;
                    }
                    (functions[bridge].values[usize::from(BUSES / 4)] >> 8) as u8
                }
            };
            Address::new(bus, it.device, it.function) == address
        })
    }

    /// Returns the value of a register, as it is in hardware.
    pub fn value(&self, index: usize, offset: u16) -> u32 {
        self.functions.borrow()[index].values[usize::from(offset / 4)]
    }
}

impl ConfigurationSpace for Buses {
    fn read(&self, function: Address, offset: u16) -> u32 {
        let index = self.find(function).filter(|_| !self.is_silent.get());
        let functions = self.functions.borrow();
        let value = |index: usize| functions[index].values.get(usize::from(offset / 4)).copied();
        index.map_or(u32::MAX, |index| value(index).unwrap_or(0))
    }

    fn write(&self, function: Address, offset: u16, value: u32) {
        self.written.borrow_mut().push((function, offset, value));
        let Some(index) = self.find(function) else { return };
        let model = &mut self.functions.borrow_mut()[index];
        let register = usize::from(offset / 4);
        if let (Some(stored), Some(writable)) =
            (model.values.get_mut(register), model.writable.get(register))
        {
            *stored = *stored & !writable | value & writable;
        }
    }
}

/// Pseudo-random numbers (xorshift64).
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Functions that answer anything.
pub(crate) struct Wild(pub RefCell<Random>);

impl ConfigurationSpace for Wild {
    fn read(&self, _: Address, _: u16) -> u32 {
        let mut random = self.0.borrow_mut();
        // Often what many registers have, so that deeper code is reached.
        match random.next() % 4 {
            0 => 0,
            1 => random.next() as u32 & 0x0081_00ff,
            _ => random.next() as u32,
        }
    }

    fn write(&self, _: Address, _: u16, _: u32) {}
}
