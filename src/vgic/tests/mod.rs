//! Tests of the virtual GIC on a model of a machine with list registers ([`machine`]), against a
//! reference without any ([`reference`]).

mod architecture;
mod cases;
mod invariants;
mod long;
mod machine;
mod messages;
mod overflow;
mod pair;
mod properties;
mod reference;
mod system;
mod visible;
