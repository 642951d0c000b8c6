//! What kinds of devices differ in: identifiers, features and configuration.
//!
//! | kind | identifier | queues | configuration |
//! |---|--:|---|---|
//! | network (VIRTIO 1.2, 5.1) | 1 | receive, transmit | MAC address, status, pairs of queues, MTU |
//! | block (5.2) | 2 | requests | capacity, segments of a request |
//! | console (5.3) | 3 | receive, transmit | - |
//! | socket (5.10) | 19 | receive, transmit, event | CID |

use super::{EVENT_IDX, INDIRECT_DESC, MAX_QUEUE_SIZE, TERMINAL_QUEUE_SIZE, VERSION_1};

/// The index of the queue into which a device of a link receives.
pub const RECEIVE: u16 = 0;
/// The index of the queue from which a device of a link sends.
pub const TRANSMIT: u16 = 1;
/// The index of a socket device's queue of events.
pub const EVENT: u16 = 2;
/// The index of a disk's queue of requests.
pub const REQUESTS: u16 = 0;

/// Network: the driver sends packets with partial checksums.
pub const NET_CSUM: u64 = 1 << 0;
/// Network: the driver receives packets with partial checksums.
pub const NET_GUEST_CSUM: u64 = 1 << 1;
/// Network: the configuration has an MTU.
pub const NET_MTU: u64 = 1 << 3;
/// Network: the configuration has a MAC address.
pub const NET_MAC: u64 = 1 << 5;
/// Network: the driver receives TCP segments over IPv4 that are to be divided.
pub const NET_GUEST_TSO4: u64 = 1 << 7;
/// Network: the same over IPv6.
pub const NET_GUEST_TSO6: u64 = 1 << 8;
/// Network: the driver sends TCP segments over IPv4 that are to be divided.
pub const NET_HOST_TSO4: u64 = 1 << 11;
/// Network: the same over IPv6.
pub const NET_HOST_TSO6: u64 = 1 << 12;
/// Network: a received packet may be in several buffers.
pub const NET_MRG_RXBUF: u64 = 1 << 15;
/// Network: the configuration has the state of the link.
pub const NET_STATUS: u64 = 1 << 16;
/// Block: the configuration has the largest number of segments.
const BLK_SEG_MAX: u64 = 1 << 2;
/// Block: the disk is read-only.
pub const BLK_RO: u64 = 1 << 5;
/// Block: the command to flush is supported.
const BLK_FLUSH: u64 = 1 << 9;
/// Socket: streams are supported.
const VSOCK_STREAM: u64 = 1 << 0;

/// The features that need another one: VIRTIO 1.2, 5.1.3.1.
const NET_NEEDS: [(u64, u64); 2] =
    [(NET_GUEST_TSO4 | NET_GUEST_TSO6, NET_GUEST_CSUM), (NET_HOST_TSO4 | NET_HOST_TSO6, NET_CSUM)];

/// The CID of port 0 of a link; those below are reserved (VIRTIO 1.2, 5.10.4).
pub const FIRST_CID: u32 = 3;

/// The largest number of segments of a disk's request: half of what a queue can have, so that two
/// requests fit.
const SEGMENTS: u64 = MAX_QUEUE_SIZE as u64 / 2;

/// The size of a disk's sector in bytes.
pub const SECTOR_SIZE: u64 = 512;

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Personality {
    /// A network card.
    Network {
        /// Its address.
        mac: [u8; 6],
        /// The largest packet without its Ethernet header, in bytes; 0 for no statement.
        mtu: u16,
        /// Whether checksums and the division of TCP segments are left to the receiver.
        has_offloads: bool,
    },
    /// An end of a link between two consoles.
    Console,
    /// A console whose other end is Bulkhead's own.
    Terminal,
    /// A socket device.
    Socket {
        /// Its context identifier, from 3 on.
        cid: u32,
    },
    /// A disk.
    Block {
        /// Its size in sectors of 512 bytes.
        sectors: u64,
        /// Whether the driver may not write to it.
        is_read_only: bool,
    },
}

impl Personality {
    /// Returns the device's identifier (DeviceID).
    pub fn device_id(&self) -> u32 {
        match self {
            Self::Network { .. } => 1,
            Self::Block { .. } => 2,
            Self::Console | Self::Terminal => 3,
            Self::Socket { .. } => 19,
        }
    }

    /// Returns what other ports of a link know the device by: a MAC address, the first byte in the
    /// lowest bits, or a CID; 0 for others.
    pub fn address(&self) -> u64 {
        match *self {
            Self::Network { mac: [a, b, c, d, e, f], .. } => {
                u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
            }
            Self::Socket { cid } => cid.into(),
            Self::Console | Self::Terminal | Self::Block { .. } => 0,
        }
    }

    /// Returns the number of queues.
    pub fn queues(&self) -> usize {
        match self {
            Self::Block { .. } => 1,
            Self::Network { .. } | Self::Console | Self::Terminal => 2,
            Self::Socket { .. } => 3,
        }
    }

    /// Returns the features that the device offers.
    // As `Registers::new`.
    #[inline(always)]
    pub fn features(&self) -> u64 {
        const OFFLOADS: u64 = NET_CSUM
            | NET_GUEST_CSUM
            | NET_GUEST_TSO4
            | NET_GUEST_TSO6
            | NET_HOST_TSO4
            | NET_HOST_TSO6;
        let own = match *self {
            Self::Network { mtu, has_offloads, .. } => {
                let offloads = if has_offloads { OFFLOADS } else { 0 };
                let mtu = if mtu == 0 { 0 } else { NET_MTU };
                NET_MAC | NET_STATUS | NET_MRG_RXBUF | offloads | mtu
            }
            Self::Console | Self::Terminal => 0,
            Self::Socket { .. } => VSOCK_STREAM,
            Self::Block { is_read_only, .. } => {
                let access = if is_read_only { BLK_RO } else { 0 };
                BLK_SEG_MAX | BLK_FLUSH | access
            }
        };
        own | INDIRECT_DESC | EVENT_IDX | VERSION_1
    }

    /// Returns the words of the configuration while the link is down.
    // As `Registers::new`.
    #[inline(always)]
    pub fn configuration(&self) -> [u64; 2] {
        match *self {
            // One pair of queues, and the MTU.
            Self::Network { mac: [a, b, c, d, e, f], mtu, .. } => {
                [u64::from_le_bytes([a, b, c, d, e, f, 0, 0]), 1 | u64::from(mtu) << 16]
            }
            Self::Console | Self::Terminal => [0; 2],
            Self::Socket { cid } => [cid.into(), 0],
            // The largest number of segments, after the largest size of one, which has no limit.
            Self::Block { sectors, .. } => [sectors, SEGMENTS << 32],
        }
    }

    /// Returns the bit of the first of these words that is set while the link is up; 0 if there is
    /// none.
    pub fn link_status(&self) -> u64 {
        match self {
            Self::Network { .. } => 1 << 48,
            Self::Console | Self::Terminal | Self::Socket { .. } | Self::Block { .. } => 0,
        }
    }

    /// Returns the largest size of a queue (QueueSizeMax), in descriptors.
    pub fn queue_size(&self) -> u16 {
        match self {
            Self::Terminal => TERMINAL_QUEUE_SIZE,
            _ => MAX_QUEUE_SIZE,
        }
    }
}

/// Returns whether a device that has `offered` features works with those that a driver has
/// accepted.
pub fn accepts(offered: u64, features: u64) -> bool {
    // What these bits need is only asked of a network card, because no other device offers them.
    let is_complete = NET_NEEDS
        .iter()
        .all(|&(feature, needed)| features & feature == 0 || features & needed != 0);
    features & !offered == 0 && features & VERSION_1 != 0 && is_complete
}
