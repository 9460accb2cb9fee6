//! Tests of steps that may panic.

use crate::panics::{Panics, contained};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Panicking<'a>(&'a Cell<u32>);

impl Drop for Panicking<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("destructor {}", self.0.get());
    }
}

#[test]
fn every_value_is_dropped_and_the_first_panic_goes_on_at_the_end() {
    let dropped = Cell::new(0);
    let after = Cell::new(false);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut panics = Panics::default();
        panics.drop_each([Panicking(&dropped), Panicking(&dropped), Panicking(&dropped)]);
        assert_eq!(panics.run(|| 7), Some(7));
        after.set(true);
        panics.resume();
        unreachable!("it goes on");
    }));
    let payload = caught.expect_err("a destructor panicked");
    assert_eq!(payload.downcast_ref::<String>().expect("it is a text"), "destructor 1");
    assert_eq!((dropped.get(), after.get()), (3, true));
}

#[test]
fn on_a_thread_that_unwinds_already_it_ends() {
    struct Closes<'a>(&'a Cell<u32>);
    impl Drop for Closes<'_> {
        fn drop(&mut self) {
            let mut panics = Panics::default();
            panics.drop_each([Panicking(self.0), Panicking(self.0)]);
            panics.resume();
        }
    }
    let dropped = Cell::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _closes = Closes(&dropped);
        panic!("the first");
    }));
    let payload = caught.expect_err("it panicked");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the first"));
    assert_eq!(dropped.get(), 2);
}

#[test]
fn what_a_panic_carries_may_panic_as_well() {
    struct Carried;
    impl Drop for Carried {
        fn drop(&mut self) {
            panic!("the payload's destructor");
        }
    }
    assert_eq!(contained(|| std::panic::panic_any(Carried)), None::<()>);
}
