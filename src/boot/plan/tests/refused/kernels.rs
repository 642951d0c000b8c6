//! Refused kernels, ramdisks and device trees.

use super::*;

#[test]
fn kernels_of_other_kinds() {
    let kernel = |bytes: &[u8]| fault(one().child(image("kernel", bytes)));
    assert_eq!(
        fault(one().without("kernel")),
        ": kernel is missing: give a node with the kernel's bytes in its data"
    );
    assert_eq!(
        fault(one().child(Spec::new("kernel"))),
        "/kernel: data is missing: give /incbin/(\"file\")"
    );
    assert_eq!(kernel(&[]), "/kernel: data (0 bytes) is empty: give at least one byte");
    for (magic, offset, expected) in [
        (
            &b"\x7fELF\x01"[..],
            0,
            "is a 32-bit ELF file: give a 64-bit kernel, as an Image or flat binary",
        ),
        (b"\x7fELF\x02", 0, "is an ELF file: give the output of `objcopy -O binary`"),
        (b"\x18\x28\x6f\x01", 36, "is a 32-bit zImage: give a 64-bit kernel, as an Image"),
        (b"\x1f\x8b", 0, "is compressed: give the output of `gunzip`"),
        (b"\x28\xb5\x2f\xfd", 0, "is compressed: give the output of `unzstd`"),
        (b"\xfd7zXZ\0\0\x04", 0, "is compressed: give the output of `unxz`"),
        (b"\x5d\0\0\x80\0\xff", 0, "is compressed: give the output of `unlzma`"),
        (b"\x5d\0\0\0\x04\xff", 0, "is compressed: give the output of `unlzma`"),
        (b"BZh91AY&SY", 0, "is compressed: give the output of `bunzip2`"),
        (b"\x04\x22\x4d\x18", 0, "is compressed: give the output of `unlz4`"),
        (b"\x02\x21\x4c\x18", 0, "is compressed: give the output of `unlz4`"),
        (b"\x89LZO\0\x0d\x0a\x1a\x0a", 0, "is compressed: give the output of `lzop -d`"),
        (b"MZ\0\0zimg", 0, "is a compressed EFI image: give the Image inside"),
        (b"\x27\x05\x19\x56", 0, "is a U-Boot image: give the kernel inside"),
        (b"\xd0\x0d\xfe\xed", 0, "is a device tree: give a kernel"),
    ] {
        let mut bytes = [0; 64];
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        assert_eq!(kernel(&bytes), std::format!("/kernel: data (64 bytes) {expected}"));
    }
    assert_eq!(
        kernel(&arm64_header(0, 0x1000, 1)),
        "/kernel: data (64 bytes) is a big-endian Image: give a little-endian one"
    );
}

#[test]
fn a_flat_binary_may_start_with_a_branch() {
    // b . + 0x174, whose first three bytes are those of LZMA with the usual properties.
    plan(&system([one().child(image("kernel", &[0x5d, 0, 0, 0x14]))]));
}

#[test]
fn kernels_with_pages_that_the_cpus_do_not_have() {
    // TGran4, TGran16 and TGran64 of ID_AA64MMFR0_EL1: Cortex-A53, Neoverse N1, 16 KiB alone.
    let (a53, n1, only_16k) = (0x1122, 0x0010_1125, 0xff10_0000);
    let plan = |id_aa64mmfr0, flags| {
        let machine = Machine { id_aa64mmfr0, ..machine(gic_v2()) };
        let image = image("kernel", &arm64_header(0, 0x1000, flags));
        plan_on(&machine, &system([one().child(image)])).err().map(|error| error.to_string())
    };
    for (id, supported) in
        [(a53, [true, true, false, true]), (n1, [true; 4]), (only_16k, [true, false, true, false])]
    {
        for (flags, supported) in (0..).step_by(2).zip(supported) {
            assert_eq!(plan(id, flags).is_none(), supported, "{id:#x} {flags}");
        }
    }
    assert_eq!(
        plan(a53, 4).unwrap(),
        "/partitions/one/kernel: data (64 bytes) is an Image with pages of 16 KiB, which the CPUs \
         of this machine do not support: give one with pages of another size"
    );
}

#[test]
fn kernels_that_do_not_fit() {
    let kernel = |bytes: &[u8]| fault(one().child(image("kernel", bytes)));
    assert_eq!(
        kernel(&arm64_header(0, 0x100_1000, 0)),
        "/kernel: data (64 bytes) needs 0x40000000-0x41000fff, but the partition's memory is \
         0x40000000-0x40ffffff"
    );
    assert_eq!(
        kernel(&arm64_header(u64::MAX, 0x1000, 0)),
        "/kernel: data (64 bytes) needs more than the partition's memory, 0x40000000-0x40ffffff"
    );
    assert_eq!(
        kernel(&vec![0; 0xf8_0001]),
        "/kernel: data (16252929 bytes) needs 0x40080000-0x41000000, but the partition's memory is \
         0x40000000-0x40ffffff"
    );
    let flat = |offset| image("kernel", &[0]).with("load-offset", Cells(offset));
    assert_eq!(
        fault(one().child(flat(&[0x1001]))),
        "/kernel: load-offset = <0x1001> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().child(flat(&[0x100_0000]))),
        "/kernel: data (1 bytes) needs 0x41000000-0x41000000, but the partition's memory is \
         0x40000000-0x40ffffff"
    );
    let image = image("kernel", &arm64_header(0, 0x1000, 0)).with("load-offset", Cells(&[0]));
    assert_eq!(
        fault(one().child(image)),
        "/kernel: load-offset = <0x0> is only for flat binaries: an arm64 Image has its offset in \
         its header; say flat; as well if the header is wrong"
    );
}

#[test]
fn images_outside_memory() {
    let kernel = |reg| one().child(Spec::new("kernel").with("reg", Cells(reg)));
    assert_eq!(
        fault(kernel(&[0, 0x6000_0000, 0, 0])),
        "/kernel: reg = <0x0 0x60000000 0x0 0x0> is empty: give at least one byte"
    );
    assert_eq!(
        fault(kernel(&[0, 0x1000, 0, 0x1000])),
        "/kernel: reg = <0x0 0x1000 0x0 0x1000> is not the start of 4 KiB of memory"
    );
    let both = image("kernel", &[0]).with("reg", Cells(&[0, 0x6000_0000, 0, 0x1000]));
    assert_eq!(
        fault(one().child(both)),
        "/kernel: data and reg are both present: give only one of them"
    );
}

#[test]
fn ramdisks_and_trees_that_do_not_fit() {
    assert_eq!(
        fault(one().child(image("ramdisk", &[]))),
        "/ramdisk: data (0 bytes) is empty: give at least one byte"
    );
    assert_eq!(
        fault(one().child(image("ramdisk", &vec![0; 16 << 20]))),
        "/ramdisk: data (16777216 bytes) does not fit into 0x40000000-0x40ffffff beside the kernel \
         at 0x40080000-0x40080fff"
    );
    assert_eq!(
        fault(
            one()
                .with("memory", Cells(&[0, 0x8_2000]))
                .child(image("kernel", &[0]).with("load-offset", Cells(&[0x1000])))
                .child(image("ramdisk", &vec![0; 0x7_0000]))
        ),
        ": memory = <0x0 0x82000> has no 64 KiB for the device tree beside the kernel and the \
         ramdisk: give more memory"
    );
    let tree = |offset| one().with("fdt-offset", Cells(offset));
    assert_eq!(
        fault(tree(&[0x100])),
        ": fdt-offset = <0x100> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(tree(&[0xff_8000])),
        ": fdt-offset = <0xff8000> needs 0x40ff8000-0x41007fff, but the partition's memory is \
         0x40000000-0x40ffffff"
    );
    assert_eq!(
        fault(tree(&[0x7_8000])),
        ": fdt-offset = <0x78000> overlaps its kernel, which the guest sees at \
         0x40080000-0x40080fff"
    );
    assert_eq!(
        fault(tree(&[0x80_0000]).child(image("ramdisk", &vec![0; 0x80_0000]))),
        "/ramdisk: data (8388608 bytes) does not fit into 0x40000000-0x40ffffff beside the kernel \
         at 0x40080000-0x40080fff"
    );
}
