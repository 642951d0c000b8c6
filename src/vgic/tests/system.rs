//! A partition on the model of a machine: what EL2 does with the virtual GIC, and what guests do.

use std::collections::VecDeque;
use std::vec::Vec;

use super::architecture::{ACTIVE, HCR_TDIR, PENDING, intid_of};
use super::machine::{Machine, View};
use crate::arch::addr::Ipa;
use crate::arch::intid::Intid;
use crate::vgic::*;

pub const HARDWARE_PPI: usize = 27;
pub const VIRTUAL_ONLY_SPI: usize = 33;
pub const HARDWARE_SPIS: [usize; 5] = [34, 40, 41, 64, 519];
/// Interrupts for which LPIs stand.
pub const MESSAGES: [usize; 2] = [70, 71];
/// Interrupts that the partition does not own.
pub const FOREIGN: [usize; 3] = [20, 35, 518];

pub struct System {
    pub vgic: Vgic,
    pub machine: Machine,
}

impl System {
    pub fn new(version: Version, cpus: usize, list_registers: usize) -> Self {
        Self::with(version, Delivery::Trapped, cpus, list_registers, &[])
    }

    /// Creates a system with messages, all of whose interrupts are enabled, in Group 1 and routed to
    /// CPU 0.
    pub fn with_messages(cpus: usize, list_registers: usize) -> Self {
        let version = Version::V3;
        let system = Self::with(version, Delivery::Trapped, cpus, list_registers, &MESSAGES);
        system.enabled()
    }

    /// Creates a system with direct delivery.
    pub fn direct(cpus: usize) -> Self {
        Self::with(Version::V3, Delivery::Direct, cpus, 0, &[])
    }

    fn with(
        version: Version,
        delivery: Delivery,
        cpus: usize,
        list_registers: usize,
        messages: &[usize],
    ) -> Self {
        let intid = |&number: &usize| Intid::new(number as u32).unwrap();
        let mut hardware: Vec<Intid> = HARDWARE_SPIS.iter().map(intid).collect();
        hardware.push(intid(&HARDWARE_PPI));
        let virtual_only: Vec<Intid> =
            [VIRTUAL_ONLY_SPI].iter().chain(messages).map(intid).collect();
        let vgic = Vgic::new(&Config {
            version,
            delivery,
            vcpus: cpus,
            it_lines_number: 16,
            hardware: &hardware,
            virtual_only: &virtual_only,
            messages: &virtual_only[1..],
            virtual_timer: Some(intid(&HARDWARE_PPI)),
        });
        let mut machine = Machine::new(version, cpus, list_registers, 17);
        machine.direct = delivery == Delivery::Direct;
        if !machine.direct {
            let sgis = machine.cpus.iter_mut().flat_map(|cpu| &mut cpu.private[..16]);
            sgis.for_each(|sgi| sgi.enabled = true);
        }
        let mut system = Self { vgic, machine };
        system.restart();
        system
    }

    pub fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    /// Restarts the partition, and calls `between` after the reset of the shared state.
    pub fn restart_with(&mut self, between: impl FnOnce(&mut Self)) {
        self.vgic.reset(&mut View { machine: &mut self.machine, cpu: 0 });
        between(self);
        for cpu in 0..self.machine.cpus.len() {
            self.vgic.reset_private(&mut View { machine: &mut self.machine, cpu });
        }
        for cpu in 0..self.machine.cpus.len() {
            self.refill(cpu);
        }
    }

    /// Creates a system with all interrupts enabled, in Group 1 and routed to CPU 0.
    pub fn started(version: Version, cpus: usize, list_registers: usize) -> Self {
        Self::new(version, cpus, list_registers).enabled()
    }

    fn enabled(mut self) -> Self {
        self.write(0, 0, 4, 3);
        for word in 0..17 {
            for cpu in 0..self.machine.cpus.len() {
                self.write_state(cpu, 0x80, word, u32::MAX);
                self.write_state(cpu, 0x100, word, u32::MAX);
            }
        }
        if self.machine.version == Version::V2 {
            for intid in 32..544 {
                self.write(0, 0x800 + intid, 1, 1);
            }
        }
        self
    }

    /// Has an LPI arrive on a CPU that stands for this interrupt.
    pub fn message(&mut self, cpu: usize, intid: usize) {
        self.arrive(cpu, Intid::new(intid as u32).unwrap(), 0);
        self.run();
    }

    fn on<T>(&mut self, cpu: usize, f: impl FnOnce(&mut Vgic, &mut View<'_>) -> T) -> T {
        f(&mut self.vgic, &mut View { machine: &mut self.machine, cpu })
    }

    fn kick(&mut self, vcpus: CpuMask) {
        let mut queue: VecDeque<usize> = vcpus.collect();
        let mut rounds = 0;
        while let Some(cpu) = queue.pop_front() {
            queue.extend(self.on(cpu, |vgic, hw| vgic.refill(hw)));
            rounds += 1;
            assert!(rounds < 64, "kicks without end");
        }
    }

    pub fn refill(&mut self, cpu: usize) {
        self.kick(CpuMask::one(cpu));
        self.run();
    }

    /// Handles interrupts at EL2 until none is pending, and checks the invariants.
    pub fn run(&mut self) {
        if self.machine.direct {
            return;
        }
        for _ in 0..1000 {
            let mut is_quiet = true;
            for cpu in 0..self.machine.cpus.len() {
                is_quiet &= !self.take_physical(cpu);
                if self.machine.requests_maintenance(cpu) {
                    let kicks = self.on(cpu, |vgic, hw| vgic.maintenance(hw));
                    self.kick(kicks);
                    is_quiet = false;
                }
            }
            if is_quiet {
                self.check();
                return;
            }
        }
        panic!("maintenance interrupts without end");
    }

    /// Handles all physical interrupts of this CPU. Returns whether there was one.
    pub fn take_physical(&mut self, cpu: usize) -> bool {
        let mut is_any = false;
        while let Some((intid, sender)) = self.machine.acknowledge_physical(cpu) {
            self.arrive(cpu, intid, sender);
            is_any = true;
        }
        is_any
    }

    /// Handles an interrupt that EL2 acknowledged.
    fn arrive(&mut self, cpu: usize, intid: Intid, sender: u8) {
        if intid.is_sgi() {
            self.machine.physical(cpu, intid.get() as usize).active = false;
        }
        let arrivals = self.vgic.arrivals(cpu);
        let empty = View { machine: &mut self.machine, cpu }.empty_list_registers();
        let injection = match arrivals.inject(intid, empty) {
            Injection::Refused => arrivals.inject_beside_others(intid, empty),
            injection => injection,
        };
        match injection {
            Injection::Write(index, value)
            | Injection::WriteAndMaskTimer(index, value)
            | Injection::WriteAndObserveTimer(index, value) => {
                // GICH_LR<n> has 32 bits, and EL2 adds the sender of an SGI, in CPUID.
                let value = match self.machine.version {
                    Version::V2 => u64::from(value as u32),
                    Version::V3 => value,
                };
                self.machine.write_list_register(cpu, index, value | u64::from(sender) << 10);
            }
            Injection::Refused => {
                let kicks = self.on(cpu, |vgic, hw| vgic.interrupt(intid, sender, hw));
                self.kick(kicks.expect("it is owned"));
            }
        }
    }

    /// Makes an access, with the recalls that it needs.
    pub fn access<T>(
        &mut self,
        cpu: usize,
        mut access: impl FnMut(&mut Vgic, &mut View<'_>) -> Result<T, Recall>,
    ) -> T {
        let mut recalled = CpuMask::EMPTY;
        for _ in 0..2 {
            match self.on(cpu, &mut access) {
                Ok(value) => {
                    self.kick(recalled);
                    return value;
                }
                Err(Recall(holders)) => {
                    assert!(!holders.contains(cpu));
                    for holder in holders {
                        let kicks = self.on(holder, |vgic, hw| vgic.recall(hw));
                        recalled |= kicks;
                        recalled |= CpuMask::one(holder);
                    }
                }
            }
        }
        panic!("an access needs a second recall");
    }

    pub fn read(&mut self, cpu: usize, offset: u64, size: u64) -> u64 {
        let access = RegisterAccess { offset, size, value: 0 };
        let value = self.access(cpu, |vgic, hw| vgic.distributor_read(access, hw));
        self.run();
        value
    }

    pub fn write(&mut self, cpu: usize, offset: u64, size: u64, value: u64) {
        if self.machine.version == Version::V2 && (offset, size) == (0xf00, 4) {
            return self.store_sgir(cpu, value as u32);
        }
        self.write_to_vgic(cpu, offset, size, value);
    }

    fn store_sgir(&mut self, cpu: usize, value: u32) {
        let interfaces = (0..self.machine.cpus.len()).map(|cpu| 1 << Machine::interface(cpu));
        let sgis = self.machine.physical_sgis;
        let route = SgirRoute::new(Ipa::new(0x800_0000), sgis, cpu, interfaces);
        match route.physical(value) {
            Some(physical) => self.machine.store_sgir(cpu, physical),
            None => self.write_to_vgic(cpu, 0xf00, 4, value.into()),
        }
        self.run();
    }

    fn write_to_vgic(&mut self, cpu: usize, offset: u64, size: u64, value: u64) {
        let access = RegisterAccess { offset, size, value };
        let kicks = match self.on(cpu, |vgic, hw| vgic.enable_at_once(access, false, hw)) {
            true => CpuMask::EMPTY,
            false => self.access(cpu, |vgic, hw| vgic.distributor_write(access, hw)),
        };
        self.kick(kicks);
        self.run();
    }

    pub fn read_redistributor(&mut self, cpu: usize, offset: u64, size: u64) -> u64 {
        let access = RegisterAccess { offset, size, value: 0 };
        let value = self.access(cpu, |vgic, hw| vgic.redistributor_read(access, hw));
        self.run();
        value
    }

    pub fn write_redistributor(&mut self, cpu: usize, offset: u64, size: u64, value: u64) {
        let access = RegisterAccess { offset, size, value };
        let kicks = match self.on(cpu, |vgic, hw| vgic.enable_at_once(access, true, hw)) {
            true => CpuMask::EMPTY,
            false => self.access(cpu, |vgic, hw| vgic.redistributor_write(access, hw)),
        };
        self.kick(kicks);
        self.run();
    }

    /// Reads the register at `offset` with a bit for each interrupt of this word, in the frame that
    /// has it.
    pub fn read_state(&mut self, owner: usize, offset: u64, word: usize) -> u32 {
        self.read_field(owner, offset + 4 * word as u64, word)
    }

    /// Reads the register at `offset`, of interrupts of this word, in the frame that has it.
    pub fn read_field(&mut self, owner: usize, offset: u64, word: usize) -> u32 {
        if self.machine.version == Version::V3 && word == 0 {
            let frame = owner as u64 * 0x2_0000 + 0x1_0000;
            self.read_redistributor(0, frame + offset, 4) as u32
        } else {
            self.read(owner, offset, 4) as u32
        }
    }

    pub fn write_state(&mut self, owner: usize, offset: u64, word: usize, value: u32) {
        self.write_state_from(owner, owner, offset + 4 * word as u64, 4, u64::from(value), word);
    }

    /// Writes the register at `offset` from another vCPU, on GICv2 for SPIs only.
    pub fn write_state_from(
        &mut self,
        cpu: usize,
        owner: usize,
        offset: u64,
        size: u64,
        value: u64,
        word: usize,
    ) {
        if self.machine.version == Version::V3 && word == 0 {
            let frame = owner as u64 * 0x2_0000 + 0x1_0000;
            self.write_redistributor(cpu, frame + offset, size, value);
        } else {
            self.write(if word == 0 { owner } else { cpu }, offset, size, value);
        }
    }

    pub fn set_priority(&mut self, cpu: usize, owner: usize, intid: usize, priority: u8) {
        let offset = 0x400 + intid as u64;
        self.write_state_from(cpu, owner, offset, 1, u64::from(priority), intid / 32);
    }

    /// Writes a bit of the state register at `offset`.
    pub fn write_bit(&mut self, cpu: usize, owner: usize, offset: u64, intid: usize) {
        let word = intid / 32;
        let offset = offset + 4 * word as u64;
        self.write_state_from(cpu, owner, offset, 4, 1 << (intid % 32), word);
    }

    pub fn drive(&mut self, cpu: usize, intid: usize, high: bool) {
        self.machine.drive(cpu, intid, high);
        self.run();
    }

    pub fn set_line(&mut self, cpu: usize, intid: usize, high: bool) {
        let intid = Intid::new(intid as u32).unwrap();
        let kicks = self.on(cpu, |vgic, hw| vgic.set_line(intid, high, hw));
        self.kick(kicks);
        self.run();
    }

    pub fn send_sgi(&mut self, cpu: usize, register: SgiRegister, value: u64) {
        if register == SgiRegister::Sgi1 && self.machine.physical_sgis != 0 {
            let request = SgiRequest::new(value);
            for target in request.targets(cpu, self.machine.cpus.len()) {
                self.machine.physical(target, request.sgi()).latch = true;
            }
            return self.run();
        }
        if self.machine.direct {
            return;
        }
        let kicks = self.on(cpu, |vgic, hw| vgic.send_sgi(register, value, hw));
        self.kick(kicks);
        self.run();
    }

    pub fn acknowledge(&mut self, cpu: usize) -> Option<(usize, u8)> {
        let taken = self.machine.acknowledge(cpu);
        self.run();
        taken
    }

    pub fn end(&mut self, cpu: usize, intid: usize) {
        self.machine.end(cpu, intid);
        self.run();
    }

    pub fn deactivate(&mut self, cpu: usize, intid: usize, source: u8) {
        let traps = self.machine.version == Version::V2
            || self.machine.direct
            || self.machine.cpus[cpu].maintenance & HCR_TDIR != 0;
        if traps {
            let value = intid as u64 | u64::from(source) << 10;
            let kicks = self.access(cpu, |vgic, hw| vgic.deactivate(value, hw));
            self.kick(kicks);
        } else {
            self.machine.deactivate(cpu, intid);
        }
        self.run();
    }

    pub fn set_groups(&mut self, cpu: usize, groups: [bool; 2]) {
        self.machine.cpus[cpu].groups = groups;
        self.run();
    }

    /// Returns the INTIDs in the list registers of a CPU, with their states.
    pub fn injected(&self, cpu: usize) -> Vec<(usize, u64)> {
        let lrs = self.machine.cpus[cpu].lrs.iter();
        lrs.filter(|&&lr| lr & (PENDING | ACTIVE) != 0)
            .map(|&lr| (intid_of(lr), lr & (PENDING | ACTIVE)))
            .collect()
    }
}
