//! The query of a request to the Engine.IO endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::engineio::{EngineQuery, TransportKind};
use messagebox_fuzz::memory;

fuzz_target!(|text: &str| {
    let Ok(query) = memory::within(text.len(), 1, || EngineQuery::parse(text)) else {
        return;
    };
    let first = |name: &str| {
        let mut pairs = text
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    assert_eq!(first("transport"), Some(query.transport.name()));
    assert_eq!(
        first("sid").unwrap_or_default(),
        query.sid.map(|sid| sid.to_string()).unwrap_or_default()
    );
    let is_websocket = query.transport == TransportKind::Websocket;
    let taken = query.check_new_session("GET", is_websocket).is_ok();
    assert_eq!(taken, first("EIO") == Some("4"));
    assert!(query.check_new_session("GET", !is_websocket).is_err());
    assert!(query.check_new_session("POST", is_websocket).is_err());
});
