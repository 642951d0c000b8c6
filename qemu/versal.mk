# QEMU's `xlnx-versal-virt`, a virtual board with AMD's Versal, which has no options here. QEMU makes
# its tree.

GIC ?= 3
SMP ?= 2
CPU ?= cortex-a72
MEM ?= 2G

ifneq ($(GIC),3)
    $(error GIC=$(GIC): the board versal has a GIC-500, interrupt controller 3)
endif
ifneq ($(SMP),2)
    $(error SMP=$(SMP): the board versal has 2 CPUs)
endif
ifneq ($(CPU),cortex-a72)
    $(error CPU=$(CPU): the CPUs of the board versal are cortex-a72)
endif
ifneq ($(MEM),2G)
    $(error MEM=$(MEM): the board versal has 2G of memory)
endif

QEMU_MACHINE = -M xlnx-versal-virt -m 2G
LOAD_ADDRESS = 0x200000
