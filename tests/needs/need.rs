//! The needs of tests beyond a build, each with a probe that looks for it on this machine.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::database::{mysql_server, postgres_server};

/// A need of a test, with its probe.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The line of an ignored test shows this name.
    name: &'static str,
    is_there: fn() -> bool,
}

pub const REDIS: Need = Need {
    name: "redis-server",
    is_there: || find("redis-server").is_some(),
};

/// Root, in an environment that allows mounts.
pub const ROOT: Need = Need {
    name: "root, with mount namespaces",
    is_there: can_mount,
};

/// Root, in an environment that allows namespaces of processes.
pub const PID_NAMESPACE: Need = Need {
    name: "root, with process namespaces",
    is_there: || {
        let options = ["--pid", "--fork", "--mount-proc", "true"];
        is_root() && succeeds("unshare", &options)
    },
};

/// What `tests/support/stepped_clock.c` is compiled with.
pub const COMPILER: Need = Need {
    name: "cc",
    is_there: || find("cc").is_some(),
};

/// Permission to attach a packet filter to a TCP socket. Some kernels give it to root only.
pub const PACKET_FILTER: Need = Need {
    name: "packet filters on TCP sockets, perhaps as root",
    is_there: || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0");
        let filter = [socket2::SockFilter::new(0x06, 0, 0, 0)];
        socket.is_ok_and(|it| socket2::SockRef::from(&it).attach_filter(&filter).is_ok())
    },
};

/// `mkfs.ext4`, and a loop device to mount its image.
pub const FILE_SYSTEM: Need = Need {
    name: "mkfs.ext4 and a loop device",
    is_there: || find("mkfs.ext4").is_some() && Path::new("/dev/loop-control").exists(),
};

/// Node with npm, and the packages of `tests/interop`: installed, or available from a registry.
pub const NODE: Need = Need {
    name: "Node 20.14 with npm, and the packages of tests/interop",
    is_there: || has_node() && (has_packages() || has_registry()),
};

/// One of the two; the scenarios of the other skip themselves.
pub const BALANCER: Need = Need {
    name: "nginx or haproxy",
    is_there: || find("nginx").is_some() || find("haproxy").is_some(),
};

/// Python, and the packages of `tests/clients/python`: installed, or an index that has them.
pub const PYTHON: Need = Need {
    name: "Python 3 with venv and pip, and the packages of tests/clients/python",
    is_there: || {
        let installed =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/python/installed");
        let index = ["-m", "pip", "index", "versions", "bsv-sdk"];
        succeeds("python3", &["-c", "import venv, ensurepip"])
            && (installed.exists() || succeeds("python3", &index))
    },
};

/// What `tests/clients/rust` is built with.
pub const OPENSSL: Need = Need {
    name: "pkg-config, OpenSSL's headers, and the crates of tests/clients/rust",
    is_there: || {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rust/Cargo.toml");
        succeeds("pkg-config", &["--exists", "openssl"])
            && succeeds(
                env!("CARGO"),
                &["fetch", "--locked", "--manifest-path", manifest],
            )
    },
};

pub const CHROMIUM: Need = Need {
    name: "chromium",
    is_there: || match std::env::var_os("CHROMIUM") {
        Some(path) => Path::new(&path).exists(),
        None => CHROMIUMS.iter().any(|name| find(name).is_some()),
    },
};

/// The names of the browser on different systems. `tests/interop/support/needs.mjs` has the same list.
const CHROMIUMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];

pub const SQLITE_CLIENT: Need = Need {
    name: "sqlite3",
    is_there: || find("sqlite3").is_some(),
};

pub const MARIADB_CLIENTS: Need = Need {
    name: "mariadb and mariadb-dump",
    is_there: || find("mariadb").is_some() && find("mariadb-dump").is_some(),
};

pub const POSTGRES_CLIENTS: Need = Need {
    name: "pg_dump and pg_restore",
    is_there: || find("pg_dump").is_some() && find("pg_restore").is_some(),
};

/// The programs of MariaDB, for a test that starts its own server.
pub const MARIADB: Need = Need {
    name: "mariadbd",
    is_there: || {
        let is_there = |program| find(program).is_some();
        is_there("mariadbd") && is_there("mariadb-install-db") && has_account()
    },
};

/// The programs of PostgreSQL, for a test that starts its own server.
pub const POSTGRES: Need = Need {
    name: "the programs of a PostgreSQL server",
    is_there: || postgres_program("initdb").is_some() && has_account(),
};

/// A pooler for PostgreSQL, for a test that starts its own.
pub const PGBOUNCER: Need = Need {
    name: "pgbouncer",
    is_there: || find("pgbouncer").is_some(),
};

/// A running MySQL or MariaDB server, in which the test creates databases.
pub const MYSQL_SERVER: Need = Need {
    name: "a MySQL or MariaDB server at TEST_MYSQL_URL",
    is_there: || answers(&mysql_server()),
};

/// A running PostgreSQL server, in which the test creates databases.
pub const POSTGRES_SERVER: Need = Need {
    name: "a PostgreSQL server at TEST_POSTGRES_URL",
    is_there: || answers(&postgres_server()),
};

/// Marks tests that this build does not contain. They are listed all the same.
#[cfg(not(all(feature = "mysql", feature = "postgres")))]
pub const DATABASES: Need = Need {
    name: "a build with the features mysql and postgres",
    is_there: || false,
};

impl Need {
    pub fn name(self) -> &'static str {
        self.name
    }

    pub fn is_missing(self) -> bool {
        !(self.is_there)()
    }
}

/// The folders of `PATH`, and those that an ordinary user's `PATH` leaves out.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).collect()
}

/// Finds a program on this machine.
pub fn find(program: &str) -> Option<PathBuf> {
    let paths = folders().into_iter().map(|folder| folder.join(program));
    paths.into_iter().find(|path| path.is_file())
}

/// Finds a program of the PostgreSQL server. Debian keeps each version in its own folder.
pub fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    let newest_first = folders.into_iter().rev().map(|folder| folder.join(name));
    newest_first
        .chain(find(name))
        .find(|path: &PathBuf| path.is_file())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Database servers refuse to run as root. Under root, tests run them as `postgres`, an account of its package.
fn has_account() -> bool {
    !is_root() || succeeds("id", &["-u", "postgres"])
}

fn can_mount() -> bool {
    let mount = "mount -t tmpfs tmpfs /tmp";
    is_root() && succeeds("unshare", &["--mount", "sh", "-c", mount])
}

/// The folder of the scenarios with the published clients.
pub fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

fn has_node() -> bool {
    let version = "const [major, minor] = process.versions.node.split('.').map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 14) ? 0 : 1)";
    succeeds("node", &["-e", version]) && succeeds("npm", &["--version"])
}

/// Whether `package-lock.json` is installed completely. npm writes `.package-lock.json` last.
pub fn has_packages() -> bool {
    let modified = |path: &str| {
        std::fs::metadata(interop().join(path))
            .and_then(|meta| meta.modified())
            .ok()
    };
    let installed = modified("node_modules/.package-lock.json");
    installed.is_some() && installed >= modified("package-lock.json")
}

fn has_registry() -> bool {
    let ask = ["view", "@bsv/sdk", "version", "--fetch-retries=1"];
    succeeds("npm", &[&ask[..], &["--fetch-timeout=10000"]].concat())
}

/// Whether a server listens there. A refused account does not count as missing: its tests fail.
fn answers(server: &str) -> bool {
    let Ok(url) = url::Url::parse(server) else {
        return false;
    };
    let port = url
        .port()
        .unwrap_or(if url.scheme() == "mysql" { 3306 } else { 5432 });
    let addresses = (url.host_str().unwrap_or_default(), port).to_socket_addrs();
    let connects = |address| TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok();
    addresses.is_ok_and(|mut addresses| addresses.any(connects))
}
