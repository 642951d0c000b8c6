//! Sends and checks numbered frames.

use runtime::tree::machine;
use runtime::virtio::{FRAME, Network};
use runtime::{fail, println, psci, timer};

/// The EtherType for experiments (IEEE 802, 9.2.4).
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
/// The bytes before a frame's content: the Ethernet header, then the frame's number.
const CONTENT: usize = 14 + 8;
/// The frames that are sent between two looks at the link, which are exits.
const BETWEEN_LOOKS: u64 = 64;

/// How long it waits for its peer at the start, in microseconds.
const PATIENCE: u64 = 200_000;
/// How long the peer has to be away at the end, in microseconds.
const AWAY: u64 = 5_000_000;

/// Sends `frames` frames and checks those that arrive.
pub fn run(mut network: Network, frames: u64) {
    let mac = network.mac();
    let ignores_others = machine().argument("ignore").is_some();
    let mut received = Received { ignores_others, ..Received::default() };
    let mut frame = [0; FRAME];
    let mut sent = 0;
    // Without a peer, the frames would only be dropped.
    _ = timer::within(PATIENCE, || network.is_up());
    while sent < frames {
        let size = fill(&mut frame, mac, sent);
        if network.send(&frame[..size]) {
            sent += 1;
        }
        received.check_all(&mut network);
    }
    if machine().argument("last").is_none() {
        println!("messenger: sent {sent} frames, received {}, resets itself", received.frames);
        psci::system_reset();
    }
    // Goes on sending until the peer stays away.
    let limit = timer::microseconds(AWAY);
    let mut seen = timer::now();
    while timer::now() - seen < limit {
        let size = fill(&mut frame, mac, sent);
        sent += u64::from(network.send(&frame[..size]));
        received.check_all(&mut network);
        if sent % BETWEEN_LOOKS == 0 && network.is_up() {
            seen = timer::now();
        }
    }
    let Received { frames, starts, .. } = received;
    println!("messenger: sent {sent} frames, received {frames} of {starts} lives");
    if network.needs_reset() {
        fail!("the device needs a reset");
    }
}

/// Writes the frame with this number, and returns its size.
fn fill(frame: &mut [u8; FRAME], mac: [u8; 6], number: u64) -> usize {
    let size = CONTENT + (number as usize * 37) % (FRAME - CONTENT + 1);
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHER_TYPE);
    frame[14..22].copy_from_slice(&number.to_le_bytes());
    for (index, byte) in frame[CONTENT..size].iter_mut().enumerate() {
        *byte = content(number, index);
    }
    size
}

/// Returns a byte of the content of a frame.
fn content(number: u64, index: usize) -> u8 {
    (number as usize).wrapping_mul(31).wrapping_add(index) as u8
}

/// What has arrived.
#[derive(Default)]
struct Received {
    frames: u64,
    /// How often the peer's numbers have begun anew.
    starts: u64,
    last: Option<u64>,
    /// Whether other frames may arrive too.
    ignores_others: bool,
}

impl Received {
    fn check_all(&mut self, network: &mut Network) {
        let mut frame = [0; FRAME];
        while let Some(size) = network.receive(&mut frame) {
            self.check(&frame[..size]);
        }
    }

    fn check(&mut self, frame: &[u8]) {
        match number(frame) {
            Some(number) => {
                if self.last.is_none_or(|last| number <= last) {
                    self.starts += 1;
                }
                self.last = Some(number);
                self.frames += 1;
            }
            None if self.ignores_others => {}
            None => fail!("a frame of {} bytes is not as it was sent", frame.len()),
        }
    }
}

/// Returns the number of a frame that is as [`fill`] has made it.
fn number(frame: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(frame.get(14..22)?.try_into().ok()?);
    let size = CONTENT + (number as usize).wrapping_mul(37) % (FRAME - CONTENT + 1);
    let is_right = |(index, byte): (usize, &u8)| *byte == content(number, index);
    let is_one = frame[12..14] == ETHER_TYPE
        && frame.len() == size
        && frame[CONTENT..].iter().enumerate().all(is_right);
    is_one.then_some(number)
}
