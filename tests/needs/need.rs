//! What a test needs that a build does not bring, and whether this machine has it.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::database::{mysql_server, postgres_server};

/// Something that a test needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// As the line of an ignored test names it.
    name: &'static str,
    is_there: fn() -> bool,
}

pub const REDIS: Need = Need {
    name: "redis-server",
    is_there: || find("redis-server").is_some(),
};

/// Root, and a kernel that lets it mount.
pub const ROOT: Need = Need {
    name: "root, with mount namespaces",
    is_there: can_mount,
};

/// A filter of packets on a socket, which some kernels leave to root.
pub const PACKET_FILTER: Need = Need {
    name: "packet filters on sockets, perhaps as root",
    is_there: || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0");
        let filter = [socket2::SockFilter::new(0x06, 0, 0, 0)];
        socket.is_ok_and(|it| socket2::SockRef::from(&it).attach_filter(&filter).is_ok())
    },
};

/// A file system in a file, which the kernel mounts.
pub const FILE_SYSTEM: Need = Need {
    name: "mkfs.ext4 and a loop device",
    is_there: || find("mkfs.ext4").is_some() && Path::new("/dev/loop-control").exists(),
};

/// Node, and the published clients: installed, or a registry that has them.
pub const NODE: Need = Need {
    name: "Node 20.14 with npm, and the packages of tests/interop",
    is_there: || has_node() && (has_packages() || has_registry()),
};

pub const CHROMIUM: Need = Need {
    name: "chromium",
    is_there: || match std::env::var_os("CHROMIUM") {
        Some(path) => Path::new(&path).exists(),
        None => CHROMIUMS.iter().any(|name| find(name).is_some()),
    },
};

/// The names under which systems have it; `tests/interop/support/browser.mjs` looks for the same.
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

/// The programs of MariaDB, of which a test starts a server.
pub const MARIADB: Need = Need {
    name: "mariadbd",
    is_there: || {
        let is_there = |program| find(program).is_some();
        is_there("mariadbd") && is_there("mariadb-install-db") && has_account()
    },
};

/// The programs of PostgreSQL, of which a test starts a server.
pub const POSTGRES: Need = Need {
    name: "the programs of a PostgreSQL server",
    is_there: || postgres_program("initdb").is_some() && has_account(),
};

/// A server that runs, where a test may make databases.
pub const MYSQL_SERVER: Need = Need {
    name: "a MySQL or MariaDB server at TEST_MYSQL_URL",
    is_there: || answers(&mysql_server()),
};

/// The same of PostgreSQL.
pub const POSTGRES_SERVER: Need = Need {
    name: "a PostgreSQL server at TEST_POSTGRES_URL",
    is_there: || answers(&postgres_server()),
};

/// What the tests of a build without them are listed with.
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

/// Where programs are; an ordinary user's path leaves some of it out.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).collect()
}

/// A program of this machine.
pub fn find(program: &str) -> Option<PathBuf> {
    let paths = folders().into_iter().map(|folder| folder.join(program));
    paths.into_iter().find(|path| path.is_file())
}

/// A program of the PostgreSQL server, which packages keep in a folder of their own for each version.
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

/// Database servers do not run as root: there they take the account that PostgreSQL's package makes.
fn has_account() -> bool {
    !is_root() || succeeds("id", &["-u", "postgres"])
}

fn can_mount() -> bool {
    let mount = "mount -t tmpfs tmpfs /tmp";
    is_root() && succeeds("unshare", &["--mount", "sh", "-c", mount])
}

/// Where the scenarios with the published clients are.
pub fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

fn has_node() -> bool {
    let version = "const [major, minor] = process.versions.node.split('.').map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 14) ? 0 : 1)";
    succeeds("node", &["-e", version]) && succeeds("npm", &["--version"])
}

/// Whether all of `package-lock.json` is installed; npm writes this file at the end.
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

/// Whether something listens there. An account that is refused is a mistake, and fails its tests.
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
