# The Raspberry Pi 4 as QEMU has it, `raspi4b`: a machine with nothing to choose. Its tree is Linux's, which
# Debian's kernel package carries; QEMU writes into it how much memory there is. The terminal shows both UARTs,
# the PL011 (`-serial` 0) and the mini-UART (1), whichever is the console; keys go to the mini-UART, which
# is the console of Linux's tree, or after Ctrl-A C to QEMU's monitor and the PL011 in turn.

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
MACHINE = -M raspi4b -dtb $(MACHINE_TREE) \
    -chardev stdio,id=terminal,mux=on,signal=off -mon terminal -serial chardev:terminal -serial chardev:terminal
LOAD_ADDRESS = 0x200000
