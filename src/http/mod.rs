//! The actix-web shell: routes, middleware, polling and websocket transports.
