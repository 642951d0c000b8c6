//! The lifecycle of a partition: it is built, runs, stops, and then stays stopped or is built
//! again.
//!
//! Each partition has a [`Lifecycle`]. It decides what follows when the guest powers off, resets or
//! crashes, and when an operator gives an order at the monitor. EL2 carries the decisions out.

use core::fmt;

#[cfg(test)]
mod tests;

/// A stage of the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its memory and its emulated devices are being initialised.
    Building,
    /// Its vCPUs run the guest.
    Running,
    /// Its vCPUs are leaving the guest.
    Stopping,
    /// Stopped by its guest or by an order.
    Stopped,
    /// Stopped after a crash.
    Crashed,
}

impl Stage {
    /// Returns the word for it that the monitor prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
        }
    }
}

/// What follows a crash: the property `on-crash` of the system description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// The partition stays stopped.
    #[default]
    Stop,
    /// The partition is restarted.
    Restart,
}

/// The lifecycle properties of the system description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `on-crash`.
    pub on_crash: OnCrash,
    /// `max-restarts`: how often the partition is restarted without an order, after a crash or a
    /// reset by its guest. `None`: any number of times.
    pub max_restarts: Option<u32>,
}

/// Why a guest has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PSCI's SYSTEM_OFF.
    Off,
    /// PSCI's SYSTEM_RESET or SYSTEM_RESET2.
    Reset,
    /// Every vCPU has called PSCI's CPU_OFF.
    AllOff,
    /// An order at the monitor.
    Ordered,
    /// Its watchdog was not refreshed in time.
    Watchdog,
    /// An exception of a class that Bulkhead does not handle.
    UnknownException {
        /// ESR_EL2.EC.
        class: u8,
        /// The virtual address of the guest's instruction.
        pc: u64,
    },
    /// An SError: an access failed in the memory system after its instruction had completed.
    SError {
        /// ESR_EL2.
        syndrome: u64,
        /// The guest's PC when EL2 took the SError.
        pc: u64,
    },
}

impl End {
    /// Returns whether it is a crash: neither the guest nor an order ended it.
    pub const fn is_crash(self) -> bool {
        match self {
            Self::Off | Self::Reset | Self::AllOff | Self::Ordered => false,
            Self::Watchdog | Self::UnknownException { .. } | Self::SError { .. } => true,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("powered off"),
            Self::Reset => f.write_str("reset itself"),
            Self::AllOff => f.write_str("turned off its last CPU"),
            Self::Ordered => f.write_str("stopped at the monitor's order"),
            Self::Watchdog => f.write_str("ended by its watchdog, which was not fed"),
            Self::UnknownException { class, pc } => {
                let class = u64::from(*class);
                write!(f, "ended by an exception of class {class:#x} at pc {pc:#x}")
            }
            Self::SError { syndrome, pc } => {
                write!(f, "ended by an SError, esr {syndrome:#x}, at pc {pc:#x}")
            }
        }
    }
}

/// An operator's order at the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Build and start the partition.
    Start,
    /// Stop the partition.
    Stop,
    /// Stop the partition if it runs, then build and start it.
    Restart,
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The partition runs already.
    IsRunning,
    /// The partition is stopped already.
    IsStopped,
}

impl Order {
    /// Returns why the order is refused in this stage, if it is.
    pub const fn refused_in(self, stage: Stage) -> Option<Refusal> {
        match (stage, self) {
            (Stage::Running, Self::Start) => Some(Refusal::IsRunning),
            (Stage::Stopped | Stage::Crashed, Self::Stop) => Some(Refusal::IsStopped),
            _ => None,
        }
    }
}

impl Refusal {
    /// Returns the message that follows the partition's name.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::IsRunning => "is running already",
            Self::IsStopped => "is stopped already",
        }
    }
}

/// What EL2 has to do about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the order is remembered, and followed when the present stage ends.
    Later,
    /// Have the partition's vCPUs leave the guest.
    Leave,
    /// Build the partition.
    Build,
}

/// What EL2 has to do when the last vCPU has left the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Build and start the partition again.
    Build,
    /// Nothing: the partition has ended, and stays stopped.
    Stop,
    /// Nothing: an order has stopped the partition, and another one may start it.
    Wait,
    /// Nothing: the partition stays stopped because it has been restarted `max-restarts` times.
    GiveUp,
}

/// The lifecycle of one partition.
#[derive(Debug)]
pub struct Lifecycle {
    policy: Policy,
    stage: Stage,
    /// Why the guest ended last.
    end: Option<End>,
    /// The order that is followed when the present stage ends.
    ordered: Option<Order>,
    /// How often it was built again.
    restarts: u32,
    /// How often it was restarted without an order since the last order.
    automatic_restarts: u32,
}

impl Lifecycle {
    /// Creates the lifecycle of a partition that is being built.
    pub const fn new(policy: Policy) -> Self {
        let (stage, end, ordered) = (Stage::Building, None, None);
        Self { policy, stage, end, ordered, restarts: 0, automatic_restarts: 0 }
    }

    /// Returns the present stage.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns why the guest ended last, if it ever did.
    pub const fn last_end(&self) -> Option<End> {
        self.end
    }

    /// Returns how often the partition was built again.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Ends the stage of building. Returns whether the guest starts: not if an order to stop has
    /// come meanwhile.
    pub fn built(&mut self) -> bool {
        let starts = self.ordered.take() != Some(Order::Stop);
        self.stage = if starts { Stage::Running } else { Stage::Stopped };
        starts
    }

    /// Begins to stop the running guest for this reason. Returns `false` if it does not run or
    /// stops already: the first reason counts.
    pub fn end(&mut self, end: End) -> bool {
        if self.stage != Stage::Running {
            return false;
        }
        (self.stage, self.end, self.ordered) = (Stage::Stopping, Some(end), None);
        true
    }

    /// Decides about an order.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the partition is in the ordered stage already.
    pub fn order(&mut self, order: Order) -> Result<Effect, Refusal> {
        if let Some(refusal) = order.refused_in(self.stage) {
            return Err(refusal);
        }
        Ok(match self.stage {
            Stage::Running => {
                self.end(End::Ordered);
                self.ordered = Some(order);
                Effect::Leave
            }
            Stage::Stopped | Stage::Crashed => {
                self.build();
                self.automatic_restarts = 0;
                Effect::Build
            }
            Stage::Building | Stage::Stopping => {
                self.ordered = Some(order);
                Effect::Later
            }
        })
    }

    /// Ends the stage of stopping: no vCPU runs guest code any more. If the partition was not being
    /// stopped, all vCPUs were turned off.
    pub fn left(&mut self) -> Next {
        self.end(End::AllOff);
        let end = self.end.unwrap_or(End::AllOff);
        let again = match (self.ordered.take(), end) {
            (Some(Order::Stop), _) => return self.stop(Stage::Stopped, Next::Wait),
            (Some(Order::Start | Order::Restart), _) => {
                self.automatic_restarts = 0;
                self.build();
                return Next::Build;
            }
            (None, End::Reset) => true,
            (None, end) => end.is_crash() && self.policy.on_crash == OnCrash::Restart,
        };
        let stage = if end.is_crash() { Stage::Crashed } else { Stage::Stopped };
        if !again {
            return self.stop(stage, Next::Stop);
        }
        if self.policy.max_restarts.is_some_and(|most| self.automatic_restarts >= most) {
            return self.stop(stage, Next::GiveUp);
        }
        self.automatic_restarts = self.automatic_restarts.saturating_add(1);
        self.build();
        Next::Build
    }

    fn stop(&mut self, stage: Stage, next: Next) -> Next {
        self.stage = stage;
        next
    }

    fn build(&mut self) {
        self.stage = Stage::Building;
        self.restarts = self.restarts.saturating_add(1);
    }
}
