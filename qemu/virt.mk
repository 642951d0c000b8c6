# QEMU's `virt` board. The file of a board sets the defaults of the variables, QEMU's options
# (QEMU_MACHINE, and MACHINE_TREE if QEMU needs its tree) and the address at which QEMU loads the
# image (LOAD_ADDRESS, for the debugger), and refuses variables that the board does not support.

GIC ?= 2
SMP ?= 4
CPU ?= cortex-a53
MEM ?= 2G

ifeq ($(filter 2 3,$(GIC)),)
    $(error GIC=$(GIC): the board virt has interrupt controller 2 or 3)
endif
ifeq ($(shell echo '$(SMP)' | grep -Ex '[1-9][0-9]*'),)
    $(error SMP=$(SMP): the number of CPUs is a whole number from 1)
endif
ifeq ($(shell echo '$(MEM)' | grep -Ex '[1-9][0-9]*[MG]'),)
    $(error MEM=$(MEM): the size of the memory is a number of M or G, like 512M)
endif

QEMU_MACHINE = -M virt,virtualization=on,gic-version=$(GIC) -cpu $(CPU) -smp $(SMP) -m $(MEM)
LOAD_ADDRESS = 0x40200000
