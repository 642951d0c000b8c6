//! The physical interrupt controller, of either version.

mod v2;
mod v3;

use aarch64_cpu::registers::{ICH_HCR_EL2, ICH_VMCR_EL2, Readable, Writeable};
use bulkhead::intid::Intid;
use bulkhead::machine::{self, Interrupt, Mpidr};
use bulkhead::vgic::{Hardware, ListRegister, StateRegister};
use spin::Once;

/// The SGI by which one CPU makes another leave its guest. Guests' own SGIs never reach the
/// physical controller, so all sixteen are Bulkhead's.
pub const DOORBELL: Intid = Intid::new(0).unwrap();

/// The lowest number that stands for "nothing to acknowledge".
const SPECIAL: u32 = 1020;
/// GICC_IAR holds the INTID in its lower bits, and an SGI's source above.
const INTID_MASK: u32 = 0x3ff;

/// En of GICH_HCR and ICH_HCR_EL2: the virtual interface works.
const HCR_ENABLE: u32 = 1;
/// EOIcount, in both versions.
const HCR_EOI_COUNT: u32 = 0x1f << 27;
/// VENG0 and VENG1 of ICH_VMCR_EL2, VMGrp0En and VMGrp1En of GICH_VMCR.
const VMCR_GROUPS: [u32; 2] = [1, 2];

/// The machine's GIC.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and it never moves")]
pub enum Gic {
    /// GICv2.
    V2(v2::Gic),
    /// GICv3.
    V3(v3::Gic),
}

static GIC: Once<Gic> = Once::new();

/// Maps the controller's frames. Nothing is changed yet.
pub fn init(machine: &machine::Gic) -> &'static Gic {
    GIC.call_once(|| match machine {
        machine::Gic::V2 { distributor, cpu_interface, hypervisor, .. } => {
            Gic::V2(v2::Gic::new(*distributor, *cpu_interface, *hypervisor))
        }
        machine::Gic::V3 { distributor, redistributors, .. } => {
            Gic::V3(v3::Gic::new(*distributor, redistributors))
        }
    })
}

/// The controller, once `init` has run.
pub fn get() -> &'static Gic {
    GIC.get().expect("the interrupt controller is initialised before it is used")
}

/// What the CPU interface said on being asked for the most urgent interrupt. It must be handed
/// back as it is.
#[derive(Clone, Copy)]
pub struct Acknowledged(u32);

impl Acknowledged {
    /// Which interrupt.
    pub fn intid(self) -> Intid {
        Intid::new(self.0 & INTID_MASK).expect("special numbers are not acknowledged")
    }
}

impl Gic {
    /// Sets up the distributor, after every CPU has come to EL2.
    pub fn init_distributor(&self) {
        match self {
            Self::V2(gic) => gic.init_distributor(),
            Self::V3(gic) => gic.init_distributor(),
        }
    }

    /// Sets up what this CPU has for itself.
    pub fn init_cpu(&self, cpu: usize, mpidr: Mpidr) {
        match self {
            Self::V2(gic) => gic.init_cpu(cpu),
            Self::V3(gic) => gic.init_cpu(cpu, mpidr),
        }
        self.set_hypervisor_control(HCR_ENABLE);
    }

    /// GICD_TYPER.ITLinesNumber.
    pub fn it_lines_number(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.intids() / 32 - 1,
            Self::V3(gic) => gic.intids() / 32 - 1,
        }
    }

    /// Takes the interrupt of the highest priority, if there is one.
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let value = match self {
            Self::V2(gic) => gic.acknowledge(),
            Self::V3(gic) => gic.acknowledge(),
        };
        (value & INTID_MASK < SPECIAL).then_some(Acknowledged(value))
    }

    /// Lets interrupts of the same priority in again; this one stays active.
    pub fn priority_drop(&self, interrupt: Acknowledged) {
        match self {
            Self::V2(gic) => gic.priority_drop(interrupt.0),
            Self::V3(gic) => gic.priority_drop(interrupt.0),
        }
    }

    /// Ends an interrupt of Bulkhead's own, after its priority drop.
    pub fn deactivate(&self, interrupt: Acknowledged) {
        match self {
            Self::V2(gic) => gic.deactivate(interrupt.0),
            Self::V3(gic) => gic.deactivate(interrupt.0),
        }
    }

    /// Makes a CPU leave its guest.
    pub fn ring_doorbell(&self, cpu: usize) {
        match self {
            Self::V2(gic) => gic.send_sgi(DOORBELL, cpu),
            Self::V3(gic) => gic.send_sgi(DOORBELL, cpu),
        }
    }

    /// Enables an interrupt of Bulkhead's own: a private one of this CPU, or a shared one, which
    /// goes to this CPU.
    pub fn enable_own(&self, intid: Intid, cpu: usize) {
        let number = intid.get();
        if !intid.is_private() {
            self.route(intid, cpu);
        }
        self.write_state(cpu, StateRegister::SetEnable, (number / 32) as usize, 1 << (number % 32));
    }

    /// Disables these shared interrupts and forgets what they were up to.
    pub fn silence(&self, interrupts: &[Interrupt]) {
        for interrupt in interrupts {
            let (word, bit) =
                ((interrupt.intid.get() / 32) as usize, 1 << (interrupt.intid.get() % 32));
            self.write_state(0, StateRegister::ClearEnable, word, bit);
            self.write_state(0, StateRegister::ClearPending, word, bit);
            self.write_state(0, StateRegister::ClearActive, word, bit);
        }
    }

    fn write_state(&self, cpu: usize, register: StateRegister, word: usize, bits: u32) {
        match self {
            Self::V2(gic) => gic.write_state(register, word, bits),
            Self::V3(gic) => gic.write_state(cpu, register, word, bits),
        }
    }

    fn route(&self, intid: Intid, cpu: usize) {
        match self {
            Self::V2(gic) => gic.route(intid, cpu),
            Self::V3(gic) => gic.route(intid, cpu),
        }
    }

    /// Changes the trigger of up to 16 interrupts; `mask` and `edge` have two bits for each.
    fn configure(&self, cpu: usize, register: usize, mask: u32, edge: u32) -> u32 {
        match self {
            Self::V2(gic) => {
                let others = gic.configuration(register) & !mask;
                gic.set_configuration(register, others | edge & mask);
                gic.configuration(register)
            }
            Self::V3(gic) => {
                let others = gic.configuration(cpu, register) & !mask;
                gic.set_configuration(cpu, register, others | edge & mask);
                gic.configuration(cpu, register)
            }
        }
    }

    fn hypervisor_control(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.hypervisor_control(),
            Self::V3(_) => ICH_HCR_EL2.get() as u32,
        }
    }

    fn set_hypervisor_control(&self, value: u32) {
        match self {
            Self::V2(gic) => gic.set_hypervisor_control(value),
            Self::V3(_) => ICH_HCR_EL2.set(u64::from(value)),
        }
    }
}

/// The controller as this CPU sees it, for the partition whose vCPUs live on `cpus`.
pub struct ThisCpu<'a> {
    gic: &'static Gic,
    /// The physical CPU of each vCPU.
    cpus: &'a [usize],
}

impl<'a> ThisCpu<'a> {
    /// For the partition whose vCPU n lives on physical CPU `cpus[n]`.
    pub fn new(cpus: &'a [usize]) -> Self {
        Self { gic: get(), cpus }
    }
}

impl Hardware for ThisCpu<'_> {
    fn list_registers(&self) -> usize {
        match self.gic {
            Gic::V2(gic) => gic.list_registers(),
            Gic::V3(gic) => gic.list_registers(),
        }
    }

    fn read_list_register(&mut self, index: usize) -> ListRegister {
        match self.gic {
            Gic::V2(gic) => ListRegister::from_v2(gic.read_list_register(index)),
            Gic::V3(_) => ListRegister::from_bits(v3::read_list_register(index)),
        }
    }

    fn write_list_register(&mut self, index: usize, value: ListRegister) {
        match self.gic {
            Gic::V2(gic) => gic.write_list_register(index, value.to_v2()),
            Gic::V3(_) => v3::write_list_register(index, value.bits()),
        }
    }

    fn empty_list_registers(&mut self) -> u32 {
        let existing = (1 << self.list_registers()) - 1;
        let empty = match self.gic {
            Gic::V2(gic) => gic.empty_list_registers(),
            Gic::V3(_) => v3::empty_list_registers(),
        };
        empty & existing
    }

    fn set_maintenance(&mut self, bits: u32) {
        self.gic.set_hypervisor_control(HCR_ENABLE | bits);
    }

    fn take_eoi_count(&mut self) -> u32 {
        let control = self.gic.hypervisor_control();
        self.gic.set_hypervisor_control(control & !HCR_EOI_COUNT);
        control >> 27
    }

    fn group_enables(&mut self) -> [bool; 2] {
        let control = match self.gic {
            Gic::V2(gic) => gic.virtual_machine_control(),
            Gic::V3(_) => ICH_VMCR_EL2.get() as u32,
        };
        VMCR_GROUPS.map(|bit| control & bit != 0)
    }

    fn write_state(&mut self, vcpu: usize, register: StateRegister, word: usize, bits: u32) {
        self.gic.write_state(self.cpus[vcpu], register, word, bits);
    }

    fn read_pending(&mut self, vcpu: usize, word: usize) -> u32 {
        match self.gic {
            Gic::V2(gic) => gic.read_pending(word),
            Gic::V3(gic) => gic.read_pending(self.cpus[vcpu], word),
        }
    }

    fn set_edge(&mut self, vcpu: usize, word: usize, mask: u32, edge: u32) -> u32 {
        let mut result = 0;
        for half in 0..2 {
            let shift = half * 16;
            let [mask, edge] = [mask, edge].map(|bits| spread(bits >> shift & 0xffff));
            let now = self.gic.configure(self.cpus[vcpu], word * 2 + half, mask, edge);
            result |= gather(now) << shift;
        }
        result
    }

    fn route(&mut self, intid: Intid, vcpu: usize) {
        self.gic.route(intid, self.cpus[vcpu]);
    }
}

/// One bit for each of 16 interrupts to the upper of two bits for each, as in ICFGR.
fn spread(bits: u32) -> u32 {
    (0..16).filter(|bit| bits >> bit & 1 != 0).fold(0, |word, bit| word | 2 << (bit * 2))
}

/// The way back.
fn gather(word: u32) -> u32 {
    (0..16).filter(|bit| word >> (bit * 2 + 1) & 1 != 0).fold(0, |bits, bit| bits | 1 << bit)
}
