//! The vGIC's access to the physical GIC, on the CPU that runs a vCPU.

use aarch64_cpu::registers::{ICH_VMCR_EL2, Readable};
use alloc::vec::Vec;
use bulkhead::vgic::{Hardware, IntidSet, ListRegister, StateRegister, gather, spread};

use super::{Gic, HCR_ENABLE, ICFGR, IPRIORITYR, v3};
use crate::el2::arch::sync;
use crate::el2::drivers::mmio::Registers;

/// EOICount of GICH_HCR and ICH_HCR_EL2.
const HCR_EOI_COUNT: u32 = 0x1f << 27;
/// VENG0 and VENG1 of ICH_VMCR_EL2, VMGrp0En and VMGrp1En of GICH_VMCR.
const VMCR_GROUPS: u32 = 0b11;

/// A vCPU's number, the physical CPUs of its partition, and the interrupt controller.
#[repr(C)]
pub struct VcpuPosition {
    /// The physical CPU of each vCPU of the partition.
    pub cpus: Vec<usize>,
    /// The number of the vCPU in its partition.
    pub vcpu: usize,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
}

/// The interrupt controller as the vGIC uses it on the physical CPU of this vCPU.
pub struct ThisCpu<'a>(pub &'a VcpuPosition);

impl ThisCpu<'_> {
    fn gic(&self) -> &'static Gic {
        self.0.gic
    }

    /// Returns the physical CPU of a vCPU of the partition. There is no CPU `usize::MAX`.
    fn cpu(&self, vcpu: usize) -> usize {
        self.0.cpus.get(vcpu).map_or(usize::MAX, |cpu| *cpu)
    }

    /// Returns the frame with the registers of a set's interrupts: the distributor, or on GICv3,
    /// for private interrupts, a redistributor. The offsets are the same in both. On GICv2 the
    /// distributor's registers of private interrupts are banked for each CPU.
    // One copy for most callers.
    #[inline(never)]
    fn registers(&self, set: IntidSet) -> &'static Registers {
        self.registers_inlined(set)
    }

    /// Does the same, for the function that most changes of an interrupt call.
    #[inline(always)]
    fn registers_inlined(&self, set: IntidSet) -> &'static Registers {
        match self.gic() {
            Gic::V3(gic) if set.word() == 0 => gic.private(self.cpu(set.owner())),
            gic => gic.distributor(),
        }
    }
}

impl Hardware for ThisCpu<'_> {
    fn vcpu(&self) -> usize {
        self.0.vcpu
    }

    fn list_registers(&self) -> usize {
        match self.gic() {
            Gic::V2(gic) => gic.list_registers(),
            Gic::V3(gic) => gic.list_registers(),
        }
    }

    fn physical_sgis(&self) -> u16 {
        self.gic().physical_sgis()
    }

    fn clear_sgis(&mut self) {
        match self.gic() {
            Gic::V2(gic) => gic.clear_sgis(),
            Gic::V3(_) => {
                self.write_state(StateRegister::ClearPending, IntidSet::new(self.0.vcpu, 0, 0xffff))
            }
        }
    }

    fn read_list_register(&mut self, index: usize) -> ListRegister {
        match self.gic() {
            Gic::V2(gic) => ListRegister::from_v2(gic.read_list_register(index)),
            Gic::V3(_) => ListRegister::from_bits(v3::read_list_register(index)),
        }
    }

    fn write_list_register(&mut self, index: usize, value: ListRegister) {
        match self.gic() {
            Gic::V2(gic) => gic.write_list_register(index, value.to_v2()),
            Gic::V3(_) => v3::write_list_register(index, value.bits()),
        }
    }

    fn empty_list_registers(&mut self) -> u32 {
        match self.gic() {
            Gic::V2(gic) => gic.empty_list_registers(),
            Gic::V3(_) => v3::empty_list_registers(),
        }
    }

    fn set_maintenance(&mut self, bits: u32) {
        self.gic().set_hypervisor_control(HCR_ENABLE | bits);
    }

    fn take_eoi_count(&mut self) -> u32 {
        let control = self.gic().hypervisor_control();
        self.gic().set_hypervisor_control(control & !HCR_EOI_COUNT);
        control >> 27
    }

    fn group_enables(&mut self) -> u32 {
        let control = match self.gic() {
            Gic::V2(gic) => gic.virtual_machine_control(),
            Gic::V3(_) => ICH_VMCR_EL2.get() as u32,
        };
        control & VMCR_GROUPS
    }

    // One copy for all callers.
    #[inline(never)]
    fn write_state(&mut self, register: StateRegister, set: IntidSet) {
        self.registers_inlined(set).write(register.of(set), set.mask());
        if let (Gic::V3(gic), StateRegister::ClearEnable) = (self.gic(), register) {
            gic.wait_for_disabled(set.word(), self.cpu(set.owner()));
        }
    }

    fn read_state(&mut self, register: StateRegister, set: IntidSet) -> u32 {
        self.registers(set).read(register.of(set))
    }

    fn set_priority(&mut self, set: IntidSet, bit: usize, priority: u8) {
        if let Gic::V3(gic) = self.gic() {
            let offset = IPRIORITYR + (set.word() * 32 + bit) as u64;
            self.registers(set).write_byte(offset, gic.priorities.of_guest(priority));
        }
    }

    fn set_edge(&mut self, set: IntidSet, edge: u32) -> u32 {
        let registers = self.registers(set);
        let mut result = 0;
        for half in 0..2 {
            let (shift, index) = (half * 16, set.word() * 2 + half);
            let [mask, edge] = [set.mask(), edge].map(|bits| spread(bits >> shift));
            let register = registers.register(ICFGR + index as u64 * 4);
            let value = match self.gic().triggers().of(index) {
                Some(shared) => {
                    shared.update(mask, edge, |value| register.write(value), sync::relax)
                }
                None => {
                    register.write(register.read() & !mask | edge & mask);
                    register.read()
                }
            };
            result |= gather(value) << shift;
        }
        result
    }

    fn route(&mut self, intid: usize, vcpu: usize) {
        self.gic().route(intid, self.cpu(vcpu));
    }
}
