//! A TCP proxy that simulates the distance between a client and its server, and counts their round trips.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The kernel wakes a sleeping thread this much too late.
const TIMER_SLACK: Duration = Duration::from_micros(60);

/// A proxy in front of one server. Its threads end with their connections, and the listener ends with this.
pub struct DelayingProxy {
    address: SocketAddr,
    round_trips: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
}

impl DelayingProxy {
    /// Starts a proxy to this server. Bytes travel for half of `round_trip` each way.
    pub fn start(server: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self {
            address: listener.local_addr()?,
            round_trips: Arc::default(),
            closed: Arc::default(),
        };
        let (round_trips, closed) = (Arc::clone(&proxy.round_trips), Arc::clone(&proxy.closed));
        thread::spawn(move || {
            for client in listener.incoming() {
                if closed.load(Ordering::Acquire) {
                    return;
                }
                // If the server is gone, the client sees its connection end.
                let _ =
                    client.and_then(|client| connect(client, server, round_trip / 2, &round_trips));
            }
        });
        Ok(proxy)
    }

    /// The address to which clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of times that a client began to send: after it connected, or after bytes from the server.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Acquire)
    }
}

impl Drop for DelayingProxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(
    client: TcpStream,
    server: SocketAddr,
    delay: Duration,
    round_trips: &Arc<AtomicU64>,
) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let client_speaks = Arc::new(AtomicBool::new(false));
    let (round_trips, speaks) = (Arc::clone(round_trips), Arc::clone(&client_speaks));
    pump(client.try_clone()?, server.try_clone()?, delay, move || {
        if !speaks.swap(true, Ordering::AcqRel) {
            round_trips.fetch_add(1, Ordering::AcqRel);
        }
    });
    pump(server, client, delay, move || {
        client_speaks.store(false, Ordering::Release);
    });
    Ok(())
}

/// Copies bytes until one end closes, each after the delay.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    delay: Duration,
    on_bytes: impl Fn() + Send + 'static,
) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            on_bytes();
            if sender
                .send((Instant::now() + delay, buffer[..length].to_vec()))
                .is_err()
            {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Read);
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            let wait = due.saturating_duration_since(Instant::now());
            thread::sleep(wait.saturating_sub(TIMER_SLACK));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
