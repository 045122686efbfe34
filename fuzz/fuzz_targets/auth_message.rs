//! Auth messages: the reader finds the same as any JSON reader, in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::auth::AuthMessage;
use messagebox_fuzz::memory;
use serde_json::Value;

fuzz_target!(|json: &str| {
    let Ok(message) = memory::within(json.len(), 4, || AuthMessage::parse(json)) else {
        return;
    };
    // A tree cannot hold all valid JSON. Where it can, both readers agree.
    let Ok(tree) = serde_json::from_str::<Value>(json) else {
        return;
    };
    let text = |name: &str| tree.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let list = tree.get(name)?.as_array()?.iter();
        list.map(|byte| u8::try_from(byte.as_u64()?).ok())
            .collect::<Option<Vec<u8>>>()
    };
    assert_eq!(text("version"), Some("0.1"));
    assert_eq!(text("messageType"), Some(message.kind.name()));
    assert_eq!(text("identityKey"), Some(&*message.identity_key));
    assert_eq!(text("nonce"), message.nonce.as_deref());
    assert_eq!(text("initialNonce"), message.initial_nonce.as_deref());
    assert_eq!(text("yourNonce"), message.your_nonce.as_deref());
    assert_eq!(bytes("payload"), message.payload);
    assert_eq!(bytes("signature"), message.signature);
    for (name, raw) in [
        ("certificates", message.certificates),
        ("requestedCertificates", message.requested_certificates),
    ] {
        if let Some(raw) = raw {
            assert!(
                json.contains(raw.get()),
                "kept as it came: signatures cover that text"
            );
            assert_eq!(
                serde_json::from_str(raw.get()).ok().as_ref(),
                tree.get(name)
            );
        }
    }
});
