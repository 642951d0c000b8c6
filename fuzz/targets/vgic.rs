//! Fuzzes the virtual GIC with any accesses of two vCPUs, interrupts, lines and changes of list
//! registers. The first byte selects the version, the delivery and the number of list registers.
//! Each step has 16 bytes.

#![no_main]

use bulkhead::arch::intid::Intid;
use bulkhead::vgic::{
    Config, CpuMask, Delivery, Hardware, IntidSet, ListRegister, Recall, RegisterAccess,
    SgiRegister, StateRegister, Version, Vgic,
};
use libfuzzer_sys::fuzz_target;

const CPUS: usize = 2;
/// The SGIs that physical ones can transport, one bit each.
const PHYSICAL_SGIS: u16 = 0x7fff;

/// Hardware that accepts all writes. Reads return what was written, or bits of `noise`.
struct Cpu {
    index: usize,
    list_registers: Vec<u64>,
    pending: u32,
    noise: u64,
}

impl Hardware for Cpu {
    fn vcpu(&self) -> usize {
        self.index
    }

    fn list_registers(&self) -> usize {
        self.list_registers.len()
    }

    fn read_list_register(&mut self, index: usize) -> ListRegister {
        ListRegister::from_bits(self.list_registers[index])
    }

    fn write_list_register(&mut self, index: usize, value: ListRegister) {
        self.list_registers[index] = value.bits();
    }

    fn empty_list_registers(&mut self) -> u32 {
        let registers = self.list_registers.iter().enumerate();
        registers.map(|(index, lr)| u32::from(lr >> 62 == 0) << index).sum()
    }

    fn set_maintenance(&mut self, _: u32) {}

    fn take_eoi_count(&mut self) -> u32 {
        self.noise as u32 & 0x1f
    }

    fn group_enables(&mut self) -> u32 {
        self.noise as u32 >> 5 & 3
    }

    fn physical_sgis(&self) -> u16 {
        PHYSICAL_SGIS
    }

    fn clear_sgis(&mut self) {}

    fn write_state(&mut self, register: StateRegister, set: IntidSet) {
        match register {
            StateRegister::SetPending => self.pending |= set.mask(),
            StateRegister::ClearPending => self.pending &= !set.mask(),
            _ => {}
        }
    }

    fn read_state(&mut self, register: StateRegister, _: IntidSet) -> u32 {
        match register {
            StateRegister::SetPending => self.pending,
            _ => self.noise as u32,
        }
    }

    fn set_edge(&mut self, _: IntidSet, edge: u32) -> u32 {
        edge
    }

    fn set_priority(&mut self, _: IntidSet, _: usize, _: u8) {}

    fn route(&mut self, _: usize, vcpu: usize) {
        assert!(vcpu < CPUS);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, steps)) = bytes.split_first() else { return };
    let version = if first & 1 == 0 { Version::V2 } else { Version::V3 };
    let is_direct = version == Version::V3 && first & 0x20 != 0;
    let delivery = if is_direct { Delivery::Direct } else { Delivery::Trapped };
    let intids = [27, 34, 40, 64].map(|number| Intid::new(number).expect("it is below 1020"));
    let mut vgic = Vgic::new(&Config {
        version,
        delivery,
        vcpus: CPUS,
        it_lines_number: 2,
        hardware: &intids,
        virtual_timer: Some(intids[0]),
        virtual_only: &[Intid::spi(1).expect("it is below 988")],
        messages: &[],
    });
    let registers = usize::from(first >> 1 & 0xf) + 1;
    let cpu = |index| Cpu { index, list_registers: vec![0; registers], pending: 0, noise: 0x60 };
    let mut cpus = [cpu(0), cpu(1)];
    vgic.reset(&mut cpus[0]);
    cpus.iter_mut().for_each(|cpu| vgic.reset_private(cpu));
    for step in steps.chunks_exact(16) {
        let word = |at: usize| u64::from_le_bytes(step[at..at + 8].try_into().expect("8 bytes"));
        take_step(&mut vgic, &mut cpus, word(0), word(8));
    }
});

/// Carries out one step.
fn take_step(vgic: &mut Vgic, cpus: &mut [Cpu; CPUS], what: u64, value: u64) {
    let index = (what >> 8 & 1) as usize;
    let offset = what >> 16 & 0x7_ffff;
    let access = RegisterAccess { offset, size: 1 << (what >> 9 & 3), value };
    cpus[index].noise = what >> 40;
    let kicks = access_all(vgic, cpus, index, |vgic, hw| match what & 0xf {
        0 | 1 => vgic.distributor_write(access, hw),
        2 | 3 => vgic.redistributor_write(access, hw),
        4 => vgic.distributor_read(access, hw).map(|_| CpuMask::EMPTY),
        5 => vgic.redistributor_read(access, hw).map(|_| CpuMask::EMPTY),
        6 => vgic.deactivate(value, hw),
        7 => Ok(vgic.send_sgi(SgiRegister::Sgi1, value, hw)),
        8 => Ok(vgic.send_sgi(SgiRegister::Sgi0, value, hw)),
        9 => Ok(vgic.maintenance(hw)),
        10 => Ok(vgic.set_line(Intid::spi(1).expect("it exists"), value & 1 != 0, hw)),
        11 => {
            let intid = [3, 15, 27, 34, 40, 64][value as usize % 6];
            let intid = Intid::new(intid).expect("it exists");
            Ok(vgic.interrupt(intid, (value >> 8) as u8 & 7, hw).unwrap_or(CpuMask::EMPTY))
        }
        _ => {
            // The guest acknowledges or ends an interrupt: a list register's state changes.
            let count = hw.list_registers.len();
            let lr = &mut hw.list_registers[value as usize % count];
            *lr = *lr & !(3 << 62) | if *lr >> 62 == 0 { 0 } else { value >> 62 << 62 };
            Ok(CpuMask::EMPTY)
        }
    });
    for kicked in kicks {
        let _ = vgic.refill(&mut cpus[kicked]);
    }
}

/// Makes an access, and recalls the other vCPU if it needs that.
fn access_all(
    vgic: &mut Vgic,
    cpus: &mut [Cpu; CPUS],
    index: usize,
    mut access: impl FnMut(&mut Vgic, &mut Cpu) -> Result<CpuMask, Recall>,
) -> CpuMask {
    match access(vgic, &mut cpus[index]) {
        Ok(kicks) => kicks,
        Err(Recall(holders)) => {
            let mut kicks = CpuMask::EMPTY;
            for holder in holders {
                kicks |= vgic.recall(&mut cpus[holder]);
                kicks |= CpuMask::one(holder);
            }
            kicks |= access(vgic, &mut cpus[index]).expect("the holders were recalled");
            kicks
        }
    }
}
