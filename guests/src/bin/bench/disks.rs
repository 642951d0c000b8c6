//! The cost of a disk by virtio: what one notification of the device takes, in which the data get
//! into the guest's buffer and the guest is interrupted.

use core::cell::RefCell;

use runtime::block::{Disk, Kind};
use runtime::fail;
use spin::Mutex;

use crate::figures::measure as row;

/// The buffer of a request.
static BUFFER: Mutex<[u8; 64 << 10]> = Mutex::new([0; 64 << 10]);

/// Measures requests to the first disk.
pub fn measure() {
    let Some(mut disk) = Disk::all().next() else { fail!("there is no disk") };
    let mut buffer = BUFFER.lock();
    for (name, size) in [("disk-4k", 4 << 10), ("disk-64k", 64 << 10)] {
        let mut prepared = 0;
        let end = disk.sectors() - size as u64 / 512;
        let (disk, buffer) = (RefCell::new(&mut disk), &mut buffer[..size]);
        row(
            name,
            || {
                let sector = prepared * 8 % end;
                prepared += 1;
                disk.borrow_mut().prepare(Kind::Read, sector, buffer);
            },
            || disk.borrow().notify(),
        );
        if !disk.borrow().is_done() {
            fail!("{name}: a request is not done with its notification");
        }
    }
}
