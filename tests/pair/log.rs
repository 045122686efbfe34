//! An end that keeps what it received, on either side.

use std::time::Instant;

use actix::Context;
use messagebox::engineio::{CloseReason, Data, EngineConfig, TransportKind};
use messagebox::socket::{Application, Link, Socket};

use crate::client::Party;
use crate::pair::Pair;

#[derive(Debug, Default)]
pub struct Log(pub Vec<String>);

impl Application for Log {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn received(&mut self, data: Data, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {
        let Data::Text(text) = data else {
            panic!("the client sends text only");
        };
        self.0.push(text.to_string());
    }

    fn closed(&mut self, _reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {}
}

impl Party for Log {
    fn received(&mut self, text: &str, _now: Instant) -> Vec<String> {
        self.0.push(text.to_owned());
        Vec::new()
    }
}

pub fn pair(transport: TransportKind, config: EngineConfig) -> Pair<Log, Log> {
    Pair::new(transport, config, Log::default, Log::default())
}

impl Pair<Log, Log> {
    /// Each end sends this number to the other.
    pub fn exchange(&mut self, number: usize) {
        let text = number.to_string();
        self.client.send(&text);
        self.server().send(&text);
    }

    /// Each end has received exactly the first `count` numbers, in order.
    pub fn assert_exchanged(&mut self, count: usize) {
        let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        assert_eq!(self.server().application.0, expected, "to the server");
        assert_eq!(self.client.party.0, expected, "to the client");
    }

    /// Each end has received a beginning of what the other sent: nothing twice, and nothing out of order.
    pub fn assert_beginnings(&mut self) {
        let in_order = |texts: &[String]| {
            let expected = (0..texts.len()).map(|number| number.to_string());
            assert!(texts.iter().cloned().eq(expected), "{texts:?}");
        };
        in_order(&self.server().application.0);
        in_order(&self.client.party.0);
    }
}
