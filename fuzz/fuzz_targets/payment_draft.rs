//! Payments as clients send them: recipients get the payment unchanged, with their outputs selected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::payments::PaymentDraft;
use messagebox_fuzz::memory;
use serde_json::Value;

fuzz_target!(|json: &str| {
    let draft = memory::within(json.len(), 48, || PaymentDraft::parse(json));
    let Some(count) = draft.named_outputs() else {
        assert!(draft.is_offered() || draft.transaction().is_none());
        return;
    };
    let all: Vec<usize> = (0..count).collect();
    let whole = draft.share(&all);
    assert!(
        whole.len() <= json.len() * 2 + 2,
        "names are escaped anew, and nothing else grows"
    );
    let again = PaymentDraft::parse(&whole);
    assert_eq!(again.named_outputs(), Some(count));
    assert_eq!(again.transaction(), draft.transaction());
    assert_eq!(again.is_offered(), draft.is_offered());
    assert_eq!(again.description(), draft.description());
    assert_eq!(again.share(&all), whole);
    if let (Ok(before), Ok(after)) = (
        serde_json::from_str::<Value>(json),
        serde_json::from_str::<Value>(&whole),
    ) {
        assert_eq!(before, after);
    }
    let odd: Vec<usize> = all.iter().copied().filter(|index| index % 2 == 1).collect();
    assert_eq!(
        PaymentDraft::parse(&draft.share(&odd)).named_outputs(),
        Some(odd.len())
    );
    // Missing outputs are skipped.
    assert_eq!(draft.share(&[count]), draft.share(&[]));
});
