//! Every error a user can make.

/// Why a description is refused. Displayed as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {}
