//! The virtual GIC against a machine of list registers and a reference without any.

mod cases;
mod machine;
mod properties;
mod reference;
mod system;
