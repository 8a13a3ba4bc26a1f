//! Deadlines: what a task waits for when it waits for time.
//!
//! The wheel below is the pure part. It is handed `now` and returns what is due; it reads no clock, wakes no task and
//! calls no system function, so that a test or a virtual clock drives it as the reactor does. Whoever reads the clock
//! reads it above this module: a wheel that took its own readings could be tested only by sleeping.

pub(crate) mod wheel;
