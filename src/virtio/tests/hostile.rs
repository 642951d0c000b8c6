//! Hostile drivers.
