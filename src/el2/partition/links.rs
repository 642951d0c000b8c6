//! What a partition's CPUs need of its virtio devices: its ends of links, disks, and its console.

use bulkhead::devices::planned::MAX_VIRTIO_DEVICES;
use bulkhead::operator::console::Notify;
use bulkhead::operator::monitor::PortStatus;
use bulkhead::virtio::signals::Signals;

/// What the exception vectors need of a virtio device, which they find by its page.
#[repr(C)]
pub struct DeviceHead {
    /// What the device tells its driver. The vectors expect it at the start.
    pub signals: &'static Signals,
    /// The queues of whose new buffers the driver notifies, by their indices. For all others the vCPU
    /// [runs the console](LinkPorts::run_console), if there is one: those are its queues.
    pub queues: [Option<&'static dyn NotifiedQueue>; 2],
}

/// A partition's virtio devices, by their pages.
pub type DeviceHeads = [Option<&'static DeviceHead>; MAX_VIRTIO_DEVICES];

/// A queue of a device, of whose new buffers the driver notifies. A trait object, as
/// [`LinkPorts`] is.
pub trait NotifiedQueue: Send + Sync {
    /// Moves what the driver has made available.
    fn notify(&self);
}

/// A guest's access to the registers of a virtio device, or of a doorbell.
#[derive(Clone, Copy)]
pub struct LinkAccess {
    /// The offset from the first of the partition's devices of that kind, in bytes.
    pub offset: u64,
    /// The size in bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// The value that is stored; `None` for a load.
    pub stored: Option<u64>,
}

/// A partition's virtio devices: its ends of links, disks, and its console. A trait object, because
/// their code is unmapped unless the description has such devices.
pub trait LinkPorts: Send + Sync {
    /// Carries out an access, and returns the value loaded.
    ///
    /// Returns `None` if the instruction must be executed again, because another CPU uses what the
    /// access takes from the link.
    fn access(&self, access: LinkAccess) -> Option<u64>;

    /// Returns what the exception vectors need of the devices.
    fn heads(&self) -> &'static DeviceHeads;

    /// Continues with work that was left, and tells drivers what became of their peers.
    fn poll(&self);

    /// Moves output and input of the virtio console, if there is one. The caller holds the partition's
    /// lock, and has shut the gate of its output. `is_due` says that the driver must not wait any
    /// longer for an interrupt.
    ///
    /// Returns whether the console must be notified of output; if it is [`Notify::Later`], this must
    /// be called again soon with `is_due`.
    fn run_console(&self, is_due: bool) -> Notify;

    /// Takes the partition's memory from all links, and resets the devices. No vCPU
    /// may run the guest.
    ///
    /// Returns whether no CPU uses the memory any more; otherwise this must be called again.
    fn stop(&self) -> bool;
}

/// The doorbells of the memory that a partition shares. A trait object as [`LinkPorts`] is.
pub trait Doorbells: Send + Sync {
    /// Carries out an access, and returns the value loaded.
    fn access(&self, access: LinkAccess) -> u64;

    /// Resets the doorbells: from now on nobody rings them.
    fn stop(&self);
}

/// All links, as the monitor shows them. A trait object as [`LinkPorts`] is.
pub trait LinkReports: Sync {
    /// Returns the state of a port of a link, both by their numbers from 0 on; `None` if there is no
    /// such link or port.
    fn port(&self, link: usize, port: usize) -> Option<PortStatus<'_>>;
}
