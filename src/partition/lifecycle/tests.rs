//! What follows each end and each order.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn running(policy: Policy) -> Lifecycle {
    let mut lifecycle = Lifecycle::new(policy);
    assert!(lifecycle.built());
    lifecycle
}

const CRASH: End = End::Watchdog;

#[test]
fn the_policy_decides_what_follows_an_end() {
    use Next::*;
    let stop = Policy::default();
    let restart = Policy { on_crash: OnCrash::Restart, max_restarts: None };
    let once = Policy { on_crash: OnCrash::Stop, max_restarts: Some(0) };
    for (policy, end, next, stage) in [
        (stop, End::Off, Stop, Stage::Stopped),
        (stop, End::AllOff, Stop, Stage::Stopped),
        (stop, End::Reset, Build, Stage::Building),
        (stop, CRASH, Stop, Stage::Crashed),
        (restart, End::Off, Stop, Stage::Stopped),
        (restart, CRASH, Build, Stage::Building),
        (once, End::Reset, GiveUp, Stage::Stopped),
    ] {
        let mut lifecycle = running(policy);
        assert!(lifecycle.end(end), "{end}");
        assert!(!lifecycle.end(End::Off), "the first reason counts");
        assert_eq!((lifecycle.left(), lifecycle.stage()), (next, stage), "{end}");
        assert_eq!(lifecycle.last_end(), Some(end));
    }
}

#[test]
fn automatic_restarts_have_a_limit() {
    let mut lifecycle = running(Policy { on_crash: OnCrash::Restart, max_restarts: Some(3) });
    for _ in 0..2 {
        for end in [CRASH, End::Reset, CRASH] {
            lifecycle.end(end);
            assert_eq!(lifecycle.left(), Next::Build);
            assert!(lifecycle.built());
        }
        lifecycle.end(CRASH);
        assert_eq!((lifecycle.left(), lifecycle.stage()), (Next::GiveUp, Stage::Crashed));
        assert_eq!(lifecycle.order(Order::Start), Ok(Effect::Build));
        assert!(lifecycle.built());
    }
    assert_eq!(lifecycle.restarts(), 8);
}

#[test]
fn orders_override_the_policy() {
    for (end, order, next) in [
        (End::Reset, Order::Stop, Next::Wait),
        (End::Off, Order::Restart, Next::Build),
        (End::Off, Order::Start, Next::Build),
        (CRASH, Order::Stop, Next::Wait),
    ] {
        let mut lifecycle = running(Policy::default());
        lifecycle.end(end);
        assert_eq!(lifecycle.order(order), Ok(Effect::Later));
        assert_eq!(lifecycle.left(), next);
    }
}

#[test]
fn an_order_to_stop_while_building_prevents_the_start() {
    let mut lifecycle = Lifecycle::new(Policy::default());
    assert_eq!(lifecycle.order(Order::Stop), Ok(Effect::Later));
    assert!(!lifecycle.built());
    assert_eq!(lifecycle.stage(), Stage::Stopped);
    assert_eq!(lifecycle.order(Order::Stop), Err(Refusal::IsStopped));
    assert_eq!(lifecycle.order(Order::Restart), Ok(Effect::Build));
    assert!(lifecycle.built());
    assert_eq!(lifecycle.order(Order::Start), Err(Refusal::IsRunning));
}

proptest! {
    /// For any sequence of events, what is returned matches the stage that follows.
    #[test]
    fn effects_fit_the_stage(events: Vec<(u8, bool)>, most: Option<u8>, restart: bool) {
        let on_crash = if restart { OnCrash::Restart } else { OnCrash::Stop };
        let mut lifecycle = Lifecycle::new(Policy { on_crash, max_restarts: most.map(u32::from) });
        for (event, crash) in events {
            let before = lifecycle.stage();
            match event % 6 {
                0 if before == Stage::Building => {
                    let starts = lifecycle.built();
                    prop_assert_eq!(starts, lifecycle.stage() == Stage::Running);
                }
                1 if before == Stage::Running || before == Stage::Stopping => {
                    let builds = lifecycle.left() == Next::Build;
                    prop_assert_eq!(builds, lifecycle.stage() == Stage::Building);
                    prop_assert!(matches!(
                        lifecycle.stage(),
                        Stage::Building | Stage::Stopped | Stage::Crashed
                    ));
                }
                2 => {
                    let ends = lifecycle.end(if crash { CRASH } else { End::Off });
                    prop_assert_eq!(ends, before == Stage::Running);
                }
                order @ 3..6 => {
                    let order = [Order::Start, Order::Stop, Order::Restart][usize::from(order) - 3];
                    match lifecycle.order(order) {
                        Ok(Effect::Build) => prop_assert_eq!(lifecycle.stage(), Stage::Building),
                        Ok(Effect::Leave) => prop_assert_eq!(lifecycle.stage(), Stage::Stopping),
                        Ok(Effect::Later) | Err(_) => prop_assert_eq!(lifecycle.stage(), before),
                    }
                }
                _ => {}
            }
        }
    }
}
