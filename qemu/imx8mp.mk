# QEMU's `imx8mp-evk`, an evaluation board of NXP's i.MX 8M Plus, which has no options here. Its tree
# is Linux's, from Debian's kernel package; QEMU adds the memory. The console is the second UART.

GIC ?= 3
SMP ?= 4
CPU ?= cortex-a53
MEM ?= 2G

ifneq ($(GIC),3)
    $(error GIC=$(GIC): the board imx8mp has a GIC-500, interrupt controller 3)
endif
ifneq ($(SMP),4)
    $(error SMP=$(SMP): the board imx8mp has 4 CPUs)
endif
ifneq ($(CPU),cortex-a53)
    $(error CPU=$(CPU): the CPUs of the board imx8mp are cortex-a53)
endif
ifneq ($(MEM),2G)
    $(error MEM=$(MEM): the board imx8mp has 2G of memory)
endif

# Before this version QEMU does not wire the virtual interrupts of this board's CPUs, so that no guest
# gets an interrupt.
QEMU_NEEDED := 10.0.13
QEMU_IS := $(shell qemu-system-aarch64 --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')
ifneq ($(filter run debug,$(MAKECMDGOALS)),)
    ifneq ($(shell printf '%s\n' $(QEMU_NEEDED) $(QEMU_IS) | sort -V | head -n 1),$(QEMU_NEEDED))
        $(error BOARD=imx8mp: the guests get no interrupts in QEMU $(QEMU_IS): install QEMU \
            $(QEMU_NEEDED) or newer)
    endif
endif

MACHINE_TREE = target/linux/trees/freescale/imx8mp-evk.dtb
QEMU_MACHINE = -M imx8mp-evk -smp 4 -m 2G -dtb $(MACHINE_TREE) -audio none \
    -serial null -serial mon:stdio
LOAD_ADDRESS = 0x40200000
