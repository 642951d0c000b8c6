# The devices of QEMU for dts/disk-and-nic.dts: an NVMe disk with the squashfs of dts/disks.dts, which
# is not changed, and a network card in QEMU's own network, whose host 10.0.2.100 answers each request
# with a page; both are behind an SMMU. `make run` reads the file here that has the name of the
# description.

ifneq ($(BOARD),virt)
    $(error BOARD=$(BOARD): dts/disk-and-nic.dts is for the board virt)
endif

QEMU_DEVICES := -machine iommu=smmuv3 \
    -drive file=target/linux/root.squashfs,if=none,id=disk,format=raw,snapshot=on \
    -device nvme,drive=disk,serial=1,addr=1,romfile= \
    -netdev 'user,id=network,guestfwd=tcp:10.0.2.100:80-cmd:cat target/page.http' \
    -device e1000e,netdev=network,addr=2,romfile=
SYSTEM_FILES := target/linux/root.squashfs target/page.http

target/page.http:
	@mkdir -p $(@D)
	@printf 'HTTP/1.0 200 OK\r\n\r\nA page of the host.\n' >$@
