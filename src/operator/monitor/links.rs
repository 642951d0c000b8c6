//! The answer to `links`.

use super::output::{Output, Part};
use super::system::{PortStatus, System};

// The columns at which words begin.
const KIND: usize = 16;
const PARTITION: usize = 24;
const STATE: usize = 40;
// The columns at which numbers end.
const PACKETS: usize = 57;
const BYTES: usize = 71;
const DROPS: usize = 80;

// The position of a part behind the headings, minus 1: which half of its row, the port, the link.
/// The number of bits of a half.
const HALF_BITS: u32 = 1;
/// The number of bits of a half and a port, of which a link has at most 64.
const ROW_BITS: u32 = 9;

/// Writes a part of the answer: the headings, or half of the row of a port, so that each of them is
/// short.
pub(super) fn links(position: u64, system: &dyn System, output: &mut Output) -> Part {
    let Some(row) = position.checked_sub(1) else {
        output.text(
            "link            type    partition       state     packets         bytes    drops",
        );
        return Part::Line(1);
    };
    let link = row >> ROW_BITS;
    let port = (row & ((1 << ROW_BITS) - 1)) >> HALF_BITS;
    let Some(status) = system.port(link as usize, port as usize) else { return Part::End };
    let PortStatus { partition, state, packets, bytes, drops, is_last, .. } = status;
    if row & 1 == 0 {
        output.text(status.link);
        output.column(KIND);
        output.text(status.kind);
        output.column(PARTITION);
        output.text(partition);
        output.column(STATE);
        output.text(state.name());
        return Part::Work(position + 1);
    }
    output.number(packets, 0, PACKETS);
    output.number(bytes, 0, BYTES);
    output.number(drops, 0, DROPS);
    Part::Line(if is_last { 1 + ((link + 1) << ROW_BITS) } else { position + 1 })
}
