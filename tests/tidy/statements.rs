//! Secrets are compared in constant time, and no SQL statement is built from texts.

use crate::sources::sources;

/// Files that compare a secret with received bytes, in constant time. Signatures need no such comparison, because they are
/// verified with public keys. Session nonces and session ids are unguessable and found by their hash.
const COMPARISONS: [&str; 4] = [
    "src/admin/guard.rs",
    "src/auth/identity.rs",
    "src/cluster/envelope.rs",
    "src/http/admin/migrate.rs",
];

#[test]
fn secrets_are_compared_in_constant_time() {
    for source in sources(&["src"]) {
        let code = source.code();
        let is_known = COMPARISONS.contains(&source.path.as_str());
        let compares = code.contains(".ct_eq(");
        assert_eq!(compares, is_known, "{} compares a secret", source.path);
        // A file that creates an HMAC also compares it, so no other file creates one.
        let makes = code.contains("hmac::");
        let allowed = [
            "src/auth/keys/signing.rs",
            "src/auth/keys.rs",
            "src/cluster/envelope.rs",
        ];
        let may = allowed.contains(&source.path.as_str());
        assert!(may || !makes, "{} makes an HMAC", source.path);
    }
}

/// Values are bound to statements, never inserted into their text.
#[test]
fn statements_are_not_put_together_from_texts() {
    // Session settings cannot be bound, and are numbers of the operator. Migrations are files.
    let exempt = ["sqlite", "mysql", "postgres", "migrations"];
    for source in sources(&["src"]) {
        let code = source.code();
        // The size of a body: an expression that depends only on the kind of database.
        let sizes = [
            "src/db/store/message_list.rs",
            "src/db/store/missed.rs",
            "src/db/archive/rows.rs",
        ];
        let is_expression = sizes.contains(&source.path.as_str()) && !code.contains("format!");
        let has_expression = code.contains("dsl::sql");
        assert!(
            is_expression || !has_expression,
            "{} writes SQL",
            source.path
        );
        let is_exempt = exempt.map(|name| format!("src/db/engine/{name}.rs"));
        if source.is_test() || is_exempt.contains(&source.path) {
            continue;
        }
        for call in ["sql_query(", "batch_execute("] {
            for argument in code.split(call).skip(1) {
                let is_literal = argument.trim_start().starts_with('"');
                assert!(is_literal, "{} puts a statement together", source.path);
            }
        }
    }
}
