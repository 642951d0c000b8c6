//! Starts the CPUs, and sets each of them up for its partition.

use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::system_registers::IdRegisters;
use bulkhead::boot::machine::{CpuStart, Machine, MachineCpu, Without};
use bulkhead::boot::steps;
use bulkhead::smccc::Workarounds;
use bulkhead::trap::stats::Counters;
use bulkhead::vgic::{Delivery, SgiRoute};
use core::sync::atomic::{AtomicU8, AtomicU64};
use log::info;

use super::build::Work;
use super::refuse::refuse;
use super::{entry, mmu, or_refuse, serror};
use crate::el2::arch::firmware::Firmware;
use crate::el2::arch::image;
use crate::el2::arch::sync::{self, Barrier};
use crate::el2::arch::{cache, control, id_registers};
use crate::el2::cpu::{self, timer};
use crate::el2::drivers::gic::VcpuPosition;
use crate::el2::partition::Partition;
use crate::el2::trap::vectors;
use crate::el2::vcpu::resident::{self, OwnInterrupts, Resident};
use crate::el2::vcpu::{Vcpu, update_gic_again};

/// The time that a CPU may take from being started to reaching EL2, in milliseconds.
const ARRIVAL_MS: u64 = 1000;

/// Makes this CPU, on which the loader entered the image, the boot CPU.
pub fn enter_boot_cpu(machine: &Machine) -> &'static Resident {
    let mpidr = cpu::current_mpidr();
    let index = or_refuse(steps::find_boot_cpu(machine, mpidr));
    let Some(frequency) = machine.timer.frequency(CNTFRQ_EL0.get()) else {
        refuse(format_args!(
            "firmware has left CNTFRQ_EL0 at 0: have it set the counter's frequency, or give \
             clock-frequency in the timer's node of the machine's tree"
        ));
    };
    for resident in resident::all() {
        resident.cpu.set_frequency(frequency);
    }
    resident::all()[index].cpu.set_stack_top(image::stack_top(0));
    let resident = resident::enter(index);
    vectors::install();
    resident
}

/// Starts every other CPU that takes part in booting ([`takes_part`]). [`await_others`] waits for
/// them.
pub fn start_others(work: &'static Work) {
    let boot_cpu = cpu::current().index();
    let cpus = work.machine.cpus.iter().enumerate();
    let others = cpus.filter(|(index, cpu)| *index != boot_cpu && takes_part(work, *index, cpu));
    work.barrier.set(Barrier::new(1 + others.clone().count()));
    for (index, cpu) in others {
        start(work, cpu, index, boot_cpu);
    }
}

/// Returns whether a CPU takes part in booting: if a partition owns it, if it does the console's
/// work, or if it waits at a spin table. The last runs firmware's code, which may otherwise change
/// the interrupt controller later.
fn takes_part(work: &Work, index: usize, cpu: &MachineCpu) -> bool {
    work.is_owned(index)
        || work.console_cpu == Some(index)
        || matches!(cpu.start, CpuStart::SpinTable(_))
}

/// Waits until all CPUs that were started are at EL2. Refuses to boot if one does not get there.
pub fn await_others(work: &Work) {
    let deadline = timer::now() + timer::milliseconds(ARRIVAL_MS);
    for (index, cpu) in work.machine.cpus.iter().enumerate() {
        while takes_part(work, index, cpu) && !resident::all()[index].cpu.is_up() {
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

/// Starts the CPU with this index.
fn start(work: &'static Work, cpu: &MachineCpu, index: usize, boot_cpu: usize) {
    // The boot CPU uses stack 0, whatever its index, and CPU 0 uses the stack with its index
    // instead.
    let stack = if index == 0 { boot_cpu } else { index };
    mmu::map_memory(image::stack(stack));
    resident::all()[index].cpu.set_stack_top(image::stack_top(stack));
    let mpidr = cpu.mpidr;
    let address = entry::prepare_secondary(mpidr, index, stack, work);
    let started = match (cpu.start, Firmware::find(work.machine.psci)) {
        // SAFETY: `prepare_secondary` returns `secondary_entry`, which runs with the MMU off.
        (CpuStart::Psci, Some(firmware)) => unsafe { firmware.cpu_on(mpidr, address) },
        // SAFETY: the same; and the machine's tree says that the CPU polls this address.
        (CpuStart::SpinTable(slot), _) => unsafe { release(slot, address) },
        (CpuStart::Psci | CpuStart::Unknown, _) => refuse(format_args!(
            "CPU {mpidr} cannot be started: the machine's tree has neither PSCI by SMC nor a spin \
             table for it"
        )),
    };
    if let Err(error) = started {
        refuse(format_args!("CPU {mpidr} did not start: firmware's CPU_ON returned {error}"));
    }
}

/// Releases a CPU that polls `address` (the spin table of the arm64 boot protocol) to `entry`.
///
/// # Safety
///
/// - `address` must be a multiple of 8 in memory, and of a word that a CPU polls.
/// - `entry` must be code that the CPU can run with its MMU off.
unsafe fn release(address: Pa, entry: Pa) -> Result<(), i64> {
    let slot =
        Region::new(address, size_of::<u64>() as u64).expect("`Machine` checked the address");
    mmu::map_memory(slot);
    // SAFETY: the line above mapped the slot; the caller guarantees its alignment and its use.
    unsafe { (address.get() as *mut u64).write_volatile(entry.get()) };
    // The CPU polls memory with its caches off.
    cache::clean_and_invalidate(slot);
    aarch64_cpu::asm::sev();
    Ok(())
}

/// Sets this CPU up for its partition once all partitions are built. Barriers separate the steps of
/// all CPUs: first the interrupt interfaces and control registers, then the vCPUs and the vGICs'
/// shared state, then the vGICs' private state.
pub fn set_up(resident: &'static Resident, work: &'static Work) {
    let index = resident.cpu.index();
    let gic = work.gic;
    let own = OwnInterrupts {
        gic,
        maintenance: work.machine.gic.maintenance(),
        timer: work.machine.timer.hypervisor,
        console: work.machine.console.as_ref().and_then(|console| console.interrupt),
        smmus: work.smmus.map(|smmus| smmus as _),
        messages: work.its.as_ref().map(|its| its.its as _),
    };
    resident.set_own_interrupts(own);
    work.barrier.wait();
    let owner = work.owner_of(index);
    let delivery = owner.map_or(Delivery::Trapped, |(partition, _)| partition.plan.delivery);
    if let Err(why) = gic.init_cpu(index, resident.cpu.mpidr(), delivery, &mmu::map_device) {
        refuse(format_args!("CPU {}: {why}", resident.cpu.mpidr()));
    }
    if let Some(tables) = work.its.as_ref().and_then(|its| its.tables(index))
        && let Err(why) = gic.enable_lpis(index, &tables)
    {
        refuse(format_args!("CPU {} {why}", resident.cpu.mpidr()));
    }
    for intid in [own.maintenance, own.timer] {
        gic.enable_own(intid, index);
    }
    let mut id = id_registers::read();
    // `boot::read_machine` has refused a command line with an error.
    Without::read(&work.machine.bootargs).unwrap_or_default().remove_from(&mut id);
    let count = owner.is_some_and(|(partition, _)| partition.plan.count_hypervisor);
    control::write(&id, control::choices(&id, count, delivery));
    // HCR_EL2.AMO routes it to EL2.
    if let Some(esr) = serror::take_pending() {
        let mpidr = resident.cpu.mpidr();
        info!("CPU {mpidr} had a pending SError (ESR_EL2 {esr:#x}): firmware has caused it");
    }
    // Later than `control::write`, which switches EL2's timer off.
    if gic.loses_level() && work.updates_gic(index) {
        update_gic_again(timer::now());
    }
    work.barrier.wait();
    if let Some((partition, number)) = owner {
        resident.cpu.set_partition(partition.port.index());
        let vcpu = new_vcpu(resident, work, partition, number, &id);
        if number == 0 {
            vcpu.with_vgic(|vgic, hardware| vgic.reset(hardware));
        }
        resident.assign(Vec::from([vcpu]));
    }
    work.barrier.wait();
    for vcpu in resident.vcpus() {
        vcpu.with_vgic(|vgic, hardware| vgic.reset_private(hardware));
    }
    work.barrier.wait();
}

/// Returns vCPU `number` of a partition, which is assigned to this CPU.
fn new_vcpu(
    resident: &Resident,
    work: &Work,
    partition: &'static Partition,
    number: usize,
    id: &IdRegisters,
) -> Vcpu {
    let workarounds = workarounds(&work.machine);
    if let Some(first) = workarounds.first() {
        resident.cpu.forward(first);
    }
    let gic = work.gic;
    let cpus = &partition.plan.cpus;
    let affinities: Vec<_> = cpus.iter().map(|cpu| resident::all()[*cpu].cpu.mpidr()).collect();
    Vcpu {
        partition,
        seat: &partition.seats[number],
        output: partition.output,
        position: VcpuPosition { gic, vcpu: number, cpus: cpus.clone() },
        sgi_route: match gic.physical_sgis() {
            u16::MAX => SgiRoute::new(&affinities, number),
            _ => SgiRoute::Virtual,
        },
        sgir_route: gic.init_sgis(resident.cpu.index(), &partition.plan, number),
        arrivals: partition.state.lock().vgic.arrivals(number),
        link_devices: partition.links.as_ref().map(|links| links.heads()),
        workarounds,
        id: id.for_guest(),
        counters: Counters::default(),
        priority_mask: AtomicU8::new(0),
        cleaned: AtomicU64::new(0),
    }
}

/// Returns the mitigations that firmware offers on this CPU.
fn workarounds(machine: &Machine) -> Workarounds {
    match Firmware::find(machine.psci) {
        Some(firmware) if firmware.has_smccc_1_1() => {
            Workarounds::ask(|function| firmware.features(function))
        }
        _ => Workarounds::NONE,
    }
}
