# Builds Bulkhead. `make` alone lists the targets; cargo decides what is stale.

# The description to run, and the machine.
SYSTEM ?=
BOARD  ?= virt
# The tree of another machine to check the description against, the file for the map of the
# partitions, and further options of the program that checks.
MACHINE ?=
SVG     ?=
OPTIONS ?=

TARGET := aarch64-unknown-none-softfloat
ELF    := target/$(TARGET)/release
GUESTS := $(sort $(basename $(notdir $(wildcard guests/src/bin/*))))
LINUX  := target/linux/Image target/linux/initramfs.cpio.gz
# An initramfs with the drivers of links, one with those of PCI Express functions, one with those of
# disks, one with those of links and disks and the programs of network block devices, and a squashfs
# to be the root.
LINUX_LINKS := target/linux/links.cpio.gz
LINUX_PCI := target/linux/pci.cpio.gz
LINUX_DISKS := target/linux/disks.cpio.gz target/linux/root.squashfs
LINUX_NBD := target/linux/nbd.cpio.gz target/linux/root.squashfs
# A kernel of another release, with an initramfs of its drivers of links.
LINUX_BACKPORT := target/linux/backport/Image target/linux/backport/links.cpio.gz
# What only tests need: the trees of all boards, and an initramfs with more drivers.
LINUX_TESTS := target/linux/trees/kernel target/linux/drivers.cpio.gz $(LINUX_LINKS) $(LINUX_DISKS) \
    $(LINUX_NBD) $(LINUX_BACKPORT) $(LINUX_PCI) target/linux/xen
LINUX_DRIVERS := $(addprefix target/linux/modules/,mtd.ko spi-nor.ko spi-bcm2835.ko i2c-bcm2835.ko \
    gpio_keys.ko libphy.ko fixed_phy.ko fwnode_mdio.ko of_mdio.ko dp83848.ko mdio-bcm-unimac.ko)
LINK_DRIVERS := $(addprefix target/linux/modules/,virtio_mmio.ko failover.ko net_failover.ko \
    virtio_net.ko virtio_console.ko vsock.ko vmw_vsock_virtio_transport_common.ko \
    vmw_vsock_virtio_transport.ko)
BACKPORT_DRIVERS := $(addprefix target/linux/backport/modules/,virtio_mmio.ko failover.ko \
    net_failover.ko virtio_net.ko vsock.ko vmw_vsock_virtio_transport_common.ko \
    vmw_vsock_virtio_transport.ko)
DISK_DRIVERS := $(addprefix target/linux/modules/,dax.ko libnvdimm.ko nd_btt.ko nd_pmem.ko of_pmem.ko \
    virtio_blk.ko squashfs.ko)
PCI_DRIVERS := $(addprefix target/linux/modules/,crc64.ko crc64_rocksoft_generic.ko crc64-rocksoft.ko \
    crct10dif_common.ko crct10dif_generic.ko crc-t10dif.ko t10-pi.ko nvme-core.ko nvme.ko e1000e.ko \
    virtio_pci_modern_dev.ko virtio_pci_legacy_dev.ko virtio_pci.ko scsi_common.ko \
    scsi_mod.ko sd_mod.ko libata.ko libahci.ko ahci.ko i2c-algo-bit.ko igb.ko)
NBD_DRIVER := target/linux/modules/nbd.ko
RPI4_TREE := target/linux/bcm2711-rpi-4-b.dtb
RPI4_FIRMWARE := $(addprefix target/firmware/,start4.elf fixup4.dat copyright)

# BUILD_STD=1 builds with Debian's Rust, which has no core library for the target and no LLVM tools.
export BUILD_STD
ifdef BUILD_STD
    export PATH := /usr/bin:$(PATH)
    export RUSTC_BOOTSTRAP := 1
    export CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER := ld.lld
    STD := -Zbuild-std=core,alloc,compiler_builtins
    OBJCOPY := objcopy -I elf64-little
else
    OBJCOPY := "$$(rustc --print sysroot)"/lib/rustlib/*/bin/llvm-objcopy
endif
CARGO_TARGET := --release --target $(TARGET) $(STD)
# The image is smaller than 1 MiB, so that ADR reaches all of it. Guests may be larger.
CODE_MODEL := -Ccode-model=tiny
export BULKHEAD_DEFAULT_SYSTEM := $(CURDIR)/target/default.dtb

# A description in any directory becomes target/NAME.dtb, so NAME must differ from those of dts/. A
# blob is used as it is.
override SYSTEM := $(patsubst $(CURDIR)/%,%,$(abspath $(SYSTEM)))
ifneq ($(SYSTEM),)
    ifeq ($(filter %.dts %.dtb,$(wildcard $(SYSTEM))),)
        $(error SYSTEM=$(SYSTEM): there is no such description (a file with the suffix .dts or .dtb))
    endif
    ifneq ($(filter-out $(SYSTEM),$(wildcard dts/$(notdir $(SYSTEM)))),)
        $(error SYSTEM=$(SYSTEM): dts/ has a description of this name, choose another)
    endif
endif
DESCRIPTIONS := $(sort $(filter %.dts,$(SYSTEM)) $(wildcard dts/*.dts))
dtb = target/$(basename $(notdir $1)).dtb
SYSTEM_DTB := $(or $(filter %.dtb,$(SYSTEM)),$(if $(SYSTEM),$(call dtb,$(SYSTEM))))
CHECKED_DTB := $(or $(SYSTEM_DTB),target/default.dtb)
CHECKED_MACHINE := $(or $(MACHINE),target/check/$(BOARD).dtb)
MAP := $(or $(SVG),$(patsubst %.dtb,target/%.svg,$(notdir $(CHECKED_DTB))))
# The description as U-Boot's booti takes it, and with the image as its bootm takes both.
UIMG := $(patsubst %.dtb,target/%.uimg,$(notdir $(SYSTEM_DTB)))
FIT := $(UIMG:.uimg=.itb)
CARD_DTB := $(or $(SYSTEM_DTB),target/rpi4.dtb)

BOARDS := $(basename $(notdir $(wildcard qemu/*.mk)))
ifeq ($(filter $(BOARD),$(BOARDS)),)
    $(error BOARD=$(BOARD): the boards are $(BOARDS))
endif
include qemu/$(BOARD).mk
# What a description needs besides, if it needs something.
QEMU_DEVICES :=
SYSTEM_FILES :=
include $(wildcard qemu/systems/$(basename $(notdir $(SYSTEM))).mk)
QEMU = qemu-system-aarch64 $(QEMU_MACHINE) -nographic -nic none -kernel target/bulkhead.img \
    $(SYSTEM_DTB:%=-initrd %) $(QEMU_DEVICES)

.PHONY: help setup image guests system systems check check-machine run debug sdcard flash guests-linux test bench soak \
    miri fuzz fmt clippy size clean setup-sdcard clippy-host clippy-image clippy-guests \
    cargo-image cargo-guests checked-image mends
.DELETE_ON_ERROR:

help: ## list the targets
	@echo 'make TARGET [VARIABLE=VALUE...]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
	    printf '  %-14s %s\n' "$$name" "$$text"; done
	@echo
	@printf '  %-14s %s\n' \
	    'SYSTEM=FILE' 'description to build, check and run (dts/*.dts; the embedded one)' \
	    'MACHINE=FILE' 'tree of the machine to check it against (that of QEMU)' \
	    'SVG=FILE'    'map of the partitions that check draws (target/NAME.svg)' \
	    'OPTIONS=...' 'options of check (--help lists them)' \
	    'BOARD=NAME'  'machine: $(BOARDS) ($(BOARD))' \
	    'GIC=2|3'     'version of the GIC ($(GIC))' \
	    'SMP=N'       'number of CPUs ($(SMP))' \
	    'CPU=MODEL'   'model of the CPUs: cortex-a53, a57, a72, a76, neoverse-n1, max ($(CPU))' \
	    'MEM=SIZE'    'size of the memory, such as 512M or 2G ($(MEM))' \
	    'BUILD_STD=1' 'build with the Rust of Debian, without rustup'

setup: ## install the missing tools: Rust, dtc, QEMU
	@tools/setup

image: target/bulkhead.img ## build target/bulkhead.img, for any boot loader

checked-image: target/checked/bulkhead.img ## build the image that checks its locks, for tests

guests: $(GUESTS:%=target/guests/%.img) ## build target/guests/*.img, the bare-metal guests

guests-linux: $(LINUX) $(LINUX_TESTS) ## fetch target/linux/*, from Debian's packages

system: $(SYSTEM_DTB) $(UIMG) $(FIT) ## compile SYSTEM=dts/NAME.dts to target/NAME.dtb, .uimg and .itb
	@$(if $(SYSTEM),,echo 'make system: SYSTEM=dts/NAME.dts is missing' >&2; exit 1)

systems: $(foreach file,$(DESCRIPTIONS),$(call dtb,$(file))) target/hello.uimg target/hello.itb

check: ## check SYSTEM= as booting does, without booting, on QEMU's machine or that of MACHINE=
check: image $(CHECKED_DTB) $(if $(MACHINE),,check-machine)
	@mkdir -p $(dir $(MAP))
	@cargo run -q -p bulkhead-check -- --machine '$(CHECKED_MACHINE)' --svg '$(MAP)' $(OPTIONS) \
	    '$(CHECKED_DTB)'

# With a kernel, because only then some machines have firmware, which their trees describe.
check-machine: setup image $(MACHINE_TREE)
	@mkdir -p target/check
	@qemu-system-aarch64 $(QEMU_MACHINE) -M dumpdtb=target/check/$(BOARD).dtb -display none -nic none \
	    -kernel target/bulkhead.img 2>target/check/qemu.log || { cat target/check/qemu.log >&2; exit 1; }

run: ## boot the image in QEMU, with the embedded description or SYSTEM=
run: image $(SYSTEM_DTB) $(MACHINE_TREE) $(SYSTEM_FILES)
	@echo 'Ctrl-A X quits QEMU; Ctrl-] ? shows how to select a partition. $(QEMU)'
	@$(QEMU)

debug: image $(SYSTEM_DTB) $(MACHINE_TREE) $(SYSTEM_FILES) ## boot the image in QEMU, stopped until gdb connects
	@echo "In another terminal: gdb-multiarch -ex 'target remote :1234'" \
	    "-ex 'symbol-file -o $(LOAD_ADDRESS) $(ELF)/bulkhead'"
	@echo 'Ctrl-A X quits QEMU. $(QEMU) -s -S'
	@$(QEMU) -s -S

sdcard: ## build target/rpi4.img, for a Raspberry Pi 4, with SYSTEM= or dts/rpi4.dts
sdcard: setup-sdcard image $(CARD_DTB) $(RPI4_TREE) $(RPI4_FIRMWARE)
	@boards/rpi4/card $(CARD_DTB)

setup-sdcard: setup
	@tools/setup sdcard

flash: sdcard ## build the card image and write it to the card DEV=/dev/sdX
	@boards/rpi4/flash target/rpi4.img '$(DEV)'

test: setup ## run format, clippy, host tests and boot tests, with a table at the end
	@MAKE='$(MAKE)' tools/test

bench: ## measure costs in instructions; UPDATE=1 keeps the figures, QUICK=1 skips the long runs
bench: setup image guests guests-linux
	cargo test --test bench -- $(if $(UPDATE),update) $(if $(QUICK),quick)

miri: ## run the library's tests in Miri, which needs a nightly Rust
	@tools/miri

fuzz: ## fuzz each target in fuzz/ for SECONDS (60), which needs a nightly Rust and cargo-fuzz
	@tools/fuzz $(or $(SECONDS),60)

soak: ## run long tests of attacks, restarts and load, for about 40 minutes
soak: setup image checked-image systems guests-linux
	BULKHEAD_GIC_STEPS=10000000 cargo test --lib vgic::tests::long -- --nocapture
	cargo test --test soak -- --nocapture --test-threads=1
	BULKHEAD_ATTACK_ROUNDS=2 cargo test --test boot attack:: -- --nocapture --test-threads=1
	BULKHEAD_DISTURB_ROUNDS=25 cargo test --test boot disturb:: -- --nocapture --test-threads=1
	BULKHEAD_BOOTS=200 cargo test --test boot mutations:: -- --nocapture --test-threads=1
	BULKHEAD_REBOOTS=50 cargo test --test boot sleep::linux -- --nocapture --test-threads=1

mends: setup ## take out what stops each attack, and see its test fail; ATTACK='WORDS' selects some
	cargo run -q -p bulkhead-tests --bin mends -- $(ATTACK)

fmt: setup ## format the source
	cargo fmt --all

clippy: ## lint the library, the tests, the image and the guests
clippy: clippy-host clippy-image clippy-guests

clippy-host: setup
	cargo clippy -p bulkhead -p bulkhead-check -p bulkhead-tests --lib --bins --tests --test bench --test soak -- -D warnings
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target --no-default-features -- -D warnings

clippy-image: setup target/default.dtb
	cargo clippy --lib --bins --features image --target $(TARGET) -- -D warnings
	cargo clippy --bins --features check-locks --target $(TARGET) -- -D warnings

clippy-guests: setup
	cargo clippy -p guests --target $(TARGET) -- -D warnings

size: image ## print the sizes of sections and functions, and the lines of code
	@tools/size $(ELF)/bulkhead target/bulkhead.img

clean: ## remove target/
	rm -rf target

# One rule for each product. Cargo always runs, and does not touch files that have not changed.
# Descriptions are compiled quickly, and replace the old ones only if they differ.

cargo-guests: setup
	cargo build -p guests --bins $(CARGO_TARGET)

cargo-image: setup target/default.dtb
	cargo rustc --bin bulkhead --features image $(CARGO_TARGET) -- $(CODE_MODEL)

$(GUESTS:%=$(ELF)/%) $(ELF)/counter $(ELF)/tcp $(ELF)/vsock $(ELF)/shared: cargo-guests ; @:
$(ELF)/bulkhead: cargo-image ; @:

target/guests/%.img: $(ELF)/%
	@mkdir -p $(@D)
	$(OBJCOPY) -O binary $< $@

target/bulkhead.img: $(ELF)/bulkhead
	$(OBJCOPY) -O binary $< $@

target/checked/bulkhead.img: setup target/default.dtb
	@mkdir -p $(@D)
	cargo rustc --bin bulkhead --features check-locks --target-dir target/checked $(CARGO_TARGET) \
	    -- $(CODE_MODEL)
	$(OBJCOPY) -O binary target/checked/$(TARGET)/release/bulkhead $@

define description
$(call dtb,$1): $1 guests $(if $(shell grep '"linux/' $1),$(LINUX)) \
    $(if $(shell grep linux/links.cpio $1),$(LINUX_LINKS)) \
    $(if $(shell grep linux/pci.cpio $1),$(LINUX_PCI)) \
    $(if $(shell grep -e linux/disks.cpio -e root.squashfs $1),$(LINUX_DISKS)) \
    $(if $(shell grep linux/nbd.cpio $1),$(LINUX_NBD))
	dtc -I dts -O dtb -i target -o $$@.new $$<
	@if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef
$(foreach file,$(DESCRIPTIONS),$(eval $(call description,$(file))))

define uimg
@mkdir -p $(@D)
mkimage -A arm64 -O linux -T ramdisk -C none -n '$(notdir $<)' -d '$<' $@ >/dev/null
endef
define fit
@mkdir -p $(@D)
sed -e 's|IMAGE|$(CURDIR)/target/bulkhead.img|; s|SYSTEM|$(abspath $<)|; s|NAME|$(notdir $<)|' \
    boards/u-boot/fit.its >$(@:.itb=.its)
mkimage -f $(@:.itb=.its) $@ >/dev/null
endef
FIT_PARTS := target/bulkhead.img boards/u-boot/fit.its
target/%.uimg: target/%.dtb | setup ; $(uimg)
target/%.itb: target/%.dtb $(FIT_PARTS) | setup ; $(fit)
# A blob may be in any directory.
ifneq ($(filter-out target/%,$(SYSTEM_DTB)),)
$(UIMG): $(SYSTEM_DTB) | setup ; $(uimg)
$(FIT): $(SYSTEM_DTB) $(FIT_PARTS) | setup ; $(fit)
endif

target/linux/Image target/linux/busybox target/linux/sbsa_gwdt.ko $(RPI4_TREE) \
    target/linux/trees/kernel $(LINUX_DRIVERS) $(LINK_DRIVERS) $(DISK_DRIVERS) $(NBD_DRIVER) \
    $(PCI_DRIVERS) target/linux/nbd/nbd-client target/linux/nbd/nbd-server target/linux/u-boot.bin \
    target/linux/xen &:
	guests/linux/fetch target/linux

target/linux/trees/%.dtb: target/linux/trees/kernel ; @:

target/linux/backport/Image $(BACKPORT_DRIVERS) &:
	guests/linux/fetch-backport target/linux/backport

$(RPI4_FIRMWARE) &:
	boards/rpi4/fetch-firmware target/firmware

# Files that are there may have other names elsewhere, so they are replaced and not written.
#
# The script that Linux starts, and the part of it about disks.
INIT := guests/linux/init guests/linux/disks
INITRAMFS := target/linux/busybox $(ELF)/counter target/linux/sbsa_gwdt.ko
target/linux/initramfs.cpio.gz: $(INITRAMFS) $(INIT) guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) >$@

target/linux/drivers.cpio.gz: $(INITRAMFS) $(LINUX_DRIVERS) $(INIT) guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) $(LINUX_DRIVERS) >$@

target/linux/links.cpio.gz: $(INITRAMFS) $(ELF)/tcp $(ELF)/vsock $(ELF)/shared $(LINK_DRIVERS) $(INIT) \
    guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) $(ELF)/tcp $(ELF)/vsock $(ELF)/shared $(LINK_DRIVERS) >$@

target/linux/backport/links.cpio.gz: target/linux/busybox $(ELF)/counter $(ELF)/vsock \
    $(BACKPORT_DRIVERS) $(INIT) guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs target/linux/busybox $(ELF)/counter $(ELF)/vsock $(BACKPORT_DRIVERS) >$@

target/linux/disks.cpio.gz: $(INITRAMFS) target/linux/modules/virtio_mmio.ko $(DISK_DRIVERS) \
    $(INIT) guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) target/linux/modules/virtio_mmio.ko $(DISK_DRIVERS) >$@

target/linux/pci.cpio.gz: $(INITRAMFS) target/linux/modules/virtio_blk.ko $(PCI_DRIVERS) $(INIT) \
    guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) target/linux/modules/virtio_blk.ko $(PCI_DRIVERS) >$@

target/linux/nbd.cpio.gz: $(INITRAMFS) $(LINK_DRIVERS) $(DISK_DRIVERS) $(NBD_DRIVER) \
    target/linux/nbd/nbd-client $(INIT) guests/linux/initramfs
	@rm -f $@
	guests/linux/initramfs $(INITRAMFS) $(LINK_DRIVERS) $(DISK_DRIVERS) $(NBD_DRIVER) \
	    target/linux/nbd/* >$@

target/linux/root.squashfs: target/linux/busybox $(ELF)/counter $(INIT) guests/linux/squashfs
	@tools/setup squashfs
	guests/linux/squashfs target/linux/busybox $(ELF)/counter $@
