//! The commands of `docs/operations/backup.md`, run as they stand there while a server works.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use url::Url;

use crate::archive::run;
use crate::support::contents::Contents;
use crate::support::database::{Kind, TestDatabase, mysql_server, postgres_server};
use crate::support::server::TestServer;

/// The commands after this mark.
fn commands(mark: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/backup.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, behind) = text
        .split_once(&format!("<!-- {mark} -->\n```sh\n"))
        .unwrap();
    behind.split_once("```").unwrap().0.to_owned()
}

/// Runs them with these folders and names in place of those of an installation.
fn follow(mark: &str, folder: &Path, names: &[(&str, &str)]) {
    let mut script = commands(mark);
    let folders = [
        ("/backup", folder.join("backup")),
        ("/etc/messagebox", folder.join("etc")),
        ("/var/lib/messagebox", folder.join("data")),
    ];
    for (name, instead) in folders {
        fs::create_dir_all(&instead).unwrap();
        script = script.replace(name, instead.to_str().unwrap());
    }
    for (name, instead) in names {
        assert!(script.contains(name), "{mark} does not contain {name}");
        script = script.replace(name, instead);
    }
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mark}: {error}");
}

fn name(database: &TestDatabase) -> String {
    let url = Url::parse(database.url()).unwrap();
    url.path().trim_matches('/').to_owned()
}

/// A server under constant load until the test ends, and the contents of its database.
async fn working(kind: Kind) -> (TestServer, Vec<u8>) {
    let server = TestServer::on(Arc::new(TestDatabase::of(kind)), |_| {});
    Contents::of(&server).await;
    let held = run(&server.database, &["export"]).stdout;
    (server, held)
}

fn holds(database: &TestDatabase, expected: &[u8], mark: &str) {
    let found = run(database, &["export"]).stdout;
    assert!(found == expected, "{mark} has restored other contents");
}

pub async fn sqlite_comes_back() {
    let (server, held) = working(Kind::Sqlite).await;
    let file = server
        .database
        .url()
        .trim_start_matches("sqlite://")
        .to_owned();
    for mark in ["vacuum-sqlite", "backup-sqlite"] {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let live = format!("{}/data/messagebox.db", here.display());
        follow(mark, here, &[(&live, &file)]);
        let mode = fs::metadata(here.join("backup/messagebox.db"))
            .unwrap()
            .permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
        // Files of the previous database.
        for left in ["messagebox.db-wal", "messagebox.db-shm"] {
            fs::write(here.join("data").join(left), "left behind").unwrap();
        }
        follow("restore-sqlite", here, &[]);
        let restored = TestDatabase::of(Kind::Sqlite);
        let place = restored.url().trim_start_matches("sqlite://");
        fs::rename(here.join("data/messagebox.db"), place).unwrap();
        holds(&restored, &held, mark);
    }
}

pub async fn mariadb_comes_back() {
    let (server, held) = working(Kind::Mysql).await;
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let url = Url::parse(&mysql_server()).unwrap();
    let client = format!(
        "[client]\nuser={}\npassword={}\nhost={}\nport={}\n",
        url.username(),
        url.password().unwrap_or_default(),
        url.host_str().unwrap(),
        url.port().unwrap_or(3306)
    );
    fs::create_dir(here.join("etc")).unwrap();
    fs::write(here.join("etc/database.cnf"), client).unwrap();
    let dumped = format!(" {} > ", name(&server.database));
    follow("backup-mysql", here, &[(" messagebox > ", &dumped)]);
    let restored = TestDatabase::of(Kind::Mysql);
    let filled = format!(" {} < ", name(&restored));
    follow("restore-mysql", here, &[(" messagebox < ", &filled)]);
    holds(&restored, &held, "restore-mysql");
}

pub async fn postgresql_comes_back() {
    let (server, held) = working(Kind::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("etc")).unwrap();
    let serve = |database: &TestDatabase| {
        let url = Url::parse(&postgres_server()).unwrap();
        let service = format!(
            "[messagebox]\nhost={}\nport={}\nuser={}\npassword={}\ndbname={}\n",
            url.host_str().unwrap(),
            url.port().unwrap_or(5432),
            url.username(),
            url.password().unwrap_or_default(),
            name(database)
        );
        fs::write(here.join("etc/pg_service.conf"), service).unwrap();
    };
    serve(&server.database);
    follow("backup-postgres", here, &[]);
    let restored = TestDatabase::of(Kind::Postgres);
    serve(&restored);
    follow("restore-postgres", here, &[]);
    holds(&restored, &held, "restore-postgres");
}
