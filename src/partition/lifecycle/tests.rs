use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn running(policy: Policy) -> Life {
    let mut life = Life::new(policy);
    assert!(life.built());
    life
}

const CRASH: End = End::Watchdog;

#[test]
fn what_follows_an_end() {
    use Next::*;
    let stop = Policy::default();
    let restart = Policy { on_crash: OnCrash::Restart, max_restarts: None };
    let once = Policy { on_crash: OnCrash::Stop, max_restarts: Some(0) };
    for (policy, end, next, stage) in [
        (stop, End::Off, Rest, Stage::Stopped),
        (stop, End::AllOff, Rest, Stage::Stopped),
        (stop, End::Reset, Build, Stage::Building),
        (stop, CRASH, Rest, Stage::Crashed),
        (restart, End::Off, Rest, Stage::Stopped),
        (restart, CRASH, Build, Stage::Building),
        (once, End::Reset, GiveUp, Stage::Stopped),
    ] {
        let mut life = running(policy);
        assert!(life.end(end), "{end}");
        assert!(!life.end(End::Off), "the first reason counts");
        assert_eq!((life.left(), life.stage()), (next, stage), "{end}");
        assert_eq!(life.last_end(), Some(end));
    }
}

#[test]
fn restarts_that_nobody_asked_for_have_a_limit() {
    let mut life = running(Policy { on_crash: OnCrash::Restart, max_restarts: Some(3) });
    for _ in 0..2 {
        for end in [CRASH, End::Reset, CRASH] {
            life.end(end);
            assert_eq!(life.left(), Next::Build);
            assert!(life.built());
        }
        life.end(CRASH);
        assert_eq!((life.left(), life.stage()), (Next::GiveUp, Stage::Crashed));
        assert_eq!(life.order(Order::Start), Ok(Effect::Build));
        assert!(life.built());
    }
    assert_eq!(life.restarts(), 8);
}

#[test]
fn orders_overrule_what_would_follow() {
    for (end, order, next) in [
        (End::Reset, Order::Stop, Next::Wait),
        (End::Off, Order::Restart, Next::Build),
        (End::Off, Order::Start, Next::Build),
        (CRASH, Order::Stop, Next::Wait),
    ] {
        let mut life = running(Policy::default());
        life.end(end);
        assert_eq!(life.order(order), Ok(Effect::Later));
        assert_eq!(life.left(), next);
    }
}

#[test]
fn a_stop_while_it_is_built_holds() {
    let mut life = Life::new(Policy::default());
    assert_eq!(life.order(Order::Stop), Ok(Effect::Later));
    assert!(!life.built());
    assert_eq!(life.stage(), Stage::Stopped);
    assert_eq!(life.order(Order::Stop), Err(Refusal::IsStopped));
    assert_eq!(life.order(Order::Restart), Ok(Effect::Build));
    assert!(life.built());
    assert_eq!(life.order(Order::Start), Err(Refusal::IsRunning));
}

proptest! {
    /// Whatever happens in whatever order, what has to be done fits the stage that follows.
    #[test]
    fn effects_fit_the_stage(events: Vec<(u8, bool)>, most: Option<u8>, restart: bool) {
        let on_crash = if restart { OnCrash::Restart } else { OnCrash::Stop };
        let mut life = Life::new(Policy { on_crash, max_restarts: most.map(u32::from) });
        for (event, crash) in events {
            let before = life.stage();
            match event % 6 {
                0 if before == Stage::Building => {
                    let starts = life.built();
                    prop_assert_eq!(starts, life.stage() == Stage::Running);
                }
                1 if before == Stage::Running || before == Stage::Stopping => {
                    let builds = life.left() == Next::Build;
                    prop_assert_eq!(builds, life.stage() == Stage::Building);
                    prop_assert!(matches!(
                        life.stage(),
                        Stage::Building | Stage::Stopped | Stage::Crashed
                    ));
                }
                2 => {
                    let ends = life.end(if crash { CRASH } else { End::Off });
                    prop_assert_eq!(ends, before == Stage::Running);
                }
                order @ 3..6 => {
                    let order = [Order::Start, Order::Stop, Order::Restart][usize::from(order) - 3];
                    match life.order(order) {
                        Ok(Effect::Build) => prop_assert_eq!(life.stage(), Stage::Building),
                        Ok(Effect::Leave) => prop_assert_eq!(life.stage(), Stage::Stopping),
                        Ok(Effect::Later) | Err(_) => prop_assert_eq!(life.stage(), before),
                    }
                }
                _ => {}
            }
        }
    }
}
