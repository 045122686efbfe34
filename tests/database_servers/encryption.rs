//! TLS to the database: with the right authority, with another one, and where the server requires it but has none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use messagebox::db::{DatabaseUrl, DbError, DbSettings, pending_migrations};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use crate::own_server::{Make, OwnServer};

/// A self-signed certificate for 127.0.0.1, and its key.
fn certificate() -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "127.0.0.1").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(rand::random::<u32>() >> 1).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    builder
        .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
        .unwrap();
    let names = SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(None, None))
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// Writes a certificate and its key, which only the owner may read. Returns their paths.
fn write(folder: &Path, name: &str) -> (String, PathBuf) {
    let (certificate, key) = certificate();
    let (pem, private) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    );
    fs::write(&pem, certificate.to_pem().unwrap()).unwrap();
    fs::write(&private, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    (pem.display().to_string(), private)
}

/// A server's certificate with its key, and another certificate.
struct Certificates {
    own: String,
    key: String,
    other: String,
    _folder: tempfile::TempDir,
}

fn certificates() -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (own, key) = write(folder.path(), "server");
    let (other, _) = write(folder.path(), "other");
    crate::own_server::give(&key);
    Certificates {
        own,
        key: key.display().to_string(),
        other,
        _folder: folder,
    }
}

fn connect(url: &str) -> Result<usize, DbError> {
    let settings = DbSettings::new(DatabaseUrl::parse(url)?);
    pending_migrations(&settings).map(|pending| pending.len())
}

fn refused(url: &str) {
    let error = connect(url).unwrap_err();
    assert!(matches!(error, DbError::Open { .. }), "{url}: {error}");
}

pub fn mariadb_is_held_to_the_authority_that_is_given() {
    let Certificates {
        own, key, other, ..
    } = &certificates();
    let options = [format!("--ssl-cert={own}"), format!("--ssl-key={key}")];
    let server =
        OwnServer::start_at_localhost(Make::MariaDb, &options.each_ref().map(String::as_str));
    let held_to = |server: &OwnServer, authority: &str| {
        format!("{}?ssl-mode=verify_ca&ssl-ca={authority}", server.url())
    };
    connect(&held_to(&server, own)).unwrap();
    refused(&held_to(&server, other));
    let plain = OwnServer::start(Make::MariaDb, &["--skip-ssl"]);
    connect(&plain.url()).unwrap();
    refused(&held_to(&plain, own));
}

pub fn postgresql_is_held_to_the_authority_that_is_given() {
    let Certificates {
        own, key, other, ..
    } = &certificates();
    let (own_option, key_option) = (
        format!("ssl_cert_file={own}"),
        format!("ssl_key_file={key}"),
    );
    let options = ["-c", "ssl=on", "-c", &own_option, "-c", &key_option];
    let server = OwnServer::start_at_localhost(Make::Postgres, &options);
    let url = server.url();
    let held_to = |authority: &str| format!("{url}?sslmode=verify-full&sslrootcert={authority}");
    connect(&format!("{url}?sslmode=require")).unwrap();
    connect(&held_to(own)).unwrap();
    refused(&held_to(other));
    let plain = OwnServer::start(Make::Postgres, &[]);
    connect(&plain.url()).unwrap();
    refused(&format!("{}?sslmode=require", plain.url()));
}
