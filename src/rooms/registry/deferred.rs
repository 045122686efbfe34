//! Events that wait because the memory of what waits for sockets is full.
//!
//! One write may bring a thousand events. All of them made at once could take more memory than all sockets may.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use actix::prelude::*;

use super::RoomRegistry;

/// How long events wait until the memory is looked at again; meanwhile the slowest sockets are cut.
const PAUSE: Duration = Duration::from_millis(5);

/// Publishes the next event; `false` if there are no more.
type Step = Box<dyn FnMut(&mut RoomRegistry) -> bool>;

/// What is still to be published, in order.
#[derive(Default)]
pub(super) struct Deferred(VecDeque<Step>);

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deferred").field(&self.0.len()).finish()
    }
}

impl RoomRegistry {
    /// Publishes events one by one, behind those that wait, as long as there is memory for them. `step` publishes the next
    /// one, and says `false` if there are no more.
    pub fn publish_in_turn(
        &mut self,
        ctx: &mut Context<Self>,
        mut step: impl FnMut(&mut Self) -> bool + 'static,
    ) {
        let is_first = self.deferred.0.is_empty();
        if is_first && self.publish_while_there_is_memory(&mut step) {
            return;
        }
        self.deferred.0.push_back(Box::new(step));
        if is_first {
            ctx.run_later(PAUSE, Self::publish_deferred);
        }
    }

    /// Whether all of it is published.
    fn publish_while_there_is_memory(&mut self, step: &mut dyn FnMut(&mut Self) -> bool) -> bool {
        loop {
            if self.outbound.is_full() {
                return false;
            }
            if !step(self) {
                return true;
            }
        }
    }

    fn publish_deferred(&mut self, ctx: &mut Context<Self>) {
        while let Some(mut step) = self.deferred.0.pop_front() {
            if !self.publish_while_there_is_memory(&mut step) {
                self.deferred.0.push_front(step);
                ctx.run_later(PAUSE, Self::publish_deferred);
                return;
            }
        }
    }
}
