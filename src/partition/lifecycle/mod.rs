//! The life of a partition: built, running, stopping, and then at rest or built again.
//!
//! One [`Life`] for each partition decides what follows when its guest ends, when it breaks, and
//! when somebody at the monitor wants something else. Who touches the hardware asks it.

use core::fmt;

#[cfg(test)]
mod tests;

/// Where a partition is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its memory and its virtual devices are being made as new.
    Building,
    /// Its guest runs.
    Running,
    /// Its vCPUs are on their way out of the guest.
    Stopping,
    /// At rest: by its own will, or because somebody wanted it so.
    Stopped,
    /// At rest after a crash.
    Crashed,
}

impl Stage {
    /// What people are told of it: a word.
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

/// What follows a crash: `on-crash` of the description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// It stays as it is.
    #[default]
    Stop,
    /// It is built and started again.
    Restart,
}

/// What the owner wants of a partition's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `on-crash`.
    pub on_crash: OnCrash,
    /// `max-restarts`: how often it is started again without anybody asking, after a crash or a
    /// reset of its own. `None`: without end.
    pub max_restarts: Option<u32>,
}

/// Why a guest runs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PSCI's SYSTEM_OFF.
    Off,
    /// PSCI's SYSTEM_RESET or SYSTEM_RESET2.
    Reset,
    /// Every vCPU has turned itself off.
    AllOff,
    /// Somebody at the monitor wanted it.
    Ordered,
    /// Its watchdog was not fed in time.
    Watchdog,
    /// An exception of a class that Bulkhead has no answer to.
    UnknownException {
        /// ESR_EL2.EC.
        class: u8,
        /// The guest's instruction.
        pc: u64,
    },
    /// Something that the partition did failed in the memory system, and cannot be undone.
    SError {
        /// ESR_EL2.
        syndrome: u64,
        /// Where the guest was.
        pc: u64,
    },
}

impl End {
    /// Whether the guest did not end by its own will, nor by anybody's order.
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

/// What somebody at the monitor wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Build and start it.
    Start,
    /// Stop it, and leave it so.
    Stop,
    /// Stop it if it runs, then build and start it.
    Restart,
}

/// Why an order cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is started already.
    IsRunning,
    /// It rests already.
    IsStopped,
}

impl Refusal {
    /// What it is, behind the partition's name.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::IsRunning => "is running already",
            Self::IsStopped => "is stopped already",
        }
    }
}

/// What has to be done about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is noted, and will be found when its time has come.
    Later,
    /// Make its vCPUs leave the guest.
    Leave,
    /// Build it.
    Build,
}

/// What follows when the last vCPU has left the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is built and started again.
    Build,
    /// It rests: it ended for good.
    Rest,
    /// It rests until somebody starts it who has stopped it.
    Wait,
    /// It rests, since it was started again as often as it may be.
    GiveUp,
}

/// A partition's life so far.
#[derive(Debug)]
pub struct Life {
    policy: Policy,
    stage: Stage,
    /// Why the guest ended last.
    end: Option<End>,
    /// What was ordered since, and comes when the present stage is over.
    ordered: Option<Order>,
    restarts: u32,
    /// How many of them nobody asked for, since somebody last did.
    unasked: u32,
}

impl Life {
    /// A life that begins with being built.
    pub const fn new(policy: Policy) -> Self {
        let (stage, end, ordered) = (Stage::Building, None, None);
        Self { policy, stage, end, ordered, restarts: 0, unasked: 0 }
    }

    /// Where it is.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Why the guest ended last, if it ever did.
    pub const fn last_end(&self) -> Option<End> {
        self.end
    }

    /// How often it was built again.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// It is built. Whether it is to start now: not if it was told to stop meanwhile.
    pub fn built(&mut self) -> bool {
        let starts = self.ordered.take() != Some(Order::Stop);
        self.stage = if starts { Stage::Running } else { Stage::Stopped };
        starts
    }

    /// Its guest must end, for this reason. Whether that is news: the first reason counts.
    pub fn end(&mut self, end: End) -> bool {
        if self.stage != Stage::Running {
            return false;
        }
        (self.stage, self.end, self.ordered) = (Stage::Stopping, Some(end), None);
        true
    }

    /// Somebody wants something of it.
    ///
    /// # Errors
    ///
    /// If it is so already.
    pub fn order(&mut self, order: Order) -> Result<Effect, Refusal> {
        match (self.stage, order) {
            (Stage::Running, Order::Start) => Err(Refusal::IsRunning),
            (Stage::Stopped | Stage::Crashed, Order::Stop) => Err(Refusal::IsStopped),
            (Stage::Running, _) => {
                self.end(End::Ordered);
                self.ordered = Some(order);
                Ok(Effect::Leave)
            }
            (Stage::Stopped | Stage::Crashed, _) => {
                self.build();
                self.unasked = 0;
                Ok(Effect::Build)
            }
            (Stage::Building | Stage::Stopping, _) => {
                self.ordered = Some(order);
                Ok(Effect::Later)
            }
        }
    }

    /// No vCPU of it runs guest code any more; if nobody has ended it, all were turned off.
    pub fn left(&mut self) -> Next {
        self.end(End::AllOff);
        let end = self.end.unwrap_or(End::AllOff);
        let again = match (self.ordered.take(), end) {
            (Some(Order::Stop), _) => return self.rest(Stage::Stopped, Next::Wait),
            (Some(Order::Start | Order::Restart), _) => {
                self.unasked = 0;
                self.build();
                return Next::Build;
            }
            (None, End::Reset) => true,
            (None, end) => end.is_crash() && self.policy.on_crash == OnCrash::Restart,
        };
        let stage = if end.is_crash() { Stage::Crashed } else { Stage::Stopped };
        if !again {
            return self.rest(stage, Next::Rest);
        }
        if self.policy.max_restarts.is_some_and(|most| self.unasked >= most) {
            return self.rest(stage, Next::GiveUp);
        }
        self.unasked += 1;
        self.build();
        Next::Build
    }

    fn rest(&mut self, stage: Stage, next: Next) -> Next {
        self.stage = stage;
        next
    }

    fn build(&mut self) {
        self.stage = Stage::Building;
        self.restarts = self.restarts.saturating_add(1);
    }
}
