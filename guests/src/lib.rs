//! What Bulkhead's own bare-metal guests share.

#![no_std]
