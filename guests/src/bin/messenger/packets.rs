//! Answers ARP (RFC 826), ICMP echo (RFC 792) and UDP (RFC 768), and sends datagrams.

use core::sync::atomic::{AtomicBool, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::tree::machine;
use runtime::virtio::{FRAME, Network};
use runtime::{cpu, fail, println, timer};

const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];
const ICMP: u8 = 1;
const UDP: u8 = 17;

// Offsets in frames: of ARP's operation and addresses, of the IPv4 header and what follows it.
const ARP_OPERATION: usize = 20;
const ARP_SENDER: usize = 22;
const ARP_TARGET: usize = 32;
const IP: usize = 14;
const PAYLOAD: usize = IP + 20;

/// Whether the card has interrupted.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Notes an interrupt.
pub fn wake(interrupt: Interrupt) {
    WOKEN.store(true, Ordering::Release);
    if interrupt.intid == machine().virtual_timer {
        timer::disarm();
    }
}

/// Who the guest is, and to whom it sends.
struct Host {
    mac: [u8; 6],
    address: [u8; 4],
    /// The address and the port to which it sends.
    target: Option<([u8; 4], u16)>,
    target_mac: Option<[u8; 6]>,
    answered: u64,
    sent: u64,
}

/// Answers packets until as many were as the command line says.
pub fn answer(mut network: Network, interrupt: u32) {
    let Some(address) = machine().argument("address").and_then(address) else {
        fail!("give address=A.B.C.D or storm=N");
    };
    let target = machine().argument("send").and_then(target);
    let mac = network.mac();
    let mut host = Host { mac, address, target, target_mac: None, answered: 0, sent: 0 };
    let most = machine().number("packets").unwrap_or(u64::MAX);
    let period = timer::microseconds(1000 * machine().number("period-ms").unwrap_or(1000));
    gic::enable(interrupt);
    gic::enable(machine().virtual_timer);
    let mut frame = [0; FRAME];
    let mut due = timer::now() + period;
    while host.answered < most {
        if host.target.is_some() {
            timer::arm_after(due.saturating_sub(timer::now()));
        }
        cpu::wait_until(|| WOKEN.swap(false, Ordering::AcqRel));
        network.acknowledge();
        while let Some(size) = network.receive(&mut frame) {
            if host.handle(&mut frame, size) {
                _ = network.send(&frame[..size]);
            }
        }
        if host.target.is_some() && timer::now() >= due {
            due += period;
            let size = host.next(&mut frame);
            _ = network.send(&frame[..size]);
        }
    }
    println!("messenger: answered {} packets, sent {}", host.answered, host.sent);
}

impl Host {
    /// Turns a frame into its answer. Returns whether there is one.
    fn handle(&mut self, frame: &mut [u8; FRAME], size: usize) -> bool {
        let kind = [frame[12], frame[13]];
        let is_answered = match kind {
            ARP if size >= ARP_TARGET + 10 => self.handle_arp(frame),
            IPV4 if size >= PAYLOAD + 8 && frame[30..34] == self.address => match frame[IP + 9] {
                ICMP => self.answer_echo(frame),
                UDP => self.answer_datagram(frame),
                _ => false,
            },
            _ => false,
        };
        if is_answered {
            frame.copy_within(6..12, 0);
            frame[6..12].copy_from_slice(&self.mac);
            self.answered += 1;
        }
        is_answered
    }

    /// Answers a request for this address, and learns the target's from an answer.
    fn handle_arp(&mut self, frame: &mut [u8; FRAME]) -> bool {
        let operation = frame[ARP_OPERATION + 1];
        if let Some((target, _)) = self.target
            && frame[ARP_SENDER + 6..ARP_SENDER + 10] == target
        {
            self.target_mac = frame[ARP_SENDER..ARP_SENDER + 6].try_into().ok();
        }
        if operation != 1 || frame[ARP_TARGET + 6..ARP_TARGET + 10] != self.address {
            return false;
        }
        frame[ARP_OPERATION + 1] = 2;
        frame.copy_within(ARP_SENDER..ARP_SENDER + 10, ARP_TARGET);
        frame[ARP_SENDER..ARP_SENDER + 6].copy_from_slice(&self.mac);
        frame[ARP_SENDER + 6..ARP_SENDER + 10].copy_from_slice(&self.address);
        true
    }

    /// Answers an echo request. The checksums stay right: addresses are exchanged, and the type
    /// changes from 8 to 0.
    fn answer_echo(&mut self, frame: &mut [u8; FRAME]) -> bool {
        if frame[PAYLOAD] != 8 {
            return false;
        }
        exchange(frame, IP + 12, IP + 16, 4);
        frame[PAYLOAD] = 0;
        let checksum = u16::from_be_bytes([frame[PAYLOAD + 2], frame[PAYLOAD + 3]]);
        let (sum, carry) = checksum.overflowing_add(0x0800);
        let checksum = sum + u16::from(carry);
        frame[PAYLOAD + 2..PAYLOAD + 4].copy_from_slice(&checksum.to_be_bytes());
        true
    }

    /// Sends a datagram back to where it came from.
    fn answer_datagram(&mut self, frame: &mut [u8; FRAME]) -> bool {
        exchange(frame, IP + 12, IP + 16, 4);
        exchange(frame, PAYLOAD, PAYLOAD + 2, 2);
        true
    }

    /// Writes the next frame to send: a datagram, or a request for the target's MAC address. Returns
    /// its size.
    fn next(&mut self, frame: &mut [u8; FRAME]) -> usize {
        let Some((target, port)) = self.target else { return 0 };
        frame.fill(0);
        frame[6..12].copy_from_slice(&self.mac);
        let Some(mac) = self.target_mac else {
            frame[..6].fill(0xff);
            frame[12..14].copy_from_slice(&ARP);
            frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
            frame[ARP_SENDER..ARP_SENDER + 6].copy_from_slice(&self.mac);
            frame[ARP_SENDER + 6..ARP_SENDER + 10].copy_from_slice(&self.address);
            frame[ARP_TARGET + 6..ARP_TARGET + 10].copy_from_slice(&target);
            return ARP_TARGET + 10;
        };
        let mut text = Text { bytes: &mut frame[PAYLOAD + 8..], size: 0 };
        self.sent += 1;
        // The buffer is larger than any text.
        _ = core::fmt::write(
            &mut text,
            format_args!("message {} at {}\n", self.sent, timer::now()),
        );
        let size = 8 + text.size;
        frame[..6].copy_from_slice(&mac);
        frame[12..14].copy_from_slice(&IPV4);
        frame[IP] = 0x45;
        frame[IP + 2..IP + 4].copy_from_slice(&(20 + size as u16).to_be_bytes());
        (frame[IP + 8], frame[IP + 9]) = (64, UDP);
        frame[IP + 12..IP + 16].copy_from_slice(&self.address);
        frame[IP + 16..IP + 20].copy_from_slice(&target);
        let sum = checksum(&frame[IP..PAYLOAD]);
        frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
        for (at, value) in [(0, port), (2, port), (4, size as u16)] {
            frame[PAYLOAD + at..PAYLOAD + at + 2].copy_from_slice(&value.to_be_bytes());
        }
        PAYLOAD + size
    }
}

/// Text that is written into a buffer.
struct Text<'a> {
    bytes: &'a mut [u8],
    size: usize,
}

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.size + text.len();
        self.bytes
            .get_mut(self.size..end)
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.size = end;
        Ok(())
    }
}

/// Exchanges two parts of a frame.
fn exchange(frame: &mut [u8; FRAME], one: usize, other: usize, size: usize) {
    for index in 0..size {
        frame.swap(one + index, other + index);
    }
}

/// Returns the checksum of a header (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Reads an address as in `10.0.0.1`.
fn address(text: &str) -> Option<[u8; 4]> {
    let mut address = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut address {
        *byte = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then_some(address)
}

/// Reads an address with a port as in `10.0.0.1:5000`.
fn target(text: &str) -> Option<([u8; 4], u16)> {
    let (host, port) = text.split_once(':')?;
    Some((address(host)?, port.parse().ok()?))
}
