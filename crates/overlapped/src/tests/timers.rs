//! Tests of what is due at a time.

use crate::conn::timers::{Due, Timers};
use crate::sched::Scheduler;
use crate::sys::{DriverChoice, simulated::Network};
use std::time::Duration;

/// The port was seen open, and was closed before the timer was in the queue.
#[test]
fn p122_a_timer_that_comes_after_the_end_is_given_back_and_does_not_stay() {
    let network = Some(Network::new(0));
    let (scheduler, _) = Scheduler::<()>::build(DriverChoice::Simulated, network, 1, false)
        .expect("it needs nothing");
    let timers = Timers::new();
    let far = Duration::from_secs(3600);
    assert!(timers.start(&scheduler, far, Due::Timer(1)).is_ok());
    assert_eq!(timers.close().collect::<Vec<_>>(), [Due::Timer(1)]);
    assert_eq!(timers.start(&scheduler, far, Due::Timer(2)), Err(Due::Timer(2)));
    assert_eq!(timers.close().count(), 0, "nothing has stayed");
}
