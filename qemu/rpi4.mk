# The Raspberry Pi 4 as QEMU has it, `raspi4b`: a machine with nothing to choose. Its tree is Linux's, which
# Debian's kernel package carries; QEMU writes into it how much memory there is. `-serial` 0, the terminal, is
# its PL011.

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
MACHINE = -M raspi4b -dtb $(MACHINE_TREE)
LOAD_ADDRESS = 0x200000
