# QEMU's ZCU102, `xlnx-zcu102`, an evaluation board of AMD's Zynq UltraScale+, which has no options
# here. Its tree is Linux's, from Debian's kernel package; QEMU adds the memory, and with more than 2G
# it would put it over the devices.

GIC ?= 2
SMP ?= 4
CPU ?= cortex-a53
MEM ?= 2G

ifneq ($(GIC),2)
    $(error GIC=$(GIC): the board zcu102 has a GIC-400, interrupt controller 2)
endif
ifneq ($(SMP),4)
    $(error SMP=$(SMP): the board zcu102 has 4 CPUs)
endif
ifneq ($(CPU),cortex-a53)
    $(error CPU=$(CPU): the CPUs of the board zcu102 are cortex-a53)
endif
ifneq ($(MEM),2G)
    $(error MEM=$(MEM): the board zcu102 has 2G of memory)
endif

MACHINE_TREE = target/linux/trees/xilinx/zynqmp-zcu102-rev1.0.dtb
QEMU_MACHINE = -M xlnx-zcu102,virtualization=on -smp 4 -m 2G -dtb $(MACHINE_TREE) -audio none
LOAD_ADDRESS = 0x200000
