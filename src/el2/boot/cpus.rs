//! Bringing the CPUs up, and setting each of them up for its partition.

use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::machine::{Cpu, CpuStart, Machine};
use bulkhead::smccc::Workarounds;
use bulkhead::trap::stats::Counters;
use bulkhead::vgic::{Delivery, SgiRoute};
use core::sync::atomic::AtomicU8;
use spin::Once;

use super::build::Work;
use super::entry;
use super::refuse;
use crate::el2::arch::image::{self, MAX_CPUS};
use crate::el2::arch::sync::{self, Barrier};
use crate::el2::arch::{cache, control, firmware, id_registers};
use crate::el2::cpu::{self, timer};
use crate::el2::drivers::gic;
use crate::el2::mm::mmu;
use crate::el2::partition::{self, Partition};
use crate::el2::trap::{irq, vectors};
use crate::el2::vcpu::Vcpu;

/// How long a CPU may take from being started to arriving at EL2.
const ARRIVAL_MS: u64 = 1000;

/// Where the CPUs that take part wait for each other.
static MEETING: Once<Barrier> = Once::new();

/// Makes this CPU, the one that the loader chose, the one that boots; the result is its index.
pub fn enter_boot_cpu(machine: &Machine) -> usize {
    let mpidr = cpu::current_mpidr();
    let position = machine.cpus.iter().position(|cpu| cpu.mpidr == mpidr);
    let Some(index) = position.filter(|index| *index < MAX_CPUS) else {
        refuse(format_args!("the CPU that booted, MPIDR {mpidr}, is not in the machine's tree"));
    };
    cpu::set_stack(index, 0);
    cpu::enter(index);
    vectors::install();
    firmware::init(machine);
    index
}

/// Starts every CPU that a partition owns, or that has a part in this for another reason
/// ([`takes_part`]). They come by and by ([`await_others`]).
pub fn start_others(work: &Work) {
    let boot_cpu = cpu::current().index();
    let cpus = work.machine().cpus.iter().enumerate();
    let others = cpus.filter(|(index, cpu)| *index != boot_cpu && takes_part(work, *index, cpu));
    MEETING.call_once(|| Barrier::new(1 + others.clone().count()));
    for (index, cpu) in others {
        start(cpu, index, boot_cpu);
    }
}

/// Whether a CPU has a part in booting. Those of a spin table come too if nobody owns them: they run
/// firmware's code, which may still be at work on the interrupt controller.
fn takes_part(work: &Work, index: usize, cpu: &Cpu) -> bool {
    work.is_owned(index) || matches!(cpu.start, CpuStart::SpinTable(_))
}

/// Waits until all that were started are at EL2.
pub fn await_others(work: &Work) {
    let deadline = timer::now() + timer::milliseconds(ARRIVAL_MS);
    for (index, cpu) in work.machine().cpus.iter().enumerate() {
        while takes_part(work, index, cpu) && !cpu::get(index).is_up() {
            if timer::now() > deadline {
                refuse(format_args!(
                    "CPU {} was started, but did not arrive in {ARRIVAL_MS} ms",
                    cpu.mpidr
                ));
            }
            sync::relax();
        }
    }
}

fn start(cpu: &Cpu, index: usize, boot_cpu: usize) {
    // The boot CPU has the first stack; the CPU that would have had it takes that one's.
    let stack = if index == 0 { boot_cpu } else { index };
    mmu::map_memory(image::stack(stack));
    cpu::set_stack(index, stack);
    let mpidr = cpu.mpidr;
    let address = entry::prepare_secondary(mpidr, index, stack);
    let started = match cpu.start {
        // SAFETY: `prepare_secondary` gives the place for a CPU that starts with its MMU off.
        CpuStart::Psci if firmware::is_there() => unsafe { firmware::cpu_on(mpidr, address) },
        // SAFETY: the same, and the machine's tree says that the CPU polls this place.
        CpuStart::SpinTable(place) => unsafe { release(place, address) },
        CpuStart::Psci | CpuStart::Unknown => refuse(format_args!(
            "CPU {mpidr} cannot be started: the machine's tree has neither PSCI by SMC nor a spin table for it"
        )),
    };
    if let Err(error) = started {
        refuse(format_args!("CPU {mpidr} did not start: firmware's CPU_ON returned {error}"));
    }
}

/// Tells a CPU that polls `place` (the spin table of the arm64 boot protocol) to go to `entry`.
///
/// # Safety
///
/// `place` must be memory that a CPU polls, and `entry` code that it can start at with its MMU off.
unsafe fn release(place: Pa, entry: Pa) -> Result<(), i64> {
    let slot = Region::new(place, size_of::<u64>() as u64).expect("the machine was checked");
    mmu::map_memory(slot);
    // SAFETY: the caller vouches for the place, which has just been mapped; it is a multiple of 8.
    unsafe { (place.get() as *mut u64).write_volatile(entry.get()) };
    // The CPU looks past the caches.
    cache::clean_and_invalidate(slot);
    aarch64_cpu::asm::sev();
    Ok(())
}

/// Sets this CPU up for its partition, in step with the others, once all partitions are there: first all
/// CPUs' interrupt controllers, then the partitions', then what each vCPU has of them.
pub fn set_up_together() {
    meet();
    let cpu = cpu::current();
    let index = cpu.index();
    let home = home(index);
    let delivery = home.map_or(Delivery::Trapped, |(partition, _)| partition.plan.delivery);
    gic::get().init_cpu(index, cpu::current_mpidr(), delivery);
    irq::enable_private(index);
    let id = id_registers::read();
    let count = home.is_some_and(|(partition, _)| partition.plan.count_hypervisor);
    control::write(&id, control::choices(&id, count, delivery));
    meet();
    if let Some((partition, index)) = home {
        let workarounds = workarounds();
        if let Some(first) = workarounds.first() {
            cpu.pass_on(first);
        }
        let owned = partition.plan.cpus.iter();
        let affinities: Vec<_> = owned.map(|cpu| cpu::get(*cpu).mpidr()).collect();
        let gic = gic::get();
        let vcpu = Vcpu {
            partition,
            index,
            sgi_route: match gic.carried_sgis() {
                u16::MAX => SgiRoute::new(&affinities, index),
                _ => SgiRoute::Virtual,
            },
            sgir_route: gic.init_sgis(cpu.index(), &partition.plan, index),
            arrivals: partition.state.lock().vgic.arrivals(index),
            gic,
            workarounds,
            id: id.for_guest(),
            counters: Counters::default(),
            priority_mask: AtomicU8::new(0),
        };
        if vcpu.index == 0 {
            vcpu.with_vgic(|vgic, hw| vgic.reset(hw));
        }
        cpu.assign(vcpu);
    }
    meet();
    if let Some(vcpu) = cpu.vcpu() {
        vcpu.with_vgic(|vgic, hw| vgic.reset_private(hw));
    }
    meet();
}

/// The partition that owns this CPU, and the number of the vCPU that lives on it.
fn home(cpu: usize) -> Option<(&'static Partition, usize)> {
    partition::all().iter().find_map(|partition| {
        let vcpu = partition.plan.cpus.iter().position(|owned| *owned == cpu)?;
        Some((partition, vcpu))
    })
}

fn meet() {
    MEETING.get().expect("the boot CPU calls the meeting before it starts the others").wait();
}

/// What this CPU's firmware offers against speculation.
fn workarounds() -> Workarounds {
    if firmware::has_smccc_1_1() { Workarounds::ask(firmware::features) } else { Workarounds::NONE }
}
