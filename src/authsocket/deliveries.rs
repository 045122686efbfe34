//! What rooms and the store tell a socket.

use actix::prelude::*;

use crate::engineio::CloseReason;
use crate::rooms::{Deliver, SlowConsumer};
use crate::socket::Socket;
use crate::telemetry;

use super::dispatch::Submitted;
use super::session::AuthSocket;

impl Handler<Deliver> for Socket<AuthSocket> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        self.with_application(ctx, |application, link, _| {
            for payload in &*deliver.payloads {
                application.deliver(payload, link);
            }
            application.renew_if_needed(link);
        });
        // Only now are the events no longer under way.
        drop(deliver.arrival);
    }
}

impl Handler<SlowConsumer> for Socket<AuthSocket> {
    type Result = ();

    fn handle(&mut self, _: SlowConsumer, ctx: &mut Self::Context) {
        self.with_application(ctx, |_, link, _| link.close(CloseReason::SlowConsumer));
    }
}

impl Handler<Submitted> for Socket<AuthSocket> {
    type Result = ();

    fn handle(&mut self, submitted: Submitted, ctx: &mut Self::Context) {
        self.with_application(ctx, |application, link, _| {
            let counters = &application.service.counters;
            counters.answer_time.record_time(submitted.since.elapsed());
            telemetry::within(submitted.trace, || {
                application.answer(submitted.ticket, submitted.answer, link);
            });
        });
    }
}
