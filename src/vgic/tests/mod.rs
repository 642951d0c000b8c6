//! The virtual GIC against a machine of list registers and a reference without any.

mod architecture;
mod cases;
mod invariants;
mod long;
mod machine;
mod overflow;
mod pair;
mod properties;
mod reference;
mod system;
mod visible;
