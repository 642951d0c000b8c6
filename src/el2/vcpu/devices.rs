//! Accesses, interrupt lines and deadlines of a guest's emulated devices.

use bulkhead::devices::planned::DeviceKind;
use bulkhead::devices::{Device, Env, NoPeer, Offset};
use bulkhead::partition::lifecycle::{End, Stage};
use bulkhead::util::deadlines::User;

use super::Vcpu;
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::{EmulatedDevice, PartitionState};

impl Vcpu {
    /// Carries out an access to a device: a store of `stored`, or a load if it is `None`. Returns
    /// the value loaded.
    #[inline(never)]
    pub fn device_access(&self, kind: DeviceKind, offset: u64, stored: Option<u64>) -> u64 {
        let mut loaded = 0;
        self.with_devices(&mut |emulated, env| {
            if emulated.kind == kind {
                let at = Offset::new(offset);
                match stored {
                    Some(value) => {
                        emulated.device.write(at, value, env);
                        emulated.timer = self.index();
                    }
                    None => loaded = emulated.device.read(at, env),
                }
            }
        });
        loaded
    }

    /// Polls the devices, because the vCPU starts or EL2's timer has expired.
    pub fn poll_devices(&self) {
        self.with_devices(&mut |emulated, env| emulated.device.poll(env));
    }

    /// Calls `operation` for each device if the partition runs. Then notifies the vGIC of their
    /// interrupt lines, sets EL2's timer to the earliest deadline, and stops the partition if its
    /// watchdog has fired.
    fn with_devices(&self, operation: &mut dyn FnMut(&mut EmulatedDevice, &mut Env<'_>)) {
        let partition = self.partition;
        let mut state = partition.state.lock();
        let PartitionState { devices, vgic, life, .. } = &mut *state;
        if devices.is_empty() {
            return;
        }
        if life.stage() != Stage::Running {
            return timer::set_deadline(User::Devices, None);
        }
        let started = partition.started();
        let now = timer::now().saturating_sub(started);
        let (mut earliest, mut has_fired) = (None, false);
        for emulated in devices {
            operation(emulated, &mut Env { now, peer: &mut NoPeer });
            if emulated.timer == self.index()
                && let Some(deadline) = emulated.device.deadline()
            {
                let deadline = deadline.saturating_add(started);
                earliest = Some(earliest.map_or(deadline, |earliest: u64| earliest.min(deadline)));
            }
            if let Some(intid) = emulated.intid
                && let Some(level) = emulated.line.update(emulated.device.line())
            {
                self.kick(vgic.set_line(intid, level, &mut ThisCpu(&self.position)));
            }
            has_fired |= emulated.device.has_fired();
        }
        timer::set_deadline(User::Devices, earliest);
        if has_fired {
            drop(state);
            partition.begin_end(End::Watchdog);
        }
    }
}
