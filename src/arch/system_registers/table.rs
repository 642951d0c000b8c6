//! The table of CPU features: which a guest may use, and which registers each brings.

/// Passes the table of CPU features to the macro `$expand`, whose pattern must have its form.
///
/// The library and the EL2 program expand the same table, each to what it needs:
///
/// - constants for the ID fields, and the bits of them that guests read as zero (`super::id`);
/// - the bits of EL2's control registers that belong to a feature (`boot::el2_registers`);
/// - the registers of a vCPU and their reset (`el2::arch::context`);
/// - in tests, lists that are compared with the ID registers, the traps and their answers.
///
/// First come the registers that every CPU has, with their values at reset, then the ID registers
/// of group 3 (Arm ARM D24.2) by CRm and op2. Each field has its lowest bit and is in a group:
///
/// - `shown`: guests see the field, and no register of EL1 or EL0 comes with it;
/// - `usable`: guests see the field. From the value after `>=` on, `sets` are the bits that EL2
///   sets for guests to use the feature, and `registers` are the guests', zero at reset. After a
///   semicolon is the function of EL2 that resets what no single MSR can write;
/// - `hidden`: guests read zero, and no register of EL1 or EL0 comes with the field;
/// - `trapped`: guests read zero. `sets` are the bits that trap accesses, and `clears` those that
///   trap while they are 0. Accesses to the `undefined` registers are UNDEFINED.
///
/// Registers have op0, op1, CRn, CRm and op2. `hfgtr`, `hfgtr2`, `hdfgtr` and `hdfgtr2` are the
/// register that traps reads together with the one that traps writes.
///
/// Guests see a field that the table does not have: features behind new fields need bits in
/// HCRX_EL2, HFGxTR2_EL2 or HDFGxTR2_EL2, which stay 0. Hidden from guests are:
///
/// - virtualization, nested or not, Secure EL2 and realms, because EL2 is Bulkhead's;
/// - errors of the machine, and what only RAS gives a meaning, which are Bulkhead's to handle;
/// - what observes or partitions resources that CPUs share;
/// - profiling and tracing, which write memory by physical address or observe EL2;
/// - extensions of debug and the PMU that need EL2's help at every exception.
#[macro_export]
macro_rules! system_register_table {
    ($expand:ident) => { $expand! {
        // Not DBGPRCR_EL1, which traps, and is not there in QEMU.
        always {
            // MMU and caches off, little-endian, and the bits that are RES1 on an Armv8.0 CPU:
            // LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS.
            sctlr_el1(3, 0, 1, 0, 0) = 0x30d0_0800,
            actlr_el1(3, 0, 1, 0, 1) = 0, cpacr_el1(3, 0, 1, 0, 2) = 0,
            ttbr0_el1(3, 0, 2, 0, 0) = 0, ttbr1_el1(3, 0, 2, 0, 1) = 0, tcr_el1(3, 0, 2, 0, 2) = 0,
            spsr_el1(3, 0, 4, 0, 0) = 0, elr_el1(3, 0, 4, 0, 1) = 0, sp_el0(3, 0, 4, 1, 0) = 0,
            sp_el1(3, 4, 4, 1, 0) = 0, afsr0_el1(3, 0, 5, 1, 0) = 0, afsr1_el1(3, 0, 5, 1, 1) = 0,
            esr_el1(3, 0, 5, 2, 0) = 0, far_el1(3, 0, 6, 0, 0) = 0, par_el1(3, 0, 7, 4, 0) = 0,
            mair_el1(3, 0, 10, 2, 0) = 0, amair_el1(3, 0, 10, 3, 0) = 0,
            vbar_el1(3, 0, 12, 0, 0) = 0, contextidr_el1(3, 0, 13, 0, 1) = 0,
            tpidr_el1(3, 0, 13, 0, 4) = 0, tpidr_el0(3, 3, 13, 0, 2) = 0,
            tpidrro_el0(3, 3, 13, 0, 3) = 0, csselr_el1(3, 2, 0, 0, 0) = 0,
            cntkctl_el1(3, 0, 14, 1, 0) = 0, cntp_ctl_el0(3, 3, 14, 2, 1) = 0,
            cntp_cval_el0(3, 3, 14, 2, 2) = 0, cntv_ctl_el0(3, 3, 14, 3, 1) = 0,
            cntv_cval_el0(3, 3, 14, 3, 2) = 0, osdtrrx_el1(2, 0, 0, 0, 2) = 0,
            mdccint_el1(2, 0, 0, 2, 0) = 0, mdscr_el1(2, 0, 0, 2, 2) = 0,
            osdtrtx_el1(2, 0, 0, 3, 2) = 0, osdlr_el1(2, 0, 1, 3, 4) = 0;
            vector_registers, debug_registers, deferred_error
        }

        // AArch32 state can only be EL0's: its ID registers name no register of their own.
        ID_PFR0_EL1(1, 0) { hidden { A32_AMU = 20, A32_RAS = 28 } }
        ID_PFR1_EL1(1, 1) { hidden { A32_VIRTUALIZATION = 12, A32_VIRT_FRAC = 24 } }
        ID_DFR0_EL1(1, 2) { hidden { A32_COP_TRC = 12, A32_MMAP_TRC = 16, A32_TRACE_FILT = 28 } }
        ID_PFR2_EL1(3, 4) { hidden { A32_RAS_FRAC = 8 } }
        ID_DFR1_EL1(3, 5) { hidden { A32_MTPMU = 0 } }

        // GIC: the virtual CPU interface, which the driver of the GIC resets.
        ID_AA64PFR0_EL1(4, 0) {
            shown {
                EL0 = 0, EL1 = 4, EL2 = 8, EL3 = 12, FP = 16, ADV_SIMD = 20, GIC = 24, DIT = 48, CSV3 = 60
            }
            usable {
                SVE = 32 { SVE >= 1 => registers { zcr_el1(3, 0, 1, 2, 0); predicates }; }
                // EnSCXT: FEAT_CSV2_2 or FEAT_CSV2_1p2. SCXTNUM_EL1 and SCXTNUM_EL0.
                CSV2 = 56 { CSV2 >= 2 | CSV2_FRAC >= 2 =>
                    sets { hcr: 1 << 53 }
                    registers { scxtnum_el1(3, 0, 13, 0, 7), scxtnum_el0(3, 3, 13, 0, 7) }; }
            }
            hidden { SEL2 = 36, RME = 52 }
            trapped {
                // TERR. DISR_EL1 does not trap: `deferred_error` above resets it.
                RAS = 28 { RAS >= 1 =>
                    sets { hcr: 1 << 36 } clears { hfgtr2: 1 << 1 }
                    undefined {
                        erridr_el1(3, 0, 5, 3, 0), errselr_el1(3, 0, 5, 3, 1),
                        erxgsr_el1(3, 0, 5, 3, 2), erxfr_el1(3, 0, 5, 4, 0),
                        erxctlr_el1(3, 0, 5, 4, 1), erxstatus_el1(3, 0, 5, 4, 2),
                        erxaddr_el1(3, 0, 5, 4, 3), erxpfgctl_el1(3, 0, 5, 4, 5),
                        erxpfgcdn_el1(3, 0, 5, 4, 6), erxmisc0_el1(3, 0, 5, 5, 0)
                    }; }
                // TRAPMPAM0EL1, TRAPMPAM1EL1; EnMPAMSM.
                MPAM = 40 { MPAM >= 1 | MPAM_FRAC >= 1 =>
                    sets { mpam2: 0b11 << 48 } clears { mpam2: 1 << 50 }
                    undefined {
                        mpam1_el1(3, 0, 10, 5, 0), mpam0_el1(3, 0, 10, 5, 1),
                        mpamsm_el1(3, 0, 10, 5, 3)
                    }; }
                // TAM.
                AMU = 44 { AMU >= 1 =>
                    sets { cptr: 1 << 30 }
                    undefined {
                        amcr_el0(3, 3, 13, 2, 0), amuserenr_el0(3, 3, 13, 2, 3),
                        amcntenset0_el0(3, 3, 13, 2, 5), amevcntr00_el0(3, 3, 13, 4, 0)
                    }; }
            }
        }
        ID_AA64PFR1_EL1(4, 1) {
            shown { BT = 0, SSBS = 4, RNDR_TRAP = 28, NMI = 36, MTE_FRAC = 40, MTEX = 52 }
            usable {
                // ATA: a guest's tags belong to the memory that stage 2 gives it.
                MTE = 8 { MTE >= 2 =>
                    sets { hcr: 1 << 56 }
                    registers {
                        rgsr_el1(3, 0, 1, 0, 5), gcr_el1(3, 0, 1, 0, 6), tfsr_el1(3, 0, 5, 6, 0),
                        tfsre0_el1(3, 0, 5, 6, 1)
                    }; }
                // nTPIDR2_EL0 and nSMPRI_EL1; EZT0. SVCR turns streaming mode and ZA off.
                SME = 24 {
                    SME >= 1 =>
                        sets { hfgtr: 0b11 << 54 }
                        registers {
                            svcr(3, 3, 4, 2, 2), tpidr2_el0(3, 3, 13, 0, 5),
                            smpri_el1(3, 0, 1, 2, 4), smcr_el1(3, 0, 1, 2, 6)
                        };
                    SME >= 2 => sets { smcr: 1 << 30 };
                }
                CSV2_FRAC = 32 {}
                // GCSEn; nGCS_EL1 and nGCS_EL0; nGCSEPP, nGCSSTR_EL1, nGCSPUSHM_EL1.
                GCS = 44 { GCS >= 1 =>
                    sets { hcrx: 1 << 22, hfgtr: 0b11 << 52, hfgitr: 0b111 << 57 }
                    registers {
                        gcscr_el1(3, 0, 2, 5, 0), gcspr_el1(3, 0, 2, 5, 1),
                        gcscre0_el1(3, 0, 2, 5, 2), gcspr_el0(3, 3, 2, 5, 1)
                    }; }
                // PTTWI; nRCWMASK_EL1; nRCWSMASK_EL1.
                THE = 48 { THE >= 1 =>
                    sets { hcrx: 1 << 16, hfgtr: 1 << 56, hfgtr2: 1 << 2 }
                    registers { rcwmask_el1(3, 0, 13, 0, 6), rcwsmask_el1(3, 0, 13, 0, 3) }; }
            }
            hidden { RAS_FRAC = 12, DF2 = 56 }
            trapped {
                MPAM_FRAC = 16 {}
                // nPFAR_EL1.
                PFAR = 60 { PFAR >= 1 =>
                    clears { hfgtr2: 1 << 0 } undefined { pfar_el1(3, 0, 6, 0, 5) }; }
            }
        }
        ID_AA64PFR2_EL1(4, 2) {
            shown { MTE_PERM = 0, MTE_STORE_ONLY = 4, MTE_FAR = 8, UINJ = 16 }
            // EnFPM.
            usable {
                FPMR = 32 { FPMR >= 1 => sets { hcrx: 1 << 23 } registers { fpmr(3, 3, 4, 4, 2) }; }
            }
        }
        ID_AA64ZFR0_EL1(4, 4) {
            shown {
                SVE_VER = 0, SVE_AES = 4, SVE_ELT_PERM = 12, SVE_BIT_PERM = 16, SVE_BF16 = 20,
                SVE_B16B16 = 24, SVE_SHA3 = 32, SVE_SM4 = 40, SVE_I8MM = 44, SVE_F16MM = 48,
                SVE_F32MM = 52, SVE_F64MM = 56
            }
        }
        // Most of these names stand for up to four fields of one bit; FA64's is the highest of its.
        ID_AA64SMFR0_EL1(4, 5) {
            shown {
                SME_SMOP4 = 0, SME_STMOP = 16, SME_SFEXPA = 20, SME_AES = 24, SME_SF8 = 28,
                SME_F32 = 32, SME_I8I32 = 36, SME_F16 = 40, SME_I16I32 = 44, SME_F64F64 = 48,
                SME_I16I64 = 52, SME_VER = 56
            }
            usable { FA64 = 60 { FA64 >= 8 => sets { smcr: 1 << 31 }; } }
        }
        ID_AA64FPFR0_EL1(4, 7) { shown { F8_FORMATS = 0, F8MM = 24, F8_OTHER = 28 } }

        // DEBUG_VER: the registers of version 6 are in `always`.
        ID_AA64DFR0_EL1(5, 0) {
            shown { BRPS = 12, WRPS = 20, CTX_CMPS = 28, DOUBLE_LOCK = 36, HPMN0 = 60 }
            usable {
                // EBWE and nMDSELR_EL1, for more than 16 breakpoints (FEAT_Debugv8p9).
                DEBUG_VER = 0 { DEBUG_VER >= 11 =>
                    sets { mdcr: 1 << 43, hdfgtr2: 1 << 5 } registers { mdselr_el1(2, 0, 0, 4, 2) };
                }
                // nPMUACR_EL1; nPMZR_EL0, which can only be written.
                PMU_VER = 8 {
                    PMU_VER >= 1 =>
                        registers {
                            pmuserenr_el0(3, 3, 9, 14, 0),
                            pmccfiltr_el0(3, 3, 14, 15, 7); event_counters
                        };
                    PMU_VER >= 9 =>
                        sets { hdfgtr2: 1 << 4, hdfgwtr2: 1 << 21 }
                        registers { pmuacr_el1(3, 0, 9, 14, 4) };
                }
            }
            hidden { MTPMU = 48, EXT_TRC_BUFF = 56 }
            trapped {
                // TTA.
                TRACE_VER = 4 { TRACE_VER >= 1 =>
                    sets { cptr: 1 << 20 }
                    undefined { trcprgctlr(2, 1, 0, 1, 0), trcidr0(2, 1, 0, 8, 7) }; }
                // nPMSSDATA, nPMSSCR_EL1.
                PMSS = 16 { PMSS >= 1 =>
                    clears { hdfgtr2: 0b11 << 6 } undefined { pmsscr_el1(3, 0, 9, 13, 3) }; }
                // nPMIAR_EL1.
                SEBEP = 24 { SEBEP >= 1 =>
                    clears { hdfgtr2: 1 << 1 } undefined { pmiar_el1(3, 0, 9, 14, 7) }; }
                // TPMS; E2PB: the buffer is EL2's; nPMSDSFR_EL1.
                PMS_VER = 32 { PMS_VER >= 1 =>
                    sets { mdcr: 1 << 14 } clears { mdcr: 0b11 << 12, hdfgtr2: 1 << 19 }
                    undefined {
                        pmscr_el1(3, 0, 9, 9, 0), pmsidr_el1(3, 0, 9, 9, 7),
                        pmblimitr_el1(3, 0, 9, 10, 0), pmbptr_el1(3, 0, 9, 10, 1)
                    }; }
                // TTRF.
                TRACE_FILT = 40 { TRACE_FILT >= 1 =>
                    sets { mdcr: 1 << 19 } undefined { trfcr_el1(3, 0, 1, 2, 1) }; }
                // E2TB: the buffer is EL2's; nTRBMPAM_EL1.
                TRACE_BUFFER = 44 { TRACE_BUFFER >= 1 =>
                    clears { mdcr: 0b11 << 24, hdfgtr2: 1 << 22 }
                    undefined { trblimitr_el1(3, 0, 9, 11, 0), trbptr_el1(3, 0, 9, 11, 1) }; }
                // nBRBIDR, nBRBCTL, nBRBDATA.
                BRBE = 52 { BRBE >= 1 =>
                    clears { hdfgtr: 0b111 << 59 }
                    undefined { brbcr_el1(2, 1, 9, 0, 0), brbfcr_el1(2, 1, 9, 0, 1) }; }
            }
        }
        // The halves of fields of eight bits end with 0 and 1.
        ID_AA64DFR1_EL1(5, 1) {
            shown {
                SYS_PMU_ID0 = 0, SYS_PMU_ID1 = 4, ALL_BRPS0 = 8, ALL_BRPS1 = 12, ALL_WRPS0 = 16,
                ALL_WRPS1 = 20, ALL_CTX_CMPS0 = 24, ALL_CTX_CMPS1 = 28, ABLE = 40, ABL_CMPS0 = 56,
                ABL_CMPS1 = 60
            }
            // nPMICNTR_EL0 and nPMICFILTR_EL0.
            usable {
                PMICNTR = 36 { PMICNTR >= 1 =>
                    sets { hdfgtr2: 0b11 << 2 }
                    registers { pmicntr_el0(3, 3, 9, 4, 0), pmicfiltr_el0(3, 3, 9, 6, 0) }; }
            }
            hidden { DPFZS = 52 }
            trapped {
                // nSPMEVCNTRn_EL0 to nSPMDEVAFF_EL1.
                SPMU = 32 { SPMU >= 1 =>
                    clears { hdfgtr2: 0x7ff << 8 }
                    undefined { spmaccessr_el1(2, 0, 9, 13, 3), spmcr_el0(2, 3, 9, 12, 0) }; }
                // nTRCITECR_EL1.
                ITE = 44 { ITE >= 1 =>
                    clears { hdfgtr2: 1 << 20 } undefined { trcitecr_el1(3, 0, 1, 2, 3) }; }
                // nPMECR_EL1.
                EBEP = 48 { EBEP >= 1 =>
                    clears { hdfgtr2: 1 << 0 } undefined { pmecr_el1(3, 0, 9, 14, 5) }; }
            }
        }
        ID_AA64DFR2_EL1(5, 2) {
            shown { BWE = 4 }
            hidden { SPE_EXC = 16, TRBE_EXC = 24 }
            trapped {
                // nMDSTEPOP_EL1; nPMBMAR_EL1.
                STEP = 0 { STEP >= 1 =>
                    clears { hdfgtr2: 1 << 23 } undefined { mdstepop_el1(2, 0, 0, 5, 2) }; }
                SPE_NVM = 20 { SPE_NVM >= 1 =>
                    clears { hdfgtr2: 1 << 24 } undefined { pmbmar_el1(3, 0, 9, 10, 5) }; }
            }
        }

        ID_AA64ISAR0_EL1(6, 0) {
            shown {
                AES = 4, SHA1 = 8, SHA2 = 12, CRC32 = 16, ATOMIC = 20, RDM = 28, SHA3 = 32,
                SM3 = 36, SM4 = 40, DP = 44, FHM = 48, TS = 52, TLB = 56, RNDR = 60
            }
            // TME.
            usable { TME = 24 { TME >= 1 => sets { hcr: 1 << 39 }; } }
        }
        ID_AA64ISAR1_EL1(6, 1) {
            shown {
                DPB = 0, JSCVT = 12, FCMA = 16, LRCPC = 20, GPA = 24, GPI = 28, FRINTTS = 32,
                SB = 36, SPECRES = 40, BF16 = 44, DGH = 48, I8MM = 52, XS = 56
            }
            usable {
                // APK and API: pointer authentication by any of the three algorithms. Five keys,
                // the lower and the upper half of each.
                APA = 4 { APA >= 1 | API >= 1 | APA3 >= 1 =>
                    sets { hcr: 0b11 << 40 }
                    registers {
                        apiakeylo_el1(3, 0, 2, 1, 0), apiakeyhi_el1(3, 0, 2, 1, 1),
                        apibkeylo_el1(3, 0, 2, 1, 2), apibkeyhi_el1(3, 0, 2, 1, 3),
                        apdakeylo_el1(3, 0, 2, 2, 0), apdakeyhi_el1(3, 0, 2, 2, 1),
                        apdbkeylo_el1(3, 0, 2, 2, 2), apdbkeyhi_el1(3, 0, 2, 2, 3),
                        apgakeylo_el1(3, 0, 2, 3, 0), apgakeyhi_el1(3, 0, 2, 3, 1)
                    }; }
                API = 8 {}
                // EnALS, EnASR, EnAS0; nACCDATA_EL1.
                LS64 = 60 {
                    LS64 >= 1 => sets { hcrx: 1 << 1 };
                    LS64 >= 2 => sets { hcrx: 1 << 2 };
                    LS64 >= 3 =>
                        sets { hcrx: 1 << 0, hfgtr: 1 << 50 }
                        registers { accdata_el1(3, 0, 13, 0, 5) };
                }
            }
        }
        ID_AA64ISAR2_EL1(6, 2) {
            shown {
                WFXT = 0, RPRES = 4, GPA3 = 8, BC = 20, PAC_FRAC = 24, CLRBHB = 28, SYSREG_128 = 32,
                SYSINSTR_128 = 36, PRFMSLC = 40, PCDPHINT = 44, RPRFM = 48, CSSC = 52, LUT = 56,
                ATS1A = 60
            }
            usable {
                APA3 = 12 {}
                // MSCEn. MCE2 stays 0: a guest that moves between CPUs handles the exceptions.
                MOPS = 16 { MOPS >= 1 => sets { hcrx: 1 << 11 }; }
            }
        }
        ID_AA64ISAR3_EL1(6, 3) {
            shown {
                CPA = 0, FAMINMAX = 4, TLBIW = 8, LSFE = 16, OCCMO = 20, LSUI = 24, FPRCVT = 28
            }
            // PACMEn.
            usable { PACM = 12 { PACM >= 1 => sets { hcrx: 1 << 24 }; } }
        }

        ID_AA64MMFR0_EL1(7, 0) {
            shown {
                PA_RANGE = 0, ASID_BITS = 4, BIG_END = 8, SNS_MEM = 12, BIG_END_EL0 = 16,
                TGRAN16 = 20, TGRAN64 = 24, TGRAN4 = 28, TGRAN16_2 = 32, TGRAN64_2 = 36,
                TGRAN4_2 = 40, EXS = 44, FGT = 56, ECV = 60
            }
        }
        ID_AA64MMFR1_EL1(7, 1) {
            shown {
                HAFDBS = 0, VMID_BITS = 4, HPDS = 12, PAN = 20, SPEC_SEI = 24, XNX = 28, TWED = 32,
                ETS = 36, HCX = 40, AFP = 44, NTLBPA = 48, TIDCP1 = 52, CMOW = 56, ECBHB = 60
            }
            hidden { VH = 8 }
            // TLOR.
            trapped {
                LO = 16 { LO >= 1 =>
                    sets { hcr: 1 << 35 }
                    undefined {
                        lorsa_el1(3, 0, 10, 4, 0), lorea_el1(3, 0, 10, 4, 1),
                        lorc_el1(3, 0, 10, 4, 3), lorid_el1(3, 0, 10, 4, 7)
                    }; }
            }
        }
        ID_AA64MMFR2_EL1(7, 2) {
            shown {
                CNP = 0, UAO = 4, LSM = 8, VA_RANGE = 16, CCIDX = 20, ST = 28, AT = 32, IDS = 36,
                FWB = 40, TTL = 48, BBM = 52, EVT = 56, E0PD = 60
            }
            hidden { IESB = 12, NV = 24 }
        }
        ID_AA64MMFR3_EL1(7, 3) {
            shown {
                S2PIE = 12, D128_2 = 36, SNERR = 40, ANERR = 44, SDERR = 52, ADERR = 56,
                SPEC_FPACC = 60
            }
            // TCR2En; SCTLR2En; nPIR_EL1 and nPIRE0_EL1; nPOR_EL1 and nPOR_EL0; nAMAIR2_EL1 and
            // nMAIR2_EL1; D128En.
            usable {
                TCRX = 0 { TCRX >= 1 =>
                    sets { hcrx: 1 << 14 } registers { tcr2_el1(3, 0, 2, 0, 3) }; }
                SCTLRX = 4 { SCTLRX >= 1 =>
                    sets { hcrx: 1 << 15 } registers { sctlr2_el1(3, 0, 1, 0, 3) }; }
                S1PIE = 8 { S1PIE >= 1 =>
                    sets { hfgtr: 0b11 << 57 }
                    registers { pire0_el1(3, 0, 10, 2, 2), pir_el1(3, 0, 10, 2, 3) }; }
                S1POE = 16 { S1POE >= 1 =>
                    sets { hfgtr: 0b11 << 59 }
                    registers { por_el1(3, 0, 10, 2, 4), por_el0(3, 3, 10, 2, 4) }; }
                AIE = 24 { AIE >= 1 =>
                    sets { hfgtr: 0b11 << 62 }
                    registers { mair2_el1(3, 0, 10, 2, 1), amair2_el1(3, 0, 10, 3, 1) }; }
                D128 = 32 { D128 >= 1 => sets { hcrx: 1 << 17 } registers { ; upper_halves }; }
            }
            hidden { MEC = 28 }
            // nS2POR_EL1.
            trapped {
                S2POE = 20 { S2POE >= 1 =>
                    clears { hfgtr: 1 << 61 } undefined { s2por_el1(3, 0, 10, 2, 5) }; }
            }
        }
        ID_AA64MMFR4_EL1(7, 4) {
            shown { EIESB = 4, ASID2 = 8, FGWTE3 = 16, E2H0 = 24, RMEGDI = 28, E3DSE = 36 }
            // SRMASKEn; the masks and aliases of CPACR_EL1, SCTLR_EL1, SCTLR2_EL1, TCR_EL1 and
            // TCR2_EL1, but not those of ACTLR_EL1. Masks limit what EL1 can write, never EL2.
            usable {
                SRMASK = 44 { SRMASK >= 1 =>
                    sets { hcrx: 1 << 26, hfgtr2: 0x1ff8 }
                    registers {
                        sctlrmask_el1(3, 0, 1, 4, 0), cpacrmask_el1(3, 0, 1, 4, 2),
                        sctlr2mask_el1(3, 0, 1, 4, 3), tcrmask_el1(3, 0, 2, 7, 2),
                        tcr2mask_el1(3, 0, 2, 7, 3)
                    }; }
            }
            hidden { HACDBS = 12, NV_FRAC = 20 }
            // nDCCIVAPS: DC CIVAPS.
            trapped {
                POPS = 0 { POPS >= 1 =>
                    clears { hfgitr2: 1 << 1 } undefined { dc_civaps(1, 0, 7, 15, 1) }; }
            }
        }
    } };
}
