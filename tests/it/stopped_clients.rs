//! A client whose process is stopped, like that of a laptop with a closed lid.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::command::{Running, User};
use crate::support::server::TestServer;

#[test]
fn a_client_that_is_stopped_is_timed_out_and_misses_nothing() {
    for transport in ["websocket", "polling"] {
        let server = TestServer::with(|settings| {
            settings.socket.ping_interval = Duration::from_secs(1);
            settings.socket.ping_timeout = Duration::from_secs(1);
        });
        let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
        let listener = Running::start(bob.command(&["listen", "--transport", transport]));
        listener.wait_for("listening");
        alice.send(&bob, "one", &[]);
        assert_eq!(listener.json()["body"], "one");
        listener.signal("STOP");
        // Its kernel takes this, but no process reads it.
        alice.send(&bob, "two", &[]);
        let stopped = Instant::now();
        while !server.sockets.is_empty() {
            assert!(
                stopped.elapsed() < PATIENCE,
                "the stopped client is not timed out"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        alice.send(&bob, "three", &[]);
        listener.signal("CONT");
        assert_eq!(listener.json()["body"], "two", "{transport}");
        assert_eq!(listener.json()["body"], "three", "{transport}");
        alice.send(&bob, "four", &[]);
        assert_eq!(listener.json()["body"], "four", "{transport}");
        assert_eq!(listener.stop("INT"), (Some(0), Vec::new()));
    }
}
