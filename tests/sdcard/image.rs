//! The content of the card, as the firmware finds it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{product, scratch};

const SECTOR: usize = 512;
/// The first sector of the partition: 1 MiB, as is usual.
const START: usize = 2048;
/// The partition type of FAT32 with logical block addresses.
const FAT32_LBA: u8 = 0x0c;

fn card() -> Vec<u8> {
    fs::read(product("target/rpi4.img")).expect("the card can be read")
}

fn number(bytes: &[u8], offset: usize) -> usize {
    let bytes = bytes[offset..offset + 4].try_into().expect("these are four bytes");
    u32::from_le_bytes(bytes) as usize
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?} fails\n{said}{complaints}");
}

/// Returns the files of a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("names are plain");
        (name, fs::read(entry.path()).expect("a file can be read"))
    };
    entries.map(|entry| file(entry.expect("the directory can be read"))).collect()
}

/// Copies the files of the card's partition into a directory and returns its path.
pub fn copy_out(test: &str) -> PathBuf {
    let (card, directory) = (product("target/rpi4.img"), scratch(test));
    let partition = format!("{}@@{}", card.display(), START * SECTOR);
    run(Command::new("mcopy").args(["-i", &partition, "-s", "::*"]).arg(&directory));
    directory
}

fn files_of_card(test: &str) -> BTreeMap<String, Vec<u8>> {
    files(&copy_out(test))
}

/// The partition ends at the last sector of the card, and there is no other.
#[test]
fn card_is_one_fat32_partition() {
    let card = card();
    let entries = &card[446..510];
    assert_eq!(card[510..512], [0x55, 0xaa], "the signature of a master boot record");
    assert_eq!(entries[4], FAT32_LBA, "the partition's type");
    assert_eq!(number(entries, 8), START, "its first sector");
    assert_eq!((START + number(entries, 12)) * SECTOR, card.len(), "its end");
    assert!(entries[16..].iter().all(|&byte| byte == 0), "there is another partition");
    let volume = &card[START * SECTOR..];
    assert_eq!(number(volume, 28), START, "the number of hidden sectors");
    assert_eq!(number(volume, 32), number(entries, 12), "the number of sectors of the volume");
    assert_eq!(&volume[82..90], b"FAT32   ");
}

#[test]
fn file_system_has_no_errors() {
    let volume = scratch("fsck").join("volume");
    fs::write(&volume, &card()[START * SECTOR..]).expect("the tests' directory can be written");
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    run(Command::new("fsck.vfat").env("PATH", path).arg("-n").arg(&volume));
    fs::remove_file(&volume).expect("the tests' directory can be written");
}

#[test]
fn card_has_the_files_of_the_directory() {
    let (copied, made) = (files_of_card("files"), files(&product("target/rpi4")));
    assert!(copied.keys().eq(made.keys()), "{:?}, not {:?}", copied.keys(), made.keys());
    for (name, bytes) in &made {
        assert!(copied[name] == *bytes, "{name} differs on the card");
    }
}

#[test]
fn card_has_the_files_that_were_built_and_fetched() {
    let files = files_of_card("sources");
    for (name, source) in [
        ("kernel8.img", "target/bulkhead.img"),
        ("bcm2711-rpi-4-b.dtb", "target/linux/bcm2711-rpi-4-b.dtb"),
        ("start4.elf", "target/firmware/start4.elf"),
        ("fixup4.dat", "target/firmware/fixup4.dat"),
        ("firmware-licence.txt", "target/firmware/copyright"),
        ("config.txt", "boards/rpi4/config.txt"),
    ] {
        let source = fs::read(product(source)).expect("a file can be read");
        assert!(files.get(name) == Some(&source), "{name} is missing or differs on the card");
    }
    let description = files.get("system.dtb").expect("there is a description on the card");
    assert!(description.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]), "it is not a devicetree blob");
}

/// Returns the settings of config.txt, with `initramfs`, which has no equals sign.
fn settings(config: &str) -> BTreeMap<&str, &str> {
    let lines = config.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(['=', ' ']).unwrap_or((line, ""))).collect()
}

#[test]
fn config_names_files_of_the_card() {
    let files = files_of_card("config");
    let config = String::from_utf8(files["config.txt"].clone()).expect("config.txt is text");
    let settings = settings(&config);
    for name in ["kernel", "device_tree", "initramfs"] {
        let file = settings[name].split(' ').next().expect("a line has a word");
        assert!(files.contains_key(file), "config.txt says {name} is {file}");
    }
    assert_eq!(settings["arm_64bit"], "1");
    assert_eq!(settings["enable_gic"], "1");
    let long = config.lines().find(|line| line.len() > 80);
    assert_eq!(long, None, "the firmware may read no more than 80 characters of a line");
}

/// The header requires a multiple of 2 MiB.
#[test]
fn kernel_address_is_as_its_header_requires() {
    let files = files_of_card("kernel");
    let (config, kernel) = (String::from_utf8_lossy(&files["config.txt"]), &files["kernel8.img"]);
    assert_eq!(&kernel[56..60], b"ARM\x64", "the header of an arm64 Image");
    assert_eq!(number(kernel, 8), 0, "text_offset");
    let address = address(settings(&config)["kernel_address"]);
    assert!(address > 0 && address.is_multiple_of(2 << 20), "kernel_address is {address:#x}");
}

/// The kernel needs more memory than its file: `image_size` in its header.
#[test]
fn description_lies_behind_the_kernels_memory() {
    let files = files_of_card("initramfs");
    let config = String::from_utf8_lossy(&files["config.txt"]).into_owned();
    let settings = settings(&config);
    let end = address(settings["kernel_address"]) + number(&files["kernel8.img"], 16);
    let (_, start) = settings["initramfs"].split_once(' ').expect("a file and an address");
    assert!(end <= address(start), "the kernel ends at {end:#x}, the description is at {start}");
}

/// Returns the number that config.txt has in hexadecimal.
fn address(text: &str) -> usize {
    let digits = text.strip_prefix("0x").expect("an address is hexadecimal");
    usize::from_str_radix(digits, 16).expect("an address is a number")
}
