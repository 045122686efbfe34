//! A Redis with two routes to it, one of which can be cut.
//!
//! Under root, Redis runs in its own network namespace with two virtual cables. Cutting one is like pulling a plug:
//! nothing passes, and neither end receives an error. Without root, the second route is a proxy that ends its
//! connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use crate::redis_server::{RedisServer, Way};

const PORT: u16 = 6379;

/// A network namespace with two cables. It is removed when dropped.
struct Namespace {
    name: String,
    /// The addresses of Redis inside.
    inside: [Ipv4Addr; 2],
}

/// Runs `ip`. Returns whether it succeeded.
fn ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Namespace {
    /// `None` without the permission to make one.
    fn make() -> Option<Self> {
        let number: u32 = rand::random();
        let name = format!("mb{number:08x}");
        ip(&format!("netns add {name}")).then_some(())?;
        // Four addresses for each cable, from the range reserved for tests (RFC 2544).
        let base = u32::from(Ipv4Addr::new(198, 18, 0, 0)) | (number & 0x1_fff8);
        let near = [base + 1, base + 5].map(Ipv4Addr::from);
        let inside = [base + 2, base + 6].map(Ipv4Addr::from);
        let namespace = Self { name, inside };
        let name = &namespace.name;
        for cable in 0..2 {
            let [near, inside] = [near[cable], inside[cable]];
            for arguments in [
                format!("link add {name}{cable} type veth peer name redis{cable} netns {name}"),
                format!("address add {near}/30 dev {name}{cable}"),
                format!("link set {name}{cable} up"),
                format!("-n {name} address add {inside}/30 dev redis{cable}"),
                format!("-n {name} link set redis{cable} up"),
            ] {
                assert!(ip(&arguments), "ip {arguments}");
            }
        }
        Some(namespace)
    }

    /// Sets the far end of the second cable up or down, so that the near end notices no lost link.
    fn second_cable(&self, state: &str) {
        let arguments = format!("-n {} link set redis1 {state}", self.name);
        assert!(ip(&arguments), "ip {arguments}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.name));
    }
}

enum SecondWay {
    Cable(Namespace),
    Proxy(Way),
}

/// Redis and the routes to it.
pub struct RedisNetwork {
    pub redis: RedisServer,
    second: SecondWay,
}

impl RedisNetwork {
    pub async fn start() -> Self {
        if let Some(namespace) = Namespace::make() {
            let hosts = namespace.inside.map(IpAddr::from);
            let starter = ["ip", "netns", "exec", &namespace.name];
            return Self {
                redis: RedisServer::on(&hosts, PORT, &starter, None),
                second: SecondWay::Cable(namespace),
            };
        }
        let redis = RedisServer::start();
        let second = SecondWay::Proxy(Way::to(redis.address).await);
        Self { redis, second }
    }

    pub fn first_url(&self) -> String {
        self.redis.url()
    }

    pub fn second_url(&self) -> String {
        match &self.second {
            SecondWay::Cable(namespace) => {
                format!("redis://{}", SocketAddr::from((namespace.inside[1], PORT)))
            }
            SecondWay::Proxy(way) => way.url(),
        }
    }

    pub fn cut_second(&self) {
        match &self.second {
            SecondWay::Cable(namespace) => namespace.second_cable("down"),
            SecondWay::Proxy(way) => way.cut(),
        }
    }

    pub fn mend_second(&self) {
        match &self.second {
            SecondWay::Cable(namespace) => namespace.second_cable("up"),
            SecondWay::Proxy(way) => way.mend(),
        }
    }
}
