//! Secrets are compared in constant time, and SQL is not put together from texts.

use crate::sources::sources;

/// Where a secret is held against what somebody sent, in the same time whatever that is. Signatures need none of it: what
/// they are checked with is public. Session nonces and session ids are looked up, by the hash of what nobody can guess.
const COMPARISONS: [&str; 4] = [
    "src/admin/guard.rs",
    "src/auth/identity.rs",
    "src/cluster/envelope.rs",
    "src/http/migrate.rs",
];

#[test]
fn secrets_are_compared_in_constant_time() {
    for source in sources(&["src"]) {
        let code = source.code();
        let is_known = COMPARISONS.contains(&source.path.as_str());
        let compares = code.contains(".ct_eq(");
        assert_eq!(compares, is_known, "{} compares a secret", source.path);
        // Who makes an HMAC has to compare it, so nobody else makes one.
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

/// What is put into a statement is bound: none is put together from texts.
#[test]
fn statements_are_not_put_together_from_texts() {
    // What sets a session cannot be bound, and is numbers of the operator's; what migrates is written in files.
    let exempt = ["sqlite", "mysql", "postgres", "migrations"];
    for source in sources(&["src"]) {
        let code = source.code();
        // The size of a body, an expression that depends on the database and on nothing else.
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
