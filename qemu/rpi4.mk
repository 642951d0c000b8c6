# QEMU's Raspberry Pi 4, `raspi4b`, which has no options. Its tree is Linux's, from Debian's kernel
# package; QEMU adds the memory. The terminal shows both UARTs, the PL011 (`-serial` 0) and the
# mini-UART (1). Keys go to the mini-UART, which is the console of Linux's tree; Ctrl-A C switches
# to QEMU's monitor, then to the PL011.

GIC ?= 2
SMP ?= 4
CPU ?= cortex-a72
MEM ?= 2G

ifneq ($(GIC),2)
    $(error GIC=$(GIC): the board rpi4 has a GIC-400, interrupt controller 2)
endif
ifneq ($(SMP),4)
    $(error SMP=$(SMP): the board rpi4 has 4 CPUs)
endif
ifneq ($(CPU),cortex-a72)
    $(error CPU=$(CPU): the CPUs of the board rpi4 are cortex-a72)
endif
ifneq ($(MEM),2G)
    $(error MEM=$(MEM): the board rpi4 has 2G of memory in QEMU)
endif

MACHINE_TREE = target/linux/bcm2711-rpi-4-b.dtb
QEMU_MACHINE = -M raspi4b -dtb $(MACHINE_TREE) \
    -chardev stdio,id=terminal,mux=on,signal=off -mon terminal \
    -serial chardev:terminal -serial chardev:terminal
LOAD_ADDRESS = 0x200000
