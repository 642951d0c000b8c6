//! Tests of the virtual GIC in a model of a machine, against a reference without list registers.

mod cases;
mod invariants;
mod long;
mod machine;
mod pair;
mod properties;
mod reference;
mod system;
mod visible;
